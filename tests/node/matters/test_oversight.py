"""What breaks a matter's rules for good, and who misses a deadline, everybody learns once."""

from __future__ import annotations

import pytest

from federation.statements import NoticeStep, ProblemNotice, TrainingApproval, TrainingStage
from federation.vocabulary import AlarmKind, ModelStage, NoticeAction, TrainingDecision
from node.matters.oversight import Oversight
from tests.federation.duty_world import adopt, attest, withdraw
from tests.federation.organisations import BANK, COORDINATOR
from tests.federation.said import DAY, NOW, duty, opaque, plan
from tests.node.matters.heard import COORD, ME, OTHER, THIRD, Node

ITEM = duty(period_seconds=30 * DAY, first_due_time=NOW + 30 * DAY)
RED = ITEM.first_due_time + ITEM.grace_seconds + 1
DUTY, NOTICE = opaque("duty"), opaque("notice")
PLAN = plan(rounds=1)


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path / "coordinator", COORDINATOR)
    yield made
    made.close()


@pytest.fixture
def bank(tmp_path):
    made = Node(tmp_path / "bank", BANK)
    yield made
    made.close()


def listed_and_adopted(node):
    node.hear(COORD, ITEM, ids=[DUTY])
    for member in (ME, OTHER):
        node.hear(member, adopt(DUTY, COORD, ITEM))
    node.hear(ME, attest(1, DUTY, COORD))


def overdue(node):
    raised = [one for one in node.raised() if one.alarm_kind is AlarmKind.MATTER_OVERDUE]
    return [(one.member, one.matter_id, one.observed) for one in raised]


async def test_who_misses_a_deadline_is_named_once_by_who_opened_the_matter(node, bank):
    for one in (node, bank):
        listed_and_adopted(one)
        one.time = RED - 1
        await one.oversight.look()

        assert overdue(one) == []

        one.time = RED
        await one.oversight.look()
        one.time = RED + DAY
        await Oversight(one.me, one.book, one.alarms, one.clock).look()  # after a restart

    assert overdue(node) == [(OTHER, DUTY, 1)]
    assert overdue(bank) == []


async def test_each_missed_deadline_is_told(node):
    listed_and_adopted(node)
    node.time = RED + ITEM.period_seconds
    await node.oversight.look()

    assert sorted(member for member, _, _ in overdue(node)) == [ME, OTHER]

    node.hear(OTHER, attest(1, DUTY, COORD))
    await node.oversight.look()

    assert sorted(member for member, _, _ in overdue(node)) == [ME, OTHER, OTHER]


async def test_a_deadline_that_nobody_in_particular_missed_is_no_offence(node):
    node.hear(COORD, PLAN)
    node.time = PLAN.expiry_time + DAY
    await node.oversight.look()

    assert node.raised() == []


async def test_a_statement_that_breaks_a_rule_for_good_raises_one_alarm_whatever_the_kind(bank):
    bank.hear(COORD, ITEM, ids=[DUTY])
    bank.hear(THIRD, adopt(DUTY, COORD, ITEM))
    bank.hear(COORD, PLAN)
    bank.hear(
        OTHER, TrainingApproval(PLAN.digest(), COORD, TrainingDecision.APPROVE, row_cap=10**9)
    )
    for _ in range(2):
        await bank.oversight.look()
        await Oversight(ME, bank.book, bank.alarms, bank.clock).look()

    raised = {(one.alarm_kind.name, one.member, one.reason) for one in bank.raised()}

    assert raised == {
        ("STATEMENT_REFUSED", THIRD, "SECTOR_DIFFERS"),
        ("STATEMENT_REFUSED", OTHER, "ROW_CAP_EXCEEDED"),
    }
    assert len(bank.raised()) == 2


async def test_a_step_that_is_another_roles_is_an_offence_and_a_body_is_judged_elsewhere(bank):
    notice = ProblemNotice(ME, "CHECKS_MISSING", opaque("finding", 32), NOW + 30 * DAY)
    bank.hear(COORD, notice, ITEM, ids=[NOTICE, DUTY])
    for action in (NoticeAction.REPLIED, NoticeAction.RECTIFIED):
        bank.hear(ME, NoticeStep(NOTICE, COORD, action, opaque("paper", 32)))
    bank.hear(OTHER, NoticeStep(NOTICE, COORD, NoticeAction.CLOSED))
    bank.hear(OTHER, withdraw(DUTY, COORD))
    await bank.oversight.look()

    assert [(one.member, one.reason) for one in bank.raised()] == [(OTHER, "ROLE_NOT_ALLOWED")]


async def test_what_others_statements_may_still_allow_is_no_offence(bank):
    bank.hear(OTHER, adopt(DUTY, COORD, ITEM))
    bank.hear(COORD, PLAN)
    bank.hear(COORD, TrainingStage(PLAN.digest(), ModelStage.ENROLLED, (ME, OTHER, THIRD)))
    await bank.oversight.look()

    assert bank.raised() == []
