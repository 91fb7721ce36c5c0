"""Evaluate what the members achieve together, not what each does alone (DOMAIN §5).

Every figure is a pair of counts, or counts by class of length, that members add up by private
sums. Two sums, because a total over too few members is one member's figure: the first counts, for
each indicator, the members that have any; only what at least ``LEAST_MEMBERS`` have is added up by
the second, and the rest stays unknown, to everybody::

    shared  = told(totals of count_vector)
    figures = read_figures(shared, totals of figure_vector)
"""

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.packing import pack
from federation.statements.shape import DIGEST_BYTES
from federation.sums import label_of

LEAST_MEMBERS: Final = 3
"""Members that contribute to an indicator before its figure is told: k of DOMAIN R46."""
COUNTS: Final = "SHEET_COUNTS"
FIGURES: Final = "SHEET"
"""Sources of the two sums."""
LARGEST: Final = 1_000_000_000_000
"""The largest count of one member, in units: amounts of a year in yuan."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
CLASSES: Final = (
    0,
    _MINUTE,
    2 * _MINUTE,
    5 * _MINUTE,
    10 * _MINUTE,
    15 * _MINUTE,
    30 * _MINUTE,
    45 * _MINUTE,
    _HOUR,
    2 * _HOUR,
    3 * _HOUR,
    4 * _HOUR,
    6 * _HOUR,
    8 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    3 * _DAY,
    5 * _DAY,
    7 * _DAY,
    14 * _DAY,
    30 * _DAY,
    60 * _DAY,
    90 * _DAY,
)
"""Seconds from which each class of length begins; the last one has no end."""

_DAY_BYTES: Final = 4
_COUNT: Final = b"sheet/count"
_FIGURE: Final = b"sheet/figure"
_PERIOD: Final = b"tocsin/sheet/period/1"
_SHARED: Final = b"tocsin/sheet/shared/1"

Figure = tuple[int, ...]
"""Numerator and denominator of a rate, or how many cases fell into each class of length."""
Figures = Mapping[str, Figure]
"""Figures by code."""


class Form(enum.StrEnum):
    """Say what an indicator's figure is made of."""

    RATE = "RATE"
    DURATION = "DURATION"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One line of the sheet.

    Attributes:
        code: As in DOMAIN §5; indicators with several parts have a word behind it.
        per: What a rate is multiplied by, or the seconds of a duration's unit.
    """

    code: str
    title: str
    form: Form
    unit: str
    per: int

    @property
    def length(self) -> int:
        """Entries of a figure."""
        return 2 if self.form is Form.RATE else len(CLASSES)


def _rate(code: str, title: str, unit: str = "%", per: int = 100) -> Indicator:
    return Indicator(code, title, Form.RATE, unit, per)


def _duration(code: str, title: str, unit: str = "h", per: int = _HOUR) -> Indicator:
    return Indicator(code, title, Form.DURATION, unit, per)


SHEET: Final = (
    _rate("E-1", "false-restriction rate: lifted after appeal or refutation / executed"),
    _duration("E-2", "time to lift: from appeal to lift"),
    _rate("E-3", "feedback rate: received items with outcome / received"),
    _rate("E-4", "contribution quality: later confirmed / nominated"),
    _rate("E-4-FIRST", "contribution: seen first here / confirmed"),
    _duration("E-5", "lead time: federated sighting before own detection"),
    _rate("E-6", "recurrence: confirmed again within 90 days of release / released"),
    _rate("C-1", "case-number rate: designated numbers / active subscriptions", "per 10k", 10_000),
    _duration("C-2", "disposal timeliness: from order to execution", "min", _MINUTE),
    _rate("C-4", "IoT abnormal rate: abnormal IoT cards / inspected"),
    _duration("C-6", "SIM-farm discovery: from first sighting to hand-over"),
    _rate("C-7", "warning reach: acknowledged / sent"),
    _rate("C-7-DISSUADED", "warning effect: dissuaded / outcomes known"),
    _rate("I-1", "case-account rate: designated accounts / monthly users", "per 1M", 1_000_000),
    _duration("I-2-ACCEPT", "report loop: until accepted"),
    _duration("I-2-VERIFY", "report loop: until verified"),
    _duration("I-2-FEEDBACK", "report loop: until fed back"),
    _rate("B-1", "case-account rate: designated accounts / accounts", "per 1M", 1_000_000),
    _rate("B-2", "interception value ratio: stopped / (stopped + lost)"),
    _rate("B-3", "over-intervention: found genuine / interventions"),
)
"""The indicators, false restriction and time to lift first: effect, not activity (R49)."""

INDICATOR: Final = {one.code: one for one in SHEET}
"""The indicators by code."""


def period_subject(start: int, end: int) -> bytes:
    """Return what the first sum of a sheet is about, 32 bytes, which members read back.

    Args:
        start: Seconds since 1970 of the first day's beginning.
        end: Of the last day's end.
    """
    days = (start // _DAY).to_bytes(_DAY_BYTES) + (end // _DAY).to_bytes(_DAY_BYTES)
    return days + hashlib.sha256(pack(_PERIOD, days)).digest()[: DIGEST_BYTES - len(days)]


def read_period(subject: bytes) -> tuple[int, int] | None:
    """Return beginning and end of the days that a subject stands for; None for another subject."""
    days = subject[: 2 * _DAY_BYTES]
    if len(days) < 2 * _DAY_BYTES:
        return None
    start, end = (_DAY * int.from_bytes(one) for one in (days[:_DAY_BYTES], days[_DAY_BYTES:]))
    return (start, end) if subject == period_subject(start, end) else None


def shared_subject(sum_id: bytes) -> bytes:
    """Return what the sum of figures is about that follows a count of contributors, 32 bytes."""
    return hashlib.sha256(pack(_SHARED, sum_id)).digest()


def count_labels() -> tuple[bytes, ...]:
    """Return the labels of the sum that counts contributors, 16 bytes each."""
    return tuple(label_of(_COUNT, one.code.encode()) for one in SHEET)


def count_vector(figures: Figures) -> NDArray[np.int64]:
    """Return one for each indicator that this member has a figure of, zero for the others."""
    return np.array([int(has_cases(one, figures.get(one.code))) for one in SHEET], np.int64)


def has_cases(indicator: Indicator, figure: Figure | None) -> bool:
    """Say whether a figure tells anything: a rate of none, or no case, does not."""
    if figure is None:
        return False
    return figure[1] > 0 if indicator.form is Form.RATE else sum(figure) > 0


def told(counts: NDArray[np.int64]) -> tuple[Indicator, ...]:
    """Return the indicators to which enough members contribute."""
    return tuple(
        one for one, count in zip(SHEET, counts, strict=True) if int(count) >= LEAST_MEMBERS
    )


def figure_labels(indicators: Iterable[Indicator]) -> tuple[bytes, ...]:
    """Return the labels of the sum of figures, 16 bytes each."""
    return tuple(
        label_of(_FIGURE, one.code.encode(), bytes([place]))
        for one in indicators
        for place in range(one.length)
    )


def figure_vector(figures: Figures, indicators: Sequence[Indicator]) -> NDArray[np.int64]:
    """Return one member's entries of the sum of figures."""
    entries = [
        min(value, LARGEST)
        for one in indicators
        for value in figures.get(one.code, (0,) * one.length)
    ]
    return np.array(entries, np.int64)


