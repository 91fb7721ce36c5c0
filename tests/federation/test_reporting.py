"""What citizens' reports come to at the member that took them in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.reporting import (
    BURST_CONFIDENCE,
    BURST_REPORTS,
    BURST_SECONDS,
    LEAST_CONFIDENCE,
    MOST_CONFIDENCE,
    NEW_REPORTER,
    Filing,
    ReporterRecord,
    count_band,
    find_burst,
    least_of,
    weigh_reports,
)
from federation.verdict import LOW_SCORE, MEDIUM_SCORE, band_of_score
from federation.vocabulary import Band, CountBand
from federation.weighing import NEWCOMER
from tests.federation.said import NOW, opaque

KNOWN = ReporterRecord(upheld=9, unfounded=1)
LIAR = ReporterRecord(upheld=0, unfounded=3)

records = st.builds(ReporterRecord, st.integers(0, 50), st.integers(0, 50))
filings = st.lists(
    st.builds(
        Filing,
        st.integers(0, 300).map(lambda number: opaque(f"reporter {number}")),
        st.integers(NOW, NOW + 3 * BURST_SECONDS),
        st.sampled_from([b"", opaque("one text", 32), opaque("another", 32)]),
        records,
    ),
    min_size=1,
    max_size=120,
)


def crowd(count, *, seconds=1, text=b"", record=NEW_REPORTER, start=NOW):
    return [
        Filing(opaque(f"reporter {start} {place}"), start + seconds * place, text, record)
        for place in range(count)
    ]


def test_a_new_reporter_is_believed_little_and_one_that_was_right_more():
    assert NEW_REPORTER.reliability == 0.25
    assert KNOWN.reliability > 0.7
    assert LIAR.reliability < 0.15
    assert not NEW_REPORTER.is_known
    assert NEW_REPORTER.ended(upheld=True).ended(upheld=False) == ReporterRecord(1, 1)


def test_one_report_adds_what_its_reporter_is_worth():
    assert weigh_reports(crowd(1)).confidence == 10
    assert weigh_reports(crowd(1, record=LIAR)).confidence == 6
    assert weigh_reports(crowd(1, record=KNOWN)).confidence == MOST_CONFIDENCE


def test_many_honest_reports_stop_at_what_is_low_at_another_member():
    weight = weigh_reports(crowd(1_000, seconds=BURST_SECONDS, record=KNOWN))

    assert weight.confidence == MOST_CONFIDENCE
    assert weight.burst == 0
    assert weight.band is CountBand.MASS
    assert band_of_score(NEWCOMER * MOST_CONFIDENCE / 100) is Band.LOW


def test_five_hundred_scripted_reports_come_to_nothing_at_another_member():
    weight = weigh_reports(crowd(500, text=opaque("script", 32)))

    assert weight.reporters == 500
    assert weight.burst == 500
    assert weight.confidence <= BURST_CONFIDENCE
    assert band_of_score(NEWCOMER * weight.confidence / 100) is Band.NONE


def test_a_burst_over_all_members_stays_below_the_band_from_which_others_act():
    one = NEWCOMER * BURST_CONFIDENCE / 100
    together = 1 - (1 - one) ** 7

    assert LOW_SCORE < together < MEDIUM_SCORE


def test_reports_of_one_reporter_count_once():
    again = [Filing(b"r" * 16, NOW + place, b"") for place in range(BURST_REPORTS * 2)]

    assert weigh_reports(again).reporters == 1
    assert weigh_reports(again).burst == 0


def test_reporters_with_a_record_are_heard_through_a_burst():
    script = crowd(100, text=opaque("script", 32))
    heard = weigh_reports([*script, *crowd(3, record=KNOWN, start=NOW + 30)])

    assert heard.confidence == BURST_CONFIDENCE
    assert weigh_reports(script).confidence == LEAST_CONFIDENCE


def test_equal_texts_of_known_reporters_are_a_burst_and_different_ones_are_not():
    alike = crowd(BURST_REPORTS, text=opaque("script", 32), record=KNOWN)

    assert len(find_burst(alike)) == BURST_REPORTS
    assert find_burst(crowd(BURST_REPORTS, record=KNOWN)) == frozenset()


def test_reports_that_take_longer_than_the_hour_are_no_burst():
    slow = crowd(BURST_REPORTS * 5, seconds=BURST_SECONDS // (BURST_REPORTS - 2))

    assert find_burst(slow) == frozenset()


@given(filings)
def test_no_crowd_lifts_a_nomination_above_the_bound(found):
    weight = weigh_reports(found)

    assert LEAST_CONFIDENCE <= weight.confidence <= MOST_CONFIDENCE
    assert weight.reporters == len({one.reporter for one in found})
    if weight.burst:
        assert weight.confidence <= BURST_CONFIDENCE


@given(filings, st.randoms())
def test_the_order_of_arrival_changes_nothing(found, random):
    shuffled = list({(one.reporter, one.time): one for one in found}.values())
    before = weigh_reports(shuffled)
    random.shuffle(shuffled)

    assert weigh_reports(shuffled) == before


@pytest.mark.parametrize(
    ("count", "band"),
    [
        (1, CountBand.ONE),
        (2, CountBand.FEW),
        (9, CountBand.FEW),
        (10, CountBand.SOME),
        (49, CountBand.SOME),
        (50, CountBand.MANY),
        (199, CountBand.MANY),
        (200, CountBand.MASS),
    ],
)
def test_counts_are_told_in_bands(count, band):
    assert count_band(count) is band
    assert least_of(band) <= count


def test_nobody_is_no_band_and_nothing_has_no_weight():
    with pytest.raises(ValueError, match="nobody"):
        count_band(0)
    with pytest.raises(ValueError, match="nothing to weigh"):
        weigh_reports([])
