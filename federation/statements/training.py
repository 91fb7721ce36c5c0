"""Hold what members say about training together: plan, decisions, rounds, worth, stages.

Field names are those of ``training.proto``. Holding a ``TrainingPlan`` is proof that it can be
run: it is checked as the plan that the training code obeys (``federation.training.plan``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from federation.names import MemberId
from federation.statements.error import StatementError
from federation.statements.plan_fields import not_shareable, read_plan, write_fields
from federation.statements.shape import (
    DIGEST_BYTES,
    MAX_AMOUNT,
    MAX_HOLDERS,
    check_count,
    check_member,
    check_members,
    check_opaque,
    check_time,
    refuse,
)
from federation.training import plan as training
from federation.training.error import PlanError
from federation.vocabulary import (
    LegalBasis,
    ModelStage,
    TrainingCandidate,
    TrainingDecision,
    TrainingLabel,
    TrainingLeaks,
    TrainingMetric,
    TrainingModel,
    TrainingOutcome,
    TrainingProtection,
    TrainingReason,
    TrainingStrategy,
    TrainingTask,
    TrainingUse,
)

# Rounds of a plan: beyond this it is a mistake, not a training run.
MAX_ROUNDS: Final = 10_000
# Rows that one member may claim: more than any of them has subjects, and ten digits.
MAX_ROWS: Final = 1_000_000_000
# Values of one evaluation: each metric for each candidate, twice over.
MAX_METRICS: Final = 32
# A metric is a share of one, in millionths.
MILLION: Final = 1_000_000

_OF_RELEASE: Final = (TrainingDecision.APPROVE_RELEASE, TrainingDecision.REFUSE_RELEASE)
_OF_REFUSAL: Final = (TrainingDecision.REFUSE, TrainingDecision.REFUSE_RELEASE)
_WITH_MODEL: Final = (ModelStage.SHADOW, ModelStage.RELEASED)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides what a run does to a member's rows; fractions in small units."""

    task: TrainingTask
    schema_digest: bytes
    code_digest: bytes
    initial_model_digest: bytes
    label: TrainingLabel
    label_maturity_days: int
    use: TrainingUse
    legal_basis: LegalBasis
    expiry_time: int
    model: TrainingModel
    width: int
    blocks: int
    networks: int
    bins: int
    dropout_millionths: int
    seed: int
    learning_rate_billionths: int
    weight_decay_billionths: int
    batch_rows: int
    epochs: int
    least_steps: int
    most_steps: int
    input_dropout_millionths: int
    strategy: TrainingStrategy
    proximal_millionths: int
    server_rate_billionths: int
    offenders: int
    averaged_rounds_millionths: int
    rounds: int
    protection: TrainingProtection
    epsilon_millionths: int
    delta_trillionths: int
    clip_norm_millionths: int
    minimum_members: int
    round_seconds: int
    norm_bound_millionths: int
    weight_cap: int
    leaks: TrainingLeaks

    def __post_init__(self) -> None:
        for field in ("schema_digest", "code_digest", "initial_model_digest"):
            check_opaque(field, getattr(self, field), DIGEST_BYTES)
        check_time("expiry_time", self.expiry_time)
        for field in self.__slots__:
            value = getattr(self, field)
            if isinstance(value, int):
                check_count(field, value, 0, MAX_AMOUNT)
        try:
            read_plan(self)
        except PlanError as error:
            raise StatementError("PLAN_INVALID", str(error)) from error

    @classmethod
    def of(cls, plan: training.TrainingPlan) -> Self:
        """Return the body that carries a plan.

        Raises:
            PlanError: PLAN_NOT_SHAREABLE; a word is in no closed list, or a fraction too fine.
        """
        try:
            body = cls(**write_fields(plan))
        except StatementError as error:
            raise not_shareable(str(error)) from error
        if body.value() != plan:
            raise not_shareable("a fraction of it has too many digits")
        return body

    def value(self) -> training.TrainingPlan:
        """Return the plan that the training code obeys."""
        return read_plan(self)

    def digest(self) -> bytes:
        """Return the plan's identity, 32 bytes."""
        return read_plan(self).digest()