def read_figures(indicators: Sequence[Indicator], totals: NDArray[np.int64]) -> dict[str, Figure]:
    """Return the figures of all members from the totals of the sum of figures."""
    edges = [0, *accumulate(one.length for one in indicators)]
    return {
        one.code: tuple(totals[start:end].tolist())
        for one, (start, end) in zip(indicators, pairwise(edges), strict=True)
    }


def add_figures(indicator: Indicator, figures: Iterable[Figure]) -> Figure:
    """Return the sum of figures of one indicator."""
    none = (0,) * indicator.length
    return tuple(map(sum, zip(none, *figures, strict=True)))


def duration_figure(seconds: Iterable[int]) -> Figure:
    """Return how many durations fall into each class of length."""
    found = [0] * len(CLASSES)
    for one in seconds:
        found[max(place for place, least in enumerate(CLASSES) if least <= max(one, 0))] += 1
    return tuple(found)


def value_of(indicator: Indicator, figure: Figure, quantile: float = 0.5) -> float | None:
    """Return what an indicator comes to in its unit; None without any case.

    Args:
        indicator: Which one.
        figure: Of all members, or of one.
        quantile: Of a duration; a half is the median. Within a class, cases count as evenly
            spread, so that it is exact to the class.
    """
    if not has_cases(indicator, figure):
        return None
    if indicator.form is Form.RATE:
        return indicator.per * figure[0] / figure[1]
    return _quantile(figure, quantile) / indicator.per


def _quantile(figure: Figure, quantile: float) -> float:
    wanted, before = quantile * sum(figure), 0
    ends = (*CLASSES[1:], CLASSES[-1])  # the last class has no end: its beginning stands for it
    for count, start, end in zip(figure, CLASSES, ends, strict=True):
        if count and before + count >= wanted:
            return start + (end - start) * (wanted - before) / count
        before += count
    return float(CLASSES[-1])
