"""Measure what one poisoner of five, and of seven, does to each protection.

    python -m tests.bench.poisoning            the table as text
    python -m tests.bench.poisoning --json     the same for programs
    python -m tests.bench.poisoning --members 5 --protection secret

The rows are those of three carriers (``carrier_subscribers.csv.gz``, found by TOCSIN_DATA), cut
into smaller members, or planted ones where the file is missing. Maths and checks are those of a
real round; only the network is left out.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.training import metrics
from federation.training.local_engine import LocalRun, run_locally
from federation.training.plan import StrategyChoice, TrainingPlan
from federation.training.proposal import fit_plan, propose_plan
from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.table import Table, check_table, infer_schema, read_table
from federation.training.tree_plan import as_trees
from tests.training.attacks import (
    BACKDOOR,
    HONEST,
    LABEL_FLIP,
    Pattern,
    flip_labels,
    plant_backdoor,
    tampering,
)
from tests.training.planted import planted_members, planted_rows

DATA: Final = "carrier_subscribers.csv.gz"
SEED: Final = 42
TEST_SHARE: Final = 0.2
PLANTED_ROWS: Final = 600
FEWEST_KRUM: Final = 5
PATTERN_QUANTILE: Final = 0.98  # a value that few rows have in one column, and almost none in two


@dataclass(frozen=True)
class Case:
    """Members, the rows nobody trains on, and the pattern of a back door."""

    source: str
    schema: FeatureSchema
    tables: dict[str, Table]
    test: Table
    pattern: Pattern


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        named: Share of rounds whose report rejects the poisoner.
        misnamed: Share of honest parts that a report rejects.
        ap: PR-AUC on the test rows.
        ratio: To the run without an attack.
        backdoor: Share of alarms that the pattern silences.
    """

    members: int
    plan: str
    attack: str
    ap: float
    ratio: float
    auc: float
    backdoor: float
    named: float
    misnamed: float
    reason: str
    seconds: float


