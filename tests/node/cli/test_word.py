"""Words as people write them: any case, codes, and a suggestion for a slip."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.vocabulary import FraudType, LegalBasis, Purpose, SightingKind
from node.cli.word import Moment, Word, read_purpose, read_time, read_word
from node.errors import PolicyError, RequestError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("investment", FraudType.INVESTMENT),
        (" Fake-Task ", FraudType.FAKE_TASK),
        ("FAKE TASK", FraudType.FAKE_TASK),
        ("FT02", FraudType.INVESTMENT),
        ("ft2", FraudType.INVESTMENT),
        ("FT99", FraudType.OTHER),
    ],
)
def test_a_fraud_type_has_a_name_and_a_code(text, expected):
    assert read_word(FraudType, text, "fraud type") is expected


def test_a_slip_is_corrected_without_repeating_it():
    with pytest.raises(RequestError, match="did you mean investment") as caught:
        read_word(FraudType, "investmnet", "fraud type")

    assert caught.value.reason == "FRAUD_TYPE_UNKNOWN"
    assert "investmnet" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_word_is_missing(text):
    with pytest.raises(RequestError) as caught:
        read_word(FraudType, text, "fraud type")

    assert caught.value.reason == "FRAUD_TYPE_MISSING"


def outcome(read, *arguments):
    """Return what was read, or the reason of the one documented error."""
    try:
        return read(*arguments)
    except RequestError as error:
        return error.reason


@given(st.text())
def test_reading_a_word_is_total(text):
    found = outcome(read_word, FraudType, text, "fraud type")

    assert isinstance(found, FraudType) or found in {"FRAUD_TYPE_MISSING", "FRAUD_TYPE_UNKNOWN"}


@given(st.text())
def test_reading_a_time_is_total(text):
    found = outcome(read_time, text, "last seen")

    assert found == "LAST_SEEN_INVALID" or found > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", 1795392000),
        ("2026-11-23T04:00:00Z", 1795406400),
        ("2026-11-23T12:00:00+08:00", 1795406400),
        ("2026-11-23 04:00:00", 1795406400),
    ],
)
def test_a_time_without_a_zone_is_utc(text, expected):
    assert read_time(text, "time") == expected


@pytest.mark.parametrize("text", ["", "MARKETING", "marketing", "nomination", "OPERATION", "3"])
def test_values_are_checked_for_three_purposes_only(text):
    with pytest.raises(PolicyError) as caught:
        read_purpose(text)

    assert caught.value.reason == "PURPOSE_NOT_ALLOWED"


def test_the_three_purposes_are_taken_in_any_case():
    found = [read_purpose(text) for text in ("check", "WATCH", " Verification ")]

    assert found == [Purpose.CHECK, Purpose.WATCH, Purpose.VERIFICATION]


def test_an_option_with_a_wrong_word_is_wrong_use():
    with pytest.raises(click.BadParameter, match="did you mean false_positive"):
        Word(SightingKind, "kind of sighting").convert("false_positiv", None, None)
    with pytest.raises(click.BadParameter):
        Moment().convert("yesterday", None, None)

    assert Word(LegalBasis, "legal basis").convert("ATNFL-32", None, None) is LegalBasis.ATNFL_32
