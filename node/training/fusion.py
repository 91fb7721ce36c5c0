"""Add up, by private sums, what the members' own models say about one nominated subject.

Two sums, so that nobody's level shows: the first counts who has a model and rows of the subject,
everybody else adds zero; only if at least two have, each member answers the second, and only if it
asks exactly those who were counted. Source: DOMAIN §8.2, R13.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.indicators import kind_name
from federation.indicators.kind import Kind
from federation.sums import MIN_CONTRIBUTORS, Total
from federation.training.fusion import LEAST_MEMBERS, MOST_LEVEL, fused_log_odds
from federation.vocabulary import Purpose
from federation.weighing import NOMINATION
from node.desk.intake import Intake
from node.errors import PolicyError, RequestError
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.sums.carrier import Sums
from node.sums.opener import SumDraft
from node.sums.sources import Asked, Source
from node.training.own_rows import OwnRows
from tocsin.desk.v1 import desk_service_pb2

SCORED: Final = "SCORED"
LEVELS: Final = "LEVELS"
WAIT_SECONDS: Final = 120
"""Seconds that members have for each of the two sums: their nodes answer by themselves."""


@dataclass(frozen=True, slots=True)
class Fused:
    """What the members' models say together.

    Attributes:
        contributors: Members with a model and rows of the subject.
        level_sum: Of their levels; None with fewer than LEAST_MEMBERS.
    """

    token: bytes
    contributors: int
    level_sum: int | None

    @property
    def log_odds(self) -> float:
        """What the levels come to, above the usual."""
        return 0.0 if self.level_sum is None else fused_log_odds(self.level_sum)


class LateFusion:
    """Opens the two sums, and answers those of others."""

    def __init__(
        self,
        intake: Intake,
        catalogue: Catalogue,
        private: PrivateStore,
        rows: OwnRows,
        sums: Sums,
        pad: Callable[[], int],
    ) -> None:
        self._intake = intake
        self._catalogue = catalogue
        self._private = private
        self._rows = rows
        self._sums = sums
        self._pad = pad
        purposes = frozenset({Purpose.VERIFICATION})
        sentence = "whether own models can score a nominated subject"
        sums.sources.register(Source(SCORED, sentence, purposes, self._count_scored, largest=1))
        sentence = "what own models say about a nominated subject, in five levels"
        sums.sources.register(Source(LEVELS, sentence, purposes, self._count_level, largest=2))

    async def fuse(self, raw: desk_service_pb2.RawIndicator, seconds: int) -> Fused:
        """Ask everybody about a subject.

        Raises:
            RequestError: The value is not one of its kind.
            PolicyError: NOT_NOMINATED.
            UnavailableError: A token cannot be made now, or a sum came to nothing.
        """
        taken = await self._intake.take([raw], Purpose.VERIFICATION, self._pad())
        if taken.refused:
            raise RequestError(taken.refused[0].message, reason=taken.refused[0].reason)
        token = taken.known[0].token
        if not await asyncio.to_thread(self._is_nominated, token, self._sums.now()):
            raise PolicyError("nobody has nominated it", reason="NOT_NOMINATED")
        scored = await self._sum(SCORED, token, 1, seconds)
        count = int(scored.units[0])
        if count < LEAST_MEMBERS:
            return Fused(token, count, None)
        levels = await self._sum(LEVELS, token, MOST_LEVEL, seconds, scored)
        return Fused(token, count, int(levels.units[0]))

    async def _sum(
        self, source: str, token: bytes, largest: int, seconds: int, counted: Total | None = None
    ) -> Total:
        contributors = counted.contributors if counted else ()
        draft = SumDraft(
            source=source,
            labels=(token,),
            purpose=Purpose.VERIFICATION,
            contributors=contributors,
            least=len(contributors) or MIN_CONTRIBUTORS,
            seconds=seconds,
            largest=largest,
        )
        sum_id = await self._sums.open(draft)
        return await self._sums.wait(sum_id, seconds + WAIT_SECONDS)

    def _count_scored(self, asked: Asked) -> NDArray[np.int64] | None:
        level = self._own_level(asked)
        return None if level is None else np.array([level[0]], np.int64)

    def _count_level(self, asked: Asked) -> NDArray[np.int64] | None:
        if not self._were_counted(asked):
            return None
        level = self._own_level(asked)
        return None if level is None else np.array([level[1]], np.int64)

    def _own_level(self, asked: Asked) -> tuple[int, int] | None:
        """Return one and the level, or zeros; None: this is not to be answered."""
        if len(asked.labels) != 1 or not self._is_nominated(asked.labels[0], asked.now):
            return None
        (token,) = asked.labels
        own = self._private.values([token]).get(token)
        if own is None:
            return 0, 0
        level = self._rows.level(kind_name(Kind(own.kind)), own.value)
        return (0, 0) if level is None else (1, level)

    def _is_nominated(self, token: bytes, now: int) -> bool:
        found = self._catalogue.evidence([token]).get(token)
        rows = found.evidence if found else ()
        return any(row[4] == NOMINATION and not 0 < row[13] <= now for row in rows)

    def _were_counted(self, asked: Asked) -> bool:
        """Say whether exactly those who are asked were counted, at least two of them with rows."""
        opening, records = asked.opening, self._sums.records
        if opening.least_contributors != len(opening.contributors):
            return False
        for sum_id in records.counts():
            head = records.head(sum_id)
            if head is None or head.labels is None or head.labels.source != SCORED:
                continue
            if head.labels.labels != asked.labels[0] or head.labels.subject:
                continue
            total = records.progress(records.find(sum_id), asked.now).total
            if total is not None and set(total.contributors) == set(opening.contributors):
                return int(total.units[0]) >= LEAST_MEMBERS
        return False
