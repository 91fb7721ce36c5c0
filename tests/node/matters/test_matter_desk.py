"""The desk shows the queue and each matter with everything said in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.statements import TrainingApproval, TrainingStage
from federation.vocabulary import ModelStage, TrainingDecision
from node.desk.matters import MatterService
from node.errors import PolicyError, RequestError
from tests.federation.said import DAY, plan
from tests.node.matters.heard import COORD, ME, OTHER, Node
from tocsin.desk.v1 import matter_service_pb2 as wire

PLAN = plan(rounds=1)
LATER = replace(PLAN, expiry_time=PLAN.expiry_time + DAY)


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    made.hear(COORD, LATER, PLAN)
    made.hear(OTHER, TrainingApproval(PLAN.digest(), COORD, TrainingDecision.APPROVE, row_cap=9))
    yield made
    made.close()


@pytest.fixture
def desk(node):
    return MatterService(ME, node.book, node.clock)


async def listed(desk, **fields):
    return await desk.ListMatters(wire.ListMattersRequest(**fields), None)


async def test_the_queue_has_due_times_and_whose_turn_it_is(node, desk):
    answer = await listed(desk, kind="training-plan", open=True)
    first = answer.matters[0]

    assert [one.matter_id for one in answer.matters] == [PLAN.digest(), LATER.digest()]
    assert (first.kind, first.state, first.opener) == ("training-plan", "PROPOSED", COORD)
    assert first.due_time.seconds == PLAN.expiry_time
    assert (first.overdue, first.over, first.statement_count) == (False, False, 2)
    assert list(first.turn_members) == [COORD]
    assert list(first.turn_roles) == ["bank", "carrier", "internet"]
    assert answer.at_time.seconds == node.time
    assert not answer.more


async def test_a_limit_says_that_there_are_more(desk):
    answer = await listed(desk, limit=1)

    assert len(answer.matters) == 1
    assert answer.more


async def test_what_is_overdue_is_seen_at_another_time(desk):
    request = wire.ListMattersRequest(overdue=True)

    assert not (await desk.ListMatters(request, None)).matters

    request.at_time.seconds = PLAN.expiry_time + 1
    (one,) = (await desk.ListMatters(request, None)).matters

    assert one.overdue
    assert one.matter_id == PLAN.digest()


async def test_a_matter_is_shown_with_what_was_refused_and_why(node, desk):
    node.hear(OTHER, TrainingStage(PLAN.digest(), ModelStage.REJECTED))
    node.hear(ME, TrainingApproval(PLAN.digest(), COORD, TrainingDecision.APPROVE, row_cap=10**8))
    answer = await desk.GetMatter(wire.GetMatterRequest(matter_id=PLAN.digest()[:6]), None)

    assert [(one.member, one.body, one.choice) for one in answer.statements] == [
        (COORD, "TrainingPlan", ""),
        (OTHER, "TrainingApproval", "APPROVE"),
        (ME, "TrainingApproval", "APPROVE"),
    ]
    assert answer.statements[2].refused_reason == "ROW_CAP_EXCEEDED"
    assert "no more rows" in answer.statements[2].refused_sentence
    assert answer.matter.refused_count == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "party"}, "MATTER_KIND_UNKNOWN"),
        ({"state": "HAPPY"}, "MATTER_STATE_UNKNOWN"),
        ({"turn": "+86"}, "MEMBER_UNKNOWN"),
    ],
)
async def test_a_filter_that_means_nothing_is_refused(desk, fields, reason):
    with pytest.raises(RequestError) as caught:
        await listed(desk, **fields)

    assert caught.value.reason == reason


async def test_a_partner_without_a_log_has_no_matters(node):
    with pytest.raises(PolicyError):
        await listed(MatterService(ME, None, node.clock))
