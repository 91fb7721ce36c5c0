"""Measure what members gain on the real tables, with real nodes: each seed, then the mean.

python -m tests.bench.training_accuracy --data ../shared/data
python -m tests.bench.training_accuracy --data ../shared/data --table carrier_subscribers --seed 42
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.training.table import Table, read_table, split_rows

TABLES: Final = ("carrier_subscribers", "bank_customers", "internet_pages")
SEEDS: Final = (42, 1, 2)
TEST_SHARE: Final = 0.2
KEYS: Final = ("auc", "ap", "macro_f1")
LAUNCH: Final = "from node.cli import main; main()"
PRIVATE_PLAN: Final = "privacy = { epsilon = 8.0, delta = 1e-5 }\n"
FEWEST_OF_POOLED: Final = 0.98
LEAST: Final = {"carrier_subscribers": {"auc": 0.945, "macro_f1": 0.905}}

Worths = dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say whether the acceptance holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", action="append", choices=TABLES)
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--private", action="store_true", help="also at epsilon 8")
    chosen = parser.parse_args(arguments)
    held = True
    for name in chosen.table or TABLES:
        table = read_table(chosen.data / f"{name}.csv.gz")
        seeds = chosen.seed or SEEDS
        plain = mean([run(name, table, seed) for seed in seeds])
        show(f"{name}, mean of {len(seeds)}", plain)
        held &= judge(name, plain)
        if chosen.private:
            private = mean([run(name, table, seed, PRIVATE_PLAN) for seed in seeds])
            show(f"{name}, epsilon 8, mean of {len(seeds)}", private)
            lost = plain["federated"]["auc"] - private["federated"]["auc"]
            print(f"{name}: epsilon 8 costs {lost:.4f} of AUC", flush=True)
    return 0 if held else 1


def run(name: str, table: Table, seed: int, plan: str = "") -> Worths:
    """Split, train with real nodes and measure, once."""
    train, test = split_rows([table.columns["member"], table.columns["label"]], TEST_SHARE, seed)
    with tempfile.TemporaryDirectory(prefix="accuracy-") as directory:
        place = Path(directory)
        write(place / "train.csv.gz", table.select(train))
        write(place / "test.csv.gz", table.select(test))
        (place / "plan.toml").write_text(plan)
        started = time.monotonic()
        found = train_table(place, seed)
        seconds = time.monotonic() - started
    worths = {f"{member} alone": one["local"] for member, one in found["members"].items()}
    worths |= {key: found[key] for key in ("federated", "pooled", "pooled_lightgbm")}
    took = f"{found['rounds']} rounds in {found['seconds']:.0f} s, all in {seconds:.0f} s"
    show(f"{name}, seed {seed}, protection {found['protection']}, {took}", worths)
    return worths


def train_table(place: Path, seed: int) -> dict[str, Any]:
    """Call the command as a person would."""
    files = ("--table", str(place / "train.csv.gz"), "--test", str(place / "test.csv.gz"))
    names = ("--member-column", "member", "--label", "label", "--plan", str(place / "plan.toml"))
    words = ("train", "table", *files, *names, "--seed", str(seed), "--json")
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, *words], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def mean(runs: Sequence[Worths]) -> Worths:
    """Average each number over the seeds."""
    return {
        who: {key: float(np.mean([one[who][key] for one in runs])) for key in KEYS}
        for who in runs[0]
    }


def judge(name: str, found: Worths) -> bool:
    """Say whether the acceptance of one table holds."""
    return all(list(_judgements(name, found)))


def _judgements(name: str, found: Worths) -> Iterator[bool]:
    federated = found["federated"]
    for key, least in LEAST.get(name, {}).items():
        yield _said(
            f"{name}: federated {key} {federated[key]:.4f} >= {least}", federated[key] >= least
        )
    for who, worth in found.items():
        if who.endswith("alone"):
            better = all(federated[key] > worth[key] for key in ("auc", "macro_f1"))
            yield _said(f"{name}: federated above {who}", better)
    pooled = found["pooled_lightgbm"]["auc"]
    share = federated["auc"] / pooled
    yield _said(
        f"{name}: {share:.4f} of pooled LightGBM's AUC {pooled:.4f}", share >= FEWEST_OF_POOLED
    )


def _said(what: str, holds: bool) -> bool:
    print(f"{'met   ' if holds else 'MISSED'}  {what}", flush=True)
    return holds


def show(title: str, found: Mapping[str, Mapping[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'':20}{'AUC':>8}{'AP':>8}{'macro F1':>10}")
    for who, worth in found.items():
        print(f"{who:20}{worth['auc']:8.4f}{worth['ap']:8.4f}{worth['macro_f1']:10.4f}", flush=True)


def write(path: Path, table: Table) -> None:
    """Write a split as CSV; it goes with its directory."""
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        for row in zip(*table.columns.values(), strict=True):
            writer.writerow(["" if cell is None or cell != cell else cell for cell in row])


if __name__ == "__main__":
    sys.exit(main())
