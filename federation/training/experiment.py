"""Measure what a federation gains on one table: each member alone, together, and all in one pot.

The federated model comes from the ordinary app over the members' rows; thresholds are chosen on
training rows, and the test rows are used once, at the end.
"""

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from federation.training import metrics
from federation.training.error import TableError
from federation.training.local_engine import run_locally
from federation.training.own_model import train_own_model
from federation.training.plan import MINIMUM_SECRET_MEMBERS, ROBUST, TrainingPlan
from federation.training.proposal import fit_plan, propose_plan
from federation.training.released import ReleasedModel
from federation.training.scaling import Scaling
from federation.training.schema import FeatureSchema
from federation.training.table import Rows, Table, check_table, infer_schema, unencodable_columns

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Experiment:
    """The measured results, and the federated model itself."""

    result: dict[str, Any]
    model: ReleasedModel


def run_table(
    table: Table, member_column: str, label: str, test: Table, plan: TrainingPlan | None = None
) -> Experiment:
    """Train over a table whose rows name their member, and measure on the test table.

    Args:
        table: Training rows of all members.
        member_column: Names each row's member; no feature.
        label: Names the column of 0 and 1.
        test: Rows nobody trains on; a member column in it is not used.
        plan: Its schema and first model are replaced by those of the table.

    Raises:
        TableError: The tables do not fit together. Text columns of too many different texts do
            not stop the run: they are left out and named in the result's ``refused``.
        PlanError: The plan cannot run.
        QuorumError: Fewer members than the plan wants.
    """
    if member_column not in table.columns:
        raise TableError(f"the table has no column '{member_column}'")
    refused = [name for name in unencodable_columns(table) if name not in (member_column, label)]
    schema = infer_schema(table, label, [member_column, *refused])
    names = np.array([str(member) for member in table.columns[member_column]])
    parts = {name: table.select(names == name) for name in np.unique(names).tolist()}
    plan = _propose_for(schema, len(parts)) if plan is None else fit_plan(plan, schema)
    started = time.monotonic()
    run = run_locally(plan, schema, parts)
    seconds = time.monotonic() - started
    model = ReleasedModel(plan, schema, run.scaling, run.model, run.threshold)
    truth = check_table(test, schema)
    scores = model.score_rows(truth)
    result = {
        "members": {
            name: {"rows": len(part), "local": _measure_alone(plan, schema, part, truth)}
            for name, part in parts.items()
        },
        "federated": _measure(truth.labels, scores, run.threshold) | {"blind": run.blind},
        "pooled": _measure_pooled(check_table(table, schema), truth, model),
        "rounds": plan.rounds,
        "seconds": round(seconds, 3),
        "protection": plan.protection,
        "parameters": len(run.model),
        "leaks": _ignored_columns(model),
        "refused": refused,
    }
    return Experiment(result, model)


def _propose_for(schema: FeatureSchema, members: int) -> TrainingPlan:
    """Propose a plan for so many members: a sum of fewer than three would show the parts."""
    plan = propose_plan(schema)
    if members >= MINIMUM_SECRET_MEMBERS:
        return plan
    return replace(plan, protection=ROBUST, minimum_members=max(1, members))


def _measure(labels: Floats, scores: Floats, threshold: float) -> dict[str, float]:
    precision, recall = metrics.precision_at_false_positive_rate(labels, scores)
    return {
        "auc": metrics.roc_auc(labels, scores),
        "ap": metrics.average_precision(labels, scores),
        "macro_f1": metrics.macro_f1(labels, scores >= threshold),
        "threshold": threshold,
        "recall_at_100_alerts": metrics.recall_at_alerts(labels, scores, 100),
        "precision_at_action": precision,
        "recall_at_action": recall,
        "calibration_error": metrics.calibration(labels, scores).error,
    }


def _measure_alone(
    plan: TrainingPlan, schema: FeatureSchema, part: Table, truth: Rows
) -> dict[str, float] | None:
    """Measure what the member would have without the others: its own scaling, model, threshold.

    Returns:
        None for a member whose rows have only one label.
    """
    rows = check_table(part, schema)
    own = train_own_model(plan, schema, rows)
    if own is None:
        return None
    blind = own.examples.folds >= 0
    labels, chosen = rows.labels[blind], own.scores[blind, own.examples.folds[blind]]
    threshold = metrics.best_threshold(labels, chosen)
    model = ReleasedModel(plan, schema, own.scaling.encode(), own.vector, threshold)
    return _measure(truth.labels, model.score_rows(truth), threshold)


def _measure_pooled(rows: Rows, truth: Rows, model: ReleasedModel) -> dict[str, Any]:
    """Measure boosted trees over all rows in one pot, which no federation may have."""
    used = _used_columns(model)
    name, trees = _boosted_trees()
    inputs = [np.where(part.empty, np.nan, part.values)[:, used] for part in (rows, truth)]
    trees.fit(inputs[0], rows.labels)
    scores = trees.predict_proba(inputs[1])[:, 1]
    return {"model": name} | _measure(truth.labels, scores, 0.5)


def _boosted_trees() -> tuple[str, Any]:
    try:
        lightgbm = importlib.import_module("lightgbm")
        return "lightgbm", lightgbm.LGBMClassifier(verbose=-1, n_jobs=1)
    except ImportError:
        pass
    try:
        ensemble = importlib.import_module("sklearn.ensemble")
        return "scikit-learn histogram boosting", ensemble.HistGradientBoostingClassifier()
    except ImportError as error:
        raise TableError(
            "the pooled comparison needs boosted trees",
            reason="DRIVER_MISSING",
            hint="pip install lightgbm",
        ) from error


def _used_columns(model: ReleasedModel) -> Sequence[int]:
    scaling = Scaling.parse(model.schema, model.plan.model.bins, model.scaling)
    return [place for place, ignored in enumerate(scaling.ignored) if not ignored]


def _ignored_columns(model: ReleasedModel) -> list[str]:
    used = set(_used_columns(model))
    columns = enumerate(model.schema.columns)
    return [column.name for place, column in columns if place not in used]
