"""Open the store of the replicated tables that a node's settings name."""

from __future__ import annotations

from pathlib import Path

from node.config import Config
from node.store.protocol import PublicStore
from node.store.sqlite import SqliteStore


def open_public(config: Config, data: Path) -> PublicStore:
    """Open the replicated tables: PostgreSQL where an address is set, a file otherwise.

    Args:
        config: Its ``database`` is an address or empty.
        data: The directory of the node's stores.

    Raises:
        StoreError: Any of its reasons.
    """
    return open_database(config.database) if config.database else open_file(data)


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
