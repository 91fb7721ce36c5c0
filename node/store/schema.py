"""Define the tables of the replicated database, and make the view tables from their description.

Logs change by migrations. View tables do not: they hold nothing that the logs do not hold, so when
their description changes they are dropped, made anew and marked stale, to be folded again.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from sqlite_utils import Database, Migrations

from federation.views import Table

# "tocp": public.
PUBLIC_APPLICATION_ID: Final = 0x746F6370

PUBLIC_MIGRATIONS: Final = Migrations("tocsin-public")

_VIEWS_SETTING = "views"
_STALE_SETTING = "views_stale"


@PUBLIC_MIGRATIONS()
def m001_logs(database: Database) -> None:
    """Make the logs: entries, tiles, checkpoints."""
    database.table("log").create(
        {
            "number": int,
            "origin": str,
            "size": int,
            "frontier": bytes,
            "root": bytes,
            "checkpoint": bytes,
            "stopped": bytes,
        },
        pk="number",
        not_null=("origin", "size", "frontier", "root", "checkpoint"),
    ).create_index(["origin"], unique=True)
    database.execute(
        "CREATE TABLE entry (log INTEGER NOT NULL, position INTEGER NOT NULL, body BLOB,"
        " PRIMARY KEY (log, position)) WITHOUT ROWID"
    )
    database.execute(
        "CREATE TABLE tile (log INTEGER NOT NULL, level INTEGER NOT NULL,"
        ' "index" INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (log, level, "index"))'
    )
    database.execute(
        "CREATE TABLE checkpoint (log INTEGER NOT NULL, size INTEGER NOT NULL,"
        " note BLOB NOT NULL, public BLOB NOT NULL, PRIMARY KEY (log, size)) WITHOUT ROWID"
    )
    database.table("setting").create({"key": str, "value": bytes}, pk="key", not_null=("value",))


def prepare_views(database: Database, tables: Sequence[Table]) -> None:
    """Make the view tables, in one transaction, if they are not there as described."""
    wanted = "\n".join(line for table in tables for line in _definition(table)).encode()
    digest = hashlib.sha256(wanted).digest()
    with database.atomic():
        if _setting(database, _VIEWS_SETTING) == digest:
            return
        _drop_views(database)
        for table in tables:
            for line in _definition(table):
                database.execute(line)
        save_setting(database, _VIEWS_SETTING, digest)
        save_setting(database, _STALE_SETTING, b"1")


def has_stale_views(database: Database) -> bool:
    """Say whether the view tables wait to be folded again."""
    return _setting(database, _STALE_SETTING) == b"1"


def mark_views_fresh(database: Database) -> None:
    """Record that the view tables are folded from all entries, from here on."""
    save_setting(database, _STALE_SETTING, b"0")


def save_setting(database: Database, key: str, value: bytes) -> None:
    """Insert or replace one value."""
    database.table("setting").upsert({"key": key, "value": value}, pk="key")


def view_name(table: Table) -> str:
    """Return the quoted name of a view table; no other table has its prefix."""
    return f'"view_{table.name}"'


def column_names(names: Sequence[str]) -> str:
    """Return quoted column names, joined by commas."""
    return ", ".join(f'"{name}"' for name in names)


def _definition(table: Table) -> list[str]:
    columns = ", ".join(f'"{name}" {kind} NOT NULL' for name, kind in table.columns)
    name = view_name(table)
    lines = [
        f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({column_names(table.key)})) WITHOUT ROWID"
    ]
    for index in table.indexes:
        index_name = f'"view_{table.name}_{"_".join(index)}"'
        lines.append(f"CREATE INDEX {index_name} ON {name} ({column_names(index)})")
    return lines


def _drop_views(database: Database) -> None:
    for name in database.table_names():
        if name.startswith("view_"):
            database.table(name).drop()


def _setting(database: Database, key: str) -> bytes | None:
    for row in database.table("setting").rows_where("key = ?", [key]):
        value: bytes = row["value"]
        return value
    return None
