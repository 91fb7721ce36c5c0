"""Write the training plans of the story: small ones, which a laptop runs in a few seconds.

This module loads torch: acts import it inside their functions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from federation.training.plan import (
    MINIMUM_SECRET_MEMBERS,
    ROBUST,
    DataUse,
    LabelRule,
    ModelChoice,
    Optimiser,
    StrategyChoice,
    TrainingPlan,
)
from federation.training.proposal import fit_plan, propose_plan, usual_bound
from federation.training.schema import FeatureSchema

ROUNDS: Final = 8
"""Rounds: a fifth of what is usual; every node reads of each, and ten nodes share two cores."""
MODEL: Final = ModelChoice(width=16, networks=2, bins=6, seed=1)
STEADY_NETWORKS: Final = 4
"""Networks where two runs are compared: with more of them chance weighs less."""
OPTIMISER: Final = Optimiser(learning_rate=5e-3, least_steps=40, most_steps=60)
DEADLINE_SECONDS: Final = 300
"""Of a round: on a busy machine a worker takes a minute to start; one that is lost ends it."""
CASE_FILE_DAYS: Final = 30
"""Age of the cases in the members' own files, which the first models learn from."""
TASKS: Final = {
    "carrier": "carrier_subscribers",
    "bank": "bank_customers",
    "net": "internet_pages",
    "core": "table",
}
"""What is learnt, by sector; ``core`` is what means the same to all."""
USE: Final = DataUse("score_own_subjects", "atnfl_32")


def usual_plan(sector: str, schema: FeatureSchema, members: int, expiry: int) -> TrainingPlan:
    """Write the plan of a sector, or of all.

    Two members have no sum that hides one of them from the other: theirs is ``robust``.

    Args:
        sector: ``core`` for all of them.
        schema: What they agreed on.
        members: How many take part.
        expiry: Seconds since 1970.
    """
    secret = members >= MINIMUM_SECRET_MEMBERS
    plan = replace(
        propose_plan(schema),
        task=TASKS[sector],
        data_use=USE,
        label=LabelRule("column", CASE_FILE_DAYS),
        expiry_time=datetime.fromtimestamp(expiry, UTC),
        rounds=ROUNDS,
        model=MODEL,
        optimiser=OPTIMISER,
        deadline_seconds=DEADLINE_SECONDS,
    )
    if not secret:
        plan = replace(plan, protection=ROBUST, minimum_members=members)
    return _bounded(plan, schema)


def visible_plan(schema: FeatureSchema, expiry: int, seed: int) -> TrainingPlan:
    """Write the carriers' plan whose updates are seen one by one, checked and outvoted."""
    plan = replace(
        usual_plan("carrier", schema, MINIMUM_SECRET_MEMBERS, expiry),
        protection=ROBUST,
        minimum_members=2,
        strategy=StrategyChoice("FedTrimmedAvg"),
        model=replace(MODEL, networks=STEADY_NETWORKS, seed=seed),
    )
    return _bounded(plan, schema)


def outcome_plan(schema: FeatureSchema, expiry: int, seed: int, days: int) -> TrainingPlan:
    """Write the carriers' plan that learns from outcomes of so many days."""
    plan = replace(
        usual_plan("carrier", schema, MINIMUM_SECRET_MEMBERS, expiry),
        label=LabelRule("confirmed", days),
        model=replace(MODEL, seed=seed),
    )
    return _bounded(plan, schema)


def _bounded(plan: TrainingPlan, schema: FeatureSchema) -> TrainingPlan:
    return fit_plan(replace(plan, norm_bound=usual_bound(plan, schema)), schema)
