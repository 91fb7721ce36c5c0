"""Measure a model on rows that nobody trained on, beside what each member would have alone."""

import importlib
import warnings
from typing import Any, Final

import numpy as np

from federation.training import metrics
from federation.training.own_model import OwnModel, train_own_model
from federation.training.plan import TrainingPlan
from federation.training.released import ReleasedModel
from federation.training.scaling import Scaling
from federation.training.schema import FeatureSchema
from federation.training.table import Rows, Table, check_table

Worth = dict[str, float]

HALF: Final = 0.5
LIGHTGBM_SEED: Final = 7


def measure_model(model: ReleasedModel, test: Table) -> Worth:
    """Measure a model with its own threshold."""
    truth = check_table(test, model.schema)
    return _worth(truth, model.score_rows(truth), model.threshold)


def measure_alone(plan: TrainingPlan, schema: FeatureSchema, rows: Table, test: Table) -> Worth:
    """Measure the plan's model trained on these rows alone: own scaling, own threshold.

    Rows with only one label teach nothing: whoever has no others gives every subject that label.
    """
    truth = check_table(test, schema)
    known = check_table(rows, schema)
    own = train_own_model(plan, schema, known)
    if own is None:
        return _worth(truth, np.full(len(truth), known.labels[0]), HALF)
    threshold = _own_threshold(own)
    model = ReleasedModel(plan, schema, own.scaling.encode(), own.vector, threshold)
    return _worth(truth, model.score_rows(truth), threshold)


def measure_lightgbm(model: ReleasedModel, rows: Table, test: Table) -> Worth | None:
    """Measure LightGBM on all rows in one pot, over the columns that the model uses.

    Returns:
        None where LightGBM is not installed.
    """
    try:
        lightgbm: Any = importlib.import_module("lightgbm")
    except ImportError:
        return None
    used = np.flatnonzero(~ignored_columns(model))
    known, truth = check_table(rows, model.schema), check_table(test, model.schema)
    inputs = [np.where(part.empty, np.nan, part.values)[:, used] for part in (known, truth)]
    trees = lightgbm.LGBMClassifier(verbose=-1, n_jobs=1, random_state=LIGHTGBM_SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about arrays without names
        trees.fit(inputs[0], known.labels)
        scores = trees.predict_proba(inputs[1])[:, 1]
    return _worth(truth, scores, HALF)


def ignored_columns(model: ReleasedModel) -> Any:
    """Say for each column of the schema whether the run left it out as a leak of the label."""
    return Scaling.parse(model.schema, model.plan.model.bins, model.scaling).ignored


def _own_threshold(own: OwnModel) -> float:
    """Choose a threshold on the scores of networks that never saw the row, where there are any."""
    folds, labels = own.examples.folds, own.examples.labels
    blind = folds >= 0
    if len(np.unique(labels[blind])) < 2:
        return HALF
    return metrics.best_threshold(labels[blind], own.scores[blind, folds[blind]])


def _worth(truth: Rows, scores: Any, threshold: float) -> Worth:
    return {
        "auc": metrics.roc_auc(truth.labels, scores),
        "ap": metrics.average_precision(truth.labels, scores),
        "macro_f1": metrics.macro_f1(truth.labels, scores >= threshold),
    }
