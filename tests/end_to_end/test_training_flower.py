"""Members train on Flower's own deployment engine, which nobody but they can reach."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.training.schema import FeatureSchema
from tests.end_to_end.members import Federation, eventually, process_files, running_federation
from tests.end_to_end.test_training_run import (
    COORDINATOR,
    MEMBERS,
    POLICY,
    ROWS,
    approved_plan,
    outcomes_of,
    rounds,
    running,
    status,
    write_table,
)
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

ALLOWED = POLICY + "[engines]\nflower = true\n"
SUPERNODE = b"node.training.supernode_main"
RUNNER = b"node.training.runner_main"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    from federation.training.table import infer_schema

    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("flower") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(ALLOWED, encoding="utf-8")
        yield found


def processes(federation: Federation, module: bytes) -> dict[str, int]:
    """Return the processes of a module by the member in whose home they work."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, where = (process / "cmdline").read_bytes(), str((process / "cwd").readlink())
        except OSError:
            continue
        for member in (COORDINATOR, *MEMBERS):
            if module in line.split(b"\0") and where.startswith(str(federation.home(member).root)):
                found[member] = int(process.name)
    return found


def test_it_gives_the_model_of_one_process_and_leaves_no_process(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    from federation.training.local_engine import run_locally
    from federation.training.released import ReleasedModel
    from federation.training.table import read_table

    digest = approved_plan(federation, tmp_path, schema, rounds=3, seed=5, steps=10, seconds=120)
    home = federation.home(COORDINATOR)
    with running(federation, digest, tmp_path / "rows.schema", "--engine", "flower") as run:
        eventually(lambda: len(processes(federation, SUPERNODE)) == len(MEMBERS), 120)
        private = b"BEGIN"
        shown = [process_files(one) for one in processes(federation, SUPERNODE).values()]

        assert run.wait(300) == 0
        assert not any(private in one or b"token" in one for one in shown)

    eventually(lambda: not processes(federation, SUPERNODE))
    eventually(lambda: not processes(federation, RUNNER))

    assert rounds(federation, COORDINATOR, digest) == [dict.fromkeys(MEMBERS, "OK")] * 3

    model = ReleasedModel.load(home.root / "training" / digest / "model")
    tables = {name: read_table(federation.home(name).root / "rows.csv") for name in MEMBERS}
    local = run_locally(model.plan, schema, tables)

    assert model.scaling == local.scaling
    assert np.abs(model.vector - local.model).max() < 1e-4


def test_a_member_that_does_not_allow_it_refuses_and_the_others_go_on(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    unwilling = MEMBERS[0]
    federation.home(unwilling).training.write_text(POLICY, encoding="utf-8")
    try:
        digest = approved_plan(federation, tmp_path, schema, rounds=1, seed=8, steps=5, seconds=120)
        file = tmp_path / "rows.schema"
        with running(federation, digest, file, "--engine", "flower") as run:
            assert run.wait(300) == 0
    finally:
        federation.home(unwilling).training.write_text(ALLOWED, encoding="utf-8")

    shown = federation.do(COORDINATOR, "train", "show", digest, "--json").document["rounds"][0]
    found = {one["member"]: (one["outcome"], one["reason"]) for one in shown["outcomes"]}

    assert found[unwilling] == ("REFUSED", "POLICY")
    assert {found[member][0] for member in MEMBERS[1:]} == {"OK"}
    assert unwilling not in processes(federation, SUPERNODE)


def test_where_too_few_allow_it_the_run_ends_and_says_so(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    for member in MEMBERS:
        federation.home(member).training.write_text(POLICY, encoding="utf-8")
    try:
        digest = approved_plan(federation, tmp_path, schema, rounds=1, seed=9, steps=5, seconds=120)
        file = str(tmp_path / "rows.schema")
        ran = federation.run(
            COORDINATOR, "train", "run", digest, "--schema", file, "--engine", "flower"
        )
    finally:
        for member in MEMBERS:
            federation.home(member).training.write_text(ALLOWED, encoding="utf-8")

    assert ran.code == 1
    assert "ENGINE_NOT_ALLOWED" in ran.err


@pytest.mark.slow
def test_nothing_of_a_killed_node_stays_and_it_comes_back_into_the_run(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(
        federation, tmp_path, schema, rounds=14, seed=10, steps=1500, seconds=120
    )
    lost = MEMBERS[2]
    with running(federation, digest, tmp_path / "rows.schema", "--engine", "flower") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, 200)
        orphan = processes(federation, SUPERNODE)[lost]
        federation.sandbox.kill(lost)
        killed = time.monotonic()
        eventually(lambda: "LATE" in outcomes_of(federation, digest, lost), 60)

        assert time.monotonic() - killed < 60  # the round's deadline is two minutes

        eventually(lambda: not is_alive(orphan))
        federation.sandbox.start(lost)

        assert run.wait(400) == 0

    found = outcomes_of(federation, digest, lost)

    assert "OK" in found[found.index("LATE") :]
    assert set(outcomes_of(federation, digest, MEMBERS[0])) == {"OK"}


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        return "Z" not in Path("/proc", str(process), "stat").read_text().split()[2]
    except (OSError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_a_killed_supernode_is_started_again(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, rounds=8, seed=11, steps=800, seconds=120)
    member = MEMBERS[1]
    with running(federation, digest, tmp_path / "rows.schema", "--engine", "flower") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, 200)
        first = processes(federation, SUPERNODE)[member]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: processes(federation, SUPERNODE).get(member, first) != first, 60)

        assert run.wait(400) == 0

    assert outcomes_of(federation, digest, member)[-1] == "OK"
