"""What a citizen and a member write to each other is read by them alone, and has one size."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.one_id import (
    MAX_REFERENCES,
    MAX_TEXT_CHARACTERS,
    Account,
    Answer,
    CitizenKeys,
    Disputed,
    Feedback,
    SignedDispute,
    TooLongError,
    UnreadableError,
    Wish,
    answer_context,
    dispute_context,
    feedback_context,
    is_consented,
    is_known_to,
    open_answer,
    open_dispute,
    open_feedback,
    seal,
)
from federation.statements.one_id import PLAIN_BYTES, SEALED_BYTES
from federation.vocabulary import AccountKind, OneIdMove, OneIdReason
from keys.sealing import SealingKey, seal_to_member
from keys.secret import Secret
from tests.federation.one_id_world import CITIZEN, CONTENT_KEY, A, E, F, request
from tests.federation.said import opaque

CONTEXT = answer_context("night-harbour", E, A, opaque("request"))
HOLDER = SealingKey.from_secret(Secret(opaque("holder", 32)))
NOTHING = Answer({AccountKind.SIM: 0})
MUCH = Answer(
    {AccountKind.SIM: 9_999, AccountKind.BANK_ACCOUNT: 9_999},
    tuple(Account(AccountKind.BANK_ACCOUNT, opaque(one)) for one in range(MAX_REFERENCES)),
)
WANTED = Disputed(opaque("request"), A, Wish.CLOSE, (opaque(1), opaque(2)), "我没有开过这些卡")


def signed(wanted=WANTED, holder=E):
    return SignedDispute(wanted, CITIZEN.sign_dispute("night-harbour", holder, wanted))


@pytest.mark.parametrize("answer", [NOTHING, MUCH], ids=["nothing", "much"])
def test_an_answer_is_read_by_the_citizen_and_has_one_size(answer):
    sealed = seal(CITIZEN.receiving_key, answer, CONTEXT)

    assert len(sealed) == SEALED_BYTES
    assert open_answer(CITIZEN.receiving, sealed, CONTEXT) == answer
    with pytest.raises(UnreadableError):
        open_answer(HOLDER, sealed, CONTEXT)


def test_an_answer_opens_only_as_what_it_is():
    sealed = seal(CITIZEN.receiving_key, MUCH, CONTEXT)

    for other in (
        answer_context("night-harbour", F, A, opaque("request")),
        answer_context("night-harbour", E, F, opaque("request")),
        answer_context("night-harbour", E, A, opaque("another")),
        answer_context("day-harbour", E, A, opaque("request")),
    ):
        with pytest.raises(UnreadableError):
            open_answer(CITIZEN.receiving, sealed, other)


def test_the_keys_come_out_of_the_seed_again():
    again = CitizenKeys(Secret(opaque("a citizen", 32)))
    other = CitizenKeys(Secret(opaque("another citizen", 32)))

    assert again.receiving_key == CITIZEN.receiving_key != other.receiving_key
    assert again.consent_key == CITIZEN.consent_key != other.consent_key


def test_a_dispute_is_the_citizens_of_the_request_and_for_one_holder():
    context = dispute_context("night-harbour", E)
    sealed = seal(HOLDER.public, signed(), context)
    found = open_dispute(HOLDER, sealed, context)
    mallory = CitizenKeys(Secret(opaque("mallory", 32)))
    forged = SignedDispute(WANTED, mallory.sign_dispute("night-harbour", E, WANTED))

    assert len(sealed) == SEALED_BYTES
    assert found == signed()
    assert found.is_by_citizen_of(request(A), "night-harbour", E)
    assert not found.is_by_citizen_of(request(A), "night-harbour", F)
    assert not found.is_by_citizen_of(request(A), "day-harbour", E)
    assert not forged.is_by_citizen_of(request(A), "night-harbour", E)
    assert is_consented(request(A), A)
    assert not is_consented(request(A), F)


def test_who_copied_a_token_does_not_know_the_identity():
    honest = request(A)
    copied = replace(request(F), knowledge_proof=honest.knowledge_proof)

    assert is_known_to(A, honest, CONTENT_KEY)
    assert is_consented(copied, F)
    assert not is_known_to(F, copied, CONTENT_KEY)
    assert not is_known_to(F, honest, CONTENT_KEY)
    assert not is_known_to(A, honest, opaque("another content key", 32))


def test_feedback_is_read_by_the_citizen():
    context = feedback_context("night-harbour", E, A, opaque("dispute"))
    told = Feedback(OneIdMove.CLOSED, OneIdReason.UNSPECIFIED, "closed on the same day")
    sealed = seal(CITIZEN.receiving_key, told, context)

    assert len(sealed) == SEALED_BYTES
    assert open_feedback(CITIZEN.receiving, sealed, context) == told


@pytest.mark.parametrize("text", ["x" * (MAX_TEXT_CHARACTERS + 1), "two\nlines", "\x1b[2J"])
def test_a_text_is_one_line_that_steers_no_terminal(text):
    wanted = Disputed(opaque("request"), A, Wish.EXPLAIN, (), text)

    with pytest.raises(TooLongError):
        seal(HOLDER.public, signed(wanted), dispute_context("night-harbour", E))


def test_the_longest_dispute_fits():
    wanted = Disputed(
        opaque("request"),
        A,
        Wish.CLOSE,
        tuple(opaque(one) for one in range(32)),
        "卡" * MAX_TEXT_CHARACTERS,
    )

    assert len(seal(HOLDER.public, signed(wanted), b"")) == SEALED_BYTES


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["counts", "accounts", "SIM", "request", "text", "step", "reason"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sealed_opens_to_its_type_or_to_one_error(plain):
    sealed = seal_to_member(CITIZEN.receiving_key, plain.ljust(PLAIN_BYTES), CONTEXT)

    for opener, kind in (
        (open_answer, Answer),
        (open_dispute, SignedDispute),
        (open_feedback, Feedback),
    ):
        try:
            found = opener(CITIZEN.receiving, sealed, CONTEXT)
        except UnreadableError as error:
            found = error

        assert isinstance(found, kind | UnreadableError)


def test_deep_nesting_is_unreadable_too():
    sealed = seal_to_member(CITIZEN.receiving_key, b"[" * PLAIN_BYTES, CONTEXT)

    with pytest.raises(UnreadableError):
        open_answer(CITIZEN.receiving, sealed, CONTEXT)
