"""How a number's marks are shown: in bands, fading, until a correction or a new owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.authorisation import STATEMENTS
from federation.decay import lifetime_seconds
from federation.indicators.kind import Kind
from federation.marks import (
    DAY_SECONDS,
    ENTRIES,
    GONE_REPORTERS,
    LEAST_BAND,
    LEVELS,
    blur,
    shown_marks,
    start_of,
    subject_of,
    token_of,
)
from federation.names import MemberId
from federation.reporting import least_of
from federation.roles import Role
from federation.statements import MarkCorrection, NumberMark, Reassigned, Retraction, StatementError
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.views import fold
from federation.vocabulary import CorrectionReason, CountBand, MarkLabel, RetractionReason
from federation.weighing import Standing
from tests.federation.said import NOW, TOKEN, opaque, said

BANK, CARRIER, POLICE = MemberId("bank-a"), MemberId("carrier-b"), MemberId("police")
STANDING = Standing(
    {BANK: {Role.BANK}, CARRIER: {Role.CARRIER}, POLICE: {Role.POLICE}},
    {},
)
LIFE = lifetime_seconds(Kind.PHONE)
LABEL = MarkLabel.HARASSMENT


def number_mark(band=CountBand.MANY, label=LABEL, counted=NOW):
    return NumberMark(TOKEN, Kind.PHONE, 1, label, band, opaque("sum"), counted)


def correction(time=NOW + 60):
    return MarkCorrection(TOKEN, Kind.PHONE, 1, CorrectionReason.MISTAKEN, time)


def rows(member, *bodies, **fields):
    """Return the rows of the views that a member's statements make."""
    changes = [
        change
        for body in bodies
        for change in fold(member, 0, b"", said(body, id=opaque(repr(body)), **fields))
    ]
    return [change.row for change in changes]


def shown(marks, now=NOW, since=0, standing=STANDING):
    return [(one.label, one.reporters) for one in shown_marks(marks, since, standing, now)]


def test_a_mark_is_shown_in_its_band_and_fades_to_nothing():
    marks = rows(BANK, number_mark(CountBand.MASS))
    at = [shown(marks, NOW + LIFE * part // 100) for part in (0, 10, 70, 90, 99, 100)]

    assert at[0] == at[1] == [(LABEL, CountBand.MASS)]
    assert at[2] == [(LABEL, CountBand.MANY)]
    assert at[3] == [(LABEL, CountBand.SOME)]
    assert at[4:] == [[], []]


def test_a_mark_of_the_least_band_is_shown_until_half_is_gone():
    marks = rows(BANK, number_mark(CountBand.SOME))

    assert shown(marks, NOW + LIFE // 10) == [(LABEL, CountBand.SOME)]
    assert shown(marks, NOW + LIFE // 2) == []


@given(st.sampled_from([CountBand.SOME, CountBand.MANY, CountBand.MASS]), st.integers(0, LIFE))
def test_no_mark_is_shown_above_its_band_or_below_the_least(band, age):
    for _label, reporters in shown(rows(BANK, number_mark(band)), NOW + age):
        assert LEAST_BAND <= reporters <= band
    assert least_of(LEAST_BAND) == 2 * GONE_REPORTERS


def test_of_one_label_the_strongest_is_shown_and_labels_by_strength():
    marks = rows(
        BANK,
        number_mark(CountBand.SOME),
        number_mark(CountBand.MANY),
        number_mark(CountBand.MASS, MarkLabel.FRAUD),
    )

    assert shown(marks) == [(MarkLabel.FRAUD, CountBand.MASS), (LABEL, CountBand.MANY)]


def test_a_correction_clears_what_was_counted_until_then_and_no_more():
    since = start_of(rows(CARRIER, correction()), [], STANDING, NOW + 60)
    marks = rows(BANK, number_mark(counted=NOW + 60), number_mark(CountBand.SOME, counted=NOW + 61))

    assert since == NOW + 60
    assert shown(marks, NOW + 61, since) == [(LABEL, CountBand.SOME)]


def test_a_mark_that_was_counted_ahead_of_the_clock_does_not_count_before():
    ahead = rows(BANK, number_mark(counted=NOW + MAX_SKEW_SECONDS + 1))

    assert shown(ahead, NOW) == []
    assert shown(ahead, NOW + 1) == [(LABEL, CountBand.MANY)]


def test_a_number_with_a_new_owner_starts_clean():
    cutoffs = rows(CARRIER, Reassigned(TOKEN, Kind.PHONE, 1, NOW))

    assert shown(rows(BANK, number_mark()), NOW, start_of([], cutoffs, STANDING, NOW)) == []


@pytest.mark.parametrize(
    ("corrections", "cutoffs"),
    [
        (rows(BANK, correction()), []),
        (rows(POLICE, correction()), []),
        ([], rows(BANK, Reassigned(TOKEN, Kind.PHONE, 1, NOW + 60))),
        (rows(MemberId("stranger"), correction()), []),
        (rows(CARRIER, correction(NOW + 1_000)), []),
    ],
)
def test_who_may_not_say_it_or_not_yet_clears_nothing(corrections, cutoffs):
    assert start_of(corrections, cutoffs, STANDING, NOW + 120) == 0


def test_marks_of_who_may_not_say_them_and_expired_ones_are_not_shown():
    revoked = Standing(STANDING.roles, {}, frozenset({BANK}))

    assert shown(rows(POLICE, number_mark())) == []
    assert shown(rows(BANK, number_mark()), standing=revoked) == []
    assert shown(rows(BANK, number_mark(), expires_time=NOW + 10), NOW + 10) == []


def test_a_mark_that_is_retracted_is_forgotten():
    changes = fold(BANK, 1, b"", said(Retraction(opaque("a"), TOKEN, RetractionReason.MISTAKEN)))
    dropped = {change.table for change in changes if len(change) == 2 and len(change[1]) == 3}

    assert {"mark", "correction"} <= dropped


def test_a_mark_below_the_least_number_cannot_be_said():
    for band in (CountBand.ONE, CountBand.FEW):
        with pytest.raises(StatementError) as caught:
            number_mark(band)
        assert caught.value.reason == "COUNT_INVALID"
    with pytest.raises(StatementError):
        NumberMark(TOKEN, Kind.IBAN, 1, LABEL, CountBand.SOME, opaque("sum"), NOW)


def test_a_subject_is_of_its_number_and_day():
    today = NOW // DAY_SECONDS

    assert token_of(subject_of(TOKEN, today), NOW) == TOKEN
    assert token_of(subject_of(TOKEN, today - 1), NOW) == TOKEN
    assert token_of(subject_of(TOKEN, today - 2), NOW) is None
    assert token_of(TOKEN + opaque("made up"), NOW) is None
    assert token_of(b"", NOW) is None
    assert len(ENTRIES) == len(MarkLabel) * LEVELS


def test_the_noise_is_the_same_for_the_same_seed_and_small_and_fair():
    noise = [blur(0, opaque(f"seed {number}")) for number in range(2_000)]

    assert blur(7, opaque("seed")) - blur(0, opaque("seed")) == 7
    assert blur(0, opaque("seed")) == blur(0, opaque("seed"))
    assert abs(sum(noise)) < 100
    assert max(map(abs, noise)) < 10
    assert sum(one != 0 for one in noise) > 200


def test_who_may_say_what():
    assert Role.POLICE not in STATEMENTS["number_mark"]
    assert STATEMENTS["mark_correction"] == {Role.CARRIER, Role.COORDINATOR, Role.REGULATOR}
