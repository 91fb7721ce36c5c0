"""One byte of the app or one field of the plan more or less, and nothing runs at a member.

The member's rows lie behind a server that records whoever knocks: a refusal that came after a look
at the rows would be seen.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import fields, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")

from federation.errors import FederationError
from federation.names import MemberId
from federation.statements import TrainingPlan, TrainingStage
from federation.statements.plan_fields import FIELDS
from federation.training import app_identity
from federation.training.app_identity import app_digest
from federation.training.grpc_member import MemberEngine
from federation.training.plan import DataUse, LabelRule, PrivacyTarget
from federation.vocabulary import ModelStage, TrainingModel
from node.clock import system_clock
from node.errors import NodeError
from node.training.attachment import Attachments
from node.training.frames import encode_frame, read_frame
from node.training.worker import TrainingWorkers
from tests.node.training.test_decisions import COORD, ME, OTHER, THIRD, Node, approval
from tests.node.training.test_worker import question
from tests.training.small import small_plan
from tocsin.v1 import training_service_pb2 as wire

VALUE, SCHEMA = small_plan(
    task="carrier_subscribers",
    label=LabelRule("confirmed", 30),
    data_use=DataUse("trial", "atnfl_32"),
    expiry_time=datetime(2099, 1, 1, tzinfo=UTC),
    protection="robust",
    privacy=PrivacyTarget(4.0, 1e-5),
)
PLAN = TrainingPlan.of(VALUE)
FILES = sorted(Path(app_identity.__file__).parent.glob("*.py"))
ROOT = Path(app_identity.__file__).parents[2]
POLICY = """
[[data]]
name = "rows"
schema = "rows.schema"
database = "postgresql://me@127.0.0.1:{port}/rows"
query = "select * from rows"
"""

pytestmark = pytest.mark.timeout(300)


def other_value(name, value):
    """Return another value of a field, the nearest that a plan may have."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if name == "model":
        return TrainingModel.LOGISTIC
    if isinstance(value, IntEnum):
        return next(one for one in type(value) if one not in (value, 0))
    return value + 1


def changed_plans():
    found = {}
    for field in fields(PLAN):
        others = {field.name: other_value(field.name, getattr(PLAN, field.name))}
        if field.name == "protection":
            others["minimum_members"] = 3
        found[field.name] = replace(PLAN, **others)
    return found


CHANGED = changed_plans()


class Knocks:
    """A server that lets nobody in, and counts who came."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.count = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def knocks():
    made = Knocks()
    yield made
    made.close()


@pytest.fixture
async def member(tmp_path, knocks):
    """Give a member that approved PLAN and no other, and what takes a coordinator's messages."""
    (tmp_path / "rows.schema").write_bytes(SCHEMA.encode())
    node = Node(tmp_path, POLICY.format(port=knocks.port))
    workers = TrainingWorkers(
        MemberId(ME), tmp_path, tmp_path / "worker", node.private, system_clock
    )
    node.hear(COORD, PLAN)
    await node.consents.approve(node.consents.matters.find(PLAN.digest()).matter)
    node.hear(OTHER, approval(PLAN))
    node.hear(THIRD, approval(PLAN))
    node.hear(COORD, TrainingStage(PLAN.digest(), ModelStage.ENROLLED, (ME, OTHER, THIRD)))
    yield node, Attachments(node.consents, None, None, workers.answer)
    await workers.close()
    node.close()


def payload(digest):
    return question(None, plan=digest)


async def refusal(attachments, payload, digest, *, number=0, coordinator=COORD):
    message = wire.RoundMessage(plan_digest=digest, round=number, seconds_left=60)
    with pytest.raises((NodeError, FederationError)) as caught:
        await attachments.answer(coordinator, message, payload)
    return caught.value.reason


def test_every_field_of_a_plan_is_changed_once():
    assert set(CHANGED) == {field.name for field in fields(TrainingPlan)} == set(FIELDS)
    assert len({plan.digest() for plan in CHANGED.values()} | {PLAN.digest()}) == len(CHANGED) + 1


