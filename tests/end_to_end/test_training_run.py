"""Three members train over their own rows with real nodes, and lose some of them on the way."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.training.schema import FeatureSchema
from federation.training.table import Table, infer_schema
from tests.end_to_end.members import Federation, eventually, running_federation
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

COORDINATOR = "coord-c"
MEMBERS = ("carrier-a", "carrier-b", "bank-x")
ROWS = 400
RUN_SECONDS = 150
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed" }}
data_use = {{ purpose = "trial", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
protection = "robust"
minimum_members = 2
deadline_seconds = {seconds}
model = {{ width = 8, networks = 2, bins = 4, seed = {seed} }}
optimiser = {{ least_steps = {steps}, most_steps = {steps}, batch_rows = 64 }}
"""
POLICY = """
[approval]
automatic = true
coordinators = ["coord-c"]
tasks = ["carrier_subscribers"]
uses = ["trial"]
legal_bases = ["atnfl_32"]
protections = ["robust"]
codes = ["installed"]
without_privacy = true
[[data]]
name = "rows"
schema = "rows.schema"
table = "rows.csv"
"""

pytestmark = pytest.mark.timeout(400)


def write_table(path: Path, table: Table) -> None:
    columns = list(table.columns)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*(table.columns[name] for name in columns), strict=True):
            writer.writerow(["" if cell != cell else cell for cell in row])


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("run") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY, encoding="utf-8")
        yield found


def approved_plan(
    federation: Federation,
    directory: Path,
    schema: FeatureSchema,
    *,
    plan: str = PLAN,
    seconds: int = 60,
    **how: int,
) -> str:
    (directory / "rows.schema").write_bytes(schema.encode())
    file = directory / "plan.toml"
    file.write_text(plan.format(seconds=seconds, **how), encoding="utf-8")
    digest = str(
        federation.do(COORDINATOR, "train", "plan", str(file), "--json").document["plan_digest"]
    )
    eventually(lambda: set(status(federation, COORDINATOR, digest)["approved"]) == set(MEMBERS))
    return digest


def status(federation: Federation, member: str, digest: str) -> dict[str, Any]:
    outcome = federation.run(member, "train", "status", digest, "--json")
    found: dict[str, Any] = {"state": None, "approved": [], "round": 0}
    return outcome.document if outcome.code == 0 else found


def rounds(federation: Federation, member: str, digest: str) -> list[dict[str, str]]:
    shown = federation.do(member, "train", "show", digest, "--json").document["rounds"]
    return [{one["member"]: one["outcome"] for one in each["outcomes"]} for each in shown]


