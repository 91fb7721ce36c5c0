"""Compare the federated model with each member alone and with all rows in one pot."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from federation.training.comparison import Worth, measure_alone, measure_lightgbm
from federation.training.plan import TrainingPlan
from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.table import Table


@dataclass(frozen=True, slots=True)
class Comparison:
    """What there is beside the federated model.

    Attributes:
        local: By member: the plan's model trained on the member's own rows alone.
        pooled: The plan's model trained on all rows in one process.
        lightgbm: LightGBM trained on all rows; None where it is not installed.
    """

    local: Mapping[str, Worth]
    pooled: Worth
    lightgbm: Worth | None


def compare(model: ReleasedModel, members: Mapping[str, Table], test: Table) -> Comparison:
    """Train and measure everything that the federated model is compared with, on all cores."""
    everybody = join_tables(list(members.values()))
    plan, schema = model.plan, model.schema
    jobs = [(plan, schema, rows, test) for rows in (everybody, *members.values())]
    # Not forked: this process has threads of gRPC.
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(jobs))
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(workers, context, _use_one_thread, (scratch,)) as pool,
    ):
        trees = pool.submit(measure_lightgbm, model, everybody, test)
        pooled, *local = pool.map(_measure_alone, jobs)
        return Comparison(dict(zip(members, local, strict=True)), pooled, trees.result())


def join_tables(tables: Sequence[Table]) -> Table:
    """Put tables of the same columns below one another."""
    names = tables[0].columns
    return Table({name: np.concatenate([one.columns[name] for one in tables]) for name in names})


def _measure_alone(job: tuple[TrainingPlan, FeatureSchema, Table, Table]) -> Worth:
    return measure_alone(*job)


def _use_one_thread(scratch: str) -> None:
    """Keep each process to one core: they are as many as there are cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch  # else one is left behind
    import importlib

    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
