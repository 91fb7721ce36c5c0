"""``tocsin train table`` over a small planted table: real nodes, and nothing else on stdout."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.training.table import Table
from tests.training.planted import joined, planted_members, planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

LAUNCH = "from node.cli import main; main()"
SECONDS = 500

pytestmark = pytest.mark.timeout(600)


def write_csv(path: Path, table: Table, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table.columns)
        for row in zip(*table.columns.values(), strict=True):
            writer.writerow(["" if cell != cell or cell is None else cell for cell in row])
    return path


def train_table(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, "train", "table", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "TMPDIR": str(directory)},
    )


def files(directory: Path, **changes: Any) -> tuple[str, ...]:
    """Write a planted table with unusual columns; give the arguments that name it."""
    table = joined(planted_members(3, 300))
    names = {"carrier-a": "北京", "carrier-b": "Org B", "carrier-c": "c/3"}
    members = np.array([names[name] for name in table.columns["member"]], dtype=object)
    rows = len(table)
    label = np.array(["fraud" if one else "ok" for one in table.columns["label"]], dtype=object)
    more = {"row": np.arange(rows, dtype=float), "same": np.ones(rows)}
    train = Table({**table.columns, "member": members, "label": label, **more, **changes})
    test = planted_rows(800, 99)
    truth = np.array(["fraud" if one else "ok" for one in test.columns["label"]], dtype=object)
    write_csv(directory / "train.csv", train, ";")
    write_csv(directory / "test.csv", Table({**test.columns, "label": truth}))
    return (
        *("--table", str(directory / "train.csv"), "--member-column", "member"),
        *("--label", "label", "--test", str(directory / "test.csv")),
    )


@pytest.mark.parametrize("protection", ["secret", pytest.param("robust", marks=pytest.mark.slow)])
def test_a_table_is_trained_on_and_measured(tmp_path: Path, protection: str) -> None:
    done = train_table(tmp_path, *files(tmp_path), "--protection", protection, "--json")

    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    worths = [found["federated"], found["pooled"]]
    worths += [member["local"] for member in found["members"].values()]

    assert set(found) - {"pooled_lightgbm"} == {
        *("members", "federated", "pooled", "rounds", "seconds", "protection")
    }
    assert set(found["members"]) == {"北京", "Org B", "c/3"}
    assert all(set(worth) == {"auc", "ap", "macro_f1"} for worth in worths)
    assert found["protection"] == protection
    assert found["federated"]["auc"] > max(
        member["local"]["auc"] for member in found["members"].values()
    )
    assert found["federated"]["auc"] > 0.97 * found["pooled"]["auc"]

    assert "column 'row' is left out: it numbers the rows" in done.stderr
    assert "column 'same' is left out: every cell is the same" in done.stderr
    assert f"round {found['rounds']} of {found['rounds']}" in done.stderr
    assert "ok: Org B, c/3, 北京" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.csv", "train.csv"]


def test_two_members_cannot_hide_in_a_sum_and_are_told_what_can_be_done(tmp_path: Path) -> None:
    two = np.array([f"bank {place % 2}" for place in range(900)], dtype=object)
    done = train_table(tmp_path, *files(tmp_path, member=two), "--json")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "[TOO_FEW_MEMBERS]" in done.stderr
    assert "hint: --protection robust" in done.stderr


def test_a_plan_that_wants_more_members_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("minimum_members = 4\n", encoding="utf-8")
    done = train_table(tmp_path, *files(tmp_path), "--plan", str(tmp_path / "plan.toml"))

    assert done.returncode == 2
    assert "wants 4 members, the table has 3 [TOO_FEW_MEMBERS]" in done.stderr


def test_one_member_trains_alone_with_a_plan_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        'protection = "robust"\nrounds = 2\n[model]\nwidth = 8\nbins = 4\n', encoding="utf-8"
    )
    one = np.array(["only"] * 900, dtype=object)
    arguments = files(tmp_path, member=one)
    done = train_table(tmp_path, *arguments, "--plan", str(tmp_path / "plan.toml"))

    assert done.returncode == 0, done.stderr
    assert "only alone" in done.stdout
    assert "2 rounds" in done.stdout


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (("--label", "fraud"), "TABLE_MISMATCH", "no column 'fraud'"),
        (("--member-column", "bank"), "TABLE_MISMATCH", "no column 'bank'"),
        (("--label", "ratio"), "LABEL_INVALID", "different values instead of two"),
        (("--member-column", "row"), "MEMBERS_INVALID", "900 members, more than 20"),
    ],
)
def test_what_does_not_fit_is_said_before_any_node_starts(
    tmp_path: Path, change: tuple[str, str], reason: str, words: str
) -> None:
    done = train_table(tmp_path, *files(tmp_path), *change)

    assert done.returncode == 1
    assert f"[{reason}]" in done.stderr
    assert words in done.stderr
    assert "starting" not in done.stderr
