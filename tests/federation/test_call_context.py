"""Calls before a payment: what one carrier answers, and what the answers of all come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.call_context import (
    FRESH_SECONDS,
    LEAST_FRESH_SECONDS,
    LONG_CALL_SECONDS,
    RECENT_SECONDS,
    Advice,
    Call,
    advise,
    combine,
    judge_calls,
    usable_until,
)
from federation.vocabulary import Band, CallContext

NOW = 1_790_000_000
ACTIVE, RECENT = CallContext.ACTIVE_RISKY, CallContext.RECENT_RISKY
NONE, UNKNOWN = CallContext.NONE, CallContext.UNKNOWN

bands = st.sampled_from(Band)
moments = st.integers(NOW - 2 * RECENT_SECONDS, NOW + 60)
calls = st.builds(Call, moments, st.none() | moments, bands, st.booleans())


def call(began=NOW - 60, ended=None, band=Band.NONE, *, first_contact=False):
    return Call(began, ended, band, first_contact)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([], NONE),
        ([call()], NONE),
        ([call(band=Band.LOW)], NONE),
        ([call(band=Band.MEDIUM)], ACTIVE),
        ([call(band=Band.VERY_HIGH)], ACTIVE),
        ([call(first_contact=True)], NONE),
        ([call(NOW - LONG_CALL_SECONDS, first_contact=True)], ACTIVE),
        ([call(NOW - LONG_CALL_SECONDS)], NONE),
        ([call(NOW - 900, NOW - 60, Band.HIGH)], RECENT),
        ([call(NOW - 900, NOW - 60, first_contact=True)], RECENT),
        ([call(NOW - 900, NOW - 800, first_contact=True)], NONE),
        ([call(NOW - 9_000, NOW - RECENT_SECONDS, Band.HIGH)], NONE),
        ([call(NOW - 900, NOW - 60, Band.HIGH), call(band=Band.HIGH)], ACTIVE),
        ([call(NOW + 10, band=Band.HIGH)], NONE),
    ],
)
def test_an_answer_says_whether_a_risky_call_goes_on_or_just_ended(found, answer):
    assert judge_calls(found, NOW) is answer


@given(st.lists(calls))
def test_a_carrier_that_sees_calls_never_says_unknown_and_order_does_not_matter(found):
    answer = judge_calls(found, NOW)

    assert answer is not UNKNOWN
    assert judge_calls(reversed(found), NOW) is answer


@pytest.mark.parametrize(
    ("answers", "joined"),
    [
        ((), UNKNOWN),
        ((NONE, NONE), NONE),
        ((NONE, UNKNOWN), UNKNOWN),
        ((NONE, UNKNOWN, RECENT), RECENT),
        ((RECENT, ACTIVE, UNKNOWN), ACTIVE),
    ],
)
def test_the_gravest_answer_counts_and_none_needs_every_carrier(answers, joined):
    assert combine(answers) is joined
    assert combine(reversed(answers)) is joined


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_no_carrier_makes_an_answer_hold_longer_or_spoils_it(said):
    until = usable_until(said, NOW)

    assert NOW + LEAST_FRESH_SECONDS <= until <= NOW + FRESH_SECONDS
    assert usable_until([*said, NOW + 10 * FRESH_SECONDS], NOW) == until
    if all(one >= NOW + LEAST_FRESH_SECONDS for one in said):
        assert until == min([*said, NOW + FRESH_SECONDS])


def test_a_payment_is_allowed_at_none_and_delayed_at_active():
    assert {one: advise(one) for one in CallContext} == {
        ACTIVE: Advice.DELAY,
        RECENT: Advice.ASK,
        NONE: Advice.ALLOW,
        UNKNOWN: Advice.UNDECIDED,
    }
