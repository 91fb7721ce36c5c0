"""A clue goes to the police that it was handed to, and none is closed without an outcome."""

import dataclasses

import pytest

from federation.matters import Kind, MatterError, State, advance, fold_matter
from federation.matters.clue import ANSWER_DAYS, DAY_SECONDS, OUTCOME_DAYS, TABLE
from federation.names import MemberId
from federation.roles import Role
from federation.statements import ClueOutcome, ClueStep, ClueSubject, StatementError
from federation.statements.shape import MAX_TIME
from federation.vocabulary import ClueMove, ClueResult, ClueReturn
from tests.federation.said import CLUE_SUBJECTS, DAY, NOW, clue, clue_hand_over, opaque, said

FINDER, OTHER = MemberId("carrier-b"), MemberId("bank-a")
POLICE, POLICE_TWO = MemberId("police"), MemberId("police-two")
ROLES = {
    FINDER: frozenset({Role.CARRIER}),
    OTHER: frozenset({Role.BANK}),
    POLICE: frozenset({Role.POLICE}),
    POLICE_TWO: frozenset({Role.POLICE}),
}
ID = opaque("the clue")


def roles(member, _time=NOW):
    return ROLES[member]


def say(body, at=0, **fields):
    fields = {"id": opaque(f"{body!r} {at}"), "issued_time": NOW + at} | fields
    return said(body, **fields)


def step(which, reason=ClueReturn.UNSPECIFIED):
    return ClueStep(ID, FINDER, which, reason)


def outcome(result=ClueResult.FRAUD, subjects=CLUE_SUBJECTS):
    return ClueOutcome(ID, FINDER, result, subjects)


OPENED = (FINDER, say(clue(), id=ID))
TRIAGED = (FINDER, say(step(ClueMove.TRIAGED), 1))
HANDED = (FINDER, say(clue_hand_over(matter_id=ID), 2))
ACCEPTED = (POLICE, say(step(ClueMove.ACCEPTED), 3))
RETURNED = (POLICE, say(step(ClueMove.RETURNED, ClueReturn.EVIDENCE_MISSING), 3))
REPORTED = (POLICE, say(outcome(), 4))
CLOSED = (FINDER, say(step(ClueMove.CLOSED), 5))
WHOLE = (OPENED, TRIAGED, HANDED, ACCEPTED, REPORTED, CLOSED)


def walked(*words):
    matter = None
    for member, statement in words:
        matter = advance(matter, member, ROLES[member], statement)
    return matter


def refused(matter, member, statement):
    with pytest.raises(MatterError) as caught:
        advance(matter, member, ROLES[member], statement)
    return caught.value.reason


def test_a_clue_goes_its_whole_way():
    states = [walked(*WHOLE[: number + 1]).state for number in range(len(WHOLE))]

    assert states == [
        State.RECEIVED,
        State.TRIAGED,
        State.HANDED_OVER,
        State.ACCEPTED,
        State.OUTCOME_REPORTED,
        State.CLOSED,
    ]
    assert set(walked(*WHOLE).facts.results.values()) == {ClueResult.FRAUD}


def test_no_path_to_closed_skips_the_outcome():
    before = {row.state for row in TABLE if row.next is State.CLOSED}
    without = {State.ABSENT}
    while True:
        more = {
            row.next
            for row in TABLE
            if row.state in without and row.next is not State.OUTCOME_REPORTED
        }
        if more <= without:
            break
        without |= more

    assert before == {State.OUTCOME_REPORTED}
    assert State.CLOSED not in without
    assert {row.body for row in TABLE if row.next is State.OUTCOME_REPORTED} == {ClueOutcome}


@pytest.mark.parametrize("member", [FINDER, OTHER, POLICE_TWO])
def test_only_the_police_that_it_was_handed_to_answer(member):
    matter = walked(OPENED, TRIAGED, HANDED)
    expected = "NOT_A_PARTY" if Role.POLICE in ROLES[member] else "ROLE_NOT_ALLOWED"

    assert refused(matter, member, ACCEPTED[1]) == expected
    assert refused(walked(*WHOLE[:4]), member, REPORTED[1]) == expected


def test_another_member_takes_no_step_for_the_finder():
    assert refused(walked(OPENED), OTHER, TRIAGED[1]) == "NOT_THE_OPENER"
    assert refused(walked(OPENED, TRIAGED), OTHER, HANDED[1]) == "NOT_THE_OPENER"


def test_what_was_handed_to_somebody_else_is_never_taken():
    elsewhere = (FINDER, say(clue_hand_over(matter_id=ID, receiver=OTHER), 2))
    matter = walked(OPENED, TRIAGED, elsewhere)

    assert refused(matter, OTHER, ACCEPTED[1]) == "ROLE_NOT_ALLOWED"
    assert refused(matter, POLICE, ACCEPTED[1]) == "NOT_A_PARTY"


def test_an_outcome_about_other_objects_is_refused():
    foreign = (ClueSubject(opaque("elsewhere"), CLUE_SUBJECTS[0].kind, 1),)

    assert refused(walked(*WHOLE[:4]), POLICE, say(outcome(subjects=foreign))) == "SUBJECTS_DIFFER"


def test_a_returned_clue_is_mended_and_handed_over_to_others():
    again = (FINDER, say(clue_hand_over(matter_id=ID, receiver=POLICE_TWO), 4))
    back = walked(OPENED, TRIAGED, HANDED, RETURNED)
    matter = advance(back, *again[:1], ROLES[FINDER], again[1])

    assert (back.state, back.facts.returned) == (State.RETURNED, ClueReturn.EVIDENCE_MISSING)
    assert (matter.state, matter.facts.receiver) == (State.HANDED_OVER, POLICE_TWO)
    assert refused(matter, POLICE, ACCEPTED[1]) == "NOT_A_PARTY"


def test_each_step_is_due():
    assert walked(OPENED, TRIAGED, HANDED).due == NOW + 2 + ANSWER_DAYS * DAY_SECONDS
    assert walked(*WHOLE[:4]).due == NOW + 3 + OUTCOME_DAYS * DAY_SECONDS
    assert walked(*WHOLE).due is None
    assert DAY == DAY_SECONDS


def test_what_arrives_early_waits_for_what_comes_before():
    by_police = [word for word in WHOLE if word[0] == POLICE]
    by_finder = [word for word in WHOLE if word[0] == FINDER]
    folded = fold_matter([*by_police, *by_finder], roles, MAX_TIME)

    assert fold_matter(by_police, roles, MAX_TIME).matter is None
    assert folded.matter.state is State.CLOSED
    assert folded.refused == ()


def test_a_clue_is_of_its_kind():
    assert walked(OPENED).kind is Kind.CLUE
    assert walked(OPENED).subject == CLUE_SUBJECTS[0].token


@pytest.mark.parametrize(
    "change",
    [
        {"subjects": ()},
        {"subjects": CLUE_SUBJECTS[:1] * 2},
        {"reasons": ()},
        {"references": b"short"},
        {"subjects": CLUE_SUBJECTS[:1]},
    ],
)
def test_a_malformed_clue_is_none(change):
    with pytest.raises(StatementError):
        dataclasses.replace(clue(), **change)


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        (ClueMove.RETURNED, ClueReturn.UNSPECIFIED),
        (ClueMove.ACCEPTED, ClueReturn.DUPLICATE),
    ],
)
def test_a_return_has_a_reason_and_nothing_else_has(which, reason):
    with pytest.raises(StatementError) as caught:
        step(which, reason)

    assert caught.value.reason == "REASON_INVALID"
