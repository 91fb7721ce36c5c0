"""Measure look-ups: in process beside what others do, and through the outside door.

Ten million tokens are held, a nomination each (``held_tokens`` says how they get in). Everything
in process is CPU time of one thread; batches are of 4,096 tokens, of which 1 in 10 is known, or
all are. The baselines hold as many: a plain SQLite table of tokens, a Python set of them, and
SHA-256 of values without a key in such a table, which is how MISP's instances share hashes; each
only says whether a token is there, and no band.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, NoReturn

from federation.names import MemberId
from federation.roles import Role
from federation.verdict import Standing
from node.lookup.token_index import TokenIndex
from node.status import resident_bytes
from node.store.catalogue import MAX_TOKENS, Catalogue
from node.verdicts import Verdicts
from tests.bench.held_tokens import MEMBER, NOW, HeldTokens, open_to_fill, random_tokens
from tests.bench.lookup_door import DoorFigures, measure_door
from tests.bench.result import Result

HELD: Final = 10_000_000
"""Tokens held: the design's target."""

ROUNDS: Final = 21
"""Batches whose median is shown, after one to warm up; each is of other tokens."""

SLOW_ROUNDS: Final = 5
"""The same where a batch takes a third of a second."""

OTHER_MEMBERS: Final = ("bank-y", "bank-z")
SEVERAL_HELD: Final = 200_000
"""Tokens held that each of two or three members nominated."""

KNOWN_SHARE: Final = 10
"""In a mixed batch one token of so many is known."""

MEBIBYTE: Final = 1024 * 1024
PLAIN: Final = "plain.db"
_TOKENS_PER_QUERY: Final = 512

Ask = Callable[[list[bytes]], Collection[bytes]]


class FixedVerdicts(Verdicts):
    """Verdicts under a charter whose members are banks of ordinary reliability."""

    def __init__(self, catalogue: Catalogue, index: TokenIndex | None) -> None:
        # The standing is given below, so that no charter is asked.
        super().__init__(catalogue, _no_charter, lambda: NOW, index=index)

    def standing(self) -> Standing:
        """Return the members' standing."""
        members = (MEMBER, *OTHER_MEMBERS)
        roles = {member: frozenset({Role.BANK}) for member in members}
        return Standing(roles, {MemberId(member): 0.8 for member in members})


def _no_charter() -> NoReturn:
    raise LookupError("this bench has no charter")


@dataclass(frozen=True, slots=True)
class Held:
    """What an index of some tokens costs.

    Attributes:
        cpu: Seconds for a mixed batch of 4,096 tokens.
        resident: Bytes by which the process grew.
        build: CPU seconds to read the index out of the store.
    """

    cpu: float
    resident: int
    build: float


def held(count: int) -> Held:
    """Measure an index alone."""
    tokens = HeldTokens(count)
    with tempfile.TemporaryDirectory() as directory:
        store = tokens.fill(Path(directory) / "public.db")
        gc.collect()
        before, begin = resident_bytes(), time.process_time()
        index = TokenIndex(store)
        index.refresh()
        build = time.process_time() - begin
        grown = resident_bytes() - before
        verdicts = FixedVerdicts(Catalogue(store), index)
        seconds = MAX_TOKENS / _rate(verdicts.outline, Batches(tokens).mixed)
        store.close()
    return Held(seconds, grown, build)


