"""A table is trained on Flower's simulation engine, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_training_run import write_table
from tests.training.planted import joined, planted_members

pytest.importorskip("ray", reason="the extra 'simulate' is not installed")

PLAN = """
rounds = 2
model = { width = 8, networks = 2, bins = 4 }
optimiser = { least_steps = 5, most_steps = 5 }
"""

pytestmark = pytest.mark.timeout(400)


def test_a_table_is_simulated_and_measured(tmp_path: Path) -> None:
    for name, seed in (("train", 5), ("test", 50)):
        write_table(tmp_path / f"{name}.csv", joined(planted_members(3, 200, seed)))
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    launch = [sys.executable, "-c", "from node.cli import main; main()", "train", "simulate"]
    options = ["--table", "train.csv", "--test", "test.csv", "--plan", "plan.toml"]
    done = subprocess.run(
        [*launch, *options, "--member-column", "member", "--label", "label", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )

    assert done.returncode == 0, done.stderr[-3_000:]

    found = json.loads(done.stdout)

    assert set(found["members"]) == {"carrier-a", "carrier-b", "carrier-c"}
    assert found["rounds"] == 2
    assert found["protection"] == "secret"
    assert 0.5 < found["federated"]["auc"] <= 1
