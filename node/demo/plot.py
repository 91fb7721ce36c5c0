"""Draw what training together gained, where matplotlib is installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from node.trial.report import as_rows

_INCHES: Final = (8.0, 3.6)
_ALONE, _TOGETHER, _POOLED = "#9aa7b5", "#1f77b4", "#d0d7de"


def draw_gain(found: Mapping[str, Any], target: Path) -> bool:
    """Draw AUC and AP of each member alone, together and pooled; say whether it could be done.

    Args:
        found: As ``node.trial.report.as_document`` gives it.
        target: Written; its ending says the format.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return False
    rows = list(as_rows(found))[::-1]
    names = [row[0] for row in rows]
    figure, axes = pyplot.subplots(1, 2, figsize=_INCHES, sharey=True, layout="constrained")
    for place, (axis, title) in enumerate(zip(axes, ("ROC-AUC", "average precision"), strict=True)):
        values = [float(row[1 + place]) for row in rows]
        bars = axis.barh(names, values, color=[_colour(name) for name in names])
        axis.bar_label(bars, fmt="%.3f", padding=3)
        axis.set_xlim(0.0 if place else 0.5, 1.08)
        axis.set_title(title)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target)
    pyplot.close(figure)
    return True


def _colour(name: str) -> str:
    if name == "federated":
        return _TOGETHER
    return _ALONE if name.endswith("alone") else _POOLED
