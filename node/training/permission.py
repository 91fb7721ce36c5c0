"""Ask before each message whether a plan may still be run over the member's own rows.

    permission = await asyncio.to_thread(require_permission, consents, digest, coordinator)

The coordinator is who the certificate of its connection says, never a field of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.matters import State, TrainingMatter
from federation.names import MemberId
from federation.statements import TrainingPlan
from federation.training.app_identity import app_digest
from node.errors import PolicyError
from node.training.consent import Consents
from node.training.policy import DataSource

_ROUNDS: Final = frozenset({State.ENROLLED, State.TRAINING})
_MEASURES: Final = _ROUNDS | {State.AGGREGATED, State.EVALUATED}


class RunError(PolicyError):
    """A message of a run that the member does not take part in, or not any more.

    ``reason`` is PLAN_UNKNOWN, PLAN_NOT_APPROVED, NOT_ENROLLED, RUN_NOT_OPEN, PLAN_EXPIRED,
    CODE_DIFFERS, TRAINING_DATA_MISSING or PRIVACY_BUDGET_SPENT.
    """

    reason = "PLAN_NOT_APPROVED"
    public = "The member does not take part in this run."


@dataclass(frozen=True, slots=True)
class Permission:
    """What a run may use: the very plan that was approved, the rows, and how many of them."""

    plan: TrainingPlan
    source: DataSource
    row_cap: int


def require_permission(
    consents: Consents, digest: bytes, coordinator: MemberId, *, trains: bool = True
) -> Permission:
    """Return what a run may use now; blocking.

    Args:
        consents: The member's decisions.
        digest: Of the plan, as the message names it, 32 bytes.
        coordinator: Who sent the message.
        trains: Whether the message asks to learn from the rows, or only to measure on them.

    Raises:
        RunError: The member did not approve this plan of this coordinator, or it may not run now.
        ConfigError: TRAINING_POLICY_INVALID.
    """
    matter = _find(consents, digest, coordinator)
    facts, plan = matter.facts, matter.facts.plan
    if consents.me not in facts.approved:
        raise RunError("this member does not approve the plan")
    if consents.me not in facts.enrolled:
        raise RunError("the coordinator did not enrol this member", reason="NOT_ENROLLED")
    if matter.state not in (_ROUNDS if trains else _MEASURES):
        raise RunError(f"the plan is in the state {matter.state}", reason="RUN_NOT_OPEN")
    if trains and consents.now() >= plan.expiry_time:
        raise RunError("the plan has expired", reason="PLAN_EXPIRED")
    if app_digest() != plan.code_digest:
        raise RunError("this member has other training code", reason="CODE_DIFFERS")
    return Permission(plan, _require_source(consents, matter), facts.approved[consents.me])


def _find(consents: Consents, digest: bytes, coordinator: MemberId) -> TrainingMatter:
    for one in consents.matters.all():
        if (one.matter.id, one.matter.opener) == (digest, coordinator):
            return one.matter
    raise RunError("the coordinator has proposed no such plan", reason="PLAN_UNKNOWN")


def _require_source(consents: Consents, matter: TrainingMatter) -> DataSource:
    plan = matter.facts.plan
    source = consents.policy().source_for(plan)
    if source is None:
        raise RunError("no rows fit the plan's schema any more", reason="TRAINING_DATA_MISSING")
    if not consents.ledger.is_reserved(source.name, matter.id, plan.epsilon_millionths):
        raise RunError("no epsilon is set aside for the plan", reason="PRIVACY_BUDGET_SPENT")
    return source
