"""The planted subscribers are the same each time, and what training gained is told and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from node.demo.plot import draw_gain
from node.demo.report import training_lines
from node.demo.subscribers import MEMBERS, ROWS_EACH, load_subscribers, plant_subscribers
from node.demo.training import check_training


def found(federated: float, protection: str = "secret") -> dict[str, Any]:
    def worth(auc: float) -> dict[str, float]:
        return {"auc": auc, "ap": auc - 0.1, "macro_f1": auc - 0.2}

    alone = {name: {"local": worth(0.7 + place / 100)} for place, name in enumerate(MEMBERS)}
    together = {"federated": worth(federated), "pooled": worth(0.8)}
    return {"members": alone, **together, "rounds": 3, "seconds": 1.0, "protection": protection}


def test_planted_subscribers_are_the_same_in_every_run() -> None:
    first, second = plant_subscribers(), plant_subscribers()

    assert len(first.train) == ROWS_EACH * len(MEMBERS)
    assert set(first.train.columns["member"]) == set(MEMBERS)
    for name, cells in first.train.columns.items():
        assert np.array_equal(cells, second.train.columns[name], equal_nan=cells.dtype != object)


def test_a_directory_without_real_subscribers_gives_planted_ones(tmp_path: Path) -> None:
    assert "planted" in load_subscribers(tmp_path).source


@pytest.mark.parametrize(
    ("federated", "protection", "passed"),
    [
        (0.79, "secret", [True, True, True]),
        (0.71, "secret", [False, False, True]),
        (0.75, "secret", [True, False, True]),
        (0.79, "robust", [True, True, False]),
    ],
)
def test_each_claim_about_training_is_checked(
    federated: float, protection: str, passed: list[bool]
) -> None:
    assert [check.passed for check in check_training(found(federated, protection))] == passed


def test_the_gain_is_told_in_rows_and_bars() -> None:
    lines = list(training_lines(found(0.79) | {"source": "two rows"}))

    assert "TWO ROWS" in lines[0]
    assert "bank-x alone" in "".join(lines)
    assert lines[-2].count("█") == 23
    assert "federated" in lines[-2]


@pytest.mark.parametrize("name", ["gain.svg", "gain.png"])
def test_the_gain_is_drawn(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")

    assert draw_gain(found(0.79), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1_000
