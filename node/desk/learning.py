"""Serve learning from outcomes over the inside door: labels, drift, late fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from federation.labels import OutcomeRule, SubjectLabel
from federation.vocabulary import TrainingLabel
from node.errors import PolicyError, RequestError
from node.training.subjects import Subjects
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import learning_service_pb2 as wire
from tocsin.desk.v1 import learning_service_pb2_grpc as stubs

MAX_MATURITY_DAYS: Final = 36_500

_WIRE: Final[dict[SubjectLabel | None, wire.SubjectLabel.ValueType]] = {
    SubjectLabel.UNKNOWN: wire.SUBJECT_LABEL_UNKNOWN,
    SubjectLabel.POSITIVE: wire.SUBJECT_LABEL_POSITIVE,
    SubjectLabel.CLEARED: wire.SUBJECT_LABEL_CLEARED,
    SubjectLabel.LEFT_OUT: wire.SUBJECT_LABEL_LEFT_OUT,
    None: wire.SUBJECT_LABEL_UNREADABLE,
}


class LearningService(stubs.LearningServiceServicer):
    """What the member's own people may ask about outcomes."""

    def __init__(self, subjects: Subjects | None, clock: Callable[[], int]) -> None:
        self._subjects = subjects
        self._clock = clock

    async def LabelSubjects(  # noqa: N802  # the contract's name
        self, request: wire.LabelSubjectsRequest, context: Any
    ) -> wire.LabelSubjectsResponse:
        """Label own subjects."""
        rule = _rule(request)
        rows = [
            desk_service_pb2.RawIndicator(kind=request.kind, value=value, region=request.region)
            for value in request.values
        ]
        found = await _require(self._subjects).label(rows, rule, self._clock())
        return wire.LabelSubjectsResponse(labels=[_WIRE[one] for one in found])


def _require(subjects: Subjects | None) -> Subjects:
    if subjects is None:
        raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
    return subjects


def _rule(request: wire.LabelSubjectsRequest) -> OutcomeRule:
    known = (TrainingLabel.CONFIRMED, TrainingLabel.DESIGNATED)
    if int(request.definition) not in known or request.maturity_days > MAX_MATURITY_DAYS:
        raise RequestError(
            "labels are made by the rule confirmed or designated, up to 36,500 days old",
            reason="LABEL_RULE_INVALID",
        )
    return OutcomeRule(TrainingLabel(request.definition), request.maturity_days)
