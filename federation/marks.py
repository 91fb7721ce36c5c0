"""Read the marks of a number: what is shown of them, at a time, after corrections and reassignment.

A mark stands for at least ``least_of(band)`` customers when it was counted. It fades with
``decay``: it keeps its band until half is left, goes down band by band, and is gone below half of
LEAST_REPORTERS. Marks that were counted up to a correction, or before the number had a new owner,
do not count (R68).

In a sum a member says for each label which of the counts 0 to MEMBER_REPORTERS is its own, as a
single 1 among zeros. It is proved to the holders that a vector has zeros and ones alone, as many as
there are labels (``federation.sums.one_hot``), and a label in which not each contributor has one
count is not shown. So a member adds at most MEMBER_REPORTERS to a label whatever its node does, and
takes nothing from others: several liars add that for each of them, two as much as is shown. A liar
can keep a label from being shown. What becomes known beside the total is how many members have each
count, and not which. Where a charter has too few holders for the proof, no marks are added up.

Source: DOMAIN R55.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from federation.decay import decay
from federation.packing import pack
from federation.reporting import count_band, least_of
from federation.statements import SumOpen
from federation.statements.shape import DIGEST_BYTES, IDENTIFIER_BYTES, MAX_SKEW_SECONDS
from federation.sums import label_of
from federation.views import Row
from federation.vocabulary import CountBand, MarkLabel
from federation.weighing import Standing, has_say

LEAST_BAND: Final = CountBand.SOME
LEAST_REPORTERS: Final = least_of(LEAST_BAND)
"""Reporters below whom nothing is shown: with fewer, neighbours could guess who complained."""
MEMBER_REPORTERS: Final = LEAST_REPORTERS // 2
"""Reporters that one member adds to a sum at most: one alone, and others' noise, show nothing."""
GONE_REPORTERS: Final = LEAST_REPORTERS / 2
"""What a faded mark must still stand for: a band is kept until half is left."""
DAY_SECONDS: Final = 86_400
"""Seconds in which a number's marks are summed once: more often nothing has changed."""

SOURCE_NAME: Final = "MARKS"
LEVELS: Final = MEMBER_REPORTERS + 1
"""Entries of a label in a sum: one for each count that a member can add, none included."""
ENTRIES: Final = {
    label_of(b"mark", one.name.encode(), bytes([count])): (one, count)
    for one in MarkLabel
    for count in range(LEVELS)
}
"""The entries of a sum of marks, in their order."""

_SUBJECT_LABEL: Final = b"tocsin/marks/subject/1"


@dataclass(frozen=True, slots=True)
class ShownMark:
    """What is shown of one label of a number.

    Attributes:
        reporters: How many customers by now, after fading.
        freshness: What is left of it, 1 down to 0.
        counted_time: When it was counted.
        member: Who published it.
    """

    label: MarkLabel
    reporters: CountBand
    freshness: float
    counted_time: int
    member: str


def subject_of(token: bytes, day: int) -> bytes:
    """Return what a sum of one number's marks is about, 32 bytes: new each day.

    A sum about the same subject with other contributors is refused, so that one a day and number
    is all that can be asked.
    """
    digest = hashlib.sha256(pack(_SUBJECT_LABEL, token, day.to_bytes(4))).digest()
    return token + digest[: DIGEST_BYTES - IDENTIFIER_BYTES]


def token_of(subject: bytes, now: int) -> bytes | None:
    """Return the token of a subject of today or yesterday; None for another."""
    token, today = subject[:IDENTIFIER_BYTES], now // DAY_SECONDS
    if len(subject) == DIGEST_BYTES and subject in (
        subject_of(token, today),
        subject_of(token, today - 1),
    ):
        return token
    return None


def entries_of(counts: Mapping[MarkLabel, int]) -> list[int]:
    """Return what a member adds to a sum: a 1 for each label, at its count or the nearest one."""
    held = {label: min(max(count, 0), MEMBER_REPORTERS) for label, count in counts.items()}
    return [int(held.get(label, 0) == count) for label, count in ENTRIES.values()]


def totals_of(units: Sequence[int], contributors: int) -> dict[MarkLabel, int]:
    """Return how many customers gave each mark, by a sum's total.

    A label in which not each contributor has exactly one count is left out: somebody added what no
    honest member adds.
    """
    found: dict[MarkLabel, int] = {}
    for place, label in enumerate(MarkLabel):
        members = units[place * LEVELS : (place + 1) * LEVELS]
        if min(members) >= 0 and sum(members) == contributors:
            found[label] = sum(count * each for count, each in enumerate(members))
    return found


def is_bounded(opening: SumOpen) -> bool:
    """Say whether a sum of marks holds every member to one count a label."""
    asked = (opening.label_count, opening.largest, opening.one_hot)
    return asked == (len(ENTRIES), 1, len(MarkLabel))


def start_of(
    corrections: Iterable[Row], cutoffs: Iterable[Row], standing: Standing, now: int
) -> int:
    """Return the second up to which marks of a number do not count; 0: all count.

    Args:
        corrections: Rows of the view ``correction`` about its token.
        cutoffs: Rows of the view ``cutoff``.
        standing: Of the members.
        now: Seconds since 1970.
    """
    times = [
        effective
        for rows, body in ((corrections, "mark_correction"), (cutoffs, "reassigned"))
        for _token, member, _statement, _kind, effective, expires in rows
        if effective <= now and not 0 < expires <= now and has_say(member, body, standing)
    ]
    return max(times, default=0)


def shown_marks(
    marks: Iterable[Row], since: int, standing: Standing, now: int
) -> Sequence[ShownMark]:
    """Return what is shown of a number, most reporters first; of one label the strongest.

    Args:
        marks: Rows of the view ``mark`` about its token.
        since: As ``start_of`` gives it.
        standing: Of the members.
        now: Seconds since 1970.
    """
    strongest: dict[MarkLabel, tuple[float, ShownMark]] = {}
    for _token, member, _statement, kind, label, band, counted, expires, _sum in marks:
        is_timely = since < counted <= now + MAX_SKEW_SECONDS and not 0 < expires <= now
        if not is_timely or not has_say(member, "number_mark", standing):
            continue
        left = decay(kind, max(0, now - counted))
        count = least_of(CountBand(band)) * left
        if count < GONE_REPORTERS:
            continue
        faded = min(CountBand(band), count_band(round(2 * count)))
        mark = ShownMark(MarkLabel(label), faded, left, counted, member)
        if count > strongest.get(mark.label, (0.0, mark))[0]:
            strongest[mark.label] = (count, mark)
    found = sorted(strongest.values(), key=lambda one: (-one[0], one[1].label))
    return [mark for _count, mark in found]


BLUR_EPSILON: Final = 2.0
"""Privacy of one customer's mark in a sum: with three members the total is off by one or so."""


def blur(count: int, seed: bytes) -> int:
    """Add noise to a member's count, so that a total below the least number shows nobody.

    Two-sided geometric noise, the discrete Laplace mechanism. The seed decides it: the same
    count under the same seed is blurred alike, so that asking again teaches nothing.

    Args:
        count: Own customers with one mark.
        seed: 16 bytes or more that nobody else can know, for this number, label and count.
    """
    first, second = (_geometric(part) for part in (seed[:8], seed[8:16]))
    return count + first - second


def _geometric(part: bytes) -> int:
    uniform = (int.from_bytes(part) + 1) / (1 << 64)
    return int(-math.log(uniform) / BLUR_EPSILON)
