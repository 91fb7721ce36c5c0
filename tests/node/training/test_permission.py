"""Before each message: whether the very plan may be run over the member's rows, and which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.names import MemberId
from federation.statements import MemberOutcome, TrainingRound, TrainingStage
from federation.training.app_identity import app_digest
from federation.vocabulary import ModelStage, TrainingOutcome, TrainingReason
from node.training.permission import RunError, require_permission
from tests.federation.said import opaque
from tests.node.training.test_decisions import (
    COORD,
    DATA,
    ME,
    OTHER,
    PLAN,
    POLICY,
    THIRD,
    Node,
    approval,
)

RUN = replace(PLAN, code_digest=app_digest())
DIGEST = RUN.digest()


@pytest.fixture
async def node(tmp_path):
    made = Node(tmp_path, POLICY.replace(PLAN.code_digest.hex(), "installed") + DATA)
    made.hear(COORD, RUN)
    await made.consents.decide()
    made.hear(OTHER, approval(RUN))
    made.hear(THIRD, approval(RUN))
    yield made
    made.close()


def enrol(node, *members):
    node.hear(COORD, TrainingStage(DIGEST, ModelStage.ENROLLED, members or (ME, OTHER, THIRD)))


def reason(node, digest=DIGEST, coordinator=COORD, **how):
    try:
        require_permission(node.consents, digest, coordinator, **how)
    except RunError as error:
        return error.reason
    return "PERMITTED"


async def test_an_enrolled_member_may_run_the_plan_over_the_rows_that_it_named(node):
    enrol(node)
    permission = require_permission(node.consents, DIGEST, COORD)

    assert permission.plan == RUN
    assert permission.source.name == "rows"
    assert permission.row_cap == 1_000_000


async def test_any_other_plan_or_coordinator_is_refused(node):
    enrol(node)
    changed = replace(RUN, norm_bound_millionths=9_000_000)

    assert reason(node, digest=changed.digest()) == "PLAN_UNKNOWN"
    assert reason(node, digest=DIGEST[:31] + b"\0") == "PLAN_UNKNOWN"
    assert reason(node, coordinator=OTHER) == "PLAN_UNKNOWN"

    node.hear(COORD, changed)

    assert reason(node, digest=changed.digest()) == "PLAN_NOT_APPROVED"


async def test_before_enrolment_and_without_it_nothing_runs(node):
    assert reason(node) == "NOT_ENROLLED"

    enrol(node, OTHER, THIRD, MemberId("bank-x"))

    assert reason(node) == "PERMITTED"


async def test_who_withdraws_is_out_at_once(node):
    enrol(node)
    matter = node.consents.matters.find(DIGEST).matter
    await node.consents.refuse(matter, TrainingReason.BY_HAND)

    assert reason(node) == "PLAN_NOT_APPROVED"
    assert node.epsilons.spent("rows") == RUN.epsilon_millionths  # rounds may have run


async def test_no_round_starts_after_the_plan_expired_but_it_may_be_measured(node):
    enrol(node)
    node.time = RUN.expiry_time

    assert reason(node) == "PLAN_EXPIRED"
    assert reason(node, trains=False) == "PERMITTED"


async def test_after_the_last_round_nothing_is_learnt_any_more(node):
    enrol(node)
    outcomes = tuple(MemberOutcome(one, TrainingOutcome.OK) for one in (ME, OTHER, THIRD))
    node.hear(COORD, TrainingRound(DIGEST, 1, opaque("model", 32), outcomes))

    assert reason(node) == "RUN_NOT_OPEN"
    assert reason(node, trains=False) == "PERMITTED"

    node.hear(COORD, TrainingStage(DIGEST, ModelStage.REJECTED))

    assert reason(node, trains=False) == "RUN_NOT_OPEN"


async def test_without_rows_or_epsilon_nothing_runs(node):
    enrol(node)
    node.epsilons.release("rows", DIGEST)

    assert reason(node) == "PRIVACY_BUDGET_SPENT"

    node.file.write_text(POLICY)

    assert reason(node) == "TRAINING_DATA_MISSING"


async def test_other_code_than_the_plan_s_never_runs(node, monkeypatch):
    enrol(node)
    changed = opaque("one byte changed", 32)
    monkeypatch.setattr("node.training.permission.app_digest", lambda: changed)

    assert reason(node) == "CODE_DIFFERS"
