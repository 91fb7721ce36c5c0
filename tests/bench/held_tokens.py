"""Fill a store with nominations as one member's log leaves them, in seconds for millions.

The rows of the view go in directly: what is measured here is reading, and ten million statements
would take minutes to sign and fold. They are the rows that ``federation.views.fold`` makes of
nominations; nothing else of a log is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.indicators import Kind
from federation.views import EVIDENCE
from federation.vocabulary import FraudType
from federation.weighing import NOMINATION
from node.store.schema import view_name
from node.store.sqlite import SqliteStore

NOW: Final = 1_800_000_000
MEMBER: Final = "bank-x"
TOKEN_BYTES: Final = 16

_TERM_SECONDS: Final = 9 * 86_400
_AGE_SECONDS: Final = 2 * 86_400
# Rows of one transaction: below 50 MB of journal.
_CHUNK: Final = 250_000
_MARKS: Final = ", ".join("?" * len(EVIDENCE.columns))


class HeldTokens:
    """Tokens of a seed, in order, and a store that holds a nomination of each."""

    def __init__(self, count: int, seed: int = 1) -> None:
        """Draw tokens; 16 bytes of memory each."""
        self.count = count
        source = np.random.default_rng(seed)
        high = np.sort(source.integers(0, 2**64, count, np.uint64)).astype(">u8")
        pairs = np.stack([high, source.integers(0, 2**64, count, np.uint64).astype(">u8")], axis=1)
        self._bytes = pairs.tobytes()

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
        store = SqliteStore(path)
        query = f"INSERT INTO {view_name(EVIDENCE)} VALUES ({_MARKS})"  # constants
        for begin in range(0, self.count, _CHUNK):
            with store.file.write() as connection:
                connection.executemany(query, self._rows(begin, begin + _CHUNK))
        return store

    def _rows(self, begin: int, end: int) -> Iterator[tuple[Any, ...]]:
        source, count = np.random.default_rng(begin), min(end, self.count) - begin
        confidences = source.integers(30, 101, count).tolist()
        seen = (NOW - source.integers(0, _AGE_SECONDS, count)).tolist()
        same = itertools.repeat
        about = (same(int(Kind.DOMAIN)), same(NOMINATION), confidences, same(1))
        fraud = (same(int(FraudType.INVESTMENT)), same(0), same(0), same(1))
        when = (seen, seen, same(NOW + _TERM_SECONDS), same(1), range(begin, begin + count))
        tokens = list(self.slice(begin, begin + count))
        return zip(tokens, same(MEMBER), tokens, *about, *fraud, *when, strict=False)


def random_tokens(count: int, seed: int) -> list[bytes]:
    """Return tokens that nobody holds."""
    drawn = np.random.default_rng(seed).bytes(TOKEN_BYTES * count)
    return [drawn[place : place + TOKEN_BYTES] for place in range(0, len(drawn), TOKEN_BYTES)]