async def test_a_plan_changed_in_any_field_never_reaches_the_rows(member, knocks):
    node, attachments = member
    unheard = {
        name: await refusal(attachments, payload(plan.digest()), plan.digest())
        for name, plan in CHANGED.items()
    }
    node.hear(COORD, *CHANGED.values())
    node.hear(
        COORD,
        *(
            TrainingStage(plan.digest(), ModelStage.ENROLLED, (ME, OTHER, THIRD))
            for plan in CHANGED.values()
        ),
    )
    await node.consents.decide()
    proposed = {
        name: await refusal(attachments, payload(plan.digest()), plan.digest(), number=number)
        for name, plan in CHANGED.items()
        for number in (0, 1)
    }
    # An envelope that names the approved plan, around a message of another one.
    smuggled = {
        name: await refusal(attachments, payload(plan.digest()), PLAN.digest())
        for name, plan in CHANGED.items()
    }

    assert set(unheard.values()) == {"PLAN_UNKNOWN"}
    assert set(proposed.values()) == {"PLAN_NOT_APPROVED"}
    assert set(smuggled.values()) == {"PLAN_NOT_APPROVED"}
    assert knocks.count == 0

    # The approved plan of its coordinator does knock, and nobody else's message of it does.
    right = payload(PLAN.digest())

    assert await refusal(attachments, right, PLAN.digest(), coordinator=OTHER) == "PLAN_UNKNOWN"
    assert knocks.count == 0
    assert await refusal(attachments, right, PLAN.digest()) == "DATABASE_UNREACHABLE"
    assert knocks.count > 0


@pytest.mark.parametrize("name", CHANGED)
def test_the_app_itself_refuses_a_plan_that_is_not_the_approved_one(name, knocks):
    settings = {
        "schema": SCHEMA.encode().decode(),
        "member": ME,
        "source": f"postgresql://me@127.0.0.1:{knocks.port}/rows",
        "query": "select * from rows",
    }
    changed = CHANGED[name].value().encode().decode()
    for plan, approved, named in (
        (changed, PLAN.digest(), CHANGED[name].digest()),
        (changed, PLAN.digest(), PLAN.digest()),
        (changed, CHANGED[name].digest(), PLAN.digest()),
    ):
        told = settings | {"plan": plan, "approved": approved.hex()}
        with pytest.raises(FederationError) as caught:
            MemberEngine(told).answer(payload(named), 0)

        expected = "CODE_DIFFERS" if name == "code_digest" else "PLAN_NOT_APPROVED"

        assert caught.value.reason == expected
    assert knocks.count == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_one_bit_of_any_byte_of_the_app_makes_another_app(file, tmp_path):
    data = file.read_bytes()
    for one in FILES:
        (tmp_path / one.name).write_bytes(one.read_bytes())
    same = app_digest(tmp_path)
    places = {0, len(data) // 3, len(data) // 2, len(data) - 1} if data else set()
    others = set()
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1
        (tmp_path / file.name).write_bytes(flipped)
        others.add(app_digest(tmp_path))
    (tmp_path / file.name).write_bytes(data + b"\n")
    others.add(app_digest(tmp_path))

    assert same not in others
    assert len(others) == len(places) + 1


def test_a_changed_app_does_not_answer_for_an_approved_plan(tmp_path, knocks):
    """Run a member's real training process of an installation with one changed character."""
    for floor in ("federation", "keys", "node", "proto"):
        shutil.copytree(
            ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__")
        )
    same = start_worker(tmp_path, knocks)
    knocked = knocks.count
    fitting = tmp_path / "federation" / "training" / "fitting.py"
    text = fitting.read_text()
    fitting.write_text(text.replace(".", ",", 1))  # the first sentence of its docstring
    changed = start_worker(tmp_path, knocks)

    assert text != fitting.read_text()
    assert same["refused"] == "DATABASE_UNREACHABLE"
    assert knocked > 0
    assert changed["refused"] == "CODE_DIFFERS"
    assert knocks.count == knocked


def start_worker(root, knocks):
    settings = {
        "plan": VALUE.encode().decode(),
        "schema": SCHEMA.encode().decode(),
        "approved": PLAN.digest().hex(),
        "member": ME,
        "source": f"postgresql://me@127.0.0.1:{knocks.port}/rows",
        "query": "select * from rows",
        "row_cap": 1_000,
        "network": True,
    }
    given = encode_frame(settings, b"") + encode_frame({"round": 0}, payload(PLAN.digest()))
    process = subprocess.Popen(
        [sys.executable, "-m", "node.training.worker_main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{root}:{root / 'proto'}",
            "HOME": str(root),
        },
    )
    try:
        process.stdin.write(given)
        process.stdin.flush()
        header, _ = read_frame(process.stdout)
        return header
    finally:
        process.kill()
        process.communicate()
