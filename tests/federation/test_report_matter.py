"""The loop of a report: whoever reports is told before it is closed, and others must find it so."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.indicators.kind import Kind as IndicatorKind
from federation.matters import PROCEDURES, Kind, MatterError, State
from federation.matters.report import (
    ACCEPT_SECONDS,
    CLOSE_SECONDS,
    FEEDBACK_SECONDS,
    VERIFY_SECONDS,
)
from federation.reporting import roles_able
from federation.roles import INDUSTRY, Role
from federation.statements import ReportCount
from federation.vocabulary import CountBand, ReportAction, ReportReason
from tests.federation.matter_examples import Name
from tests.federation.report_world import (
    ACTOR,
    BASIS,
    COORD,
    INTAKE,
    MATTER,
    OPENING,
    OTHER,
    POLICE,
    ROLES,
    STRANGER,
    after,
    moves,
    refusal,
    say,
    take,
)
from tests.federation.said import NOW

TABLE = PROCEDURES[Kind.REPORT].table
A = ReportAction
TAKEN_ON = ((ACTOR, take(A.ACCEPT)),)
VERIFYING = (*TAKEN_ON, (ACTOR, take(A.VERIFY)))
DISPOSED = (*VERIFYING, (ACTOR, take(A.DISPOSE, basis=BASIS)))
UNSUBSTANTIATED = (*VERIFYING, (ACTOR, take(A.UNSUBSTANTIATE)))
TOLD = (INTAKE, take(A.FEED_BACK))
CLOSE = (INTAKE, take(A.CLOSE))


def reachable_without(avoided):
    """Return the states that the table reaches on ways that avoid one."""
    ways = defaultdict(set)
    for row in TABLE:
        ways[row.state].add(row.next)
    found, waiting = set(), [State.ABSENT]
    while waiting:
        state = waiting.pop()
        if state in found or state is avoided:
            continue
        found.add(state)
        waiting.extend(ways[state])
    return found


def test_no_way_to_closed_skips_the_feedback():
    assert State.CLOSED in reachable_without(None)
    assert State.CLOSED not in reachable_without(State.FED_BACK)


def test_nothing_is_over_but_closed_and_every_state_leads_there():
    assert PROCEDURES[Kind.REPORT].final - {State.EXPIRED} == {State.CLOSED}
    for state in reachable_without(None) - {State.ABSENT}:
        ways = {row.next for row in TABLE if row.state is state} - {state}
        assert ways or state is State.CLOSED


def test_no_report_is_disposed_of_without_what_it_rests_on():
    rows = [row for row in TABLE if row.next is State.DISPOSED]

    assert rows
    for row in rows:
        assert row.state is State.VERIFYING
        assert "BASIS_MISSING" in {rule.name for rule in row.rules}


@pytest.mark.parametrize(
    ("story", "states"),
    [
        ((*DISPOSED, TOLD, CLOSE), "ACCEPTED VERIFYING DISPOSED FED_BACK CLOSED"),
        ((*UNSUBSTANTIATED, TOLD, CLOSE), "ACCEPTED VERIFYING UNSUBSTANTIATED FED_BACK CLOSED"),
        (
            (*DISPOSED, (ACTOR, take(A.RECTIFY)), (COORD, take(A.ACCOUNT)), TOLD, CLOSE),
            "ACCEPTED VERIFYING DISPOSED RECTIFYING ACCOUNTABILITY FED_BACK CLOSED",
        ),
        ((*DISPOSED, (COORD, take(A.ACCOUNT)), TOLD), None),
        (
            ((ACTOR, take(A.REJECT)), (OTHER, take(A.REJECT)), TOLD, CLOSE),
            "SUBMITTED REJECTED FED_BACK CLOSED",
        ),
        ((*TAKEN_ON, (ACTOR, take(A.REJECT)), TOLD, CLOSE), "ACCEPTED REJECTED FED_BACK CLOSED"),
        (((INTAKE, take(A.WITHDRAW)), TOLD, CLOSE), "REJECTED FED_BACK CLOSED"),
        (((ACTOR, take(A.REJECT)), (ACTOR, take(A.REJECT))), "SUBMITTED SUBMITTED"),
        (((ACTOR, take(A.REJECT)), (OTHER, take(A.ACCEPT))), "SUBMITTED ACCEPTED"),
    ],
)
def test_the_ways_of_a_report(story, states):
    found = [str(after(*story[: end + 1]).state) for end in range(len(story))]

    assert states is None or found == states.split()


@pytest.mark.parametrize(
    ("story", "member", "body", "rule"),
    [
        ((), INTAKE, take(A.ACCEPT), "NOT_A_PARTY"),
        ((), COORD, take(A.ACCEPT), "ROLE_NOT_ALLOWED"),
        ((), STRANGER, take(A.ACCEPT), "ROLE_NOT_ALLOWED"),
        ((), ACTOR, take(A.WITHDRAW), "NOT_THE_OPENER"),
        ((), ACTOR, take(A.VERIFY), "TRANSITION_NOT_ALLOWED"),
        ((), INTAKE, take(A.CLOSE), "TRANSITION_NOT_ALLOWED"),
        ((), INTAKE, take(A.FEED_BACK), "TRANSITION_NOT_ALLOWED"),
        ((), INTAKE, ReportCount(MATTER, CountBand.ONE), "COUNT_NOT_RAISED"),
        ((), INTAKE, ReportCount(MATTER, CountBand.FEW), "ACCEPTED"),
        ((), ACTOR, ReportCount(MATTER, CountBand.FEW), "NOT_THE_OPENER"),
        (TAKEN_ON, OTHER, take(A.VERIFY), "NOT_THE_HANDLER"),
        (TAKEN_ON, OTHER, take(A.ACCEPT), "TRANSITION_NOT_ALLOWED"),
        (VERIFYING, OTHER, take(A.UNSUBSTANTIATE), "NOT_THE_HANDLER"),
        (VERIFYING, ACTOR, take(A.DISPOSE), "BASIS_MISSING"),
        (VERIFYING, ACTOR, take(A.DISPOSE, basis=BASIS), "ACCEPTED"),
        (VERIFYING, INTAKE, take(A.CLOSE), "TRANSITION_NOT_ALLOWED"),
        (DISPOSED, INTAKE, take(A.CLOSE), "TRANSITION_NOT_ALLOWED"),
        (DISPOSED, ACTOR, take(A.FEED_BACK), "NOT_THE_OPENER"),
        (DISPOSED, POLICE, take(A.ACCOUNT), "ROLE_NOT_ALLOWED"),
        (DISPOSED, INTAKE, ReportCount(MATTER, CountBand.MASS), "TRANSITION_NOT_ALLOWED"),
        (UNSUBSTANTIATED, INTAKE, take(A.CLOSE), "TRANSITION_NOT_ALLOWED"),
        ((*UNSUBSTANTIATED, TOLD), ACTOR, take(A.CLOSE), "NOT_THE_OPENER"),
        ((*UNSUBSTANTIATED, TOLD, CLOSE), ACTOR, take(A.ACCEPT), "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_the_loop_does_not_allow_is_refused_by_the_name_of_the_rule(story, member, body, rule):
    assert refusal(after(*story), member, body) == rule


@given(st.lists(st.tuples(st.sampled_from(sorted(ROLES)), st.integers(0, 30)), max_size=40))
def test_whatever_is_said_nothing_is_closed_before_the_reporter_was_told(choices):
    matter, seen = say(None, INTAKE, OPENING), [State.SUBMITTED]
    for at, (member, number) in enumerate(choices, 1):
        bodies = moves(Name(MATTER, INTAKE))
        try:
            matter = say(matter, member, bodies[number % len(bodies)], at)
        except MatterError:
            continue
        seen.append(matter.state)

    if State.CLOSED in seen:
        assert seen[seen.index(State.CLOSED) - 1] is State.FED_BACK
        assert matter.facts.fed_back_time
    if State.DISPOSED in seen:
        assert matter.facts.basis_id == BASIS


def test_a_count_does_not_put_off_what_is_due():
    counted = say(after(), INTAKE, ReportCount(MATTER, CountBand.MANY), at=3_600)

    assert counted.due == after().due == NOW + ACCEPT_SECONDS
    assert counted.facts.reporters is CountBand.MANY


def test_each_step_is_due_in_its_own_time_and_waits_for_somebody():
    assert after().turn.members == {ACTOR, OTHER}
    assert after((OTHER, take(A.REJECT))).turn.members == {ACTOR}
    assert after(*TAKEN_ON).turn.members == {ACTOR}
    assert after(*VERIFYING).due == NOW + 2 + VERIFY_SECONDS
    assert after(*UNSUBSTANTIATED).turn.members == {INTAKE}
    assert after(*UNSUBSTANTIATED).due == NOW + 3 + FEEDBACK_SECONDS
    assert after(*UNSUBSTANTIATED, TOLD).due == NOW + 4 + CLOSE_SECONDS
    assert after(*UNSUBSTANTIATED, TOLD, CLOSE).due is None
    assert set(after(*VERIFYING).late_at(NOW + 30 * 86_400)) == {ACTOR}


def test_the_facts_say_how_it_ended_and_on_what_it_rests():
    facts = after(*DISPOSED).facts

    assert (facts.handler, facts.ended, facts.basis_id) == (ACTOR, A.DISPOSE, BASIS)
    assert after(*UNSUBSTANTIATED).facts.reason is ReportReason.NO_EVIDENCE
    assert after((ACTOR, take(A.REJECT))).facts.declined == {ACTOR}


def test_every_kind_has_members_that_can_act_on_it():
    assert all(roles_able(kind) <= INDUSTRY and roles_able(kind) for kind in IndicatorKind)
    assert roles_able(IndicatorKind.IBAN) == {Role.BANK}
    assert roles_able(IndicatorKind.PHONE) == {Role.CARRIER}
    assert roles_able(IndicatorKind.IM_ACCOUNT) == {Role.INTERNET}
