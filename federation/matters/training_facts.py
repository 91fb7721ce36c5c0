"""Say what a training plan's matter remembers, and which rules its statements must keep.

``federation.matters.training`` has the table that names the rules.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from federation.matters.procedure import Rule
from federation.names import MemberId
from federation.packing import pack
from federation.statements import (
    Statement,
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
)
from federation.vocabulary import (
    ModelStage,
    TrainingDecision,
    TrainingOutcome,
    TrainingReason,
    TrainingUse,
)

_RELEASE_LABEL: Final = b"tocsin/training/release/1"


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What the statements about one plan have come to.

    Attributes:
        approved: Rows that each member who approves will claim at most.
        refused: Why each member refuses that does.
        enrolled: Members of the run.
        round: Rounds that changed the model.
        rounds: The last statement about each round.
        shadow: The model with its card and assessment; None before the shadow stage.
        release_approved: Members that approve the release of exactly this.
        stage: The last statement about the model.
        released_time: When it was released, for the order of models; 0 before.
    """

    plan: TrainingPlan
    approved: Mapping[MemberId, int] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[MemberId, TrainingReason] = field(default_factory=lambda: MappingProxyType({}))
    enrolled: frozenset[MemberId] = frozenset()
    round: int = 0
    rounds: tuple[TrainingRound, ...] = ()
    checkpoint: bytes = b""
    evaluation: TrainingEvaluation | None = None
    shadow: TrainingStage | None = None
    stage: TrainingStage | None = None
    release_approved: frozenset[MemberId] = frozenset()
    release_refused: frozenset[MemberId] = frozenset()
    released_time: int = 0

    @property
    def release_digest(self) -> bytes:
        """What an approval of the release must name; empty before the shadow stage."""
        return b"" if self.shadow is None else release_digest(self.shadow)

    @property
    def is_enough(self) -> bool:
        """Whether as many members approve as the plan demands."""
        return len(self.approved) >= self.plan.minimum_members


def release_digest(stage: TrainingStage) -> bytes:
    """Name what is released: plan, model, card and assessment together, 32 bytes."""
    parts = (stage.plan_digest, stage.model_digest, stage.model_sheet_digest)
    return hashlib.sha256(pack(_RELEASE_LABEL, *parts, stage.assessment_digest)).digest()


def _body(statement: Statement) -> Any:
    return statement.body


def _in_time(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.plan.expiry_time


def _round_in_time(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.plan.expiry_time + facts.plan.round_seconds


def _completes(facts: TrainingFacts, member: MemberId, _said: Statement) -> bool:
    return len({*facts.approved, member}) >= facts.plan.minimum_members


def _leaves_enough(facts: TrainingFacts, member: MemberId, _said: Statement) -> bool:
    return len({*facts.approved} - {member}) >= facts.plan.minimum_members


def _within_cap(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).row_cap <= facts.plan.weight_cap)


def _all_approved(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    members = set(_body(said).members)
    return members <= facts.approved.keys() and len(members) >= facts.plan.minimum_members


def _next_round(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).round == facts.round + 1)


def _of_enrolled(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return {one.member for one in _body(said).outcomes} == facts.enrolled


def _quorum(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    went_well = len(_body(said).members(TrainingOutcome.OK))
    return bool(_body(said).checkpoint_digest) is (went_well >= facts.plan.minimum_members)


def _is_failed(_facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return not _body(said).checkpoint_digest


def _is_last(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).checkpoint_digest) and _body(said).round == facts.plan.rounds


def _same_model(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).model_digest == facts.checkpoint)


def _has_contributors(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    contributors: int = _body(said).contributors
    return facts.plan.minimum_members <= contributors <= len(facts.enrolled)


def _has_sheet(_facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).model_sheet_digest)


def _has_assessment(_facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).assessment_digest)


def _is_for_use(facts: TrainingFacts, _member: MemberId, _said: Statement) -> bool:
    return facts.plan.use is not TrainingUse.TRIAL


def _names_release(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).release_digest == facts.release_digest)


def _as_in_shadow(facts: TrainingFacts, _member: MemberId, said: Statement) -> bool:
    return release_digest(_body(said)) == facts.release_digest


def _majority(facts: TrainingFacts, _member: MemberId, _said: Statement) -> bool:
    return 2 * len(facts.release_approved & facts.enrolled) > len(facts.enrolled)


