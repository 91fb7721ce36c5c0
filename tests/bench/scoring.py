"""Measure how fast a released model scores rows on one core, beside the same network in torch.

The table has the shape of a carrier's: 55 numbers, some of them empty; the network is the default.
The work is done in a process of its own, which is told to use one thread before it loads anything.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.result import Result

ROWS: Final = 100_000
COLUMNS: Final = 55
EMPTY_SHARE: Final = 0.02
TARGET: Final = 100_000
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROOT: Final = Path(__file__).resolve().parents[2]


def measure() -> Iterator[Result]:
    """Yield rows a second: checking, encoding and scoring; and torch's on encoded rows alone."""
    environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
    path = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    unit = "rows/s CPU, one core"
    yield Result("scoring: encode and score", found["score"], unit, TARGET, at_least=True)
    yield Result("scoring: check a table", found["check"], unit)
    yield Result("scoring: reasons", found["reasons"], "alarms/s CPU, one core")
    if "torch" in found:
        yield Result("scoring: torch, the same rows", found["torch"], unit)


def measure_here() -> dict[str, float]:
    """Return rows a second of each part, in this process and its one thread."""
    import numpy as np

    from federation.training.network import count_numbers
    from federation.training.plan import ModelChoice
    from federation.training.reasons import reasons
    from federation.training.released import ReleasedModel
    from federation.training.scaling import CoarseSums, Scaling, count_coarsely, count_finely
    from federation.training.schema import Column, FeatureSchema
    from federation.training.scorer import build_scorer
    from federation.training.table import Table, check_table
    from tests.bench.clock import cpu_of, medians
    from tests.training.plans import plan

    source, choice = np.random.default_rng(1), ModelChoice()
    schema = FeatureSchema(tuple(Column(f"column_{place}") for place in range(COLUMNS)))
    cells = np.exp(source.normal(2, 2, (COLUMNS, ROWS)))
    cells[source.uniform(0, 1, cells.shape) < EMPTY_SHARE] = np.nan
    labels = (source.uniform(0, 1, ROWS) < 0.1).astype(np.float64)
    names = [column.name for column in schema.columns]
    table = Table(dict(zip(names, cells, strict=True)) | {"label": labels})
    rows = check_table(table, schema)
    coarse = CoarseSums.parse(schema, count_coarsely(schema, rows))
    fine = count_finely(schema, rows, coarse.edges)
    scaling = Scaling.learn(schema, choice.bins, coarse, fine, drop=False)
    count = count_numbers(choice, schema.width(choice.bins))
    vector = source.normal(0, 0.1, count).astype(np.float32)
    whole = plan(model=choice, schema_digest=schema.digest())
    scorer = build_scorer(ReleasedModel(whole, schema, scaling.encode(), vector, 0.5))
    few = rows.select(np.arange(2_000))

    def once() -> dict[str, float]:
        return {
            "score": cpu_of(lambda: scorer.score(rows))[0],
            "check": cpu_of(lambda: check_table(table, schema, labelled=False))[0],
            "reasons": cpu_of(lambda: reasons(scorer, few))[0],
        }

    taken = medians(once)
    found = {name: ROWS / seconds for name, seconds in taken.items()}
    found["reasons"] = len(few) / taken["reasons"]
    if importlib.util.find_spec("torch") is not None:
        from federation.training.fitting import probabilities

        parts = np.array_split(np.arange(ROWS), ROWS // 8_192)

        def by_torch() -> None:
            for part in parts:
                inputs = scaling.apply(schema, rows.select(part))
                probabilities(whole, vector, inputs, scaling.prior)

        found["torch"] = ROWS / min(cpu_of(by_torch)[0] for _ in range(2))
    return found


if __name__ == "__main__":
    print(json.dumps(measure_here()))
