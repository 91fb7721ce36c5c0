"""The usual plan of boosted trees, which needs no tuning."""

from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from federation.training.network import model_digest
from federation.training.plan import (
    BAGGING,
    ROBUST,
    TREES,
    ModelChoice,
    Optimiser,
    StrategyChoice,
    TrainingPlan,
)

# Measured on the three real tables: shallow trees that see half of the columns, many of them.
TREE_MODEL: Final = ModelChoice(TREES, width=16, blocks=0, bins=64, dropout=0.5)
TREE_OPTIMISER: Final = Optimiser(learning_rate=0.3, weight_decay=5.0, input_dropout=0.2)
TREE_STRATEGY: Final = StrategyChoice(BAGGING, averaged_rounds=0.0)
TREE_ROUNDS: Final = 40
LARGEST_LEAF: Final = 0.9  # log-odds of one tree: three, times the learning rate


def with_tree_defaults(written: dict[str, Any]) -> dict[str, Any]:
    """Fill what a person left out of a plan of trees; another plan is given back as it is."""
    model = written.get("model")
    if not isinstance(model, dict) or model.get("name") != TREES:
        return written
    usual: dict[str, Any] = {
        "model": TREE_MODEL,
        "optimiser": TREE_OPTIMISER,
        "strategy": TREE_STRATEGY,
    }
    filled: dict[str, Any] = {"rounds": TREE_ROUNDS, "norm_bound": LARGEST_LEAF} | written
    for name, group in usual.items():
        own = written.get(name, {})
        filled[name] = asdict(group) | own if isinstance(own, dict) else own
    return filled


def as_trees(plan: TrainingPlan, members: int = 3) -> TrainingPlan:
    """Give the same plan for boosted trees: visible updates, no differential privacy.

    Args:
        plan: Any plan; what it says of task, data, members' rows and time is kept.
        members: That take part; a round may lack one of them.
    """
    return replace(
        plan,
        model=replace(TREE_MODEL, seed=plan.model.seed),
        optimiser=TREE_OPTIMISER,
        strategy=TREE_STRATEGY,
        rounds=TREE_ROUNDS,
        protection=ROBUST,
        privacy=None,
        minimum_members=max(1, members - 1),
        norm_bound=LARGEST_LEAF,
        initial_model_digest=model_digest(np.zeros(0, np.float32)),
    )
