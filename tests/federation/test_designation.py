"""Only the police put an object into a case, and nobody's vote makes or unmakes a designation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.authorisation import STATEMENTS
from federation.indicator_state import IndicatorState, indicator_state
from federation.indicators.kind import Kind
from federation.labels import OutcomeRule, SubjectLabel, SubjectRows, label_subject
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    BODY_NUMBERS,
    ClueOutcome,
    ClueSubject,
    Designation,
    DesignationLifted,
    ProtectedObject,
    Reassigned,
    Retraction,
)
from federation.verdict import Standing, judge
from federation.views import Drop, Put, fold
from federation.vocabulary import (
    Band,
    ClueResult,
    DesignationEnd,
    ProtectionGround,
    RetractionReason,
    TrainingLabel,
)
from federation.weighing import DESIGNATION
from tests.federation.said import (
    DAY,
    NOW,
    TOKEN,
    designation,
    evidence_bodies,
    nomination,
    opaque,
    said,
)

ROLES = {
    "bank-a": frozenset({Role.BANK}),
    "carrier-b": frozenset({Role.CARRIER}),
    "net-c": frozenset({Role.INTERNET}),
    "coord": frozenset({Role.COORDINATOR}),
    "ministry": frozenset({Role.REGULATOR}),
    "police": frozenset({Role.POLICE}),
    "police-two": frozenset({Role.POLICE}),
}
STANDING = Standing(ROLES, {})
OTHERS = sorted(set(ROLES) - {"police", "police-two"})
GUARDS = {"coord", "ministry"}
RULE = OutcomeRule(TrainingLabel.DESIGNATED)
MANY_YEARS = 20 * 365 * DAY


def tables(*words):
    """Fold ``(member, body)`` or ``(member, body, fields)`` in order into rows by table."""
    found = {"evidence": {}, "cutoff": {}, "protection": {}, "lift": {}}
    for position, (member, body, *more) in enumerate(words):
        fields = {"id": opaque(f"{member} {position}"), **(more[0] if more else {})}
        for change in fold(member, position, b"entry", said(body, **fields)):
            rows = found.get(change.table)
            if rows is None:
                continue
            if isinstance(change, Put) and change.row[0] == TOKEN:
                rows[change.row[:3]] = change.row
            elif isinstance(change, Drop):
                rows.pop(change.key, None)
    return {name: sorted(rows.values()) for name, rows in found.items()}


def verdict(*words, now=NOW):
    rows = tables(*words)
    return judge(rows["evidence"], rows["cutoff"], rows["protection"], STANDING, now)


def label(*words, now=NOW):
    rows = tables(*words)
    return label_subject(SubjectRows(*rows.values()), RULE, STANDING, now)


def outcome(result):
    subject = ClueSubject(TOKEN, Kind.PHONE, 1)
    return ClueOutcome(opaque("clue"), MemberId("carrier-b"), result, (subject,))


DESIGNATED = ("police", designation(), {"id": opaque("designated")})
LIFTED = ("police", DesignationLifted(opaque("designated"), TOKEN, DesignationEnd.MISTAKEN))

their_words = st.lists(
    st.tuples(
        st.sampled_from(OTHERS),
        evidence_bodies
        | st.just(designation())
        | st.just(LIFTED[1])
        | st.sampled_from([outcome(result) for result in ClueResult])
        | st.just(Retraction(opaque("designated"), TOKEN, RetractionReason.MISTAKEN)),
    ),
    max_size=12,
)


def test_only_the_police_may_say_so():
    for body in ("designation", "designation_lifted", "clue_outcome"):
        assert STATEMENTS[body] == {Role.POLICE}


@given(their_words)
def test_whatever_the_others_say_nothing_is_designated(words):
    found = verdict(*words)

    assert "POLICE" not in found.codes
    assert not any(one.body == "DESIGNATION" and one.weight for one in found.terms)


def test_its_state_is_designated_until_the_police_lift_it():
    def state(*words):
        return indicator_state(verdict(*words), (), STANDING.roles)

    assert state(DESIGNATED) is IndicatorState.DESIGNATED
    assert state(DESIGNATED, LIFTED) is not IndicatorState.DESIGNATED


@given(their_words)
def test_whatever_the_others_say_a_designation_stays(words):
    spared = [
        (member, body)
        for member, body in words
        if not isinstance(body, ProtectedObject | Reassigned)
    ]
    found = verdict(*spared, DESIGNATED)

    assert found.band is Band.VERY_HIGH
    assert "POLICE" in found.codes
    assert label(*spared, DESIGNATED) is SubjectLabel.POSITIVE


def test_it_does_not_fade_and_is_to_be_asked_again_at_its_review():
    fresh, old = verdict(DESIGNATED), verdict(DESIGNATED, now=NOW + MANY_YEARS)

    assert (fresh.band, fresh.score) == (old.band, old.score) == (Band.VERY_HIGH, 1.0)
    assert fresh.expires == designation().review_time
    assert NOW + MANY_YEARS < old.expires <= NOW + MANY_YEARS + DAY


def test_the_police_lift_it_and_the_label_goes_with_it():
    found = verdict(DESIGNATED, LIFTED)

    assert found.band is Band.NONE
    assert found.terms == ()
    assert label(DESIGNATED, LIFTED) is SubjectLabel.CLEARED


def test_a_lift_of_other_police_leaves_it():
    other = ("police-two", LIFTED[1])

    assert verdict(DESIGNATED, other).band is Band.VERY_HIGH


@pytest.mark.parametrize(
    "word",
    [
        ("coord", ProtectedObject(TOKEN, Kind.PHONE, 1, ProtectionGround.EMERGENCY)),
        ("carrier-b", Reassigned(TOKEN, Kind.PHONE, 1, NOW)),
    ],
)
def test_protection_and_a_new_owner_go_before_it(word):
    old = ("police", designation(), {"issued_time": NOW - DAY})
    found = verdict(old, word)

    assert found.band is Band.NONE


def test_a_revoked_member_of_the_police_designates_nothing():
    rows = tables(DESIGNATED)
    standing = Standing(ROLES, {}, frozenset({"police"}))

    assert judge(rows["evidence"], (), (), standing, NOW).band is Band.NONE


def test_the_outcome_of_a_clue_is_a_label():
    assert label(("police", outcome(ClueResult.FRAUD))) is SubjectLabel.POSITIVE
    assert label(("police", outcome(ClueResult.NOT_FRAUD))) is SubjectLabel.CLEARED
    assert label(("police", outcome(ClueResult.INSUFFICIENT))) is SubjectLabel.LEFT_OUT
    assert label(("bank-a", outcome(ClueResult.FRAUD))) is not SubjectLabel.POSITIVE


def test_what_the_police_cleared_is_cleared_whoever_supports_it():
    supported = [(name, nomination(confidence=100)) for name in ("bank-a", "carrier-b")]

    assert label(*supported, ("police", outcome(ClueResult.NOT_FRAUD))) is SubjectLabel.CLEARED
    assert label(*supported, DESIGNATED, ("police-two", outcome(ClueResult.NOT_FRAUD))) is (
        SubjectLabel.POSITIVE
    )


def test_police_that_differ_teach_nothing():
    both = (("police", outcome(ClueResult.FRAUD)), ("police-two", outcome(ClueResult.NOT_FRAUD)))

    assert label(*both) is SubjectLabel.LEFT_OUT


def test_a_designation_is_a_row_of_evidence():
    (row,) = tables(DESIGNATED)["evidence"]

    assert row[4] == DESIGNATION == BODY_NUMBERS[Designation]
    assert row[6] == designation().review_time
