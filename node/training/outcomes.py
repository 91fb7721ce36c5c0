"""Say in the federation's words how each member came out of a round."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from federation.names import MemberId
from federation.statements import MemberOutcome
from federation.vocabulary import TrainingOutcome, TrainingReason

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
        "PLAN_UNKNOWN": TrainingReason.PLAN_NOT_APPROVED,
        "NOT_ENROLLED": TrainingReason.PLAN_NOT_APPROVED,
        "RUN_NOT_OPEN": TrainingReason.PLAN_NOT_APPROVED,
        "PROTECTION_UNAVAILABLE": TrainingReason.PLAN_NOT_APPROVED,
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
