"""Hold what is known of many tokens in a few arrays, found by bisection.

A token is two 64-bit numbers; the first one is what entries are sorted by, and no two entries
share it: 32 bytes a token. An entry is a lone nomination, or says where there is more:

- ``MISSING``: nothing is known of the token (never stored);
- ``ASK``: only the database knows, as what there is does not fit in here;
- ``TWINS``: several tokens begin with the same 64 bits; which ones, only the database knows;
- ``SEVERAL``: its rows stand beside the entries, in their order, 16 bytes a row;
- from ``FIRST_SAID`` on: the number of what the nomination says, see ``federation.course.Said``.

A row that is no nomination has a number from ``FIRST_OTHER`` on, and is never an entry.

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
SEVERAL: Final = 3
FIRST_SAID: Final = 4
FIRST_OTHER: Final = 1 << 31

# Rows of a token that are kept: more members than speak about one, and few enough that a member
# that floods one token does not slow down a batch. With more the database is asked.
MOST_OF_ONE: Final = 64
# Rows that are kept in all, 16 bytes each: 384 MB beside the 320 MB of ten million tokens. For
# tokens that come when a part has its share, the database is asked.
MOST_ROWS: Final = 24_000_000

Numbers = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Details = npt.NDArray[np.void]

DETAIL: Final = np.dtype(
    [("said", np.uint32), ("issued", np.uint32), ("seen", np.uint32), ("expires", np.uint32)]
)
"""What is kept of a token or row; times are seconds, 0 in ``expires`` is none. Of SEVERAL,
``issued`` is the place of the first row among those of its part, ``seen`` how many there are."""

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


class Several(NamedTuple):
    """The rows of tokens that have several.

    Attributes:
        counts: How many rows each token has, at least one.
        rows: Of one token after the other.
    """

    counts: Counts
    rows: Details

    @classmethod
    def joined(cls, several: Sequence[Several]) -> Several:
        """Put at least one of them behind each other."""
        counts = np.concatenate([one.counts for one in several])
        return cls(counts, np.concatenate([one.rows for one in several]))

    def kept(self, keep: npt.NDArray[np.bool_]) -> Several:
        """Return those of some of the tokens."""
        if keep.all():
            return self
        return Several(self.counts[keep], self.rows[np.repeat(keep, self.counts)])


_NO_ROWS: Final = Several(np.zeros(0, np.int64), np.zeros(0, DETAIL))


class Entries(NamedTuple):
    """Tokens with what is known of each, which may be in several rows."""

    tokens: Tokens
    details: Details

    @classmethod
    def joined(cls, several: Sequence[Entries]) -> Entries:
        """Put at least one of them behind each other."""
        high = np.concatenate([one.tokens.high for one in several])
        low = np.concatenate([one.tokens.low for one in several])
        return cls(Tokens(high, low), np.concatenate([one.details for one in several]))

    def distinct(self) -> Changes:
        """Return one entry for each first number, sorted, with the rows of those with several."""
        order = np.argsort(self.tokens.high, kind="stable")
        (high, low), details = self.tokens.take(order), self.details[order]
        begins = np.flatnonzero(np.concatenate(([True], high[1:] != high[:-1])))
        counts, entries = np.diff(begins, append=len(high)), details[begins]
        several = (counts > 1) | (entries["said"] >= FIRST_OTHER)
        if several.any():
            asks = np.logical_or.reduceat(details["said"] == ASK, begins) | (counts > MOST_OF_ONE)
            is_twin = low != np.repeat(low[begins], counts)
            twins = np.logical_or.reduceat(is_twin, begins)
            entries["said"][several], entries["seen"][several] = SEVERAL, counts[several]
            entries["said"][asks] = ASK
            entries["said"][twins] = TWINS
            several &= ~asks & ~twins
        rows = Several(counts, details).kept(several) if several.any() else _NO_ROWS
        return Changes(Tokens(high[begins], low[begins]), entries, rows)


class Changes(NamedTuple):
    """Entries in the order of their first numbers, which are all different.

    Attributes:
        several: Of the entries that are SEVERAL.
    """

    tokens: Tokens
    details: Details
    several: Several

    def pieces(self) -> Iterator[tuple[int, Changes]]:
        """Yield for each part that some belong to its number and those."""
        several = self.details["said"] == SEVERAL
        entries = np.concatenate(([0], np.cumsum(several)))
        rows = np.concatenate(([0], np.cumsum(self.several.counts)))
        for number, piece in _pieces(self.tokens.high):
            begin, end = entries[piece.start], entries[piece.stop]
            own = Several(
                self.several.counts[begin:end], self.several.rows[rows[begin] : rows[end]]
            )
            yield number, Changes(self.tokens.take(piece), self.details[piece], own)

    def asked_for(self, ask: npt.NDArray[np.bool_], instead: int) -> Changes:
        """Return them with some entries that say to ask the database."""
        details = self.details.copy()
        keep = ~ask[details["said"] == SEVERAL]
        details["said"][ask] = instead
        return self._replace(details=details, several=self.several.kept(keep))


class Part(NamedTuple):
    """Entries in the order of their first numbers, which are all different.

    Attributes:
        rows: Of the entries that are SEVERAL, in their order.
    """

    high: Numbers
    low: Numbers
    details: Details
    rows: Details

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

    def rows_of(self, entries: Details) -> Several:
        """Return the rows of entries found here that are SEVERAL."""
        counts = entries["seen"].astype(np.int64)
        before = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(entries["issued"] - before, counts)
        return Several(counts, self.rows[places])

    def replaced(self, changes: Changes) -> Part:
        """Return the part with entries put in, replaced or, where MISSING, taken out."""
        high, low = changes.tokens
        keep = np.ones(len(self.high), np.bool_)
        if len(self.high):
            place, same = self._at(high)
            keep[place[same]] = False
            others = self.low[place] != low
            twins = same & (others | (self.details["said"][place] == TWINS))
            if twins.any():
                changes = changes.asked_for(twins, TWINS)
        old, kept = Several(self._counts(), self.rows).kept(keep), self.high[keep]
        if len(old.rows) + len(changes.several.rows) > MOST_ROWS // _PARTS:
            changes = changes.asked_for(changes.details["said"] == SEVERAL, ASK)
        stays = changes.details["said"] != MISSING
        where = np.searchsorted(kept, high[stays])
        entries = np.insert(self.details[keep], where, changes.details[stays])
        rows = _merged(old, changes.several, where[changes.details["said"][stays] == SEVERAL])
        several = entries["said"] == SEVERAL
        counts = entries["seen"][several].astype(np.int64)
        entries["issued"][several] = np.cumsum(counts) - counts
        return Part(
            np.insert(kept, where, high[stays]),
            np.insert(self.low[keep], where, low[stays]),
            entries,
            rows,
        )

    def _counts(self) -> Counts:
        """Return how many rows each entry has."""
        counts = self.details["seen"].astype(np.int64)
        counts[self.details["said"] != SEVERAL] = 0
        return counts

    def _at(self, high: Numbers) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        place = np.minimum(np.searchsorted(self.high, high), len(self.high) - 1)
        return place, self.high[place] == high


_EMPTY: Final = Part(
    np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, DETAIL), np.zeros(0, DETAIL)
)


def _merged(old: Several, new: Several, where: npt.NDArray[np.intp]) -> Details:
    """Return the rows of old entries and of new ones, each put before an old entry."""
    if not len(new.rows):
        return old.rows
    before = np.concatenate(([0], np.cumsum(old.counts)))
    return np.insert(old.rows, np.repeat(before[where], new.counts), new.rows)


class Found(NamedTuple):
    """What is known of the tokens of a look-up.

    Attributes:
        details: Of each token, in the order asked.
        places: Which of them have several rows.
        several: The rows of those.
    """

    details: Details
    places: npt.NDArray[np.intp]
    several: Several


class Packed:
    """All entries, in parts."""

    def __init__(self) -> None:
        self._parts = [_EMPTY] * _PARTS

    def __len__(self) -> int:
        return sum(len(part.high) for part in self._parts)

    def find(self, tokens: Sequence[bytes]) -> Found:
        """Return what is known of each token."""
        asked = Tokens.of(tokens)
        order = np.argsort(asked.high)  # neighbours are close together in memory
        sorted_tokens = asked.take(order)
        details, places, rows = np.zeros(len(tokens), DETAIL), [_NO_PLACES], [_NO_ROWS]
        for number, piece in _pieces(sorted_tokens.high):
            part = self._parts[number]  # once: rows and entries belong together
            entries = part.find(sorted_tokens.take(piece))
            details[order[piece]] = entries
            several = np.flatnonzero(entries["said"] == SEVERAL)
            if len(several):
                places.append(order[piece][several])
                rows.append(part.rows_of(entries[several]))
        return Found(details, np.concatenate(places), Several.joined(rows))

    def replace(self, changes: Entries) -> None:
        """Put in, replace or take out entries, a part at a time."""
        if len(changes.details):
            for number, piece in changes.distinct().pieces():
                self._parts[number] = self._parts[number].replaced(piece)


_NO_PLACES: Final = np.zeros(0, np.intp)


def _pieces(high: Numbers) -> Iterator[tuple[int, slice]]:
    """Yield each part that sorted numbers belong to, and where they are."""
    cuts = np.searchsorted(high >> _PART_SHIFT, _PART_NUMBERS).tolist()
    for number, (begin, end) in enumerate(itertools.pairwise(cuts)):
        if begin < end:
            yield number, slice(begin, end)
