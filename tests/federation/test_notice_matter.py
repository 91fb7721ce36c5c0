"""A notice closes with evidence that the problem is mended, or is taken back."""

from __future__ import annotations

import pytest

from federation.matters import Kind, MatterError, State, advance
from federation.matters.notice import JUDGE_SECONDS
from federation.matters.table import PROCEDURES
from federation.names import MemberId
from federation.roles import Role
from federation.statements import NoticeStep, StatementError
from federation.vocabulary import NoticeAction
from tests.federation.matter_examples import Name
from tests.federation.notice_world import BANK, NOTICE, step
from tests.federation.said import DAY, NOW, opaque, said

MINISTRY, OTHER = MemberId("ministry"), MemberId("carrier-b")
ROLES = {
    MINISTRY: frozenset({Role.REGULATOR}),
    BANK: frozenset({Role.BANK}),
    OTHER: frozenset({Role.CARRIER}),
}
NAME = Name(opaque("notice"), MINISTRY)
REPLIED, RECTIFIED, RETURNED, CLOSED, WITHDRAWN = NoticeAction
MENDED = ((BANK, REPLIED), (BANK, RECTIFIED))


def take(matter, member, action, at=NOW + 60):
    own = opaque((member, action, at))
    statement = said(step(NAME, action), id=own, issued_time=at)
    return advance(matter, member, ROLES[member], statement)


def after(*story):
    opening = said(NOTICE, id=NAME.id, issued_time=NOW)
    matter = advance(None, MINISTRY, ROLES[MINISTRY], opening)
    for member, action in story:
        matter = take(matter, member, action)
    return matter


@pytest.mark.parametrize(
    ("story", "state", "awaited", "due"),
    [
        ((), State.RAISED, {BANK}, NOTICE.deadline_time),
        (MENDED[:1], State.RECTIFYING, {BANK}, NOTICE.deadline_time),
        (MENDED, State.RECTIFIED, {MINISTRY}, NOW + 60 + JUDGE_SECONDS),
        ((*MENDED, (MINISTRY, RETURNED)), State.RECTIFYING, {BANK}, NOTICE.deadline_time),
        ((*MENDED, (MINISTRY, CLOSED)), State.CLOSED, set(), None),
        (((MINISTRY, WITHDRAWN),), State.WITHDRAWN, set(), None),
    ],
)
def test_whose_step_is_next_and_by_when(story, state, awaited, due):
    matter = after(*story)

    assert (matter.state, matter.turn.members, matter.due) == (state, awaited, due)


@pytest.mark.parametrize(
    ("story", "member", "action", "rule"),
    [
        ((), MINISTRY, CLOSED, "TRANSITION_NOT_ALLOWED"),
        (MENDED[:1], MINISTRY, CLOSED, "TRANSITION_NOT_ALLOWED"),
        ((*MENDED, (MINISTRY, RETURNED)), MINISTRY, CLOSED, "TRANSITION_NOT_ALLOWED"),
        (MENDED, BANK, CLOSED, "ROLE_NOT_ALLOWED"),
        ((), BANK, RECTIFIED, "TRANSITION_NOT_ALLOWED"),
        ((), OTHER, REPLIED, "NOT_A_PARTY"),
        ((), MINISTRY, REPLIED, "ROLE_NOT_ALLOWED"),
        (((MINISTRY, WITHDRAWN),), BANK, REPLIED, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_the_table_refuses(story, member, action, rule):
    with pytest.raises(MatterError) as caught:
        take(after(*story), member, action)

    assert caught.value.reason == rule


def test_no_way_to_closed_goes_round_the_evidence():
    table = PROCEDURES[Kind.NOTICE].table

    assert {row.state for row in table if row.next is State.CLOSED} == {State.RECTIFIED}
    assert {row.choice for row in table if row.next is State.RECTIFIED} == {RECTIFIED}


def test_who_does_not_mend_it_in_time_is_late():
    matter = after((BANK, REPLIED))

    assert matter.late_at(NOTICE.deadline_time) == {}
    assert matter.late_at(NOTICE.deadline_time + DAY) == {BANK: NOTICE.deadline_time}


@pytest.mark.parametrize(
    "fields", [(CLOSED, opaque("paper", 32)), (RECTIFIED, b""), (REPLIED, b"the plan")]
)
def test_paper_stands_with_a_reply_and_with_evidence_alone(fields):
    with pytest.raises(StatementError):
        NoticeStep(NAME.id, MINISTRY, *fields)
