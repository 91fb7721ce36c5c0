"""Make the evaluation sheet: two private sums, so that no figure of too few members is ever told.

The first sum counts, for each indicator, the members that have a figure; the second adds up the
figures of those indicators alone that enough members have, and asks exactly those who were counted.
Every member works that out by itself from the first total, and answers nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.charter import Charter
from federation.figures import Period
from federation.roles import Role
from federation.sheet import (
    COUNTS,
    FIGURES,
    LARGEST,
    SHEET,
    Figure,
    count_labels,
    count_vector,
    figure_labels,
    figure_vector,
    period_subject,
    read_figures,
    read_period,
    shared_subject,
    told,
)
from federation.vocabulary import Purpose
from node.duties.own_figures import OwnFigures
from node.errors import RequestError
from node.sums.carrier import Sums
from node.sums.following import draft_after, find_first, is_after, total_of
from node.sums.opener import SumDraft, default_contributors
from node.sums.records import SumHead
from node.sums.sources import Asked, Source

WAIT_SECONDS: Final = 60
"""Seconds that members have for each sum: their nodes answer by themselves."""
SECONDS_A_DAY: Final = 86_400
MOST_DAYS: Final = 366
"""Days of a sheet: a year, as an annual report has."""
OLDEST_DAYS: Final = 3 * 366
"""Days that a sheet may go back: as long as members keep what figures come from."""
_MAY_ASK: Final = frozenset({Role.COORDINATOR, Role.REGULATOR}) | frozenset(
    {Role.CARRIER, Role.BANK, Role.INTERNET}
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One sheet of all members.

    Attributes:
        contributors: How many members are in the sums.
        counts: Members that have a figure, by code.
        figures: Of those indicators that enough members have, by code.
        count_sum: Id of the first sum.
        figure_sum: Of the second; empty where there was nothing to add up.
    """

    contributors: int
    counts: Mapping[str, int]
    figures: Mapping[str, Figure]
    count_sum: bytes
    figure_sum: bytes


class Sheets:
    """Opens the two sums of a sheet, and answers those of others."""

    def __init__(self, own: OwnFigures, sums: Sums, charter: Callable[[], Charter]) -> None:
        self.own = own
        self._sums = sums
        self._charter = charter
        purposes = frozenset({Purpose.OPERATION})
        sentence = "for which indicators of the evaluation sheet this member has figures"
        sums.sources.register(Source(COUNTS, sentence, purposes, self._count_members, largest=1))
        sentence = "own figures for the evaluation sheet that enough members have"
        sums.sources.register(Source(FIGURES, sentence, purposes, self._count_figures))

    async def make(self, period: Period, seconds: int = WAIT_SECONDS) -> Evaluation:
        """Add up the figures of all members.

        Args:
            period: Whole days.
            seconds: That members have for each sum.

        Raises:
            RequestError: SHEET_PERIOD_INVALID.
            SumRefusedError: SUM_REPEATED, this period was added up with other members.
            UnavailableError: A sum came to nothing, or not in time.
        """
        check_period(period, self._sums.now())
        draft = SumDraft(
            COUNTS,
            count_labels(),
            Purpose.OPERATION,
            seconds=seconds,
            largest=1,
            subject=period_subject(period.start, period.end),
        )
        counted = await self._sums.open(draft)
        total = await self._sums.wait(counted, seconds + WAIT_SECONDS)
        counts = {one.code: int(count) for one, count in zip(SHEET, total.units, strict=True)}
        shared = told(total.units)
        if not shared:
            return Evaluation(len(total.contributors), counts, {}, counted, b"")
        draft = SumDraft(
            FIGURES,
            figure_labels(shared),
            Purpose.OPERATION,
            seconds=seconds,
            largest=LARGEST,
            subject=shared_subject(counted),
        )
        added = await self._sums.open(draft_after(total, draft))
        figures = await self._sums.wait(added, seconds + WAIT_SECONDS)
        found = read_figures(shared, figures.units)
        return Evaluation(len(total.contributors), counts, found, counted, added)

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._sums.now()

    def _count_members(self, asked: Asked) -> NDArray[np.int64] | None:
        period = self._period(asked.subject, asked.now)
        if period is None or asked.labels != count_labels() or not self._may_ask(asked):
            return None
        everybody = default_contributors(self._charter(), asked.now)
        if set(asked.opening.contributors) != set(everybody):
            return None
        return count_vector(self.own.of(period))

    def _count_figures(self, asked: Asked) -> NDArray[np.int64] | None:
        counted = self._counted(asked.subject)
        if counted is None or counted.labels is None or not self._may_ask(asked):
            return None
        total = total_of(self._sums.records, counted, self._sums.now())
        if not is_after(total, asked.opening):
            return None
        period, shared = self._period(counted.labels.subject, asked.now), told(total.units)
        if period is None or not shared or asked.labels != figure_labels(shared):
            return None
        return figure_vector(self.own.of(period), shared)

    def _may_ask(self, asked: Asked) -> bool:
        opener = self._charter().find(asked.opener)
        return opener is not None and bool(opener.roles & _MAY_ASK)

    def _counted(self, subject: bytes) -> SumHead | None:
        """Return the sum that counted members, on which one about this subject rests."""
        head = find_first(self._sums.records, subject, shared_subject)
        is_count = head is not None and head.labels is not None and head.labels.source == COUNTS
        return head if is_count else None

    def _period(self, subject: bytes, now: int) -> Period | None:
        """Return the whole days that a subject stands for.

        Raises:
            RequestError: SHEET_PERIOD_INVALID; they may not be asked about.
        """
        days = read_period(subject)
        if days is None:
            return None
        period = Period(*days)
        check_period(period, now)
        return period


def check_period(period: Period, now: int) -> None:
    """Accept whole days, not too many, not too old and none behind today.

    Raises:
        RequestError: SHEET_PERIOD_INVALID.
    """
    first, last = period.start // SECONDS_A_DAY, period.end // SECONDS_A_DAY
    today = now // SECONDS_A_DAY
    is_whole = not period.start % SECONDS_A_DAY and not period.end % SECONDS_A_DAY
    is_near = today - OLDEST_DAYS <= first < last <= today + 1
    if not is_whole or not is_near or last - first > MOST_DAYS:
        raise RequestError(
            "a sheet is about whole days up to today, at most a year of them",
            reason="SHEET_PERIOD_INVALID",
        )
