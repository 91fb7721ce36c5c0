"""A figure is held against its target as the target says."""

import json

import pytest

from tests.bench.result import Result, table


@pytest.mark.parametrize(
    ("result", "met"),
    [
        (Result("a", 10.0, "us", target=1.1, baseline=10.0), True),
        (Result("a", 12.0, "us", target=1.1, baseline=10.0), False),
        (Result("a", 500.0, "a second", target=400, at_least=True), True),
        (Result("a", 300.0, "a second", target=400, at_least=True), False),
        (Result("a", 300.0, "MiB", target=400), True),
        (Result("a", 300.0, "MiB"), None),
    ],
)
def test_a_target_is_for_the_ratio_where_there_is_a_baseline(result, met):
    assert result.met is met


def test_the_document_has_the_seven_fields():
    document = Result("holder", 44.0, "us", target=1.05, baseline=50.0).document()

    assert json.loads(json.dumps(document)) == {
        "name": "holder",
        "value": 44.0,
        "unit": "us",
        "baseline": 50.0,
        "ratio": 0.88,
        "target": 1.05,
        "met": True,
    }


def test_a_missed_target_is_seen_in_the_table():
    text = table(
        [Result("holder", 66.0, "us", target=1.05, baseline=50.0), Result("V", 50.0, "us")]
    )

    assert ["MISSED" in line for line in text.splitlines()] == [False, True, False]
