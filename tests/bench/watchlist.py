"""Measure a watchlist of ten million customers beside a catalogue of ten million tokens.

Both tables are filled with random tokens through the stores' own connections, in order: making the
tokens of real customers costs scalar multiplications, which ``tokens`` measures. What takes seconds
at this size is taken once; the cache is warm, because the tables were just written.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from node.desk.matcher import Matcher
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from node.store.watchlist import Watchlist
from tests.bench.clock import SEED, cpu_of, medians, wall_of
from tests.bench.result import Result

CUSTOMERS: Final = 10_000_000
"""Rows of either table: 0.5 GB and 1.3 GB."""

SLICES: Final = 40
"""Parts of the token space that are filled one after the other, in one transaction each."""

COMMON: Final = 1_000
"""One foreign token in so many is watched."""

BATCH: Final = 4_096
BATCHES: Final = 20
"""Batches of a round: tens of milliseconds with the filter, half a second without."""

LEAVING: Final = 2_048
PAGE: Final = 1_000
NOW: Final = 1_800_000_000
MEBIBYTE: Final = 1 << 20

_CUSTOMERS_CPU: Final = "customers/s CPU"
_EVIDENCE: Final = (
    "INSERT INTO view_evidence VALUES (?, 'bank-x', ?, 1, 1, 80, 0, 1, 0, 0, 0,"
    f" {NOW}, {NOW}, {NOW + 777_600}, 1, 0)"
)
_JOIN: Final = (
    "SELECT COUNT(*) FROM main.watch AS own"
    " JOIN catalogue.view_evidence AS said ON said.token = own.token"
)


def measure() -> Iterator[Result]:
    """Yield rates in tokens and customers a second of CPU, seconds, MB and bytes."""
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(PrivateStore(Path(directory) / "private.db")) as private,
        closing(SqliteStore(Path(directory) / "public.db")) as public,
    ):
        yield from _fill(private, public)
        size = (Path(directory) / "private.db").stat().st_size
        yield Result("watchlist: a customer on disk", size / CUSTOMERS, "bytes", 100)
        matcher = Matcher(Watchlist(private, public), lambda: NOW)
        yield from _loaded(matcher)
        yield from _incremental(matcher, private)
        yield from _whole(matcher, Path(directory))
        yield from _edges(matcher, private)


def _whole(matcher: Matcher, directory: Path) -> Iterator[Result]:
    before = _reset_peak()
    seconds, count = cpu_of(matcher.match_all)
    grown = (_peak() - before) / MEBIBYTE
    plain, expected = cpu_of(lambda: _joined(directory))
    if count != expected:
        raise ValueError(f"{count} hits where a join finds {expected}")
    name = "watchlist: full match of 10⁷ × 10⁷"
    yield Result(f"{name}, beside one SQL join", seconds, "s CPU", 2, plain)
    yield Result(f"{name}, rows", CUSTOMERS / seconds, "rows/s CPU")
    yield Result(f"{name}, peak memory", grown, "MiB", 200)


def _joined(directory: Path) -> int:
    """Join the two files as anybody would who has them."""
    with closing(sqlite3.connect(directory / "private.db")) as connection:
        connection.execute("ATTACH ? AS catalogue", (str(directory / "public.db"),))
        return int(connection.execute(_JOIN).fetchone()[0])


def _loaded(matcher: Matcher) -> Iterator[Result]:
    before = _reset_peak()
    seconds, _ = cpu_of(matcher.load)
    yield Result("watchlist: filter filled", seconds, "s CPU")
    yield Result("watchlist: filter, peak memory", (_peak() - before) / MEBIBYTE, "MiB", 100)


def _incremental(matcher: Matcher, private: PrivateStore) -> Iterator[Result]:
    """Match batches as a log brings them: all in the catalogue, few of them watched."""
    foreign = _drawn()
    batches = [foreign[start : start + BATCH] for start in range(0, len(foreign), BATCH)]
    waits = [wall_of(lambda batch=batch: matcher.match(batch))[0] for batch in batches]
    yield Result("watchlist: slowest batch of 4,096 with new hits", max(waits) * 1e3, "ms wall")
    taken = medians(
        lambda: {
            "own": cpu_of(lambda: [matcher.match(batch) for batch in batches])[0],
            "plain": cpu_of(lambda: [private.watched(batch) for batch in batches])[0],
        }
    )
    rates = {name: len(foreign) / seconds for name, seconds in taken.items()}
    name, unit = "watchlist: new tokens matched, beside SQLite", "tokens/s CPU"
    yield Result(name, rates["own"], unit, 5, rates["plain"], at_least=True)


def _drawn() -> list[bytes]:
    """Return foreign tokens of the whole token space in no order; one of so many is watched."""
    each = BATCH * BATCHES // SLICES
    common = max(1, each // COMMON)
    drawn: list[bytes] = []
    for number in range(SLICES):
        drawn += _tokens(number, 1)[:: CUSTOMERS // SLICES // common][:common]
        drawn += _tokens(number, 2)[-each + common :]
    return _shuffled(drawn)


def _edges(matcher: Matcher, private: PrivateStore) -> Iterator[Result]:
    """Take customers off the list, and page through the hits."""
    leaving = [(token, 1, "") for token in _shuffled(_watched(1))[:LEAVING]]
    seconds, removed = cpu_of(lambda: matcher.remove(leaving))
    yield Result("watchlist: customers taken off", sum(removed) / seconds, _CUSTOMERS_CPU)
    pages, after = [], ""
    while True:
        taken, page = cpu_of(lambda after=after: private.list_hits(after, PAGE))
        if not page:
            break
        pages.append(taken)
        after = page[-1].cursor
    yield Result("watchlist: slowest page of 1,000 hits", max(pages) * 1e3, "ms CPU")


def _fill(private: PrivateStore, public: SqliteStore) -> Iterator[Result]:
    """Fill both tables, one slice of the watchlist as the desk does, and yield what that costs."""
    rows = _customers(0)
    seconds, _ = cpu_of(lambda: private.add_watch(rows))
    yield Result("watchlist: customers added, tokens given", len(rows) / seconds, _CUSTOMERS_CPU)
    for number in range(SLICES):
        if number:
            with private.database.write() as connection:
                connection.executemany("INSERT INTO watch VALUES (?, ?, ?)", _customers(number))
                connection.execute("UPDATE watch_tally SET size = size + ?", (len(rows),))
        with public.file.write() as connection:
            connection.executemany(_EVIDENCE, ((token, token) for token in _catalogue(number)))
    for file in (private.database, public.file):
        file.truncate_journal()


def _customers(number: int) -> list[tuple[bytes, int, str]]:
    first = number * (CUSTOMERS // SLICES)
    return [(token, 1, f"customer {place}") for place, token in enumerate(_watched(number), first)]


def _watched(number: int) -> list[bytes]:
    """Return the watched tokens of a slice, sorted."""
    return _tokens(number, 1)


def _catalogue(number: int) -> list[bytes]:
    """Return the foreign tokens of a slice, sorted; some of them are watched."""
    own = _tokens(number, 2)
    return sorted({*own[len(own) // COMMON :], *_watched(number)[::COMMON]})


def _tokens(number: int, table: int) -> list[bytes]:
    count, width = CUSTOMERS // SLICES, 2**64 // SLICES
    source = np.random.default_rng((SEED, table, number))
    upper = np.sort(source.integers(0, width, count, dtype=np.uint64)) + np.uint64(number * width)
    lower = source.integers(0, 2**64, count, dtype=np.uint64)
    packed = np.stack([upper, lower], axis=1).astype(">u8").tobytes()
    return [packed[start : start + 16] for start in range(0, len(packed), 16)]


def _shuffled(tokens: list[bytes]) -> list[bytes]:
    order = np.random.default_rng(SEED).permutation(len(tokens))
    return [tokens[place] for place in order.tolist()]


def _reset_peak() -> int:
    """Begin to take the peak of resident memory anew; return what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1_024
    raise LookupError(name)
