"""Propose the plan for a table: defaults that need no tuning, from the table's shape alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from federation.training.app_identity import app_digest
from federation.training.models import initial_model, model_digest
from federation.training.plan import (
    MINIMUM_SECRET_MEMBERS,
    ROBUST,
    SECRET,
    TREES,
    DataUse,
    LabelRule,
    ModelChoice,
    Optimiser,
    PrivacyTarget,
    StrategyChoice,
    TrainingPlan,
)
from federation.training.schema import FeatureSchema

EXPERIMENT_EXPIRY: Final = datetime(2099, 1, 1, tzinfo=UTC)  # a throw-away run; no clock here
USUAL_ROUNDS: Final = 40
"""Measured on 21 tables: 20 rounds leave most of them short of what they reach, 60 gain nothing."""
USUAL_STEPS: Final = 50  # of a member in a round
FINE_COLUMNS: Final = 100
"""Columns up to which each number is cut as finely as the model's default; more share the cuts."""
FEWEST_BINS: Final = 2
STEPS_RATIO: Final = 3
"""Largest step count of a visible update over the smallest: three times as long is an outlier."""
BOUND_TIMES: Final = 1.6  # measured on the three real tables: honest updates stay just below
PRIVATE_MODEL: Final = ModelChoice(networks=1, width=16, bins=4, dropout=0.0)
PRIVATE_OPTIMISER: Final = Optimiser(
    learning_rate=0.01, weight_decay=0.0, batch_rows=256, least_steps=5
)
PRIVATE_ROUNDS: Final = 20
"""Each round costs privacy: more of them are noisier ones."""
TRIAL_LABEL: Final = LabelRule("column")
TRIAL_USE: Final = DataUse("trial", "consent")  # the owner of the table runs it
FEWEST_TRIMMED: Final = 3
"""Members from which on the longest and shortest of each parameter can be left out."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a proposal follows from beside the schema.

    Attributes:
        rows: Of each member, by name.
    """

    rows: Mapping[str, int]

    @property
    def members(self) -> int:
        """Count the members."""
        return len(self.rows)


def propose_plan(schema: FeatureSchema, *, privacy: PrivacyTarget | None = None) -> TrainingPlan:
    """Write the default plan for a schema, which needs no tuning."""
    model = _usual_model(schema) if privacy is None else PRIVATE_MODEL
    plan = TrainingPlan(
        task="table",
        schema_digest=schema.digest(),
        label=TRIAL_LABEL,
        app_digest=app_digest(),
        initial_model_digest=bytes(32),
        data_use=TRIAL_USE,
        expiry_time=EXPERIMENT_EXPIRY,
        model=model,
        optimiser=Optimiser() if privacy is None else PRIVATE_OPTIMISER,
        rounds=USUAL_ROUNDS if privacy is None else PRIVATE_ROUNDS,
        privacy=privacy,
    )
    return replace(fit_plan(plan, schema), norm_bound=usual_bound(plan, schema))


def propose_for(
    schema: FeatureSchema,
    shape: TableShape,
    *,
    protection: str = SECRET,
    privacy: PrivacyTarget | None = None,
) -> TrainingPlan:
    """Write the default plan for a table of this shape.

    Raises:
        PlanError: Fewer members than the protection needs.
    """
    plan = propose_plan(schema, privacy=privacy)
    plan = replace(plan, weight_cap=max(shape.rows.values()))
    if protection == ROBUST:
        plan = replace(plan, protection=ROBUST, minimum_members=min(2, shape.members))
    if protection == ROBUST and shape.members >= FEWEST_TRIMMED:
        plan = replace(plan, strategy=StrategyChoice("FedTrimmedAvg"))
        if privacy is None:
            plan = replace(plan, optimiser=_even_steps(plan.optimiser, plan.weight_cap))
    return fit_plan(plan, schema)


def _usual_model(schema: FeatureSchema) -> ModelChoice:
    """Cut numbers less finely where there are many: their cuts would be learnt by heart."""
    usual = ModelChoice()
    share = min(1.0, FINE_COLUMNS / len(schema.columns))
    return replace(usual, bins=max(FEWEST_BINS, round(usual.bins * share**2)))


def _even_steps(optimiser: Optimiser, largest: int) -> Optimiser:
    """Let members of few rows step nearly as often as the largest, so that none is an outlier."""
    steps = min(optimiser.most_steps, math.ceil(largest / optimiser.batch_rows))
    least = max(optimiser.least_steps, math.ceil(steps / STEPS_RATIO))
    return replace(optimiser, least_steps=least)


def change_plan(
    plan: TrainingPlan, schema: FeatureSchema, changes: Mapping[str, Any]
) -> TrainingPlan:
    """Apply what a person wrote: fields, or fields of the plan's groups.

    Raises:
        PlanError: PLAN_INVALID.
    """
    fields = {
        name: replace(getattr(plan, name), **value) if isinstance(value, Mapping) else value
        for name, value in changes.items()
    }
    changed = replace(plan, **fields)
    if changed.model.name == TREES:
        return replace(changed, schema_digest=schema.digest())
    touches_length = {"model", "optimiser"} & changes.keys()
    if touches_length and "norm_bound" not in changes:
        changed = replace(changed, norm_bound=usual_bound(changed, schema))
    return fit_plan(changed, schema)


def usual_bound(plan: TrainingPlan, schema: FeatureSchema) -> float:
    """Estimate a bound a little above honest updates: steps of Adam are of the learning rate."""
    parameters = len(initial_model(plan.model, schema.width(plan.model.bins)))
    length = plan.optimiser.learning_rate * math.sqrt(parameters * USUAL_STEPS)
    return round(BOUND_TIMES * length, 3)


def fit_plan(plan: TrainingPlan, schema: FeatureSchema) -> TrainingPlan:
    """Give the plan for this schema: its digest, and that of the first model."""
    first = initial_model(plan.model, schema.width(plan.model.bins))
    digest = model_digest(first)
    return replace(plan, schema_digest=schema.digest(), initial_model_digest=digest)


def has_enough_members(protection: str, members: int) -> bool:
    """Say whether so many members can keep the protection."""
    return protection != SECRET or members >= MINIMUM_SECRET_MEMBERS
