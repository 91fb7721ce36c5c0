"""Read entries of the index out of the views: in the order of the tokens, in blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from federation.course import Said
from federation.views import CUTOFF, EVIDENCE, PROTECTION
from federation.weighing import NOMINATION
from node.lookup.packed import ASK, DETAIL, FIRST_SAID, Details, Entries, Tokens
from node.store.protocol import PublicReader, Row

# Rows of a block: some megabytes of Python objects at a time.
ROWS: Final = 8_192
# Blocks that are put into the arrays together, since that copies these.
BLOCKS: Final = 4

_COLUMNS: Final = [name for name, _ in EVIDENCE.columns]
_TOKEN: Final = itemgetter(0)
_BODY: Final = itemgetter(_COLUMNS.index("body"))
_SAID: Final = itemgetter(
    *(_COLUMNS.index(name) for name in ("member", "kind", "confidence", "detail", "subject_role"))
)
_TIMES: Final = {name: itemgetter(_COLUMNS.index(name)) for name in ("issued", "seen", "expires")}
_LATEST: Final = 2**32 - 1
_LOWEST, _HIGHEST = bytes(16), b"\xff" * 16


class SaidNumbers(dict[tuple[Any, ...], int]):
    """Numbers for what nominations say, given when they are first asked for.

    Attributes:
        known: By number, from ``FIRST_SAID`` on.
    """

    def __init__(self) -> None:
        self.known: list[Said] = []

    def __missing__(self, said: tuple[Any, ...]) -> int:
        self.known.append(Said._make(said))
        number = self[said] = len(self.known) - 1 + FIRST_SAID
        return number


def read_all(reader: PublicReader, numbers: SaidNumbers) -> Iterator[Entries]:
    """Yield entries for every token that has a row; which come later replace what came before."""
    made = (_entries(rows, numbers) for rows in _whole_tokens(reader.rows(EVIDENCE)))
    while several := list(itertools.islice(made, BLOCKS)):
        yield Entries.joined(several)
    for table in (CUTOFF, PROTECTION):
        tokens = reader.tokens(table, _LOWEST, _HIGHEST)
        while part := list(itertools.islice(tokens, ROWS)):
            details = np.zeros(len(part), DETAIL)
            details["said"] = ASK
            yield Entries(Tokens.of(part), details)


def read_again(reader: PublicReader, tokens: Sequence[bytes], numbers: SaidNumbers) -> Entries:
    """Return one entry for each of some distinct tokens, MISSING where there is no row."""
    details = np.zeros(len(tokens), DETAIL)
    place = {token: number for number, token in enumerate(tokens)}
    if rows := list(reader.rows_of(EVIDENCE, tokens)):
        where = [place[row[0]] for row in rows]
        details[where] = _details(rows, numbers)
        details["said"][np.bincount(where, minlength=len(tokens)) > 1] = ASK
    for table in (CUTOFF, PROTECTION):
        for row in reader.rows_of(table, tokens):
            details["said"][place[row[0]]] = ASK
    return Entries(Tokens.of(tokens), details)


def _whole_tokens(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Cut sorted rows into blocks, so that the rows of a token stay together."""
    left: list[Row] = []
    while block := list(itertools.islice(rows, ROWS)):
        last, end = block[-1][0], len(block)
        while end and block[end - 1][0] == last:
            end -= 1
        if end:
            yield left + block[:end]
            left = block[end:]
        elif left and left[0][0] != last:
            yield left
            left = block
        else:
            left += block
    if left:
        yield left


def _entries(rows: Sequence[Row], numbers: SaidNumbers) -> Entries:
    """Return an entry for each row; of one token there may be several."""
    return Entries(Tokens.of(list(map(_TOKEN, rows))), _details(rows, numbers))


def _details(rows: Sequence[Row], numbers: SaidNumbers) -> Details:
    details = np.zeros(len(rows), DETAIL)
    said = np.full(len(rows), ASK, np.uint32)
    # Only these have few things to say: each member chooses the seconds in a designation.
    alone = np.flatnonzero(np.fromiter(map(_BODY, rows), np.int64, len(rows)) == NOMINATION)
    told = map(_SAID, map(rows.__getitem__, alone.tolist()))
    said[alone] = np.fromiter(map(numbers.__getitem__, told), np.uint32, len(alone))
    for name, item in _TIMES.items():
        times = np.fromiter(map(item, rows), np.int64, len(rows))
        said[(times < 0) | (times > _LATEST)] = ASK
        details[name] = times  # what does not fit is cut off, and never read
    details["said"] = said
    return details
