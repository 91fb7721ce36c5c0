"""Measure a training round on each engine against the same loop in one process.

3 members of 20,000 rows, some 6,000 parameters; seconds of the clock, because members of a
federation work beside one another. Rows: the round itself, and where its time goes.
"""

import importlib.util
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench.result import NotMeasuredError, Result

ROWS: Final = 20_000
ROUNDS: Final = 6
"""The first warms up, the median of the other five is shown."""
ROBUST_TARGET: Final = 1.5
SECRET_TARGET: Final = 2.5
COORDINATOR: Final = "coord-c"
MEMBERS: Final = ("carrier-a", "carrier-b", "bank-x")
PLAN: Final = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed" }}
data_use = {{ purpose = "trial", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
protection = "{protection}"
minimum_members = 3
deadline_seconds = 300
model = {{ width = 32, networks = 1, bins = 16, seed = {seed} }}
"""
POLICY: Final = """
[approval]
automatic = true
coordinators = ["coord-c"]
tasks = ["carrier_subscribers"]
uses = ["trial"]
legal_bases = ["atnfl_32"]
protections = ["robust", "secret"]
codes = ["installed"]
without_privacy = true
[engines]
flower = true
[[data]]
name = "rows"
schema = "rows.schema"
table = "rows.csv"
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took: seconds until its rounds began, and of its median round."""

    start: float
    round: float


def measure() -> Iterator[Result]:
    """Yield the figures; those of Ray last."""
    if any(importlib.util.find_spec(name) is None for name in ("flwr", "torch")):
        raise NotMeasuredError("the extra 'train' is not installed")
    # Before torch is loaded: as in a member's training process, and so that the loop in one process
    # is not slowed by threads that wait for one another.
    os.environ["OMP_NUM_THREADS"] = "1"
    tables, schema = tables_of(MEMBERS, ROWS)
    plan, one_process = _in_one_process(tables, schema)
    yield Result("training round, one process", one_process, "s")
    training = _of_one_member(plan, tables, schema)
    yield Result("of it, training of one member", training, "s")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        yield from _over_nodes(Path(directory), tables, schema, training, one_process)
    if importlib.util.find_spec("ray") is None:
        raise NotMeasuredError("no simulation: the extra 'simulate' is not installed")
    simulated = _simulated(tables, schema)
    yield from _engine("Flower's simulation engine, `secret`", simulated, one_process, None)


def _engine(name: str, taken: Taken, base: float, target: float | None) -> Iterator[Result]:
    yield Result(f"training round, {name}", taken.round, "s", target, base)
    yield Result("its start, once a run", taken.start, "s")


def tables_of(members: Sequence[str], rows: int) -> tuple[dict[str, Any], Any]:
    """Return a table of planted rows for each member, and their schema."""
    from federation.training.table import infer_schema
    from tests.training.planted import planted_rows

    tables = {
        member: planted_rows(rows, 7 + place, place * 0.3) for place, member in enumerate(members)
    }
    return tables, infer_schema(planted_rows(200, 1), "label")


def plan_for(schema: Any, rounds: int, protection: str) -> Any:
    """Return a plan of some 6,000 parameters."""
    from dataclasses import replace

    from federation.training.experiment import fit_plan, propose_plan
    from federation.training.plan import ModelChoice, Optimiser

    model = ModelChoice(width=32, networks=1, bins=16)
    plan = replace(propose_plan(schema), model=model, optimiser=Optimiser(), rounds=rounds)
    return fit_plan(replace(plan, protection=protection), schema)


def _taken(run: Any) -> Taken:
    """Tell start and round apart: by when each round of a run ended."""
    each = median(after - before for before, after in pairwise(run.ended))
    return Taken(run.ended[0] - each, each)


def _in_one_process(tables: dict[str, Any], schema: Any) -> tuple[Any, float]:
    from federation.training.local_engine import run_locally

    plan = plan_for(schema, ROUNDS, "robust")
    return plan, _taken(run_locally(plan, schema, tables)).round


def _simulated(tables: dict[str, Any], schema: Any) -> Taken:
    from federation.training.simulation_engine import run_simulated

    return _taken(run_simulated(plan_for(schema, ROUNDS, "secret"), schema, tables))


def _of_one_member(plan: Any, tables: dict[str, Any], schema: Any) -> float:
    """Take the time of one member's round, without messages."""
    from federation.training.fitting import Examples, fit_round
    from federation.training.models import initial_model
    from federation.training.scaling import CoarseSums, Scaling, count_coarsely, count_finely
    from federation.training.table import check_table

    rows = check_table(tables[MEMBERS[0]], schema)
    coarse = CoarseSums.parse(schema, count_coarsely(schema, rows))
    fine = count_finely(schema, rows, coarse.edges)
    scaling = Scaling.learn(schema, plan.model.bins, coarse, fine, drop=True)
    inputs = scaling.apply(schema, rows)
    examples = Examples.of(inputs, rows.labels, scaling.prior, plan.model.networks)
    start = initial_model(plan.model, inputs.shape[1])
    taken = []
    for number in range(1, ROUNDS):
        begin = time.monotonic()
        fit_round(plan, start, examples, number, number)
        taken.append(time.monotonic() - begin)
    return median(taken)


def _over_nodes(
    directory: Path, tables: dict[str, Any], schema: Any, training: float, base: float
) -> Iterator[Result]:
    from tests.end_to_end.members import running_federation
    from tests.end_to_end.test_training_run import write_table

    with running_federation(directory / "f", (COORDINATOR, *MEMBERS)) as federation:
        for member in MEMBERS:
            home = federation.home(member)
            write_table(home.root / "rows.csv", tables[member])
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY, encoding="utf-8")
        (directory / "rows.schema").write_bytes(schema.encode())
        robust = _run(federation, directory, 1, "robust")
        yield from _engine("members' streams, `robust`", robust, base, ROBUST_TARGET)
        yield Result("of it, transport, checks and waiting", robust.round - training, "s")
        secret = _run(federation, directory, 2, "secret")
        yield from _engine("members' streams, `secret`", secret, base, SECRET_TARGET)
        yield Result("of it, private sum", secret.round - robust.round, "s")
        flower = _run(federation, directory, 3, "flower")
        yield from _engine("Flower's deployment engine, `robust`", flower, base, None)


def _run(federation: Any, directory: Path, seed: int, name: str) -> Taken:
    from node.trial.following import follow_run
    from tests.end_to_end.members import eventually
    from tocsin.desk.v1 import train_service_pb2 as wire

    protection = "robust" if name == "flower" else name
    file = directory / f"{name}.toml"
    file.write_text(PLAN.format(rounds=ROUNDS, protection=protection, seed=seed), encoding="utf-8")
    made = federation.do(COORDINATOR, "train", "plan", str(file), "--json").document
    digest = str(made["plan_digest"])

    def approved() -> bool:
        found = federation.do(COORDINATOR, "train", "status", digest, "--json").document
        return set(found["approved"]) == set(MEMBERS)

    eventually(approved)
    request = wire.RunRequest(
        plan_digest=bytes.fromhex(digest),
        schema=(directory / "rows.schema").read_bytes(),
        engine=wire.TRAINING_ENGINE_FLOWER if name == "flower" else None,
    )
    begin, rounds = time.monotonic(), {}
    first = 0.0
    for response in follow_run(federation.home(COORDINATOR), request):
        if response.failure:
            raise RuntimeError(f"the run failed: {response.failure}")
        if response.last_round.round and response.last_round.round not in rounds:
            rounds[response.last_round.round] = response.round_milliseconds / 1_000
            first = first or time.monotonic() - begin
    usual = median([seconds for number, seconds in rounds.items() if number > 1])
    return Taken(max(0.0, first - usual), usual)
