"""Fill a store with nominations as members' logs leave them, in seconds for millions.

The rows of the view go in directly: what is measured here is reading, and ten million statements
would take minutes to sign and fold. They are the rows that ``federation.views.fold`` makes of
nominations; nothing else of a log is there. They go in in the order of the tokens, so that pages
are full and follow one another: the best that reading rows can meet, where a node's own file has
them in the order in which they were said. What one bench of a run has filled, the next one copies
(``workshop``).
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.indicators import Kind
from federation.views import EVIDENCE
from federation.vocabulary import FraudType
from federation.weighing import NOMINATION
from node.store.schema import view_name
from node.store.sqlite import SqliteStore
from tests.bench.workshop import kept_file

NOW: Final = 1_800_000_000
MEMBER: Final = "bank-x"
TOKEN_BYTES: Final = 16

_TERM_SECONDS: Final = 9 * 86_400
_AGE_SECONDS: Final = 2 * 86_400
# Tokens whose rows are drawn at once.
_CHUNK: Final = 250_000
# Nobody reads while it is filled, and a file that is not filled is thrown away; KiB of cache: so
# much that no page is written before it is full.
_PRAGMAS: Final = (
    "journal_mode = OFF",
    "synchronous = OFF",
    "locking_mode = EXCLUSIVE",
    "cache_size = -65536",
)
# What differs between the rows is bound; the rest stands in the statement, which halves the time.
_VALUES: Final = {
    "token": "?1",
    "member": "?2",
    "statement": "?1",
    "kind": int(Kind.DOMAIN),
    "body": NOMINATION,
    "confidence": "?3",
    "detail": 1,
    "fraud_type": int(FraudType.INVESTMENT),
    "stage": 0,
    "subject_role": 0,
    "count": 1,
    "issued": "?4",
    "seen": "?4",
    "expires": NOW + _TERM_SECONDS,
    "epoch": 1,
    "position": "?5",
}


class HeldTokens:
    """Tokens of a seed, in order, and a store that holds a nomination of each by every member."""

    def __init__(self, count: int, seed: int = 1, members: Sequence[str] = (MEMBER,)) -> None:
        """Draw tokens; 16 bytes of memory each.

        Args:
            members: In their order.
        """
        self.count, self._members = count, tuple(members)
        self._name = f"held-{count}-{seed}-{'-'.join(members)}.db"
        source = np.random.default_rng(seed)
        high = np.sort(source.integers(0, 2**64, count, np.uint64))
        low = source.integers(0, 2**64, count, np.uint64)
        self._bytes = np.stack([high, low], axis=1).astype(">u8").tobytes()

    def __iter__(self) -> Iterator[bytes]:
        return self.slice(0, self.count)

    def slice(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield tokens by their places."""
        places = range(begin * TOKEN_BYTES, min(end, self.count) * TOKEN_BYTES, TOKEN_BYTES)
        return (self._bytes[place : place + TOKEN_BYTES] for place in places)

    def sample(self, count: int, seed: int) -> list[bytes]:
        """Return some of the tokens, in no order."""
        places = np.random.default_rng(seed).integers(0, self.count, count).tolist()
        return [token for place in places for token in self.slice(place, place + 1)]

    def fill(self, path: Path) -> SqliteStore:
        """Open a store with all of them."""
        shutil.copyfile(kept_file(self._name, self._fill), path)
        return SqliteStore(path)

    def _fill(self, path: Path) -> None:
        SqliteStore(path).close()  # the tables, as a node makes them
        values = ", ".join(str(_VALUES[name]) for name, _ in EVIDENCE.columns)
        query = f"INSERT INTO {view_name(EVIDENCE)} VALUES ({values})"  # constants
        with closing(open_to_fill(path)) as database:
            database.execute("BEGIN")
            for begin in range(0, self.count, _CHUNK):
                database.executemany(query, self._rows(begin, begin + _CHUNK))
            database.execute("COMMIT")

    def _rows(self, begin: int, end: int) -> Iterator[tuple[Any, ...]]:
        said = [self._said(member, begin, end) for member in self._members]
        return itertools.chain.from_iterable(zip(*said, strict=True))

    def _said(self, member: str, begin: int, end: int) -> Iterator[tuple[Any, ...]]:
        """Yield what differs between the rows: one of a member for each token."""
        seed = (begin, self._members.index(member)) if len(self._members) > 1 else begin
        source, count = np.random.default_rng(seed), min(end, self.count) - begin
        confidences = source.integers(30, 101, count).tolist()
        seen = (NOW - source.integers(0, _AGE_SECONDS, count)).tolist()
        places, member_of_all = range(begin, begin + count), itertools.repeat(member)
        tokens = self.slice(begin, begin + count)
        return zip(tokens, member_of_all, confidences, seen, places, strict=False)


def open_to_fill(path: Path) -> sqlite3.Connection:
    """Open a file that nobody else has open, to be filled fast and not safely."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    return database


def random_tokens(count: int, seed: int) -> list[bytes]:
    """Return tokens that nobody holds."""
    drawn = np.random.default_rng(seed).bytes(TOKEN_BYTES * count)
    return [drawn[place : place + TOKEN_BYTES] for place in range(0, len(drawn), TOKEN_BYTES)]