IN_TIME: Final = Rule("PLAN_EXPIRED", "it is said before the plan expires", _in_time)
ROUND_IN_TIME: Final = Rule(
    "PLAN_EXPIRED", "it is said before a round begun in time must be over", _round_in_time
)
WITHIN_CAP: Final = Rule(
    "ROW_CAP_EXCEEDED", "the member claims no more rows than the plan allows", _within_cap
)
COMPLETES: Final = Rule(
    "APPROVALS_MISSING", "with it, as many approve as the plan demands", _completes, waits=True
)
LEAVES_ENOUGH: Final = Rule(
    "APPROVALS_MISSING", "without it, as many approve as the plan demands", _leaves_enough
)
ALL_APPROVED: Final = Rule(
    "APPROVALS_MISSING",
    "those enrolled approve the plan, and are as many as it demands",
    _all_approved,
    waits=True,
)
NEXT_ROUND: Final = Rule("ROUND_OUT_OF_ORDER", "it is the round after the last", _next_round)
OF_ENROLLED: Final = Rule(
    "OUTCOMES_DIFFER", "it has one outcome for each enrolled member", _of_enrolled
)
QUORUM: Final = Rule(
    "MEMBERS_TOO_FEW", "the model changes exactly if enough members are in the round", _quorum
)
FAILED: Final = Rule("ROUND_CHANGED_MODEL", "the round changed nothing", _is_failed)
LAST: Final = Rule("ROUNDS_MISSING", "it is the plan's last round", _is_last)
SAME_MODEL: Final = Rule("MODEL_DIFFERS", "it names the last checkpoint", _same_model)
HAS_CONTRIBUTORS: Final = Rule(
    "CONTRIBUTORS_TOO_FEW", "enough enrolled members are in the sums", _has_contributors
)
HAS_SHEET: Final = Rule("CARD_MISSING", "there is a model card", _has_sheet)
HAS_ASSESSMENT: Final = Rule("ASSESSMENT_MISSING", "there is a risk assessment", _has_assessment)
FOR_USE: Final = Rule("TRIAL_NOT_RELEASED", "the plan is no trial", _is_for_use)
NAMES_RELEASE: Final = Rule(
    "RELEASE_DIFFERS",
    "it names model, card and assessment of the shadow stage",
    _names_release,
    waits=True,
)
AS_IN_SHADOW: Final = Rule(
    "RELEASE_DIFFERS", "model, card and assessment are those of the shadow stage", _as_in_shadow
)
MAJORITY: Final = Rule(
    "RELEASE_NOT_APPROVED",
    "more than half of those enrolled approve the release",
    _majority,
    waits=True,
)


def absorb(facts: TrainingFacts, member: MemberId, said: Statement) -> TrainingFacts:
    """Add what an accepted statement says."""
    body = said.body
    if isinstance(body, TrainingApproval):
        return _absorb_decision(facts, member, body)
    if isinstance(body, TrainingRound):
        return _absorb_round(facts, body)
    if isinstance(body, TrainingEvaluation):
        return replace(facts, evaluation=body)
    if isinstance(body, TrainingStage):
        return _absorb_stage(facts, body, said.issued_time)
    return facts


def _absorb_decision(
    facts: TrainingFacts, member: MemberId, body: TrainingApproval
) -> TrainingFacts:
    if body.decision is TrainingDecision.APPROVE_RELEASE:
        return replace(
            facts,
            release_approved=facts.release_approved | {member},
            release_refused=facts.release_refused - {member},
        )
    if body.decision is TrainingDecision.REFUSE_RELEASE:
        return replace(
            facts,
            release_approved=facts.release_approved - {member},
            release_refused=facts.release_refused | {member},
        )
    approved = {one: cap for one, cap in facts.approved.items() if one != member}
    refused = {one: why for one, why in facts.refused.items() if one != member}
    if body.decision is TrainingDecision.APPROVE:
        approved[member] = body.row_cap
    else:
        refused[member] = body.reason
    return replace(facts, approved=MappingProxyType(approved), refused=MappingProxyType(refused))


def _absorb_round(facts: TrainingFacts, body: TrainingRound) -> TrainingFacts:
    # A round that changed nothing is said again under its number: the later one stands.
    again = bool(facts.rounds) and facts.rounds[-1].round == body.round
    rounds = (*(facts.rounds[:-1] if again else facts.rounds), body)
    if not body.checkpoint_digest:
        return replace(facts, rounds=rounds)
    return replace(facts, rounds=rounds, round=body.round, checkpoint=body.checkpoint_digest)


def _absorb_stage(facts: TrainingFacts, body: TrainingStage, issued: int) -> TrainingFacts:
    if body.stage is ModelStage.ENROLLED:
        return replace(facts, enrolled=frozenset(body.members))
    if body.stage is ModelStage.SHADOW:
        nobody = frozenset[MemberId]()
        return replace(
            facts, shadow=body, stage=body, release_approved=nobody, release_refused=nobody
        )
    if body.stage is ModelStage.RELEASED:
        return replace(facts, stage=body, released_time=issued)
    return replace(facts, stage=body)
