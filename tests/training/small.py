"""Small plans over planted members, quick enough for a test."""

from dataclasses import replace
from typing import Any

from federation.training.experiment import fit_plan, propose_plan
from federation.training.plan import ModelChoice, Optimiser, TrainingPlan
from federation.training.schema import FeatureSchema
from federation.training.table import infer_schema
from federation.training.tree_plan import as_trees
from tests.training.planted import planted_rows

MODEL = ModelChoice(width=8, networks=2, bins=4, dropout=0.0)
OPTIMISER = Optimiser(learning_rate=0.01, least_steps=5, most_steps=20)


def small_plan(**changes: Any) -> tuple[TrainingPlan, FeatureSchema]:
    """Give a plan of a few seconds, and its schema."""
    schema = infer_schema(planted_rows(200, 1), "label")
    fields: dict[str, Any] = {"model": MODEL, "optimiser": OPTIMISER, "rounds": 4}
    plan = replace(propose_plan(schema), **(fields | changes))
    return fit_plan(plan, schema), schema


def small_trees(**changes: Any) -> tuple[TrainingPlan, FeatureSchema]:
    """Give a plan of boosted trees of a few seconds, and its schema."""
    plan, schema = small_plan()
    plan = as_trees(plan)
    model = replace(plan.model, networks=2, bins=16)
    fields: dict[str, Any] = {"model": model, "rounds": 8, "minimum_members": 2}
    return replace(plan, **(fields | changes)), schema
