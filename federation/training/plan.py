"""The plan a training run obeys, and a member's approval of exactly that plan.

A plan is a value: every field is checked when it is made, its canonical bytes are the only way to
write it, and their hash is its identity. An approval names that hash, so a change of any field
leaves the plan without approvals.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from federation.names import MemberId
from federation.training import canonical
from federation.training.error import PlanError

SECRET: Final = "secret"  # noqa: S105  # the name of a protection
ROBUST: Final = "robust"
PROTECTIONS: Final = (SECRET, ROBUST)

SUMMABLE_STRATEGIES: Final = ("FedAvg", "FedProx", "FedAdam")
"""Strategies that need nothing but the sum of the updates."""
VISIBLE_STRATEGIES: Final = ("FedTrimmedAvg", "MultiKrum")
"""Strategies that compare single updates, so that they exclude ``secret``."""
BAGGING: Final = "FedXgbBagging"
"""The one strategy of trees: it puts the members' trees side by side, and trees have no sum."""
STRATEGIES: Final = (*SUMMABLE_STRATEGIES, *VISIBLE_STRATEGIES, BAGGING)

TREES: Final = "trees"
MODELS: Final = ("residual", "logistic", TREES)
LEAK_RULES: Final = ("drop", "refuse", "keep")

DIGEST_BYTES: Final = 32
LOWEST_PACE: Final = 0.02  # the last rounds still move a little
MAX_ROUNDS: Final = 10_000  # beyond this a plan is a mistake, not a training run
MAX_MEMBERS: Final = 1_000
MAX_WIDTH: Final = 1_024
MAX_NETWORKS: Final = 64
MAX_BINS: Final = 64
MAX_LEAVES: Final = 256  # of a tree: deeper ones learn single rows by heart
MAX_TEXT_CHARACTERS: Final = 1_000
MINIMUM_SECRET_MEMBERS: Final = 3  # a sum of two shows each the other's part
MINIMUM_TRIMMED_MEMBERS: Final = 2  # three members, one of them rejected
MINIMUM_KRUM_MEMBERS: Final = 4  # five members, one of them rejected


def _finite(number: float) -> bool:
    return math.isfinite(number)


def _require(holds: bool, field: str) -> None:
    if not holds:
        _refuse(f"the plan's field '{field}' is out of its range")


def _refuse(message: str, *, reason: str | None = None, hint: str | None = None) -> NoReturn:
    raise PlanError(message, reason=reason, hint=hint)


