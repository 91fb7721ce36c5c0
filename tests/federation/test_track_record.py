"""How nominations ended in rounds: upheld, overturned, and by whose word."""

from dataclasses import replace

from hypothesis import given

from federation.matters import State
from federation.track_record import count_outcomes
from tests.federation.said import DAY, NOW
from tests.federation.test_findings import finding, found, seen
from tests.federation.test_verdict import ROLES, row

CONFIRMED, REFUTED = finding(State.CONFIRMED), finding(State.REFUTED, NOW + 1)
BEFORE = row("bank-a", issued=NOW - DAY)


def outcomes(*rounds, now=NOW):
    return count_outcomes(rounds, ROLES, now)


def test_a_confirmation_upholds_and_a_refutation_overturns():
    rows = [BEFORE, row("carrier-c", issued=NOW)]

    assert outcomes((CONFIRMED, rows)) == {"bank-a": (1, 0), "carrier-c": (1, 0)}
    assert outcomes((REFUTED, rows)) == {"bank-a": (0, 1), "carrier-c": (0, 1)}
    assert outcomes((CONFIRMED, rows), (REFUTED, rows[:1]))["bank-a"] == (1, 1)


def test_a_member_counts_once_in_a_round():
    again = row("bank-a", issued=NOW - 1)

    assert outcomes((CONFIRMED, [BEFORE, again])) == {"bank-a": (1, 0)}


def test_what_a_person_decided_alone_teaches_nothing():
    for one in (CONFIRMED, REFUTED):
        assert outcomes((replace(one, examined=True), [BEFORE])) == {}


def test_other_outcomes_teach_nothing():
    for state in (State.CONFLICT, State.INSUFFICIENT, State.VERIFYING, State.RELEASED):
        assert outcomes((finding(state), [BEFORE])) == {}


def test_who_nominated_later_or_whose_word_has_expired_is_not_judged():
    later, over = row(issued=NOW + 1), row(issued=NOW - DAY, expires=NOW + 5)

    assert outcomes((CONFIRMED, [later])) == {}
    assert outcomes((CONFIRMED, [over])) == {"bank-a": (1, 0)}
    assert outcomes((CONFIRMED, [over]), now=NOW + 5) == {}


def test_the_police_are_not_judged_by_members():
    assert outcomes((REFUTED, [row("police-d", issued=NOW - DAY)])) == {}


@given(seen, found)
def test_nobody_has_more_outcomes_than_rounds(rows, findings):
    counted = outcomes(*((one, rows) for one in findings))

    assert all(upheld + wrong <= len(findings) for upheld, wrong in counted.values())
