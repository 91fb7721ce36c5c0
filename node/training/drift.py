"""Measure by a private sum how far the members' rows have moved since a model was trained.

The first measurement of a plan is the reference: it is to be taken when the model is released.
Totals stand in the logs, so that every member can compare.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.matters import TrainingMatter
from federation.names import MemberId
from federation.sums import MIN_CONTRIBUTORS, Total, label_of
from federation.training.drift import Drift, compare_census, piece_names
from federation.training.released import ReleasedModel
from federation.vocabulary import Purpose
from node.alarms import Alarms
from node.errors import NodeError, UnavailableError
from node.metering import SECONDS_A_DAY
from node.sums.carrier import Sums
from node.sums.opener import SumDraft
from node.sums.sources import Asked, Source
from node.training.bundle import Bundles, ModelFile, read_model
from node.training.consent import Consents
from node.training.own_rows import OwnRows

SOURCE: Final = "DRIFT"
WAIT_SECONDS: Final = 120
"""Seconds that members have: their nodes answer by themselves, after reading their rows."""
LARGEST_ROWS: Final = 1_000_000_000
"""Rows in one piece: what a plan allows a member to claim at most."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement beside its reference.

    Attributes:
        sum_id: Of today's sum.
        reference_time: When the reference was opened, seconds since 1970.
    """

    sum_id: bytes
    is_reference: bool
    reference_time: int
    contributors: int
    drift: Drift


class DriftWatch:
    """Drift of the models that this member takes part in."""

    def __init__(
        self, consents: Consents, bundles: Bundles, rows: OwnRows, sums: Sums, alarms: Alarms
    ) -> None:
        self._consents = consents
        self._bundles = bundles
        self._rows = rows
        self._sums = sums
        self._alarms = alarms
        sums.sources.register(
            Source(
                SOURCE,
                "own rows by piece of a model's columns, and by label",
                frozenset({Purpose.TRAINING}),
                self._count,
                self._labels,
                LARGEST_ROWS,
            )
        )

    async def measure(self, prefix: bytes, seconds: int) -> Measured:
        """Sum today's rows, compare them with the reference, and raise an alarm for drift.

        Raises:
            RequestError: PLAN_UNKNOWN and the like, or MODEL_FILE_MISSING.
            UnavailableError: SUM_NOT_READY, or why the sum came to nothing.
        """
        matter = (await asyncio.to_thread(self._consents.matters.find, prefix)).matter
        model = await asyncio.to_thread(self._model, matter)
        known = await asyncio.to_thread(self._totals, matter.id)
        sum_id = await self._open(matter, model, seconds)
        total = await self._sums.wait(sum_id, seconds + WAIT_SECONDS)
        opened, reference = known[0] if known else (self._sums.now(), total)
        bins = model.plan.model.bins
        drift = compare_census(model.schema, bins, reference.units, total.units)
        if drift.is_alarm:
            worst = max(one.index for one in drift.columns)
            await self._alarms.model_drifted(self._sums.me, matter.id, worst)
        return Measured(sum_id, not known, opened, len(total.contributors), drift)

    async def _open(self, matter: TrainingMatter, model: ReleasedModel, seconds: int) -> bytes:
        """Open today's sum, or find it: one a day, so that no two differ by a member."""
        labels = tuple(_label_names(model, self._sums.now() // SECONDS_A_DAY))
        opened = await asyncio.to_thread(self._find, matter.id, labels)
        if opened is not None:
            return opened
        draft = SumDraft(
            source=SOURCE,
            labels=labels,
            purpose=Purpose.TRAINING,
            contributors=tuple(sorted(matter.facts.approved)),
            least=MIN_CONTRIBUTORS,
            seconds=seconds,
            largest=LARGEST_ROWS,
            subject=matter.id,
        )
        return await self._sums.open(draft)

    def _find(self, plan: bytes, labels: tuple[bytes, ...]) -> bytes | None:
        records = self._sums.records
        for sum_id in records.counts():
            head = records.head(sum_id)
            said = head.labels if head else None
            if said and (said.source, said.subject, said.labels) == (
                SOURCE,
                plan,
                b"".join(labels),
            ):
                return sum_id
        return None

    def _totals(self, plan: bytes) -> list[tuple[int, Total]]:
        """Return every measurement of a plan that came to a total, the earliest first."""
        records, found = self._sums.records, []
        for sum_id in records.counts():
            head = records.head(sum_id)
            if head is None or head.labels is None:
                continue
            if (head.labels.source, head.labels.subject) == (SOURCE, plan):
                total = records.progress(records.find(sum_id), self._sums.now()).total
                if total is not None:
                    found.append((head.opened_time, total))
        return sorted(found, key=lambda one: one[0])

    def _model(self, matter: TrainingMatter) -> ReleasedModel:
        if not self._bundles.has(matter, ModelFile.MODEL):
            raise UnavailableError("the model is not here", reason="MODEL_FILE_MISSING")
        return read_model(matter, self._bundles.read(matter.id, ModelFile.MODEL))

    def _labels(self, subject: bytes) -> Mapping[bytes, str]:
        for one in self._consents.matters.all():
            if one.matter.id == subject:  # of several that proposed it one has been trained
                with contextlib.suppress(NodeError):
                    return _label_names(self._model(one.matter), self._sums.now() // SECONDS_A_DAY)
        return {}

    def _count(self, asked: Asked) -> NDArray[np.int64] | None:
        """Give this member's part of a sum that somebody of the same plan opened today."""
        matter = next(
            (
                one.matter
                for one in self._consents.matters.all()
                if one.matter.id == asked.subject
                and {self._sums.me, asked.opener} <= _parties(one.matter)
            ),
            None,
        )
        if matter is None:
            return None
        day = asked.now // SECONDS_A_DAY
        model = self._model(matter)
        known = (tuple(_label_names(model, one)) for one in (day, day - 1))
        if asked.labels not in known:
            return None
        return self._rows.census(matter, asked.now)


def _parties(matter: TrainingMatter) -> set[MemberId]:
    return {*matter.facts.approved, matter.opener}


def _label_names(model: ReleasedModel, day: int) -> dict[bytes, str]:
    names = piece_names(model.schema, model.plan.model.bins)
    stamp = day.to_bytes(4)
    return {label_of(b"drift", stamp, name.encode()): name for name in names}
