"""Define the tables of the replicated database, and make the view tables from their description.

Logs change by migrations. View tables do not: they hold nothing that the logs do not hold, so when
their description changes they are dropped, made anew and marked stale, to be folded again.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from sqlite_utils import Database, Migrations

from federation.views import Table

# "tocp" and "tocs": public and secret.
PUBLIC_APPLICATION_ID: Final = 0x746F6370
PRIVATE_APPLICATION_ID: Final = 0x746F6373

PUBLIC_MIGRATIONS: Final = Migrations("tocsin-public")
PRIVATE_MIGRATIONS: Final = Migrations("tocsin-private")

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


@PRIVATE_MIGRATIONS()
def m001_private(database: Database) -> None:
    """Make the tables that never leave the node."""
    for statement in (
        "CREATE TABLE watch (token BLOB NOT NULL, kind INTEGER NOT NULL, reference TEXT NOT NULL,"
        " PRIMARY KEY (token, kind, reference)) WITHOUT ROWID",
        "CREATE TABLE hit (token BLOB PRIMARY KEY, first_seen INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE quota (key TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE own_value (token BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
        " value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE protected (kind INTEGER NOT NULL, value TEXT NOT NULL,"
        " PRIMARY KEY (value, kind)) WITHOUT ROWID",
    ):
        database.execute(statement)
    database.table("setting").create({"key": str, "value": bytes}, pk="key", not_null=("value",))


@PRIVATE_MIGRATIONS()
def m002_known_tokens(database: Database) -> None:
    """Let own raw values be found by value, with the key epoch that their tokens belong to."""
    database.execute("ALTER TABLE own_value ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0")
    database.execute("CREATE INDEX own_value_by_value ON own_value (value)")


@PRIVATE_MIGRATIONS()
def m003_sums(database: Database) -> None:
    """Remember this member's part in private sums, as contributor and as holder."""
    database.execute(
        "CREATE TABLE sum_part (sum_id BLOB NOT NULL, part TEXT NOT NULL, time INTEGER NOT NULL,"
        " labels_digest BLOB NOT NULL, contributors TEXT NOT NULL, fingerprints BLOB,"
        " said BLOB NOT NULL, PRIMARY KEY (sum_id, part)) WITHOUT ROWID"
    )


@PRIVATE_MIGRATIONS()
def m010_reports(database: Database) -> None:
    """Keep who reported what and who marked which number: reporters' names never leave."""
    for statement in (
        "CREATE TABLE reporter (pseudonym BLOB PRIMARY KEY, contact TEXT NOT NULL,"
        " upheld INTEGER NOT NULL DEFAULT 0, unfounded INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
        "CREATE TABLE filed_matter (matter BLOB PRIMARY KEY, token BLOB NOT NULL,"
        " opened INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
        "CREATE INDEX filed_matter_by_token ON filed_matter (token)",
        "CREATE TABLE filing (matter BLOB NOT NULL, pseudonym BLOB NOT NULL, time INTEGER NOT NULL,"
        " text_digest BLOB NOT NULL, PRIMARY KEY (matter, pseudonym)) WITHOUT ROWID",
        "CREATE TABLE own_mark (token BLOB NOT NULL, pseudonym BLOB NOT NULL,"
        " label INTEGER NOT NULL, time INTEGER NOT NULL,"
        " PRIMARY KEY (token, pseudonym)) WITHOUT ROWID",
        "CREATE TABLE mark_sum (sum_id BLOB PRIMARY KEY, token BLOB NOT NULL,"
        " opened INTEGER NOT NULL, said INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
    ):
        database.execute(statement)


