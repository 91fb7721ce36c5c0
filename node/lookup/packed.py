"""Hold what is known of many tokens in a few arrays: 32 bytes a token, found by bisection.

A token is two 64-bit numbers; the first one is what entries are sorted by, and no two entries
share it. An entry is a lone nomination, or says only that the database has to be asked:

- ``MISSING``: nothing is known of the token (never stored);
- ``ASK``: there is more about it than one nomination, or what does not fit in here;
- ``TWINS``: several tokens begin with the same 64 bits; which ones, only the database knows;
- from ``FIRST_SAID`` on: the number of what the nomination says, see ``federation.course.Said``.

Arrays are never changed in place: who reads while somebody writes sees the old or the new ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

MISSING: Final = 0
ASK: Final = 1
TWINS: Final = 2
FIRST_SAID: Final = 3

Numbers = npt.NDArray[np.uint64]
Details = npt.NDArray[np.void]

DETAIL: Final = np.dtype(
    [("said", np.uint32), ("issued", np.uint32), ("seen", np.uint32), ("expires", np.uint32)]
)
"""What is kept of a token; times are seconds, 0 in ``expires`` is none."""

# Parts by the first bits of a token: writing copies one part at a time, a sixteenth of all.
_PART_BITS: Final = 4
_PARTS: Final = 1 << _PART_BITS
_PART_NUMBERS: Final = np.arange(_PARTS + 1, dtype=np.uint64)
_PART_SHIFT: Final = np.uint64(64 - _PART_BITS)


class Tokens(NamedTuple):
    """Tokens as two columns of numbers."""

    high: Numbers
    low: Numbers

    @classmethod
    def of(cls, tokens: Sequence[bytes]) -> Tokens:
        """Read tokens of 16 bytes each."""
        pairs = np.frombuffer(b"".join(tokens), ">u8").astype(np.uint64).reshape(-1, 2)
        return cls(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))

    def take(self, places: Any) -> Tokens:
        """Return some of them."""
        return Tokens(self.high[places], self.low[places])


class Entries(NamedTuple):
    """Tokens with what is known of each."""

    tokens: Tokens
    details: Details

    @classmethod
    def joined(cls, several: Sequence[Entries]) -> Entries:
        """Put at least one of them behind each other."""
        high = np.concatenate([one.tokens.high for one in several])
        low = np.concatenate([one.tokens.low for one in several])
        return cls(Tokens(high, low), np.concatenate([one.details for one in several]))

    def take(self, places: Any) -> Entries:
        """Return some of them."""
        return Entries(self.tokens.take(places), self.details[places])

    def distinct(self) -> Entries:
        """Return them sorted, one for each first number: of several rows, ask the database."""
        found = self.take(np.argsort(self.tokens.high, kind="stable"))
        (high, low), details = found
        again = np.flatnonzero(high[1:] == high[:-1]) + 1
        if not len(again):
            return found
        details["said"][again - 1] = details["said"][again] = ASK
        twins = high[again[low[again] != low[again - 1]]]
        details["said"][np.isin(high, twins)] = TWINS
        return found.take(np.concatenate(([True], high[1:] != high[:-1])))


class Part(NamedTuple):
    """Entries in the order of their first numbers, which are all different."""

    high: Numbers
    low: Numbers
    details: Details

    @classmethod
    def of(cls, entries: Entries) -> Part:
        """Keep sorted and distinct entries."""
        return cls(*entries.tokens, entries.details)

    def find(self, tokens: Tokens) -> Details:
        """Return what is known of each token; one that is not here is MISSING."""
        found = np.zeros(len(tokens.high), DETAIL)
        if not len(self.high):
            return found
        place, same = self._at(tokens.high)
        details = self.details[place]
        known = same & ((self.low[place] == tokens.low) | (details["said"] == TWINS))
        found[known] = details[known]
        return found

    def replaced(self, changes: Entries) -> Part:
        """Return the part with entries put in, replaced or, where MISSING, taken out.

        Args:
            changes: Sorted and distinct.
        """
        (high, low), details = changes.tokens, changes.details.copy()
        keep = np.ones(len(self.high), np.bool_)
        if len(self.high):
            place, same = self._at(high)
            keep[place[same]] = False
            others = self.low[place] != low
            details["said"][same & (others | (self.details["said"][place] == TWINS))] = TWINS
        stays = details["said"] != MISSING
        kept = self.high[keep]
        where = np.searchsorted(kept, high[stays])
        return Part(
            np.insert(kept, where, high[stays]),
            np.insert(self.low[keep], where, low[stays]),
            np.insert(self.details[keep], where, details[stays]),
        )

    def _at(self, high: Numbers) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        place = np.minimum(np.searchsorted(self.high, high), len(self.high) - 1)
        return place, self.high[place] == high


_EMPTY: Final = Part(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, DETAIL))


class Packed:
    """All entries, in parts."""

    def __init__(self) -> None:
        self._parts = [_EMPTY] * _PARTS

    def __len__(self) -> int:
        return sum(len(part.high) for part in self._parts)

    def find(self, tokens: Sequence[bytes]) -> Details:
        """Return what is known of each token, in the order asked."""
        asked = Tokens.of(tokens)
        order = np.argsort(asked.high)  # neighbours are close together in memory
        sorted_tokens = asked.take(order)
        found = np.zeros(len(tokens), DETAIL)
        for number, piece in _pieces(sorted_tokens.high):
            found[order[piece]] = self._parts[number].find(sorted_tokens.take(piece))
        return found

    def replace(self, changes: Entries) -> None:
        """Put in, replace or take out entries, a part at a time."""
        distinct = changes.distinct()
        for number, piece in _pieces(distinct.tokens.high):
            self._parts[number] = self._parts[number].replaced(distinct.take(piece))


def _pieces(high: Numbers) -> Iterator[tuple[int, slice]]:
    """Yield each part that sorted numbers belong to, and where they are."""
    cuts = np.searchsorted(high >> _PART_SHIFT, _PART_NUMBERS).tolist()
    for number, (begin, end) in enumerate(itertools.pairwise(cuts)):
        if begin < end:
            yield number, slice(begin, end)
