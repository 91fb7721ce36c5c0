"""Grow boosted trees over one member's rows for one round, with XGBoost.

A member never loads another's trees into XGBoost: it computes their margins itself and lets
XGBoost grow new trees on top of them.
"""

import importlib
import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from federation.training.error import TableError
from federation.training.forest import (
    CUTS,
    EMPTY_LOW,
    STAY_LEFT,
    Doubles,
    Floats,
    read_trees,
    to_probabilities,
    tree_numbers,
)
from federation.training.plan import TrainingPlan

if TYPE_CHECKING:
    from federation.training.fitting import Examples

FINEST_HISTOGRAM: Final = 256  # every code is a bin of its own
LEAST_HESSIAN: Final = 1.0  # of a leaf, in XGBoost's measure: about four undecided rows
GROWERS_KEPT: Final = 16  # tables of one process, as many as the app keeps encoded


def grow_round(
    plan: TrainingPlan, start: Floats, examples: "Examples", number: int, seed: int
) -> tuple[Floats, float]:
    """Grow ``epochs`` trees for each forest, none on the rows it is blind to.

    Args:
        plan: Model and optimiser.
        start: The trees of the rounds before.
        examples: The member's rows, as codes.
        number: Of the round, from 1.
        seed: Of the rows and columns that a tree sees.

    Returns:
        ``start`` and the new trees, one of each forest in turn, and the mean loss before them.
    """
    grower = _grower_of(examples)
    margins = grower.margins(plan, start)
    grown = [
        grower.grow(plan, margins[:, forest], forest, number, seed + forest)
        for forest in range(plan.model.networks)
    ]
    new = np.stack(grown, axis=1).ravel()  # (trees, forests, numbers) before
    return np.concatenate([start, new]), _mean_loss(margins, examples.labels)


def forest_scores(plan: TrainingPlan, vector: Floats, examples: "Examples") -> Floats:
    """Score a member's rows by every forest on its own: (rows, forests)."""
    return to_probabilities(_grower_of(examples).margins(plan, vector))


class _Grower:
    """One member's rows with what need not be computed again in every round."""

    def __init__(self, examples: "Examples") -> None:
        self.examples = examples
        self._rows: dict[int, Any] = {}
        self._start = np.zeros(0, np.float32)
        self._margins: Doubles | None = None

    def margins(self, plan: TrainingPlan, vector: Floats) -> Doubles:
        """Give each forest's log-odds; of a model that only grew, walk the new trees alone."""
        choice, prior = plan.model, self.examples.prior
        codes = np.asarray(self.examples.inputs, np.uint8)
        known, margins = len(self._start), self._margins
        if margins is None or not np.array_equal(vector[:known], self._start):
            known, margins = 0, np.full((len(codes), choice.networks), prior, np.float64)
        trees = read_trees(choice, vector[known:], codes)
        self._start, self._margins = vector, trees.add_margins(codes, margins)
        return self._margins

    def grow(
        self, plan: TrainingPlan, margins: Doubles, forest: int, number: int, seed: int
    ) -> Floats:
        """Grow trees on top of a forest: (epochs, numbers of a tree)."""
        xgboost = _xgboost()
        used = self.examples.folds != forest
        rows = self._rows.get(forest)
        if rows is None:
            rows = self._rows[forest] = self._matrix(used)
        rows.set_base_margin(margins[used].astype(np.float32))
        booster = xgboost.train(_settings(plan, number, seed), rows, plan.optimiser.epochs)
        document = json.loads(bytes(booster.save_raw("json")))
        trees = document["learner"]["gradient_booster"]["model"]["trees"]
        half = self.examples.inputs.shape[1] // 2
        return np.stack([complete_tree(tree, plan.model.width, half) for tree in trees])

    def _matrix(self, used: npt.NDArray[np.bool_]) -> Any:
        half = self.examples.inputs.shape[1] // 2
        values = self.examples.inputs[used][:, :half].astype(np.float32)
        values[values == EMPTY_LOW] = np.nan
        labels = self.examples.labels[used]
        return _xgboost().QuantileDMatrix(values, labels, max_bin=FINEST_HISTOGRAM, nthread=1)


_GROWERS: dict[int, _Grower] = {}


def _grower_of(examples: "Examples") -> _Grower:
    found = _GROWERS.get(id(examples))
    if found is None or found.examples is not examples:
        while len(_GROWERS) >= GROWERS_KEPT:
            _GROWERS.pop(next(iter(_GROWERS)), None)
        found = _GROWERS[id(examples)] = _Grower(examples)
    return found


def _settings(plan: TrainingPlan, number: int, seed: int) -> dict[str, Any]:
    optimiser = plan.optimiser
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_bin": FINEST_HISTOGRAM,
        "max_depth": int(math.log2(plan.model.width)),
        "min_child_weight": LEAST_HESSIAN,
        # No leaf is larger than the plan's bound: it is multiplied by eta afterwards.
        "max_delta_step": plan.norm_bound / optimiser.learning_rate,
        "eta": optimiser.learning_rate * plan.pace(number),
        "lambda": optimiser.weight_decay,
        "subsample": 1 - optimiser.input_dropout,
        "colsample_bytree": 1 - plan.model.dropout,
        "seed": seed % 2**31,
        "nthread": 1,  # the same trees on every machine
        "verbosity": 0,
    }


def complete_tree(tree: dict[str, Any], leaves: int, half: int) -> Floats:
    """Write one tree of XGBoost's document as a complete tree.

    Args:
        tree: As XGBoost wrote it in this process.
        leaves: Of a complete tree as deep as the deepest allowed.
        half: Columns that XGBoost saw; it keeps a rule for empty cells beside each split.
    """
    numbers = np.full(tree_numbers(leaves), STAY_LEFT, np.float32)
    waiting = [(0, 0)]
    while waiting:
        node, place = waiting.pop()
        left, condition = tree["left_children"][node], float(tree["split_conditions"][node])
        if left < 0:
            _fill_below(numbers, place, leaves, condition)
            continue
        column = tree["split_indices"][node] + (0 if tree["default_left"][node] else half)
        numbers[place] = column * CUTS + min(max(math.ceil(condition), 1), CUTS - 1)
        waiting += [(left, 2 * place + 1), (tree["right_children"][node], 2 * place + 2)]
    return numbers


def _fill_below(numbers: Floats, place: int, leaves: int, value: float) -> None:
    """Give every leaf below a place the value of the leaf that stood there."""
    first, last = place, place
    while first < leaves - 1:
        first, last = 2 * first + 1, 2 * last + 2
    numbers[first : last + 1] = value


def _mean_loss(margins: Doubles, labels: Floats) -> float:
    signed = np.where(labels[:, None] > 0.5, -margins, margins)
    return float(np.logaddexp(0.0, signed).mean())


def _xgboost() -> Any:
    try:
        return importlib.import_module("xgboost")
    except ImportError as error:
        raise TableError(
            "trees need XGBoost", reason="DRIVER_MISSING", hint="pip install 'tocsin[train]'"
        ) from error
