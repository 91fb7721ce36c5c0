"""A citizen's question opens with the citizen's signature alone, and once a day."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.indicators import Kind
from federation.matters import MatterError, State, advance
from federation.matters.one_id import (
    ANSWER_SECONDS,
    CONSENT_SECONDS,
    KEEP_SECONDS,
    REPEAT_SECONDS,
    first_of_day,
)
from federation.matters.one_id_dispute import ACCEPT_SECONDS, DECIDE_SECONDS
from federation.names import MemberId
from federation.roles import Role
from federation.statements import OneIdAnswer, OneIdDecision, OneIdDispute, StatementError
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.vocabulary import OneIdMove, OneIdReason
from tests.federation.one_id_world import SEALED, A, E, F, form, request
from tests.federation.said import NOW, nomination, opaque, said

ROLES = {
    A: frozenset({Role.BANK}),
    E: frozenset({Role.CARRIER}),
    F: frozenset({Role.INTERNET}),
    MemberId("coord"): frozenset({Role.COORDINATOR}),
}
ID, DISPUTE = opaque("the request"), opaque("the dispute")


def opened(body=None, opener=A, at=0, name=ID):
    statement = said(body or request(opener), id=name, issued_time=NOW + at)
    return advance(None, opener, ROLES[opener], statement)


def answered(matter, *members, at=1):
    for member in members:
        body = OneIdAnswer(matter.id, matter.opener, SEALED)
        statement = said(body, id=opaque((member, at)), issued_time=NOW + at)
        matter = advance(matter, member, ROLES[member], statement)
    return matter


def refusal(step, *arguments, **options):
    with pytest.raises(MatterError) as caught:
        step(*arguments, **options)
    return caught.value.reason


def test_everybody_asked_answers_once_and_is_named_where_late():
    matter = opened()
    first = answered(matter, A)

    assert matter.due == NOW + ANSWER_SECONDS
    assert matter.late_at(NOW + ANSWER_SECONDS + 1).keys() == {A, E}
    assert first.late_at(NOW + ANSWER_SECONDS + 1).keys() == {E}
    assert answered(first, E).state is State.ANSWERED
    assert refusal(answered, first, A, at=2) == "ANSWERED_ALREADY"
    assert refusal(answered, matter, F) == "NOT_A_PARTY"
    assert refusal(answered, matter, E, at=KEEP_SECONDS) == "REQUEST_EXPIRED"


def test_a_request_opens_only_as_the_citizen_signed_it():
    honest = request(A)
    others = [
        form(F).signed(honest.signature),  # another desk took it over
        form(token=opaque("another token")).signed(honest.signature),
        form(members=(A, E, F)).signed(honest.signature),
        form(receiving_key=opaque("mine", 1_216)).signed(honest.signature),
        form(consent_key=opaque("mine", 32)).signed(honest.signature),
        form(consent_time=NOW + 1).signed(honest.signature),
        form(proof_digest=opaque("other", 32)).signed(honest.signature),
    ]

    assert opened(honest).state is State.OPEN
    for other in others[1:]:
        assert refusal(opened, other) == "CONSENT_INVALID"
    assert refusal(opened, others[0], F) == "CONSENT_INVALID"


@pytest.mark.parametrize("age", [CONSENT_SECONDS + 1, -MAX_SKEW_SECONDS - 1])
def test_a_signature_is_good_for_the_time_at_a_desk(age):
    assert refusal(opened, at=age) == "CONSENT_STALE"


def test_a_coordinator_neither_asks_nor_answers():
    coordinator = MemberId("coord")

    assert refusal(opened, request(coordinator), coordinator) == "ROLE_NOT_ALLOWED"
    assert refusal(answered, opened(), coordinator) == "ROLE_NOT_ALLOWED"


def test_a_second_request_of_a_desk_in_24_hours_does_not_stand():
    first = opened()
    second = opened(request(A, consent_time=NOW + 60), at=60, name=opaque("second"))
    other = opened(request(A, token=opaque("other"), consent_time=NOW), name=opaque("other one"))
    late = NOW + REPEAT_SECONDS
    next_day = opened(request(A, consent_time=late), A, REPEAT_SECONDS, opaque("third"))

    standing = first_of_day([next_day, second, other, first])

    assert standing == {(one.id, one.opener) for one in (first, other, next_day)}


def test_a_rival_that_copies_the_token_and_dates_it_before_keeps_no_request_back():
    citizen = opened()
    rivals = [
        opened(request(F, consent_time=NOW + at), F, at, opaque(("rival", at)))
        for at in (-REPEAT_SECONDS, -1, 60)
    ]

    assert (citizen.id, citizen.opener) in first_of_day([*rivals, citizen])


@given(st.lists(st.integers(0, 4 * REPEAT_SECONDS), max_size=8, unique=True), st.randoms())
def test_no_two_standing_requests_are_within_24_hours_and_no_gap_is_left(times, random):
    requests = [
        opened(request(A, consent_time=NOW + at), A, at, opaque(("at", at))) for at in times
    ]
    shuffled = random.sample(requests, len(requests))
    standing = first_of_day(requests)
    stood = sorted(one.opened for one in requests if (one.id, one.opener) in standing)

    assert first_of_day(shuffled) == standing
    assert all(after - before >= REPEAT_SECONDS for before, after in pairwise(stood))
    for one in requests:
        kept_back = any(0 <= one.opened - before < REPEAT_SECONDS for before in stood)
        assert kept_back


def disputed(*steps):
    matter = advance(None, A, ROLES[A], said(OneIdDispute(E, SEALED), id=DISPUTE))
    for number, (member, body) in enumerate(steps):
        statement = said(body, id=opaque(("step", number)), issued_time=NOW + number + 1)
        matter = advance(matter, member, ROLES[member], statement)
    return matter


def decision(step, reason=OneIdReason.UNSPECIFIED, feedback=b""):
    return OneIdDecision(DISPUTE, A, step, reason, feedback)


def test_the_holder_takes_a_dispute_up_and_decides_it_in_time():
    accepted = (E, decision(OneIdMove.ACCEPTED))
    closed = (E, decision(OneIdMove.CLOSED, feedback=SEALED))

    assert disputed().late_at(NOW + ACCEPT_SECONDS + 1) == {E: NOW + ACCEPT_SECONDS}
    assert disputed(accepted).due == NOW + DECIDE_SECONDS
    assert disputed(accepted, closed).state is State.CLOSED
    assert disputed(accepted, closed).facts.feedback == SEALED
    assert refusal(disputed, closed) == "TRANSITION_NOT_ALLOWED"
    assert refusal(disputed, (A, decision(OneIdMove.ACCEPTED))) == "NOT_A_PARTY"


def test_nothing_ends_without_a_word_to_the_citizen():
    for step, reason in (
        (OneIdMove.CLOSED, OneIdReason.UNSPECIFIED),
        (OneIdMove.REJECTED, OneIdReason.NOT_HELD),
    ):
        with pytest.raises(StatementError):
            decision(step, reason)
    for step, reason in (
        (OneIdMove.REJECTED, OneIdReason.UNSPECIFIED),
        (OneIdMove.CLOSED, OneIdReason.NOT_HELD),
    ):
        with pytest.raises(StatementError):
            decision(step, reason, SEALED)

    assert disputed((E, decision(OneIdMove.REJECTED, OneIdReason.NOT_AUTHENTIC))).is_over


@pytest.mark.parametrize("size", [0, len(SEALED) - 1, len(SEALED) + 1])
def test_an_answer_has_one_size(size):
    with pytest.raises(StatementError):
        OneIdAnswer(ID, A, bytes(size))


def test_no_person_is_spoken_of_as_an_indicator():
    with pytest.raises(StatementError) as caught:
        said(nomination(kind=Kind.RESIDENT_ID))

    assert caught.value.reason == "KIND_NOT_ALLOWED"
