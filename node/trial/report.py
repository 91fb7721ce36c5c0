"""Say what came of a trial: one document for programs, rows of a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the extra, which reading a document does not need
    from federation.training.comparison import Worth
    from federation.training.released import ReleasedModel
    from federation.training.table import Table
    from node.trial.measure import Comparison

HEADER = ("", "AUC", "AP", "macro F1")
_KEYS = ("auc", "ap", "macro_f1")


def as_document(
    model: ReleasedModel, test: Table, compared: Comparison, seconds: float
) -> dict[str, Any]:
    """Put everything that was measured on the test rows into one object."""
    from federation.training.comparison import measure_model

    found: dict[str, Any] = {
        "members": {name: {"local": worth} for name, worth in compared.local.items()},
        "federated": measure_model(model, test),
        "pooled": compared.pooled,
    }
    if compared.lightgbm is not None:
        found["pooled_lightgbm"] = compared.lightgbm
    run = {"rounds": model.plan.rounds, "seconds": round(seconds, 1)}
    return found | run | {"protection": model.plan.protection}


def as_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Give the rows of a table below HEADER."""
    for name, member in document["members"].items():
        yield _row(f"{name} alone", member["local"])
    yield _row("federated", document["federated"])
    yield _row("pooled, same model", document["pooled"])
    if "pooled_lightgbm" in document:
        yield _row("pooled, LightGBM", document["pooled_lightgbm"])


def _row(name: str, worth: Worth) -> tuple[str, str, str, str]:
    first, second, third = (f"{worth[key]:.4f}" for key in _KEYS)
    return name, first, second, third
