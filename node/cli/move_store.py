"""Move a node's replicated tables to a PostgreSQL database, all of it or nothing."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass

from node.cli.output import Progress
from node.config import encode_config, load_config, parse_config
from node.doors.inside import hold_directory
from node.errors import ConfigError
from node.home import Home
from node.log.rebuild import digest_views, fold_again
from node.store.error import StoreError
from node.store.moving import copy_logs, count_entries
from node.store.opening import open_database, open_file
from node.store.protocol import PublicStore


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a move: logs, entries, and the digest that both stores' views have."""

    log_count: int
    entry_count: int
    views_digest: bytes


def move_store(home: Home, address: str) -> Moved:
    """Copy the logs, fold their views there, compare both, and let the settings name the new one.

    The file stays where it is; the node no longer reads it.

    Raises:
        ConfigError: STORE_MOVED, the settings name a database already; or CONFIG_INVALID.
        SocketError: NODE_RUNNING.
        StoreError: STORE_NOT_EMPTY, STORE_DIFFERS, or a store cannot be used.
    """
    config = load_config(home.require().config)
    if config.database:
        raise ConfigError(
            "the node's tables are in a database already",
            reason="STORE_MOVED",
            hint=f"the setting database of {home.config} names it",
        )
    parse_config(encode_config({"database": address}))  # refused before anything is made
    with (
        hold_directory(home.run),
        closing(open_file(home.data)) as source,
        closing(open_database(address)) as target,
    ):
        with Progress("moving entries", count_entries(source)) as bar:
            count = copy_logs(source, target, bar.advance)
        digest = _fold_both(source, target)
        with target.read() as reader:
            logs = len(reader.logs())
    _name_database(home, address)
    return Moved(logs, count, digest)


def _fold_both(source: PublicStore, target: PublicStore) -> bytes:
    """Fold the views on either side from the logs, and compare them byte by byte."""
    digests = []
    for store in (source, target):
        with store.write() as writer:
            fold_again(writer)
            digests.append(digest_views(writer, store.tables))
    if digests[0] != digests[1]:
        raise StoreError(
            "the views of the copy are not those of the file",
            reason="STORE_DIFFERS",
            hint="the node still uses its file; please report this",
        )
    return digests[0]


def _name_database(home: Home, address: str) -> None:
    """Write the setting in place of an empty one, or at the head: tables may follow below."""
    text = home.config.read_text(encoding="utf-8") if home.config.exists() else ""
    kept = re.sub(r"(?m)^database\s*=\s*(\"\"|'')[^\n]*\n?", "", text)
    temporary = home.config.with_suffix(".new")
    temporary.write_text(encode_config({"database": address}) + kept, encoding="utf-8")
    temporary.replace(home.config)