def test_nodes_give_the_model_that_one_process_gives(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    from federation.training.local_engine import run_locally
    from federation.training.released import ReleasedModel
    from federation.training.table import read_table

    digest = approved_plan(federation, tmp_path, schema, rounds=3, seed=5, steps=10)
    file = str(tmp_path / "rows.schema")
    ended = federation.do(COORDINATOR, "train", "run", digest, "--schema", file, "--json").rows[-1]
    model = ReleasedModel.load(Path(ended["model_file"]))
    tables = {name: read_table(federation.home(name).root / "rows.csv") for name in MEMBERS}
    local = run_locally(model.plan, schema, tables)

    assert model.scaling == local.scaling
    assert np.abs(model.vector - local.model).max() < 1e-4
    assert model.threshold == pytest.approx(local.threshold, abs=0.01)


def test_who_withdraws_in_a_run_is_out_of_the_next_round(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=6, seed=6, steps=1000)
    gone = MEMBERS[0]
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        federation.do(gone, "train", "refuse", digest)

        assert run.wait(150) == 0

    found = outcomes_of(federation, digest, gone)

    assert found[0] == "OK"
    assert found[-1] != "OK"
    assert set(outcomes_of(federation, digest, MEMBERS[1])) == {"OK"}


def runner_of(digest: str) -> int:
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink().name == digest:
                return int(entry.parent.name)
        except OSError:
            continue
    raise AssertionError("no process runs the plan")


@pytest.mark.slow
def test_a_killed_runner_is_made_again_and_goes_on(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=5, seed=7, steps=500)
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        os.kill(runner_of(digest), signal.SIGKILL)

        assert run.wait(150) == 0

    assert len(rounds(federation, COORDINATOR, digest)) == 5


def outcomes_of(federation: Federation, digest: str, member: str) -> list[str]:
    return [one[member] for one in rounds(federation, COORDINATOR, digest)]


@contextmanager
def running(
    federation: Federation, digest: str, schema: Path, *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a plan beside the test."""
    home = str(federation.home(COORDINATOR).root)
    launch = (sys.executable, "-c", "from node.cli import main; main()", "--home", home)
    command = [*launch, "train", "run", digest, "--schema", str(schema), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            yield run
        finally:
            run.kill()


def test_three_members_train_and_every_node_sees_it(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=3, seed=1, steps=10)
    file = str(tmp_path / "rows.schema")
    ran = federation.do(COORDINATOR, "train", "run", digest, "--schema", file)

    assert "state        EVALUATED" in ran.out
    assert "ok: bank-x, carrier-a, carrier-b" in ran.out

    for member in (COORDINATOR, *MEMBERS):
        until = ("--until", "evaluated", "--wait", "30")
        federation.do(member, "train", "status", digest, *until)

        assert rounds(federation, member, digest) == [dict.fromkeys(MEMBERS, "OK")] * 3

    evaluation = federation.do(MEMBERS[0], "train", "show", digest, "--json").document["evaluation"]

    assert evaluation["contributors"] == 3
    assert (
        next(one["millionths"] for one in evaluation["metrics"] if one["metric"] == "ROC_AUC")
        > 600_000
    )


@pytest.mark.slow
def test_a_killed_member_is_left_out_at_once_and_is_back_in_a_later_round(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=12, seed=2, steps=1500)
    lost = MEMBERS[2]
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        federation.sandbox.kill(lost)
        killed = time.monotonic()
        eventually(lambda: "LATE" in outcomes_of(federation, digest, lost), RUN_SECONDS)

        assert time.monotonic() - killed < 40  # the round's deadline is a minute

        federation.sandbox.start(lost)
        federation.do(
            COORDINATOR, "train", "status", digest, "--until", "evaluated", "--wait", "200"
        )

        assert run.wait(30) == 0

    found = outcomes_of(federation, digest, lost)

    assert found[0] == "OK"
    assert "OK" in found[found.index("LATE") :]
    assert set(outcomes_of(federation, digest, MEMBERS[0])) == {"OK"}


def test_a_killed_coordinator_goes_on_from_its_last_round(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=14, seed=3, steps=1000)
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 2, RUN_SECONDS)
        federation.sandbox.kill(COORDINATOR)
        run.wait(30)
    done = status(federation, MEMBERS[0], digest)["round"]

    assert 2 <= done < 14

    federation.sandbox.start(COORDINATOR)
    until = ("--until", "evaluated", "--wait", "200")
    found = federation.do(COORDINATOR, "train", "status", digest, *until, "--json").document

    assert found["round"] == 14
    assert len(rounds(federation, COORDINATOR, digest)) == 14


def test_a_member_that_falls_silent_costs_the_deadline_and_no_more(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=25, seed=4, steps=300, seconds=15)
    silent = MEMBERS[1]
    process = int(federation.home(silent).process_id.read_text())
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        os.kill(process, signal.SIGSTOP)
        started = time.monotonic()
        try:
            eventually(lambda: "LATE" in outcomes_of(federation, digest, silent), RUN_SECONDS)

            assert time.monotonic() - started < 45  # the deadline, and a busy machine
        finally:
            os.kill(process, signal.SIGCONT)

        assert run.wait(150) == 0

    assert status(federation, COORDINATOR, digest)["round"] == 25
