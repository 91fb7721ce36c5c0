"""Measure a ledger: own statements appended, a peer's ingested; all durable."""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from federation.names import MemberId
from keys.signing import SigningKey
from node.log.ledger import Ledger
from node.log.run import Run
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.bench.clock import cpu_of, medians
from tests.bench.result import Result
from tests.bench.statements import batches

STATEMENTS: Final = 40_000
"""Statements of a round: two seconds of all that is measured."""

NOW: Final = 1_800_000_000
READ_BYTES: Final = 4 * 1024 * 1024
WRITER, READER = MemberId("bank-x"), MemberId("carrier-a")


def measure() -> Iterator[Result]:
    """Yield rates in statements and rows a second of CPU."""
    taken = medians(_round)
    unit = "statements/s CPU"
    plain = taken["plain"]
    yield Result("ingest: append", taken["append"], unit, 20_000, at_least=True)
    yield Result("ingest: append, beside plain inserts", taken["append"], unit, None, plain)
    yield Result("ingest: verify and fold", taken["ingest"], unit, 40_000, at_least=True)
    yield Result(
        "ingest: verify and fold, beside plain inserts", taken["ingest"], unit, None, plain
    )
    yield Result("ingest: catalogue root", taken["root"], "rows/s CPU")


def _round() -> dict[str, float]:
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as directory:
        writer = SqliteStore(Path(directory) / "writer.db")
        reader = SqliteStore(Path(directory) / "reader.db")
        try:
            taken = _measure_stores(key, writer, reader)
        finally:
            writer.close()
            reader.close()
        return taken | {"plain": _insert_plainly(Path(directory) / "plain.db")}


def _insert_plainly(path: Path) -> float:
    """Return rows a second that SQLite takes of the same bytes, as durably, and nothing else."""
    said = list(batches(WRITER, STATEMENTS, NOW))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE entry (position INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        seconds, _ = cpu_of(lambda: [_insert(database, batch) for batch in said])
    return STATEMENTS / seconds


def _insert(database: sqlite3.Connection, batch: Sequence[bytes]) -> None:
    database.execute("BEGIN")
    database.executemany("INSERT INTO entry (body) VALUES (?)", ((body,) for body in batch))
    database.execute("COMMIT")


def _measure_stores(key: SigningKey, writer: SqliteStore, reader: SqliteStore) -> dict[str, float]:
    own = _ledger(writer, WRITER, key, key)
    replica = _ledger(reader, READER, SigningKey.generate(), key)
    said = list(batches(WRITER, STATEMENTS, NOW))
    appending, _ = cpu_of(lambda: [own.append(batch) for batch in said])
    runs = list(_runs(own))
    ingesting, _ = cpu_of(
        lambda: [replica.ingest(own.own, one.bodies, one.compacted, one.checkpoint) for one in runs]
    )
    catalogue = Catalogue(reader)
    digesting, _ = cpu_of(lambda: catalogue.root(NOW))
    rates = {"append": appending, "ingest": ingesting, "root": digesting}
    return {name: STATEMENTS / seconds for name, seconds in rates.items()}


def _ledger(store: SqliteStore, member: MemberId, key: SigningKey, writer: SigningKey) -> Ledger:
    publics = {WRITER: writer.public, READER: key.public}
    return Ledger(store, "night", member, key, publics.__getitem__, lambda: NOW)


def _runs(ledger: Ledger) -> Iterator[Run]:
    start, size = 0, ledger.size(ledger.own)
    while start < size:
        run = ledger.read(ledger.own, start, READ_BYTES)
        yield run
        start += len(run.bodies)