@dataclass(frozen=True, slots=True)
class LabelRule:
    """What makes a row positive, and how old a row must be before its label counts."""

    definition: str
    maturity_days: int = 0

    def __post_init__(self) -> None:
        _require(0 < len(self.definition) <= MAX_TEXT_CHARACTERS, "label.definition")
        _require(0 <= self.maturity_days <= 36_500, "label.maturity_days")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model is trained; the default suits small, imbalanced, partly empty tables.

    Attributes:
        name: One of MODELS.
        width: Units of a hidden layer; leaves of a tree, then a power of two.
        blocks: Residual blocks after the first layer; trees have none.
        networks: Networks or forests trained side by side, each blind to its own fold of the rows;
            the model is their mean, and each row's blind score serves to choose the threshold.
        bins: Pieces of the piecewise linear encoding of a number; cuts between which trees split.
        dropout: Share of hidden units left out in training; of columns that a tree does not see.
        seed: Of the first weights.
    """

    name: str = "residual"
    width: int = 32
    blocks: int = 1
    networks: int = 4
    bins: int = 8
    dropout: float = 0.3
    seed: int = 1

    def __post_init__(self) -> None:
        _require(self.name in MODELS, "model.name")
        _require(1 <= self.width <= MAX_WIDTH, "model.width")
        _require(0 <= self.blocks <= 8, "model.blocks")
        _require(1 <= self.networks <= MAX_NETWORKS, "model.networks")
        _require(1 <= self.bins <= MAX_BINS, "model.bins")
        _require(0.0 <= self.dropout < 1.0, "model.dropout")
        _require(0 <= self.seed < 2**31, "model.seed")
        if self.name == TREES:
            leaves = 2 <= self.width <= MAX_LEAVES and self.width.bit_count() == 1
            _require(leaves, "model.width")
            _require(self.blocks == 0, "model.blocks")


@dataclass(frozen=True, slots=True)
class Optimiser:
    """How a member fits the model to its own rows in one round.

    Trees have no use for ``batch_rows``, ``least_steps`` and ``most_steps``.

    Attributes:
        learning_rate: At the first round; it falls with the plan's pace.
        weight_decay: Of AdamW; of the leaves of trees (XGBoost's lambda).
        batch_rows: Smallest batch; larger tables and rare labels use larger ones.
        epochs: Passes over the rows in a round; trees grown in a round for each forest.
        least_steps: Of a round, so that a member with few rows still moves.
        most_steps: Of a round, so that a member with many rows does not stall it.
        input_dropout: Share of encoded inputs left out in training; of rows a tree does not see.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_rows: int = 64
    epochs: int = 1
    least_steps: int = 10
    most_steps: int = 200
    input_dropout: float = 0.0

    def __post_init__(self) -> None:
        _require(_finite(self.learning_rate) and 0 < self.learning_rate <= 10, "learning_rate")
        _require(_finite(self.weight_decay) and 0 <= self.weight_decay <= 10, "weight_decay")
        _require(1 <= self.batch_rows <= 65_536, "batch_rows")
        _require(1 <= self.epochs <= 100, "epochs")
        _require(1 <= self.least_steps <= self.most_steps <= 100_000, "steps")
        _require(0.0 <= self.input_dropout < 1.0, "input_dropout")


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """How the coordinator makes one model of the members' updates.

    Attributes:
        name: One of STRATEGIES.
        proximal: FedProx only: pull of a member's model towards the common one.
        server_rate: FedAdam only: its step.
        offenders: FedTrimmedAvg and MultiKrum: how many members may lie.
        averaged_rounds: Share of the last rounds whose models are averaged at the end; 0 for
            trees, which have no mean.
    """

    name: str = "FedAvg"
    proximal: float = 0.0
    server_rate: float = 0.01
    offenders: int = 1
    averaged_rounds: float = 0.25

    def __post_init__(self) -> None:
        _require(self.name in STRATEGIES, "strategy.name")
        _require(_finite(self.proximal) and 0 <= self.proximal <= 100, "strategy.proximal")
        _require(_finite(self.server_rate) and 0 < self.server_rate <= 10, "strategy.server_rate")
        _require(0 <= self.offenders < MAX_MEMBERS, "strategy.offenders")
        _require(0 <= self.averaged_rounds <= 1, "strategy.averaged_rounds")


@dataclass(frozen=True, slots=True)
class PrivacyTarget:
    """Record-level differential privacy: the whole run spends at most this at each member."""

    epsilon: float
    delta: float
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        _require(_finite(self.epsilon) and 0 < self.epsilon <= 100, "privacy.epsilon")
        _require(0 < self.delta < 0.01, "privacy.delta")
        _require(_finite(self.clip_norm) and 0 < self.clip_norm <= 1_000, "privacy.clip_norm")


@dataclass(frozen=True, slots=True)
class DataUse:
    """What the members' rows are used for, and what allows it."""

    purpose: str
    legal_basis: str

    def __post_init__(self) -> None:
        _require(0 < len(self.purpose) <= MAX_TEXT_CHARACTERS, "data_use.purpose")
        _require(0 < len(self.legal_basis) <= MAX_TEXT_CHARACTERS, "data_use.legal_basis")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides what a run does to a member's rows and who sees what of it.

    Attributes:
        task: Short name of what is learnt.
        schema_digest: Of the FeatureSchema every member's table must fit.
        label: The label rule.
        app_digest: Of the files of the training app a member runs.
        model: Architecture and seed.
        initial_model_digest: Of the model before the first round.
        rounds: How many.
        optimiser: The members' part.
        strategy: The coordinator's part.
        protection: SECRET or ROBUST; it decides who can see an update.
        privacy: Differential privacy, or None.
        minimum_members: A round with fewer answers changes nothing.
        deadline_seconds: Of one round; who is later is not in it.
        norm_bound: Largest Euclidean length of a member's update in the first round, of trees the
            largest value of a leaf; see ``bound``.
        weight_cap: Most rows a member may claim.
        leaks: What happens to a column whose emptiness tells the label.
        data_use: Purpose and legal basis.
        expiry_time: No round starts at or after this time; aware, whole seconds.
    """

    task: str
    schema_digest: bytes
    label: LabelRule
    app_digest: bytes
    initial_model_digest: bytes
    data_use: DataUse
    expiry_time: datetime
    model: ModelChoice = ModelChoice()
    optimiser: Optimiser = Optimiser()
    strategy: StrategyChoice = StrategyChoice()
    rounds: int = 20
    protection: str = SECRET
    privacy: PrivacyTarget | None = None
    minimum_members: int = 3
    deadline_seconds: int = 600
    norm_bound: float = 8.0
    weight_cap: int = 1_000_000
    leaks: str = "drop"

    def __post_init__(self) -> None:
        _require(0 < len(self.task) <= MAX_TEXT_CHARACTERS, "task")
        for name in ("schema_digest", "app_digest", "initial_model_digest"):
            _require(len(getattr(self, name)) == DIGEST_BYTES, name)
        _require(self.expiry_time.tzinfo is UTC and not self.expiry_time.microsecond, "expiry_time")
        _require(1 <= self.rounds <= MAX_ROUNDS, "rounds")
        _require(self.protection in PROTECTIONS, "protection")
        _require(1 <= self.minimum_members <= MAX_MEMBERS, "minimum_members")
        _require(1 <= self.deadline_seconds <= 86_400, "deadline_seconds")
        _require(_finite(self.norm_bound) and 0 < self.norm_bound <= 1_000, "norm_bound")
        _require(1 <= self.weight_cap <= 1_000_000_000, "weight_cap")
        _require(self.leaks in LEAK_RULES, "leaks")
        self._check_trees()
        self._check_protection()

    def _check_trees(self) -> None:
        trees = self.model.name == TREES
        if trees != (self.strategy.name == BAGGING):
            _refuse(f"trees go with the strategy {BAGGING}, and nothing else does")
        if not trees:
            return
        if self.protection == SECRET:
            _refuse(
                "trees have no sum: 'secret' cannot hide them",
                reason="PROTECTION_UNAVAILABLE",
                hint='write protection = "robust", whose updates the coordinator sees, '
                'or model = { name = "residual" }',
            )
        if self.privacy is not None:
            _refuse(
                "trees cannot be trained with differential privacy here",
                reason="PROTECTION_UNAVAILABLE",
                hint="leave 'privacy' out, or write model = { name = \"residual\" }",
            )
        _require(self.strategy.averaged_rounds == 0, "strategy.averaged_rounds")

    def _check_protection(self) -> None:
        if self.protection == SECRET:
            if self.strategy.name not in SUMMABLE_STRATEGIES:
                _refuse(f"strategy {self.strategy.name} compares updates, 'secret' shows none")
            _require(self.minimum_members >= MINIMUM_SECRET_MEMBERS, "minimum_members")
        least = {"FedTrimmedAvg": MINIMUM_TRIMMED_MEMBERS, "MultiKrum": MINIMUM_KRUM_MEMBERS}
        _require(self.minimum_members >= least.get(self.strategy.name, 1), "minimum_members")

    def encode(self) -> bytes:
        """Write the plan in its canonical bytes."""
        return canonical.encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "TrainingPlan":
        """Read a plan.

        Raises:
            PlanError: PLAN_MALFORMED for other bytes than ``encode`` writes; PLAN_INVALID for a
                value that no plan may have.
        """
        try:
            return canonical.parse(cls, data)
        except canonical.CanonicalError as error:
            raise PlanError("the plan is not canonical", reason="PLAN_MALFORMED") from error

    def digest(self) -> bytes:
        """Give the plan's identity: SHA-256 of its canonical bytes."""
        return hashlib.sha256(b"tocsin training plan\n" + self.encode()).digest()

    def check_time(self, now: datetime) -> None:
        """Refuse to work after the plan's end.

        Raises:
            PlanError: PLAN_EXPIRED.
        """
        if now >= self.expiry_time:
            raise PlanError("the plan has expired", reason="PLAN_EXPIRED")

    def approve(self, member: MemberId) -> "Approval":
        """Say yes to exactly this plan."""
        return Approval(self.digest(), member)

    def pace(self, round_number: int) -> float:
        """Give a round's share of the full learning rate: a half cosine from 1 to near nothing.

        Args:
            round_number: From 1.
        """
        share = 0.5 * (1 + math.cos(math.pi * (round_number - 1) / self.rounds))
        return max(share, LOWEST_PACE)

    def bound(self, round_number: int) -> float:
        """Give the longest update allowed in a round.

        It falls with the pace, as honest updates do: a bound that stayed would let late poison in.
        """
        return self.norm_bound * self.pace(round_number)


@dataclass(frozen=True, slots=True)
class Approval:
    """One member's yes to one plan, by the plan's hash."""

    plan_digest: bytes
    member: MemberId

    def check(self, plan: TrainingPlan) -> None:
        """Refuse every other plan.

        Raises:
            PlanError: PLAN_NOT_APPROVED.
        """
        if plan.digest() != self.plan_digest:
            raise PlanError(
                f"{self.member} approved another plan",
                reason="PLAN_NOT_APPROVED",
                hint="a change of any field needs a new approval",
            )