@PRIVATE_MIGRATIONS()
def m020_figures(database: Database) -> None:
    """Keep suspect SIMs by site, what is offered for matching, and own figures for the sheet."""
    for statement in (
        "CREATE TABLE farm_sim (window INTEGER NOT NULL, epoch INTEGER NOT NULL,"
        " token BLOB NOT NULL, number TEXT NOT NULL, bucket TEXT NOT NULL,"
        " PRIMARY KEY (window, epoch, token, number)) WITHOUT ROWID",
        "CREATE TABLE match_offer (member TEXT NOT NULL, kind INTEGER NOT NULL,"
        " value TEXT NOT NULL, expires INTEGER NOT NULL,"
        " PRIMARY KEY (member, kind, value)) WITHOUT ROWID",
        "CREATE TABLE match_past (session BLOB PRIMARY KEY, member TEXT NOT NULL,"
        " is_offered INTEGER NOT NULL, time INTEGER NOT NULL, own INTEGER NOT NULL,"
        " other INTEGER NOT NULL, found INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE sheet_figure (code TEXT NOT NULL, counted INTEGER NOT NULL,"
        " numerator INTEGER NOT NULL, denominator INTEGER NOT NULL, durations TEXT NOT NULL,"
        " PRIMARY KEY (code, counted)) WITHOUT ROWID",
    ):
        database.execute(statement)


@PRIVATE_MIGRATIONS()
def m030_warnings(database: Database) -> None:
    """Keep what warns own customers, and the calls that their network reports."""
    for statement in (
        "CREATE TABLE content_key (token BLOB PRIMARY KEY, content_key BLOB NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE guardian (reference TEXT NOT NULL, contact TEXT NOT NULL,"
        " consent INTEGER NOT NULL, until INTEGER NOT NULL,"
        " PRIMARY KEY (reference, contact)) WITHOUT ROWID",
        "CREATE TABLE outbox (message TEXT PRIMARY KEY, matter BLOB NOT NULL, opener TEXT NOT NULL,"
        " recipient TEXT NOT NULL, address TEXT NOT NULL, channel INTEGER NOT NULL,"
        " text_zh TEXT NOT NULL, text_en TEXT NOT NULL, made INTEGER NOT NULL,"
        " sent INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE call_number (value TEXT NOT NULL, epoch INTEGER NOT NULL,"
        " token BLOB NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (value, epoch)) WITHOUT ROWID",
        "CREATE TABLE call (subscriber BLOB NOT NULL, other BLOB NOT NULL, began INTEGER NOT NULL,"
        " ended INTEGER NOT NULL, first_contact INTEGER NOT NULL,"
        " PRIMARY KEY (subscriber, other, began)) WITHOUT ROWID",
    ):
        database.execute(statement)


@PRIVATE_MIGRATIONS()
def m040_appeals(database: Database) -> None:
    """Keep how to reach who appealed: such values are never scored, so they can be found."""
    database.execute(
        "CREATE TABLE appeal_contact (matter BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
        " value TEXT NOT NULL, filed INTEGER NOT NULL) WITHOUT ROWID"
    )
    database.execute("CREATE INDEX appeal_contact_by_value ON appeal_contact (value)")


@PRIVATE_MIGRATIONS()
def m050_uncounted(database: Database) -> None:
    """Keep also the matches whose number the other side never told."""
    database.execute("ALTER TABLE match_past ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0")


@PRIVATE_MIGRATIONS()
def m051_inspections(database: Database) -> None:
    """Keep the counts of own inspections of IoT cards, by month."""
    database.execute(
        "CREATE TABLE iot_inspection (month INTEGER PRIMARY KEY, checked INTEGER NOT NULL,"
        " abnormal INTEGER NOT NULL, suspended INTEGER NOT NULL, restored INTEGER NOT NULL)"
    )


@PRIVATE_MIGRATIONS()
def m060_holdings(database: Database) -> None:
    """Keep which own accounts stand under which identity, by token: no identity itself."""
    database.execute(
        "CREATE TABLE holding (token BLOB NOT NULL, kind INTEGER NOT NULL,"
        " account TEXT NOT NULL, PRIMARY KEY (token, kind, account)) WITHOUT ROWID"
    )
    database.execute(
        "CREATE TABLE identity_key (token BLOB PRIMARY KEY, content_key BLOB NOT NULL)"
        " WITHOUT ROWID"
    )


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
