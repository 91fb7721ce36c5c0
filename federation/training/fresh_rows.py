"""Measure a finished model on labelled rows that it was not trained on: those that came after."""

import numpy as np

from federation.training import metrics
from federation.training.error import TableError
from federation.training.released import ReleasedModel
from federation.training.table import Rows
from federation.training.worth import ALERTS, Worth


def measure_on(model: ReleasedModel, rows: Rows) -> Worth:
    """Measure at the model's own thresholds.

    Precision and recall at one false alarm in 10,000 are those at the model's action threshold: on
    fresh rows the rate of false alarms there may be another.

    Raises:
        TableError: The rows have only one label.
    """
    labels = rows.labels
    if len(np.unique(labels)) < 2:
        raise TableError("the rows have only one label", reason="LABEL_INVALID")
    scores = model.score_rows(rows)
    alarms = scores >= model.action_threshold
    hits = float(np.sum(alarms & (labels > 0.5)))
    return Worth(
        roc_auc=metrics.roc_auc(labels, scores),
        pr_auc=metrics.average_precision(labels, scores),
        macro_f1=metrics.macro_f1(labels, scores >= model.threshold),
        recall_at_alerts=metrics.recall_at_alerts(labels, scores, ALERTS),
        precision_at_fpr=hits / alarms.sum() if alarms.any() else 1.0,
        recall_at_fpr=hits / float(labels.sum()),
        calibration_error=metrics.calibration(labels, scores).error,
        threshold=model.threshold,
        action_threshold=model.action_threshold,
    )
