"""The schema fixes the encoding's width and finds columns whose emptiness tells the label."""

from dataclasses import replace
from typing import Any

import pytest

from federation.training.error import TableError
from federation.training.schema import (
    CATEGORICAL,
    Column,
    FeatureSchema,
    emptiness_tells_label,
)
from tests.training.plans import SCHEMA


def test_a_schema_reads_back_from_its_bytes() -> None:
    assert FeatureSchema.parse(SCHEMA.encode()) == SCHEMA
    assert FeatureSchema.parse(SCHEMA.encode()).digest() == SCHEMA.digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "called"},
        {"unit": "calls"},
        {"low": 1.0},
        {"high": 9.0},
        {"empty": "refuse"},
    ],
)
def test_a_change_of_a_column_is_another_schema(changes: dict[str, Any]) -> None:
    first = replace(SCHEMA.columns[0], **changes)
    changed = replace(SCHEMA, columns=(first, *SCHEMA.columns[1:]))

    assert changed.digest() != SCHEMA.digest()


def test_the_width_counts_bins_categories_and_marks_of_empty_cells() -> None:
    assert SCHEMA.width(8) == (8 + 1) + 8 + (2 + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"kind": "text"},
        {"low": 2.0, "high": 1.0},
        {"low": float("nan")},
        {"empty": "zero"},
        {"categories": ("a",)},
        {"kind": CATEGORICAL},
        {"kind": CATEGORICAL, "categories": ("a", "a")},
        {"kind": CATEGORICAL, "categories": tuple(map(str, range(65)))},
    ],
)
def test_a_column_out_of_its_rules_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TableError) as refusal:
        Column(**({"name": "calls"} | changes))

    assert refusal.value.reason == "SCHEMA_INVALID"


def test_a_name_twice_or_a_label_among_the_features_is_refused() -> None:
    with pytest.raises(TableError, match="one stands twice"):
        FeatureSchema((Column("calls"), Column("calls")))
    with pytest.raises(TableError, match="also a feature"):
        FeatureSchema((Column("label"),))


def test_bytes_that_are_no_schema_are_refused() -> None:
    with pytest.raises(TableError) as refusal:
        FeatureSchema.parse(SCHEMA.encode() + b" ")

    assert refusal.value.reason == "SCHEMA_INVALID"


@pytest.mark.parametrize(
    ("empty_negative", "empty_positive", "leaks"),
    [
        (0, 148, True),  # as arpu_mean of the carriers: only fraud rows are empty
        (0, 2, False),  # may be chance
        (2, 0, False),
        (9, 59, False),  # tells something, not all
        (0, 0, False),
        (100, 0, True),
    ],
)
def test_emptiness_of_one_label_beyond_chance_is_a_leak(
    empty_negative: int, empty_positive: int, leaks: bool
) -> None:
    assert emptiness_tells_label(empty_negative, empty_positive, 3315, 1569) is leaks