@dataclass(frozen=True, slots=True)
class TrainingApproval:
    """A member's decision about one plan of one coordinator, or about the release of its model.

    Attributes:
        row_cap: Most rows that the member will claim; for APPROVE alone.
        release_digest: 32 bytes; for the decisions about a release alone.
    """

    plan_digest: bytes
    coordinator: MemberId
    decision: TrainingDecision
    reason: TrainingReason = TrainingReason.UNSPECIFIED
    row_cap: int = 0
    release_digest: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("plan_digest", self.plan_digest, DIGEST_BYTES)
        check_member("coordinator", self.coordinator)
        if (self.reason is not TrainingReason.UNSPECIFIED) is not (self.decision in _OF_REFUSAL):
            refuse("DECISION_INVALID", "reason", "stands exactly with a refusal")
        least = 1 if self.decision is TrainingDecision.APPROVE else 0
        check_count("row_cap", self.row_cap, least, least * MAX_ROWS)
        _check_digest_if("release_digest", self.release_digest, self.decision in _OF_RELEASE)


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """How one member came out of a round."""

    member: MemberId
    outcome: TrainingOutcome
    reason: TrainingReason = TrainingReason.UNSPECIFIED

    def __post_init__(self) -> None:
        check_member("member", self.member)
        went_well = self.outcome is TrainingOutcome.OK
        if went_well is not (self.reason is TrainingReason.UNSPECIFIED):
            refuse("DECISION_INVALID", "reason", "stands exactly where the outcome is not OK")


@dataclass(frozen=True, slots=True)
class TrainingRound:
    """The coordinator has ended a round.

    Attributes:
        round: From 1.
        checkpoint_digest: 32 bytes, or empty where nothing changed.
        outcomes: One for each enrolled member.
        unmeasured: Updates in a secret sum whose length nobody measured.
    """

    plan_digest: bytes
    round: int
    checkpoint_digest: bytes
    outcomes: tuple[MemberOutcome, ...]
    unmeasured: int = 0

    def __post_init__(self) -> None:
        check_opaque("plan_digest", self.plan_digest, DIGEST_BYTES)
        check_count("round", self.round, 1, MAX_ROUNDS)
        _check_digest_if("checkpoint_digest", self.checkpoint_digest, bool(self.checkpoint_digest))
        _check_distinct("outcomes", [one.member for one in self.outcomes], MAX_HOLDERS)
        check_count("unmeasured", self.unmeasured, 0, MAX_HOLDERS)

    def members(self, outcome: TrainingOutcome) -> frozenset[MemberId]:
        """Return the members that came out of the round this way."""
        return frozenset(one.member for one in self.outcomes if one.outcome is outcome)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One measurement over all members together, in millionths."""

    metric: TrainingMetric
    candidate: TrainingCandidate
    millionths: int

    def __post_init__(self) -> None:
        check_count("millionths", self.millionths, 0, MILLION)


@dataclass(frozen=True, slots=True)
class TrainingEvaluation:
    """What the members measured together, from private sums.

    Attributes:
        model_digest: Of the last checkpoint, 32 bytes.
        contributors: Members in the sums.
    """

    plan_digest: bytes
    model_digest: bytes
    contributors: int
    metrics: tuple[MetricValue, ...]

    def __post_init__(self) -> None:
        check_opaque("plan_digest", self.plan_digest, DIGEST_BYTES)
        check_opaque("model_digest", self.model_digest, DIGEST_BYTES)
        check_count("contributors", self.contributors, 1, MAX_HOLDERS)
        _check_distinct("metrics", [(m.metric, m.candidate) for m in self.metrics], MAX_METRICS)


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """The coordinator takes a plan or its model to a stage.

    Attributes:
        members: Those enrolled; for ENROLLED alone.
        model_digest: Like the two after it 32 bytes; for SHADOW and RELEASED alone.
        model_sheet_digest: Of the model card.
        assessment_digest: Of the risk assessment (R25).
    """

    plan_digest: bytes
    stage: ModelStage
    members: tuple[MemberId, ...] = ()
    model_digest: bytes = b""
    model_sheet_digest: bytes = b""
    assessment_digest: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("plan_digest", self.plan_digest, DIGEST_BYTES)
        check_members("members", self.members, least=int(self.stage is ModelStage.ENROLLED))
        if self.members and self.stage is not ModelStage.ENROLLED:
            refuse("LIST_INVALID", "members", "stands with ENROLLED alone")
        _check_digest_if("model_digest", self.model_digest, self.stage in _WITH_MODEL)
        for field in ("model_sheet_digest", "assessment_digest"):
            # Whether a model may go on without, the matter says: it refuses by a rule's name.
            value = getattr(self, field)
            _check_digest_if(field, value, self.stage in _WITH_MODEL and bool(value))


def _check_digest_if(field: str, value: bytes, is_there: bool) -> None:
    if is_there:
        check_opaque(field, value, DIGEST_BYTES)
    elif value:
        refuse("LENGTH_INVALID", field, "does not belong here")


def _check_distinct(field: str, keys: Sequence[object], most: int) -> None:
    if not 1 <= len(keys) <= most or len(set(keys)) != len(keys):
        refuse("LIST_INVALID", field, f"does not hold 1 to {most} distinct items")
