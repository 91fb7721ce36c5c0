"""Move a node's tables to a PostgreSQL database, replicated and private ones, all or nothing."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from node.cli.output import Progress
from node.config import encode_config, load_config, parse_config
from node.doors.inside import hold_directory
from node.errors import ConfigError
from node.home import Home
from node.log.rebuild import digest_views, fold_again
from node.store.database_address import with_full_passfile
from node.store.error import StoreError
from node.store.moving import copy_logs, count_entries
from node.store.opening import MOVED_SUFFIX, PRIVATE_FILE, open_database, open_file
from node.store.private import open_private_file
from node.store.protocol import PublicStore, PublicWriter
from node.whole_file import PUBLIC_MODE, write_whole


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a move.

    Attributes:
        log_count: Logs in the database.
        entry_count: Their entries.
        views_digest: What both stores' views have.
        private_count: Private rows in the database.
        kept: The file that still holds private rows, raw values among them; None: there was none.
    """

    log_count: int
    entry_count: int
    views_digest: bytes
    private_count: int
    kept: Path | None


def move_store(home: Home, address: str) -> Moved:
    """Copy logs and private rows, compare both sides, and let the settings name the database.

    A relative passfile starts in the current directory, or else in the home.

    What was compared is committed at the end, on one side after the other; a move that is cut off
    there, or before the settings are written, is made again over what it left. The files stay; the
    private one gets another name, by which no node takes it for its own.

    Raises:
        ConfigError: STORE_MOVED, the settings name a database already; or CONFIG_INVALID.
        SocketError: NODE_RUNNING.
        StoreError: STORE_NOT_EMPTY, STORE_DIFFERS, or a store cannot be used.
    """
    config = load_config(home.require().config)
    address = with_full_passfile(address, Path.cwd(), home.root)
    private = home.data / PRIVATE_FILE
    if config.database and (config.database != address or not private.exists()):
        raise ConfigError(
            "the node's tables are in a database already",
            reason="STORE_MOVED",
            hint=f"the setting database of {home.config} names it",
        )
    parse_config(encode_config({"database": address}))  # refused before anything is made
    with hold_directory(home.run):
        with closing(open_database(address)) as target:
            with target.read() as reader:
                is_there = bool(config.database and reader.logs())
            # Logs were moved alone when private tables stayed in their file.
            moved = (
                _move_rest(target, private, address)
                if is_there
                else _move_all(home, target, address)
            )
        if not config.database:
            _name_database(home, address)
        kept = private.rename(private.with_suffix(MOVED_SUFFIX)) if private.exists() else None
    return replace(moved, kept=kept)


def _move_rest(target: PublicStore, private: Path, address: str) -> Moved:
    with target.read() as reader:
        logs, digest = reader.logs(), digest_views(reader, target.tables)
    count = sum(state.size for state in logs)
    return Moved(len(logs), count, digest, _move_private(private, address), None)


def _move_all(home: Home, target: PublicStore, address: str) -> Moved:
    with closing(open_file(home.data)) as source:
        with source.write() as folding:
            digest = _fold(source, folding)
        with target.write() as writer:
            with Progress("moving entries", count_entries(source)) as bar:
                count = copy_logs(source, writer, bar.advance)
            if _fold(target, writer) != digest:
                raise StoreError(
                    "the views of the copy are not those of the file",
                    reason="STORE_DIFFERS",
                    hint="the node still uses its file; please report this",
                )
            # Private rows are committed first: left alone, they hinder no second attempt.
            rows = _move_private(home.data / PRIVATE_FILE, address)
            return Moved(len(writer.logs()), count, digest, rows, None)


def _fold(store: PublicStore, writer: PublicWriter) -> bytes:
    """Fold the views from the logs, and return what they are."""
    fold_again(writer)
    return digest_views(writer, store.tables)


def _move_private(path: Path, address: str) -> int:
    """Copy the private rows in one transaction; return how many there are."""
    # Their driver is an extra.
    from node.store.moving_private import copy_private, count_private
    from node.store.postgresql_private import PostgresqlPrivate

    with closing(PostgresqlPrivate(address)) as target:
        if not path.exists():
            return 0
        with closing(open_private_file(path)) as source:
            count = count_private(source)
            with Progress("moving private rows", count) as bar, target.tables.write() as connection:
                return copy_private(source, connection, bar.advance)


def _name_database(home: Home, address: str) -> None:
    """Write the setting in place of an empty one, or at the head: tables may follow below."""
    text = home.config.read_text(encoding="utf-8") if home.config.exists() else ""
    kept = re.sub(r"(?m)^database\s*=\s*(\"\"|'')[^\n]*\n?", "", text)
    data = (encode_config({"database": address}) + kept).encode()
    mode = home.config.stat().st_mode & 0o777 if home.config.exists() else PUBLIC_MODE
    write_whole(home.config, data, mode)
