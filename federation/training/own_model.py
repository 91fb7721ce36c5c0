"""Train what a member would have without the others: its own rows, scaling and model.

It has the plan's architecture and as many rounds, unless they would take too long. It never leaves
the member's process: only counts of its scores do, in sums.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from federation.training.fitting import Examples, Floats, fit_alone, fit_round, network_scores
from federation.training.forest import encode_rows
from federation.training.models import initial_model
from federation.training.plan import TrainingPlan
from federation.training.scaling import CoarseSums, Scaling, count_coarsely, count_finely
from federation.training.schema import FeatureSchema
from federation.training.table import Rows

LOCAL_SEED: Final = 0x10CA1
TIME_SHARE: Final = 0.4
"""Of the plan's deadline: the rest is for the scores, the way and slower machines."""


@dataclass(frozen=True)
class OwnModel:
    """A member's own model.

    Attributes:
        scaling: Learnt of its own rows.
        vector: All parameters.
        examples: The rows as it sees them.
        scores: Each network's probabilities of them, (rows, networks).
        rounds: For how many it was trained.
    """

    scaling: Scaling
    vector: Floats
    examples: Examples
    scores: Floats
    rounds: int


def train_own_model(
    plan: TrainingPlan,
    schema: FeatureSchema,
    rows: Rows,
    *,
    clock: Callable[[], float] = time.monotonic,
    most_seconds: float | None = None,
) -> OwnModel | None:
    """Train on a member's own rows alone.

    Args:
        plan: Architecture, optimiser, rounds; its protection and privacy are not needed here.
        schema: Of the rows.
        rows: All of the member.
        clock: Seconds.
        most_seconds: How long it may take: on a slow machine it is trained for fewer rounds, and
            broken off where those take longer than the first.

    Returns:
        None for a member whose rows have only one label.
    """
    if len(np.unique(rows.labels)) < 2:
        return None
    plan = replace(plan, privacy=None)
    scaling = own_scaling(plan, schema, rows)
    inputs = encode_rows(plan.model, scaling, schema, rows)
    examples = Examples.of(inputs, rows.labels, scaling.prior, plan.model.networks)
    start = initial_model(plan.model, inputs.shape[1])
    trained = 0

    def is_over() -> bool:
        nonlocal trained
        trained += 1
        return most_seconds is not None and clock() - started > most_seconds

    started = clock()
    if most_seconds is not None:
        fit_round(plan, start, examples, 1, LOCAL_SEED)
        affordable = int(most_seconds / max(clock() - started, 1e-6))
        plan = replace(plan, rounds=max(1, min(plan.rounds, affordable)))
    vector = fit_alone(plan, start, examples, LOCAL_SEED, is_over)
    scores = network_scores(plan, vector, examples)
    return OwnModel(scaling, vector, examples, scores, trained)


def own_scaling(plan: TrainingPlan, schema: FeatureSchema, rows: Rows) -> Scaling:
    """Learn the scaling of one member's rows."""
    coarse = CoarseSums.parse(schema, count_coarsely(schema, rows))
    fine = count_finely(schema, rows, coarse.edges)
    return Scaling.learn(schema, plan.model.bins, coarse, fine, drop=plan.leaks == "drop")