class Batches:
    """Batches of 4,096 tokens; every one has other tokens."""

    def __init__(self, tokens: HeldTokens) -> None:
        self._tokens = tokens

    def known(self, number: int) -> list[bytes]:
        """Return a batch of tokens that are held."""
        return self._tokens.sample(MAX_TOKENS, number)

    def mixed(self, number: int) -> list[bytes]:
        """Return a batch in which 1 in 10 tokens is held."""
        known = self._tokens.sample(MAX_TOKENS // KNOWN_SHARE, number)
        return known + random_tokens(MAX_TOKENS - len(known), number)


def measure() -> Iterator[Result]:
    """Yield rates in tokens a second of CPU, latencies, bytes and memory."""
    yield from measure_held(HELD)
    for others in range(1, len(OTHER_MEMBERS) + 1):
        yield from measure_several(SEVERAL_HELD, OTHER_MEMBERS[:others])


def measure_several(count: int, others: Sequence[str]) -> Iterator[Result]:
    """Yield the figures with so many tokens held, all of which several members nominated."""
    tokens = HeldTokens(count, members=(MEMBER, *others))
    with tempfile.TemporaryDirectory() as name:
        store = tokens.fill(Path(name) / "public.db")
        index, known = TokenIndex(store), Batches(tokens).known
        index.refresh()
        rate = _rate(FixedVerdicts(Catalogue(store), index).outline, known)
        slow = _rate(FixedVerdicts(Catalogue(store), None).outline, known, SLOW_ROUNDS)
        store.close()
    kind, unit = f"all known by {len(others) + 1} members", "tokens/s CPU"
    yield Result(f"lookup: {kind}", rate, unit, 300_000, at_least=True)
    yield Result(f"lookup: {kind}, beside the node without index", rate, unit, None, slow)


def measure_held(count: int) -> Iterator[Result]:
    """Yield the figures with so many tokens held."""
    tokens = HeldTokens(count)
    with tempfile.TemporaryDirectory() as name, measure_door() as door:
        directory = Path(name)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            plain = pool.submit(fill_plain_table, count, directory / PLAIN)
            store = tokens.fill(directory / "public.db")
            plain.result()
        yield from _in_process(tokens, Catalogue(store), index := TokenIndex(store), directory)
        verdicts = FixedVerdicts(Catalogue(store), index)
        yield from _through_door(door(tokens, verdicts, Catalogue(store), directory))
        store.close()


def _in_process(
    tokens: HeldTokens, catalogue: Catalogue, index: TokenIndex, directory: Path
) -> Iterator[Result]:
    gc.collect()
    before, begin = resident_bytes(), time.process_time()
    index.refresh()
    build, grown = time.process_time() - begin, resident_bytes() - before
    yield Result("lookup: index read from the store", tokens.count / build, "tokens/s CPU")
    yield Result("lookup: memory of the index", grown / MEBIBYTE, "MiB")
    batches, unit = Batches(tokens), "tokens/s CPU"
    verdicts, by_rows = FixedVerdicts(catalogue, index), FixedVerdicts(catalogue, None)
    others = dict(_baselines(tokens, directory))
    for kind, batch in (("1 in 10 known", batches.mixed), ("all known", batches.known)):
        rate = _rate(verdicts.outline, batch)
        yield Result(f"lookup: {kind}", rate, unit, 300_000, at_least=True)
        slow = _rate(by_rows.outline, batch)
        yield Result(f"lookup: {kind}, beside the node without index", rate, unit, None, slow)
        for name, ask in others.items():
            baseline = _rate(ask, batch)
            yield Result(f"lookup: {kind}, beside {name}", rate, unit, None, baseline)


def _through_door(found: DoorFigures) -> Iterator[Result]:
    for kind, rate in found.rates.items():
        unit = "tokens/s CPU of the server"
        yield Result(f"lookup: mTLS, {kind}", rate, unit, 150_000, at_least=True)
    yield Result("lookup: single call, alone, median", found.alone.middle, "ms")
    yield Result("lookup: single call, alone, p99", found.alone.late, "ms")
    yield Result("lookup: single call beside bulk, median", found.beside.middle, "ms")
    yield Result("lookup: single call beside bulk, p99", found.beside.late, "ms", 10)
    yield Result("lookup: reply to a prefix, largest", found.largest, "bytes")
    share = "lookup: reply to a prefix, largest by smallest"
    yield Result(share, found.largest, "bytes", 1, found.smallest)


def fill_plain_table(count: int, path: Path) -> None:
    """Put the same tokens into a table that holds nothing else."""
    with closing(open_to_fill(path)) as database:
        database.execute("CREATE TABLE held (token BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("BEGIN")
        rows = ((token,) for token in HeldTokens(count))
        database.executemany("INSERT INTO held VALUES (?)", rows)
        database.execute("COMMIT")


def _baselines(tokens: HeldTokens, directory: Path) -> Iterator[tuple[str, Ask]]:
    """Yield what else answers whether a token is held, by name."""
    connection = sqlite3.connect(directory / PLAIN, isolation_level=None)
    connection.execute("PRAGMA cache_size = -16384")  # as each reader of the node has
    marks = ", ".join("?" * _TOKENS_PER_QUERY)
    query = f"SELECT token FROM held WHERE token IN ({marks})"  # only marks

    def in_sqlite(asked: Sequence[bytes]) -> list[bytes]:
        found = []
        for begin in range(0, len(asked), _TOKENS_PER_QUERY):
            part = list(asked[begin : begin + _TOKENS_PER_QUERY])
            part += part[-1:] * (_TOKENS_PER_QUERY - len(part))
            found.extend(connection.execute(query, part))
        return found

    def unkeyed(asked: Sequence[bytes]) -> list[bytes]:
        return in_sqlite([hashlib.sha256(value).digest()[:16] for value in asked])

    def in_set(asked: Sequence[bytes]) -> list[bytes]:
        return [token for token in asked if token in everything]

    everything = set(tokens)
    yield "a plain SQLite table", in_sqlite
    yield "SHA-256 without a key in SQLite (MISP)", unkeyed
    yield "a Python set", in_set


def _rate(ask: Ask, batch: Callable[[int], list[bytes]], rounds: int = ROUNDS) -> float:
    """Return how many tokens a second of CPU are answered, as the median of several batches."""
    taken = []
    for number in range(rounds + 1):
        asked = batch(number)
        begin = time.process_time()
        ask(asked)
        taken.append(time.process_time() - begin)
    return MAX_TOKENS / median(taken[1:])
