"""Work out once how a lone nomination fades, so that batches of them only compare seconds.

Most tokens have a single nomination and nothing else. What it comes to depends on few things: who
said it, about which kind, how sure, in which role and from where; and on its age. So its course is
worked out once for each of the former, from ``federation.verdict`` itself, and is then a list of
ages. Nothing is rounded in another way: ``course`` and ``verdict.outline`` say the same of every
nomination at every second.
"""

import functools
from bisect import bisect_left
from typing import Final, NamedTuple

from federation.decay import decay, lifetime_seconds
from federation.roles import Role
from federation.verdict import (
    BAND_SCORES,
    SCORE_PLACES,
    Standing,
    band_of_score,
    drop_age,
    single_codes,
)
from federation.vocabulary import Band, Origin
from federation.weighing import NEWCOMER, NOMINATION, NOT_OFFENDERS, has_say

# Courses kept: a hundred confidences of some hundreds of pairs of member and kind, 10 MiB.
_COURSES: Final = 32_768

BANDS: Final = tuple(BAND_SCORES)
"""The first stages, from the strongest band on."""

STAGES: Final = len(BANDS) + 3
"""Stages of a course: the bands, no band, only advice, nothing."""


class Said(NamedTuple):
    """What is not about time in a statement about a token; numbers are those of the row.

    Attributes:
        origin: Of a nomination; of other evidence what the row calls its detail.
        role: The subject's.
        body: Field number in ``Statement``.
    """

    member: str
    kind: int
    confidence: int
    origin: int
    role: int
    body: int = NOMINATION


class Told(NamedTuple):
    """What may be told in one stage."""

    band: Band
    codes: tuple[str, ...]
    sources: int


class Course(NamedTuple):
    """What a lone nomination in force comes to at each age.

    Attributes:
        ends: For every stage but the last the age in seconds at which it is over; none falls.
            A stage that ends where the one before it does never comes. An age below zero (a
            clock ahead of ours) counts as zero.
        drops: For each band, the age of which is told that it is weaker by then.
        told: What may be told in each stage.
    """

    ends: tuple[int, ...]
    drops: tuple[int, ...]
    told: tuple[Told, ...]


_NOTHING: Final = Told(Band.NONE, (), 0)
_ABROAD: Final = Told(Band.NONE, ("OVERSEAS",), 0)
_SILENT: Final = Course((0,) * (STAGES - 1), (0,) * len(BANDS), (_NOTHING,) * STAGES)


def course(said: Said, standing: Standing) -> Course:
    """Return what a nomination that stands alone comes to, as ``outline`` says it."""
    if not has_say(said.member, "nomination", standing):
        return _SILENT
    advice_ends = lifetime_seconds(said.kind) if said.origin == Origin.OVERSEAS else 0
    if said.role in NOT_OFFENDERS:
        return _advice(advice_ends)
    amplitude = standing.reliability.get(said.member, NEWCOMER) * (said.confidence / 100)
    if not amplitude:
        return _advice(advice_ends)
    return _fading(said.kind, amplitude, standing.roles[said.member], said.role, said.origin)


@functools.lru_cache(_COURSES)
def _fading(kind: int, amplitude: float, roles: frozenset[Role], role: int, origin: int) -> Course:
    codes, lifetime = single_codes(roles, role, origin), lifetime_seconds(kind)
    ends = [_end(kind, amplitude, band, lifetime) for band in BANDS]
    told = [*(Told(band, codes, 1) for band in BANDS), Told(Band.NONE, codes, 1)]
    drops = [drop_age(kind, amplitude, band) for band in BANDS]
    return Course((*ends, lifetime, lifetime), tuple(drops), (*told, _ABROAD, _NOTHING))


def _advice(ends: int) -> Course:
    """Return the course of a nomination that raises no band, but may tell where a call is from."""
    before = (0,) * (len(BANDS) + 1)
    return Course(
        (*before, ends), (0,) * len(BANDS), (*(_NOTHING,) * len(before), _ABROAD, _NOTHING)
    )


def _end(kind: int, amplitude: float, band: Band, lifetime: int) -> int:
    """Return the first age at which the score is below a band; it only falls."""

    def is_weaker(age: int) -> bool:
        weight = amplitude * decay(kind, age)
        return band_of_score(round(1 - (1 - weight), SCORE_PLACES)) < band

    return bisect_left(range(lifetime), True, key=is_weaker)
