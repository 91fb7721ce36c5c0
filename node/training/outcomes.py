"""Say in the federation's words how each member came out of a round."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from federation.names import MemberId
from federation.statements import MemberOutcome, MetricValue
from federation.training.worth import Evaluation
from federation.vocabulary import (
    TrainingCandidate,
    TrainingMetric,
    TrainingOutcome,
    TrainingReason,
)
from node.training.policy import MILLION

_OUTCOMES: Final[Mapping[str, TrainingOutcome]] = MappingProxyType(
    {
        "ok": TrainingOutcome.OK,
        "late": TrainingOutcome.LATE,
        "lost": TrainingOutcome.LATE,
        "refused": TrainingOutcome.REFUSED,
        "failed": TrainingOutcome.REFUSED,
        "rejected": TrainingOutcome.REJECTED,
    }
)
_REASONS: Final[Mapping[str, TrainingReason]] = MappingProxyType(
    {
        "ENGINE_NOT_ALLOWED": TrainingReason.POLICY,
        "PLAN_UNKNOWN": TrainingReason.PLAN_NOT_APPROVED,
        "NOT_ENROLLED": TrainingReason.PLAN_NOT_APPROVED,
        "RUN_NOT_OPEN": TrainingReason.PLAN_NOT_APPROVED,
        "VECTOR_OVERFLOW": TrainingReason.UPDATE_NORM,
        "SUM_REPEATED": TrainingReason.PROTOCOL,
        "SUM_REFUSED": TrainingReason.PROTOCOL,
        "PRIVACY_BUDGET_SPENT": TrainingReason.BUDGET_SPENT,
        "TRAINING_DATA_MISSING": TrainingReason.DATA_MISSING,
        "TRAINING_DATA_INCOMPLETE": TrainingReason.DATA_MISSING,
        "TABLE_UNREADABLE": TrainingReason.DATA_MISSING,
        "DRIVER_MISSING": TrainingReason.DATA_MISSING,
        "TABLE_MISMATCH": TrainingReason.DATA_INVALID,
        "COLUMN_REFUSED": TrainingReason.DATA_INVALID,
        "LABEL_INVALID": TrainingReason.DATA_INVALID,
        "SCHEMA_INVALID": TrainingReason.DATA_INVALID,
        "TRAINING_MESSAGE_MALFORMED": TrainingReason.PROTOCOL,
    }
)

_METRICS: Final[Mapping[TrainingMetric, str]] = MappingProxyType(
    {
        TrainingMetric.PR_AUC: "pr_auc",
        TrainingMetric.ROC_AUC: "roc_auc",
        TrainingMetric.MACRO_F1: "macro_f1",
        TrainingMetric.RECALL_AT_ALERTS: "recall_at_alerts",
        TrainingMetric.PRECISION_AT_FPR: "precision_at_fpr",
        TrainingMetric.CALIBRATION_ERROR: "calibration_error",
        TrainingMetric.THRESHOLD: "threshold",
        TrainingMetric.ACTION_THRESHOLD: "action_threshold",
        TrainingMetric.MEMBERSHIP_ADVANTAGE: "membership_advantage",
    }
)


def round_outcomes(
    enrolled: Collection[MemberId], found: Mapping[str, Mapping[str, Any]]
) -> tuple[MemberOutcome, ...]:
    """Return one outcome for each enrolled member.

    Args:
        enrolled: Members of the run.
        found: ``status`` and ``reason`` of those that were asked, as the training code says them;
            the others were not attached.
    """
    absent = {"status": "lost", "reason": "CONNECTION_LOST"}
    return tuple(_outcome(member, found.get(member, absent)) for member in sorted(enrolled))


def said_metrics(evaluation: Evaluation) -> tuple[MetricValue, ...]:
    """Return the measurements of both candidates; those that could not be made are left out."""
    candidates = (
        (TrainingCandidate.FEDERATED, evaluation.federated),
        (TrainingCandidate.LOCAL, evaluation.local),
    )
    return tuple(
        MetricValue(metric, candidate, round(value * MILLION))
        for candidate, worth in candidates
        for metric, field in _METRICS.items()
        if (value := getattr(worth, field, None)) is not None
    )


def _outcome(member: MemberId, found: Mapping[str, Any]) -> MemberOutcome:
    outcome = _OUTCOMES.get(str(found["status"]), TrainingOutcome.REFUSED)
    if outcome is TrainingOutcome.OK:
        return MemberOutcome(member, outcome)
    return MemberOutcome(member, outcome, _reason(outcome, found))


def _reason(outcome: TrainingOutcome, found: Mapping[str, Any]) -> TrainingReason:
    if outcome is TrainingOutcome.LATE:
        lost = found["status"] == "lost"
        return TrainingReason.CONNECTION_LOST if lost else TrainingReason.DEADLINE_PASSED
    word = str(found["reason"]).partition(":")[0]
    rejected = outcome is TrainingOutcome.REJECTED
    usual = TrainingReason.PROTOCOL if rejected else TrainingReason.WORKER_FAILED
    known = TrainingReason.__members__.get(word) or _REASONS.get(word)
    return known or usual
