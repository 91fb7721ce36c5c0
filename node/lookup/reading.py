"""Read entries of the index out of the views: in the order of the tokens, in blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from federation.course import Said
from federation.statements import BODY_NUMBERS, ProtectedObject, Reassigned
from federation.views import CUTOFF, EVIDENCE, PROTECTION
from federation.weighing import DESIGNATION, NOMINATION
from node.lookup.packed import ASK, DETAIL, FIRST_OTHER, FIRST_SAID, MOST_OF_ONE, Entries, Tokens
from node.store.protocol import PublicReader, Row

# Rows of a block: some megabytes of Python objects at a time.
ROWS: Final = 8_192
# Tokens that are read together where they are not read in order: what a query may hold.
TOKENS: Final = 4_096
# Blocks that are put into the arrays together, since that copies these.
BLOCKS: Final = 4

_COLUMNS: Final = [name for name, _ in EVIDENCE.columns]
_TOKEN: Final = itemgetter(0)
_SAID_COLUMNS: Final = ("member", "kind", "confidence", "detail", "subject_role", "body")
_SAID: Final = itemgetter(*map(_COLUMNS.index, _SAID_COLUMNS))
_TIMES: Final = {name: itemgetter(_COLUMNS.index(name)) for name in ("issued", "seen", "expires")}
_LATEST: Final = 2**32 - 1
_LOWEST, _HIGHEST = bytes(16), b"\xff" * 16

REASSIGNED: Final = BODY_NUMBERS[Reassigned]
PROTECTED: Final = BODY_NUMBERS[ProtectedObject]


class SaidNumbers(dict[tuple[Any, ...], int]):
    """Numbers for what statements say, given when they are first asked for.

    There are only so many, whatever a member says: everything in them is one of few values.

    Attributes:
        known: By number, from ``FIRST_SAID`` on; what is no nomination has ``FIRST_OTHER`` more.
    """

    def __init__(self) -> None:
        self.known: list[Said] = []

    def __missing__(self, said: tuple[Any, ...]) -> int:
        made = Said._make(said)
        self.known.append(made)
        other = 0 if made.body == NOMINATION else FIRST_OTHER
        number = self[said] = len(self.known) - 1 + FIRST_SAID + other
        return number


def read_all(reader: PublicReader, numbers: SaidNumbers) -> Iterator[Entries]:
    """Yield entries for every token that has a row; which come later replace what came before."""
    made = (_evidence(rows, numbers) for rows in _whole_tokens(_bounded(reader.rows(EVIDENCE))))
    while several := list(itertools.islice(made, BLOCKS)):
        yield Entries.joined(several)
    for table in (CUTOFF, PROTECTION):
        tokens = reader.tokens(table, _LOWEST, _HIGHEST)
        while part := list(itertools.islice(tokens, TOKENS)):
            yield read_again(reader, part, numbers)


def read_again(reader: PublicReader, tokens: Sequence[bytes], numbers: SaidNumbers) -> Entries:
    """Return all rows of some distinct tokens, and MISSING for each without any."""
    evidence, cutoffs, protections = (
        list(_bounded(reader.rows_of(table, tokens))) for table in (EVIDENCE, CUTOFF, PROTECTION)
    )
    known = set(map(_TOKEN, itertools.chain(evidence, cutoffs, protections)))
    missing = [token for token in tokens if token not in known]
    return Entries.joined(
        [
            Entries(Tokens.of(missing), np.zeros(len(missing), DETAIL)),
            _evidence(evidence, numbers),
            _others(cutoffs, REASSIGNED, numbers),
            _others(protections, PROTECTED, numbers),
        ]
    )


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield of each token one row more than are kept at most, whoever has flooded it."""
    for _, found in itertools.groupby(rows, _TOKEN):
        yield from itertools.islice(found, MOST_OF_ONE + 1)


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


def _evidence(rows: Sequence[Row], numbers: SaidNumbers) -> Entries:
    """Return an entry for each row; of one token there may be several."""
    details = np.zeros(len(rows), DETAIL)
    words = list(map(_SAID, rows))
    for place, word in enumerate(words):
        if word[-1] == DESIGNATION:  # its detail is a time, which is never read
            words[place] = (*word[:3], 0, *word[4:])
    said = np.fromiter(map(numbers.__getitem__, words), np.uint32, len(rows))
    for name, item in _TIMES.items():
        times = np.fromiter(map(item, rows), np.int64, len(rows))
        said[(times < (name != "expires")) | (times > _LATEST)] = ASK
        details[name] = times  # what does not fit is cut off, and never read
    details["said"] = said
    return Entries(Tokens.of(list(map(_TOKEN, rows))), details)


def _others(rows: Sequence[Row], body: int, numbers: SaidNumbers) -> Entries:
    """Return an entry for each change of hands, ``seen`` when it is in force, or protection."""
    details = np.zeros(len(rows), DETAIL)
    for place, (_, member, _, _, effective, expires) in enumerate(rows):
        number = numbers[member, 0, 0, 0, 0, body]
        seen = effective if body == REASSIGNED else 0
        fits = 0 <= seen <= _LATEST and 0 <= expires <= _LATEST
        details[place] = (number, 0, seen, expires) if fits else (ASK, 0, 0, 0)
    return Entries(Tokens.of(list(map(_TOKEN, rows))), details)
