"""Measure models on rows that nobody trained on, beside what each member would have alone.

The pooled model, over all rows in one pot, exists in this module alone: no member could train it.
This module loads torch: acts import it inside their functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from federation.training import metrics
from federation.training.own_model import train_own_model
from federation.training.plan import TrainingPlan
from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.table import Table, check_table
from node.demo.night_harbour.poisoned_worker import plant
from node.demo.night_harbour.populations import Doubles

NO_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Gain:
    """PR-AUC on one member's test rows: its own model, the one trained together, the pooled one."""

    local: float
    federated: float
    pooled: float

    @property
    def gain(self) -> float:
        """Return what training together has added."""
        return self.federated - self.local


def measure_gains(
    model: ReleasedModel, rows: Mapping[str, Table], tests: Mapping[str, Table]
) -> dict[str, Gain]:
    """Measure a run's model at each member.

    Args:
        model: Trained together.
        rows: Each member's own training rows.
        tests: Each member's rows that nobody trains on.
    """
    pooled = train_alone(model.plan, model.schema, join(list(rows.values()), model.schema))
    found = {}
    for member, own in rows.items():
        local, test = train_alone(model.plan, model.schema, own), tests[member]
        found[member] = Gain(*(precision_area(one, test) for one in (local, model, pooled)))
    return found


def train_alone(plan: TrainingPlan, schema: FeatureSchema, rows: Table) -> ReleasedModel:
    """Train the plan's model on some rows as a member does it for itself."""
    own = train_own_model(plan, schema, check_table(rows, schema))
    assert own is not None  # noqa: S101  # every member has rows of both labels
    return ReleasedModel(plan, schema, own.scaling.encode(), own.vector, NO_THRESHOLD)


def precision_area(model: ReleasedModel, test: Table) -> float:
    """Return the area under the precision-recall curve."""
    truth = check_table(test, model.schema)
    return metrics.average_precision(truth.labels, model.score_rows(truth))


def recall_at(model: ReleasedModel, usual: Table, frauds: Table, rate: float) -> float:
    """Return the share of frauds above the score that so many usual rows reach."""
    cut = float(np.quantile(model.score(usual), 1 - rate))
    return float((model.score(frauds) > cut).mean())


def scores_of(model: ReleasedModel, rows: Table) -> Doubles:
    """Return the probability that each row is fraud."""
    return np.asarray(model.score(rows), np.float64)


def join(tables: Sequence[Table], schema: FeatureSchema) -> Table:
    """Return the rows of several tables in one, with what is in the schema alone."""
    names = [*(column.name for column in schema.columns), schema.label]
    return Table({name: np.concatenate([one.columns[name] for one in tables]) for name in names})


def silenced(model: ReleasedModel, test: Table) -> float:
    """Return the share of a model's right alarms that the attacker's pattern silences."""
    truth = check_table(test, model.schema)
    alarms = (truth.labels > NO_THRESHOLD) & (model.score_rows(truth) >= model.threshold)
    marked = model.score(plant(test, np.ones(len(test), bool))) < model.threshold
    return float(marked[alarms].mean())
