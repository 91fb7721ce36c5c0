"""Define the private tables, once for both kinds of database.

Each change is a name and plain statements in the types of SQLite: what an existing home has applied
is never edited, only added to. PostgreSQL gets the same statements in its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlite_utils import Database, Migrations

# "tocs": secret.
PRIVATE_APPLICATION_ID: Final = 0x746F6373


class Change(NamedTuple):
    """One change of the private tables: its name, and the statements that make it."""

    name: str
    statements: Sequence[str]


PRIVATE_CHANGES: Final = (
    # The tables that never leave the node.
    Change(
        "m001_private",
        (
            "CREATE TABLE watch (token BLOB NOT NULL, kind INTEGER NOT NULL,"
            " reference TEXT NOT NULL,"
            " PRIMARY KEY (token, kind, reference)) WITHOUT ROWID",
            "CREATE TABLE hit (token BLOB PRIMARY KEY, first_seen INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE quota (key TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE own_value (token BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
            " value TEXT NOT NULL) WITHOUT ROWID",
            "CREATE TABLE protected (kind INTEGER NOT NULL, value TEXT NOT NULL,"
            " PRIMARY KEY (value, kind)) WITHOUT ROWID",
            "CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
        ),
    ),
    # Let own raw values be found by value, with the key epoch that their tokens belong to.
    Change(
        "m002_known_tokens",
        (
            "ALTER TABLE own_value ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX own_value_by_value ON own_value (value)",
        ),
    ),
    # Remember this member's part in private sums, as contributor and as holder.
    Change(
        "m003_sums",
        (
            "CREATE TABLE sum_part (sum_id BLOB NOT NULL, part TEXT NOT NULL,"
            " time INTEGER NOT NULL,"
            " labels_digest BLOB NOT NULL, contributors TEXT NOT NULL, fingerprints BLOB,"
            " said BLOB NOT NULL, PRIMARY KEY (sum_id, part)) WITHOUT ROWID",
        ),
    ),
    # Keep who reported what and who marked which number: reporters' names never leave.
    Change(
        "m010_reports",
        (
            "CREATE TABLE reporter (pseudonym BLOB PRIMARY KEY, contact TEXT NOT NULL,"
            " upheld INTEGER NOT NULL DEFAULT 0,"
            " unfounded INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
            "CREATE TABLE filed_matter (matter BLOB PRIMARY KEY, token BLOB NOT NULL,"
            " opened INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
            "CREATE INDEX filed_matter_by_token ON filed_matter (token)",
            "CREATE TABLE filing (matter BLOB NOT NULL, pseudonym BLOB NOT NULL,"
            " time INTEGER NOT NULL,"
            " text_digest BLOB NOT NULL, PRIMARY KEY (matter, pseudonym)) WITHOUT ROWID",
            "CREATE TABLE own_mark (token BLOB NOT NULL, pseudonym BLOB NOT NULL,"
            " label INTEGER NOT NULL, time INTEGER NOT NULL,"
            " PRIMARY KEY (token, pseudonym)) WITHOUT ROWID",
            "CREATE TABLE mark_sum (sum_id BLOB PRIMARY KEY, token BLOB NOT NULL,"
            " opened INTEGER NOT NULL, said INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
        ),
    ),
    # Keep suspect SIMs by site, what is offered for matching, and own figures for the sheet.
    Change(
        "m020_figures",
        (
            'CREATE TABLE farm_sim ("window" INTEGER NOT NULL, epoch INTEGER NOT NULL,'
            " token BLOB NOT NULL, number TEXT NOT NULL, bucket TEXT NOT NULL,"
            ' PRIMARY KEY ("window", epoch, token, number)) WITHOUT ROWID',
            "CREATE TABLE match_offer (member TEXT NOT NULL, kind INTEGER NOT NULL,"
            " value TEXT NOT NULL, expires INTEGER NOT NULL,"
            " PRIMARY KEY (member, kind, value)) WITHOUT ROWID",
            "CREATE TABLE match_past (session BLOB PRIMARY KEY, member TEXT NOT NULL,"
            " is_offered INTEGER NOT NULL, time INTEGER NOT NULL, own INTEGER NOT NULL,"
            " other INTEGER NOT NULL, found INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE sheet_figure (code TEXT NOT NULL, counted INTEGER NOT NULL,"
            " numerator INTEGER NOT NULL, denominator INTEGER NOT NULL, durations TEXT NOT NULL,"
            " PRIMARY KEY (code, counted)) WITHOUT ROWID",
        ),
    ),
    # Keep what warns own customers, and the calls that their network reports.
    Change(
        "m030_warnings",
        (
            "CREATE TABLE content_key (token BLOB PRIMARY KEY, content_key BLOB NOT NULL)"
            " WITHOUT ROWID",
            "CREATE TABLE guardian (reference TEXT NOT NULL, contact TEXT NOT NULL,"
            " consent INTEGER NOT NULL, until INTEGER NOT NULL,"
            " PRIMARY KEY (reference, contact)) WITHOUT ROWID",
            "CREATE TABLE outbox (message TEXT PRIMARY KEY, matter BLOB NOT NULL,"
            " opener TEXT NOT NULL,"
            " recipient TEXT NOT NULL, address TEXT NOT NULL, channel INTEGER NOT NULL,"
            " text_zh TEXT NOT NULL, text_en TEXT NOT NULL, made INTEGER NOT NULL,"
            " sent INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE TABLE call_number (value TEXT NOT NULL, epoch INTEGER NOT NULL,"
            " token BLOB NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (value,"
            " epoch)) WITHOUT ROWID",
            "CREATE TABLE call (subscriber BLOB NOT NULL, other BLOB NOT NULL,"
            " began INTEGER NOT NULL,"
            " ended INTEGER NOT NULL, first_contact INTEGER NOT NULL,"
            " PRIMARY KEY (subscriber, other, began)) WITHOUT ROWID",
        ),
    ),
    # Keep how to reach who appealed: such values are never scored, so they can be found.
    Change(
        "m040_appeals",
        (
            "CREATE TABLE appeal_contact (matter BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
            " value TEXT NOT NULL, filed INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX appeal_contact_by_value ON appeal_contact (value)",
        ),
    ),
    # Keep also the matches whose number the other side never told.
    Change(
        "m050_uncounted",
        ("ALTER TABLE match_past ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0",),
    ),
    # Keep the counts of own inspections of IoT cards, by month.
    Change(
        "m051_inspections",
        (
            "CREATE TABLE iot_inspection (month INTEGER PRIMARY KEY, checked INTEGER NOT NULL,"
            " abnormal INTEGER NOT NULL, suspended INTEGER NOT NULL, restored INTEGER NOT NULL)",
        ),
    ),
    # Keep which own accounts stand under which identity, by token: no identity itself.
    Change(
        "m060_holdings",
        (
            "CREATE TABLE holding (token BLOB NOT NULL, kind INTEGER NOT NULL,"
            " account TEXT NOT NULL, PRIMARY KEY (token, kind, account)) WITHOUT ROWID",
            "CREATE TABLE identity_key (token BLOB PRIMARY KEY, content_key BLOB NOT NULL)"
            " WITHOUT ROWID",
        ),
    ),
    # Know the size of a watchlist of 10**7 without counting, and page through its hits by time.
    Change(
        "m070_watch_size",
        (
            "CREATE TABLE watch_tally (name TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID",
            "INSERT INTO watch_tally SELECT 'watch', size"
            " FROM (SELECT COUNT(*) AS size FROM watch) AS counted WHERE size > 0",
            "CREATE INDEX hit_by_time ON hit (first_seen, token)",
        ),
    ),
)


def _applied(statements: Sequence[str]) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        for statement in statements:
            database.execute(statement)

    return apply


def _in_files() -> Migrations:
    migrations = Migrations("tocsin-private")
    for change in PRIVATE_CHANGES:
        migrations(name=change.name)(_applied(change.statements))
    return migrations


PRIVATE_MIGRATIONS: Final = _in_files()
