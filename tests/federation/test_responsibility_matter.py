"""A duty is listed, adopted and attested each period; what is missing turns overdue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.matters import State
from federation.matters.responsibility import item_digest
from federation.statements import StatementError
from federation.vocabulary import Sector
from tests.federation.duty_world import (
    BANK,
    CARRIER,
    FIRST_DUE,
    ITEM,
    MINISTRY,
    NET,
    adopt,
    after,
    attest,
    refusal,
    withdraw,
)
from tests.federation.said import DAY, NOW, duty

PERIOD, GRACE = ITEM.period_seconds, ITEM.grace_seconds
BOTH = ((BANK, adopt(), NOW + 1), (CARRIER, adopt(), NOW + 2))


def test_a_duty_is_listed_adopted_attested_and_withdrawn():
    matter = after()

    assert (matter.state, matter.due) == (State.LISTED, FIRST_DUE)

    matter = after(*BOTH, (BANK, attest(1), NOW + DAY))

    assert matter.state is State.ADOPTED
    assert set(matter.facts.adopted) == {BANK, CARRIER}
    assert matter.facts.adopted[BANK].next == 2
    assert matter.turn.members == {BANK, CARRIER}

    matter = after(*BOTH, (MINISTRY, withdraw(), NOW + DAY))

    assert matter.state is State.RETIRED
    assert matter.is_over
    assert matter.due is None


def test_a_missing_attestation_is_overdue_from_the_day_after_it_was_due():
    matter = after(*BOTH, (BANK, attest(1), NOW + DAY))
    last = FIRST_DUE + GRACE

    assert matter.due == last
    assert matter.late_at(last) == {}
    assert matter.late_at(last + 1) == {CARRIER: last}
    assert matter.late_at(last + PERIOD + 1) == {CARRIER: last, BANK: last + PERIOD}


def test_a_late_attestation_ends_the_delay():
    late = FIRST_DUE + 5 * DAY
    matter = after(*BOTH, (BANK, attest(1), NOW + DAY), (CARRIER, attest(1), late))

    assert matter.late_at(late) == {}
    assert matter.due == FIRST_DUE + PERIOD + GRACE


def test_who_adopts_late_begins_with_the_period_that_runs_then():
    matter = after((BANK, adopt(), FIRST_DUE + 1))

    assert matter.facts.adopted[BANK].first == 2
    assert refusal(matter, BANK, attest(1), FIRST_DUE + 2) == "PERIOD_OUT_OF_ORDER"
    assert refusal(matter, BANK, attest(2), FIRST_DUE + 2) == "ACCEPTED"


@pytest.mark.parametrize(
    ("story", "member", "body", "at", "rule"),
    [
        ((), NET, adopt(), NOW, "SECTOR_DIFFERS"),
        ((), MINISTRY, adopt(), NOW, "ROLE_NOT_ALLOWED"),
        ((), BANK, adopt(item=duty()), NOW, "DUTY_DIFFERS"),
        ((), BANK, attest(1), NOW, "TRANSITION_NOT_ALLOWED"),
        ((), BANK, withdraw(), NOW, "ROLE_NOT_ALLOWED"),
        (BOTH, BANK, adopt(), NOW, "DUTY_ADOPTED"),
        (BOTH, NET, attest(1), NOW, "NOT_A_PARTY"),
        (BOTH, BANK, attest(2), NOW, "PERIOD_OUT_OF_ORDER"),
        ((*BOTH, (BANK, attest(1), NOW + 3)), BANK, attest(2), FIRST_DUE - 1, "PERIOD_NOT_BEGUN"),
        ((*BOTH, (BANK, attest(1), NOW + 3)), BANK, attest(2), FIRST_DUE, "ACCEPTED"),
        ((*BOTH, (BANK, attest(1), NOW + 3)), BANK, attest(1), FIRST_DUE, "PERIOD_OUT_OF_ORDER"),
        ((*BOTH, (MINISTRY, withdraw(), NOW)), BANK, attest(1), NOW, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_the_table_refuses(story, member, body, at, rule):
    assert refusal(after(*story), member, body, at) == rule


def test_a_duty_that_is_due_already_is_not_listed():
    assert refusal(None, MINISTRY, ITEM, FIRST_DUE) == "DUE_TIME_PAST"
    assert refusal(None, BANK, ITEM) == "ROLE_NOT_ALLOWED"


@given(time=st.integers(NOW, FIRST_DUE + 100 * PERIOD))
def test_the_running_period_is_the_first_that_is_not_due_yet(time):
    facts = after().facts
    period = facts.running(time)

    assert facts.due(period) >= time
    assert period == 1 or facts.due(period - 1) < time


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "Check real names"},
        {"sectors": ()},
        {"sectors": (Sector.BANK, Sector.BANK)},
        {"period_seconds": 0},
        {"grace_seconds": 400 * DAY},
        {"wording_digest": b"in words"},
    ],
)
def test_a_malformed_duty_is_refused(fields):
    with pytest.raises(StatementError):
        duty(**fields)


def test_an_adoption_names_the_whole_item():
    digests = {item_digest(duty(grace_seconds=seconds)) for seconds in range(5)}

    assert len(digests) == 5
