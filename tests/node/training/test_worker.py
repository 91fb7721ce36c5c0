"""A member's training process: its own code and rows alone, no keys, no network."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

from flwr.app import ConfigRecord, Message, RecordDict

from federation.names import MemberId
from federation.statements import TrainingPlan
from federation.training.adapter import claim_process, encode_message, parse_message, stamp
from federation.training.local_engine import RUN, node_id
from federation.training.plan import DataUse, LabelRule
from federation.training.records import CONFIG, PLAN, ROUND, SCALING, SUMMAND, read_array
from federation.training.sum_labels import labels_digest
from node.clock import system_clock
from node.errors import ConfigError, PolicyError
from node.store.private import PrivateStore
from node.training import worker as worker_module
from node.training.frames import ProcessError
from node.training.permission import Permission
from node.training.policy import DataSource
from node.training.worker import TrainingWorkers, WorkerError
from tests.training.planted import planted_rows
from tests.training.small import small_plan

ME = MemberId("carrier-a")
SECONDS = 60.0

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def workers(tmp_path):
    table = planted_rows(200, 3)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        for row in zip(*table.columns.values(), strict=True):
            writer.writerow(["" if cell != cell else cell for cell in row])
    private = PrivateStore(tmp_path / "private.db")
    made = TrainingWorkers(ME, tmp_path, tmp_path / "worker", private, system_clock)
    yield made
    await made.close()
    private.close()


def permit(settings=MappingProxyType({"table": "rows.csv"}), **changes):
    fields = {
        "task": "carrier_subscribers",
        "label": LabelRule("confirmed"),
        "data_use": DataUse("trial", "atnfl_32"),
        "expiry_time": datetime(2099, 1, 1, tzinfo=UTC),
        "protection": "robust",
    }
    plan, schema = small_plan(**(fields | changes))
    source = DataSource("rows", schema.digest(), 1_000, settings, schema.encode())
    return Permission(TrainingPlan.of(plan), source, 1_000)


def question(permission, kind="query.coarse", plan=b"", **config):
    claim_process(RUN)
    said = {PLAN: plan or permission.plan.digest(), SCALING: b"", **config}
    message = Message(RecordDict({CONFIG: ConfigRecord(said)}), node_id(str(ME)), kind)
    stamp(message)
    return encode_message(message)


async def ask(workers, permission, message, number=0):
    return await workers.answer(permission, permission.plan.digest(), number, message, SECONDS)


def environment_of(process):
    """Return its environment and its arguments."""
    found = Path(f"/proc/{process}")
    return (found / "environ").read_bytes() + (found / "cmdline").read_bytes()


async def reason_of(workers, permission, message, number=0):
    with pytest.raises((WorkerError, PolicyError, ConfigError)) as caught:
        await ask(workers, permission, message, number)
    return caught.value.reason


async def test_it_counts_the_member_s_own_rows(workers):
    permission = permit()
    answer = parse_message(await ask(workers, permission, question(permission)))

    assert read_array(answer.content, SUMMAND).sum() > 200
    assert answer.metadata.src_node_id == node_id(str(ME))


async def test_another_plan_other_code_or_another_round_never_runs(workers):
    permission = permit()
    other = replace(permission, plan=replace(permission.plan, code_digest=bytes(range(32))))

    assert await reason_of(workers, permission, question(permission, plan=bytes(32))) == (
        "PLAN_NOT_APPROVED"
    )
    assert await reason_of(workers, other, question(other)) == "CODE_DIFFERS"

    trains = question(permission, "train", **{ROUND: 2})

    assert await reason_of(workers, permission, trains) == "TRAINING_MESSAGE_MALFORMED"
    assert await reason_of(workers, permission, trains, 1) == "TRAINING_MESSAGE_MALFORMED"
    assert await reason_of(workers, permission, b"\xff", 1) == "TRAINING_MESSAGE_MALFORMED"


async def test_an_update_meant_to_be_secret_never_leaves_openly(workers):
    permission = permit(protection="secret")
    told = await ask(workers, permission, question(permission))
    answer = parse_message(told)
    labels = labels_digest(permission.plan.digest(), "query.coarse")
    vector = workers.summands.find(permission.plan.digest(), labels)

    assert [*answer.content] == ["metrics"]
    assert dict(answer.content["metrics"]) == {"length": len(vector)}
    assert vector.sum() > 200
    assert len(told) < 500

    workers.end_later(permission.plan.digest())

    assert workers.summands.find(permission.plan.digest(), labels) is None


async def test_rows_that_are_not_described_or_not_there_are_named(workers):
    for settings, reason in (
        ({}, "TRAINING_DATA_INCOMPLETE"),
        ({"tabel": "rows.csv"}, "TRAINING_DATA_INCOMPLETE"),
        ({"table": "rows.csv", "query": "select 1"}, "TRAINING_DATA_INCOMPLETE"),
        ({"table": "none.csv"}, "TABLE_UNREADABLE"),
    ):
        permission = permit(settings)

        assert await reason_of(workers, permission, question(permission)) == reason


async def test_a_killed_process_costs_one_answer(workers):
    permission = permit()
    await ask(workers, permission, question(permission))
    (worker,) = workers._workers.values()
    os.kill(worker.process.process_id, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await workers.answer(permission, permission.plan.digest(), 0, question(permission), 0.3)
    await ask(workers, permission, question(permission))
    (worker,) = workers._workers.values()
    os.kill(worker.process.process_id, signal.SIGKILL)
    with pytest.raises(ProcessError):
        await worker.process.receive()
    answer = await ask(workers, permission, question(permission))

    assert answer


def process_ids(workers):
    return [one.process.process_id for one in workers._workers.values()]


async def test_a_process_that_starts_slower_than_a_round_answers_a_later_one(workers):
    permission = permit()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await workers.answer(permission, permission.plan.digest(), 0, question(permission), 0.1)
    (first,) = process_ids(workers)
    answer = parse_message(await ask(workers, permission, question(permission)))

    assert read_array(answer.content, SUMMAND).sum() > 200
    assert process_ids(workers) == [first]


async def test_a_process_that_never_starts_is_replaced(workers, monkeypatch):
    monkeypatch.setattr(worker_module, "START_SECONDS", 0.0)
    permission = permit()
    with pytest.raises(TimeoutError):
        await workers.answer(permission, permission.plan.digest(), 0, question(permission), 0.1)

    assert process_ids(workers) == []
    assert await ask(workers, permission, question(permission))


async def test_nothing_of_the_node_s_environment_reaches_it(workers, monkeypatch):
    monkeypatch.setenv("TOCSIN_PASSPHRASE_FILE", "/somewhere")
    permission = permit()
    await ask(workers, permission, question(permission))
    (worker,) = workers._workers.values()
    environment = environment_of(worker.process.process_id)

    assert b"TOCSIN" not in environment
    assert b"FLWR_TELEMETRY_ENABLED=0" in environment
