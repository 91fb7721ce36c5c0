"""Serve learning from outcomes over the inside door: labels, drift, late fusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.labels import OutcomeRule, SubjectLabel
from federation.vocabulary import TrainingLabel
from node.errors import PolicyError, RequestError
from node.training.drift import WAIT_SECONDS, DriftWatch
from node.training.fusion import LateFusion
from node.training.subjects import Subjects
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import learning_service_pb2 as wire
from tocsin.desk.v1 import learning_service_pb2_grpc as stubs

MAX_MATURITY_DAYS: Final = 36_500

MOST_SECONDS: Final = 200
"""Seconds for each of two sums: with their reading they fit into one call of ten minutes."""

_WIRE: Final[dict[SubjectLabel | None, wire.SubjectLabel.ValueType]] = {
    SubjectLabel.UNKNOWN: wire.SUBJECT_LABEL_UNKNOWN,
    SubjectLabel.POSITIVE: wire.SUBJECT_LABEL_POSITIVE,
    SubjectLabel.CLEARED: wire.SUBJECT_LABEL_CLEARED,
    SubjectLabel.LEFT_OUT: wire.SUBJECT_LABEL_LEFT_OUT,
    None: wire.SUBJECT_LABEL_UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class Learning:
    """What only a node with a log can do."""

    subjects: Subjects
    drift: DriftWatch
    fusion: LateFusion


class LearningService(stubs.LearningServiceServicer):
    """What the member's own people may ask about outcomes."""

    def __init__(self, learning: Learning | None, clock: Callable[[], int]) -> None:
        self._maybe_learning = learning
        self._clock = clock

    @property
    def _learning(self) -> Learning:
        if self._maybe_learning is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_learning

    async def LabelSubjects(  # noqa: N802  # the contract's name
        self, request: wire.LabelSubjectsRequest, context: Any
    ) -> wire.LabelSubjectsResponse:
        """Label own subjects."""
        rule = _rule(request)
        rows = [
            desk_service_pb2.RawIndicator(kind=request.kind, value=value, region=request.region)
            for value in request.values
        ]
        found = await self._learning.subjects.label(rows, rule, self._clock())
        return wire.LabelSubjectsResponse(labels=[_WIRE[one] for one in found])

    async def MeasureDrift(  # noqa: N802  # the contract's name
        self, request: wire.MeasureDriftRequest, context: Any
    ) -> wire.MeasureDriftResponse:
        """Compare today's rows with those of the reference."""
        seconds = _seconds(request.seconds)
        found = await self._learning.drift.measure(request.plan_digest, seconds)
        drift = found.drift
        return wire.MeasureDriftResponse(
            sum_id=found.sum_id,
            is_reference=found.is_reference,
            reference_time=Timestamp(seconds=found.reference_time),
            contributors=found.contributors,
            reference_rows=drift.rows[0],
            rows=drift.rows[1],
            columns=[
                wire.ColumnDrift(column=one.column, stability_index=one.index, alarm=one.is_alarm)
                for one in drift.columns
            ],
            reference_label_rate=drift.rates[0],
            label_rate=drift.rates[1],
            label_alarm=drift.label_jumped,
            alarm=drift.is_alarm,
        )

    async def FuseScores(  # noqa: N802  # the contract's name
        self, request: wire.FuseScoresRequest, context: Any
    ) -> wire.FuseScoresResponse:
        """Add up what the members' models say about one subject."""
        raw = desk_service_pb2.RawIndicator(
            kind=request.kind, value=request.value, region=request.region
        )
        found = await self._learning.fusion.fuse(raw, _seconds(request.seconds))
        return wire.FuseScoresResponse(
            token=found.token,
            contributors=found.contributors,
            is_fused=found.level_sum is not None,
            level_sum=found.level_sum or 0,
            log_odds=found.log_odds,
        )


def _seconds(asked: int) -> int:
    if asked > MOST_SECONDS:
        message = f"the other members have at most {MOST_SECONDS} seconds in one call"
        raise RequestError(message, reason="SUM_DRAFT_INVALID", hint="ask again later")
    return asked or WAIT_SECONDS


def _rule(request: wire.LabelSubjectsRequest) -> OutcomeRule:
    known = (TrainingLabel.CONFIRMED, TrainingLabel.DESIGNATED)
    if int(request.definition) not in known or request.maturity_days > MAX_MATURITY_DAYS:
        raise RequestError(
            "labels are made by the rule confirmed or designated, up to 36,500 days old",
            reason="LABEL_RULE_INVALID",
        )
    return OutcomeRule(TrainingLabel(request.definition), request.maturity_days)
