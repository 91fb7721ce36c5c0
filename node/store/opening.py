"""Open the stores that a node's settings name: the replicated tables, and the private ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from node.config import Config
from node.store.error import StoreError
from node.store.private import PrivateStore
from node.store.protocol import PublicStore
from node.store.sqlite import SqliteStore

PRIVATE_FILE: Final = "private.db"
MOVED_SUFFIX: Final = ".db.moved"
"""Of the private file once its rows are in a database."""


def open_public(config: Config, data: Path) -> PublicStore:
    """Open the replicated tables: PostgreSQL where an address is set, a file otherwise.

    Args:
        config: Its ``database`` is an address or empty.
        data: The directory of the node's stores.

    Raises:
        StoreError: Any of its reasons.
    """
    return open_database(config.database) if config.database else open_file(data)


def open_private(config: Config, data: Path) -> PrivateStore:
    """Open the private tables: in a schema of their own where an address is set, else in a file.

    Args:
        config: Its ``database`` is an address or empty.
        data: The directory of the node's stores.

    Raises:
        StoreError: Any of its reasons; PRIVATE_LEFT_BEHIND where the file still waits to be moved,
            PRIVATE_MOVED where it was and the settings name no database any more.
    """
    path = data / PRIVATE_FILE
    if not config.database:
        _require_unmoved(path)
        return PrivateStore(path)
    if path.exists():
        raise StoreError(
            "the private tables are still in their file, and the setting names a database",
            reason="PRIVATE_LEFT_BEHIND",
            hint="tocsin node move-store moves them to the address in the setting database",
        )
    return open_private_database(config.database)


def _require_unmoved(path: Path) -> None:
    """Refuse to go on with files that were moved: the own log has grown in the database since."""
    if path.exists() or not path.with_suffix(MOVED_SUFFIX).exists():
        return
    raise StoreError(
        "the node's tables were moved to a database, and the setting names none",
        reason="PRIVATE_MOVED",
        hint="name it in the setting database again: with its old files the node forks its own log",
    )


def open_private_database(address: str) -> PrivateStore:
    """Open the private tables in a schema of a PostgreSQL database.

    Raises:
        StoreError: Any of its reasons.
    """
    from node.store.postgresql_private import PostgresqlPrivate  # its driver is an extra

    return PrivateStore(PostgresqlPrivate(address))


def open_file(data: Path) -> SqliteStore:
    """Open the embedded default, a file below the node's home.

    Raises:
        StoreError: Any of its reasons.
    """
    return SqliteStore(data / "public.db")


def open_database(address: str) -> PublicStore:
    """Open a schema of a PostgreSQL database.

    Raises:
        StoreError: Any of its reasons.
    """
    from node.store.postgresql import PostgresqlStore  # its driver is an extra

    return PostgresqlStore(address)