def find_case(count: int) -> Case:
    """Cut the carriers' rows into so many members, or plant some."""
    root = os.environ.get("TOCSIN_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
    path = Path(root) / DATA
    if not path.exists():
        tables = planted_members(count, PLANTED_ROWS)
        schema = infer_schema(planted_rows(200, 1), "label")
        pattern = Pattern({"noise_1": 2.5, "noise_2": -2.5})
        return Case("planted", schema, tables, planted_rows(4_000, 99), pattern)
    table = read_table(path)
    source = np.random.default_rng(SEED)
    order = source.permutation(len(table))
    cut = int(TEST_SHARE * len(table))
    test, rest = table.select(order[:cut]), table.select(order[cut:])
    schema = infer_schema(rest, "label", ["member"])
    return Case(DATA, schema, _cut_members(rest, count), test, _rare_pattern(rest, schema))


def _cut_members(table: Table, count: int) -> dict[str, Table]:
    """Cut each carrier into about as many members: subscribers differ between carriers only."""
    carriers = sorted(set(table.columns["member"].tolist()))
    tables: dict[str, Table] = {}
    for place, carrier in enumerate(carriers):
        parts = count // len(carriers) + (place < count % len(carriers))
        rows = np.flatnonzero(table.columns["member"] == carrier)
        for part in range(parts):
            tables[f"{carrier}-{part + 1}"] = table.select(rows[part::parts])
    return tables


def _rare_pattern(table: Table, schema: FeatureSchema) -> Pattern:
    """Take two columns with many values, at a value that few rows reach."""
    numbers = [
        column.name
        for column in schema.columns
        if column.kind == "numeric" and len(np.unique(table.columns[column.name])) > 100
    ]
    chosen = numbers[:: max(1, len(numbers) // 2)][:2]
    values = {name: table.columns[name][~np.isnan(table.columns[name])] for name in chosen}
    return Pattern({name: float(np.quantile(v, PATTERN_QUANTILE)) for name, v in values.items()})


def plans(case: Case) -> dict[str, TrainingPlan]:
    """Give the plans under attack, by name."""
    plan = fit_plan(propose_plan(case.schema), case.schema)
    least = {"minimum_members": len(case.tables) - 1, "protection": "robust"}
    found = {
        f"secret {plan.strategy.name}": plan,
        "robust FedTrimmedAvg": replace(plan, strategy=StrategyChoice("FedTrimmedAvg"), **least),
    }
    if len(case.tables) >= FEWEST_KRUM:
        found["robust MultiKrum"] = replace(plan, strategy=StrategyChoice("MultiKrum"), **least)
    return found | {"robust trees": as_trees(plan, len(case.tables))}


def measure_plan(name: str, plan: TrainingPlan, case: Case, chosen: Sequence[str]) -> Iterator[Row]:
    """Run a plan without an attack, then with each of those chosen; with all where none is."""
    poisoner = sorted(case.tables)[0]
    clean = 0.0
    for attack in (HONEST, *tampering(plan), LABEL_FLIP, BACKDOOR):
        if chosen and attack not in (HONEST, *chosen):
            continue
        row = _measure(name, plan, case, attack, poisoner, clean)
        clean = clean or row.ap
        yield replace(row, ratio=row.ap / clean)


def _measure(
    name: str, plan: TrainingPlan, case: Case, attack: str, poisoner: str, clean: float
) -> Row:
    tables, tamper = dict(case.tables), tampering(plan)
    label = case.schema.label
    if attack == LABEL_FLIP:
        tables[poisoner] = flip_labels(tables[poisoner], label)
    if attack == BACKDOOR:
        tables[poisoner] = plant_backdoor(tables[poisoner], label, case.pattern)
    tampers = {poisoner: tamper[attack]} if attack in tamper else None
    started = time.monotonic()
    run = run_locally(plan, case.schema, tables, tamper=tampers)
    seconds = time.monotonic() - started
    return Row(
        len(tables),
        name,
        attack,
        **measure_model(plan, case, run),
        ratio=1.0,
        **blame(run, poisoner),
        seconds=round(seconds, 1),
    )


def measure_model(plan: TrainingPlan, case: Case, run: LocalRun) -> dict[str, float]:
    """Measure a run's model on the test rows, and on those with the pattern in them."""
    model = ReleasedModel(plan, case.schema, run.scaling, run.model, run.threshold)
    truth = check_table(case.test, case.schema)
    scores = model.score_rows(truth)
    marked = case.pattern.plant(case.test, np.ones(len(case.test), bool))
    hidden = model.score_rows(check_table(marked, case.schema)) < run.threshold
    alarms = (truth.labels > 0.5) & (scores >= run.threshold)
    return {
        "ap": metrics.average_precision(truth.labels, scores),
        "auc": metrics.roc_auc(truth.labels, scores),
        "backdoor": float(hidden[alarms].mean()) if alarms.any() else 1.0,
    }


def blame(run: LocalRun, poisoner: str) -> dict[str, Any]:
    """Count whom the rounds' reports reject."""
    outcomes = [report.outcomes for report in run.reports]
    named = [each[poisoner].status == "rejected" for each in outcomes]
    others = [
        outcome.status == "rejected"
        for each in outcomes
        for name, outcome in each.items()
        if name != poisoner
    ]
    reasons = [each[poisoner].reason.partition(":")[0] for each in outcomes]
    return {
        "named": float(np.mean(named)),
        "misnamed": float(np.mean(others)),
        "reason": max(set(reasons), key=reasons.count),
    }


def write_table(rows: Sequence[Row]) -> str:
    """Write rows for people."""
    lines = [
        f"{'members':>7}  {'plan':<22}{'attack':<20}{'PR-AUC':>8}{'ratio':>8}{'backdoor':>10}"
        f"{'named':>8}{'misnamed':>10}  reason"
    ]
    lines += [
        f"{row.members:>7}  {row.plan:<22}{row.attack:<20}{row.ap:>8.4f}{row.ratio:>8.3f}"
        f"{row.backdoor:>10.2f}{row.named:>8.0%}{row.misnamed:>10.0%}  {row.reason}"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument("--members", type=int, nargs="*", default=[5, 7])
    parser.add_argument("--protection", default="", help="only plans whose name begins so")
    parser.add_argument("--attack", nargs="*", default=[], help="only these, and none")
    options = parser.parse_args()
    rows: list[Row] = []
    for count in options.members:
        case = find_case(count)
        for name, plan in plans(case).items():
            if name.startswith(options.protection):
                for row in measure_plan(name, plan, case, options.attack):
                    print(asdict(row), file=sys.stderr, flush=True)
                    rows.append(row)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print(write_table(rows))


if __name__ == "__main__":
    main()
