"""Three members train so that only sums of updates are seen, and lose some on the way."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.training.schema import FeatureSchema
from federation.training.table import infer_schema
from node.sandbox.process import node_arguments
from node.traffic import Direction, read_capture
from tests.end_to_end.members import Federation, eventually, running_federation
from tests.end_to_end.test_training_run import (
    COORDINATOR,
    MEMBERS,
    PLAN,
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
from tocsin.v1 import training_service_pb2 as wire

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

SECRET_PLAN = PLAN.replace('"robust"', '"secret"').replace(
    "minimum_members = 2", "minimum_members = 3"
)

NOISE = 2e-4
"""Of a model's length: float32's rounding, which another process may do in another order. A single
weight may be off by far more: AdamW takes a step of one size however small a gradient is.
"""

RUN_SECONDS = 150
"""Seconds for a run's start and a few rounds: every process loads torch."""
HOLDER = "net-p"
"""Holds a key share beside carrier-a and bank-x, and has no rows."""

POISON = """
import math
import numpy
from node.training.summands import Summands

keep = Summands.keep

def longer(self, plan, labels, vector):
    if vector.min() < 0:  # an update; counts of rows are not
        largest = math.isqrt((2**61 - 2) // (len(vector) - 1)) // 5  # of three members
        length = numpy.linalg.norm(vector[:-2].astype(float))
        vector[:-2] = (vector[:-2] * (2 * largest / length)).astype(numpy.int64)
    keep(self, plan, labels, vector)

Summands.keep = longer
from node.cli import main
main()
"""
"""A node whose updates are twice as long as the plan allows: it keeps no clip of its own."""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("secret") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS, HOLDER), capture=True) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            policy = POLICY.replace('["robust"]', '["secret"]')
            home.training.write_text(policy, encoding="utf-8")
        yield found


def test_secret_rounds_over_nodes_give_the_model_that_one_process_gives(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    from federation.training.local_engine import run_locally
    from federation.training.released import ReleasedModel
    from federation.training.table import read_table

    digest = approved_plan(
        federation, tmp_path, schema, plan=SECRET_PLAN, rounds=3, seed=5, steps=10
    )
    file = str(tmp_path / "rows.schema")
    ended = federation.do(COORDINATOR, "train", "run", digest, "--schema", file, "--json").rows[-1]
    model = ReleasedModel.load(Path(ended["model_file"]))
    tables = {name: read_table(federation.home(name).root / "rows.csv") for name in MEMBERS}
    local = run_locally(model.plan, schema, tables)

    assert rounds(federation, COORDINATOR, digest) == [dict.fromkeys(MEMBERS, "OK")] * 3
    assert model.scaling == local.scaling
    assert np.linalg.norm(model.vector - local.model) < NOISE * np.linalg.norm(local.model)
    assert model.threshold == pytest.approx(local.threshold, abs=0.01)


def test_the_coordinator_receives_lengths_and_sealed_shares_and_never_a_vector(
    federation: Federation,
) -> None:
    replies, sealed = [], []
    for record in read_capture(federation.sandbox.capture(COORDINATOR)):
        if record.direction is not Direction.RECEIVED or not record.method.endswith("/Attach"):
            continue
        request = wire.AttachRequest.FromString(record.payload)
        if request.HasField("reply"):
            replies.append(request.reply.parameters)
        if request.sum.part == wire.SUM_PART_SHARES:
            sealed.append(request.sum.body)

    assert len(sealed) == len(replies) == 6 * len(MEMBERS)  # 2 counts, 3 rounds, 1 evaluation
    assert max(len(one) for one in replies) < 1_000
    assert all(b"length" in one and b"summand" not in one for one in replies)
    # What is sealed cannot be compressed; counts and updates can.
    assert all(len(zlib.compress(one)) > 0.99 * len(one) for one in sealed)


def begin(federation: Federation, directory: Path, schema: FeatureSchema, **how: Any) -> str:
    return approved_plan(federation, directory, schema, plan=SECRET_PLAN, **how)


def unmeasured(federation: Federation, digest: str) -> list[int]:
    shown = federation.do(COORDINATOR, "train", "show", digest, "--json").document["rounds"]
    return [one["unmeasured"] for one in shown]


def test_without_one_holder_rounds_go_on_and_say_that_nobody_measured(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = begin(federation, tmp_path, schema, rounds=6, seed=6, steps=500)
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        federation.sandbox.kill(HOLDER)
        try:
            assert run.wait(RUN_SECONDS) == 0
        finally:
            federation.sandbox.start(HOLDER)

    found = unmeasured(federation, digest)

    assert found[0] == 0
    assert found[-1] == len(MEMBERS)
    assert status(federation, COORDINATOR, digest)["round"] == 6


@pytest.mark.slow
def test_a_killed_member_costs_its_round_and_goes_on_when_it_is_back(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = begin(federation, tmp_path, schema, rounds=6, seed=7, steps=300)
    lost = MEMBERS[1]
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 1, RUN_SECONDS)
        federation.sandbox.kill(lost)
        killed = time.monotonic()
        eventually(lambda: "LATE" in outcomes_of(federation, digest, lost), RUN_SECONDS)

        assert time.monotonic() - killed < 45  # the round's deadline is a minute

        federation.sandbox.start(lost)

        assert run.wait(RUN_SECONDS) == 0

    assert status(federation, COORDINATOR, digest)["round"] == 6
    assert outcomes_of(federation, digest, lost)[-1] == "OK"


def test_a_killed_coordinator_goes_on_from_its_last_round(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = begin(federation, tmp_path, schema, rounds=20, seed=3, steps=300)
    with running(federation, digest, tmp_path / "rows.schema") as run:
        eventually(lambda: status(federation, COORDINATOR, digest)["round"] >= 2, RUN_SECONDS)
        federation.sandbox.kill(COORDINATOR)
        run.wait(30)
    done = status(federation, MEMBERS[0], digest)["round"]

    assert 2 <= done < 20

    federation.sandbox.start(COORDINATOR)
    until = ("--until", "evaluated", "--wait", "200")
    found = federation.do(COORDINATOR, "train", "status", digest, *until, "--json").document

    assert found["round"] == 20
    assert rounds(federation, COORDINATOR, digest) == [dict.fromkeys(MEMBERS, "OK")] * 20


@contextmanager
def poisoned(federation: Federation, member: str) -> Iterator[None]:
    """Run a member's node so that its updates are five times as long as they may be."""
    home = federation.home(member)
    federation.sandbox.kill(member)
    command = [sys.executable, "-c", POISON, *node_arguments(home)]
    with (
        (home.root / "poisoned.out").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as node,
    ):
        try:
            eventually(lambda: federation.run(member, "status").code == 0, RUN_SECONDS)
            yield
        finally:
            node.terminate()
            node.wait(30)
            federation.sandbox.start(member)


def test_a_member_whose_updates_are_too_long_is_named_and_moves_nothing(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    cheat = MEMBERS[1]
    with poisoned(federation, cheat):
        digest = begin(federation, tmp_path, schema, rounds=3, seed=9, steps=10)
        file = str(tmp_path / "rows.schema")
        ended = federation.run(COORDINATOR, "train", "run", digest, "--schema", file)

        assert "QUORUM_MISSING" in ended.err

    shown = federation.do(COORDINATOR, "train", "show", digest, "--json").document["rounds"]
    cheated = [one for each in shown for one in each["outcomes"] if one["member"] == cheat]

    assert {one["outcome"] for one in cheated} == {"REJECTED"}
    assert {one["reason"] for one in cheated} == {"UPDATE_NORM"}
    assert status(federation, COORDINATOR, digest)["round"] == 0
