"""Rows that moved are told from rows that did not, by sums of counts alone."""

import numpy as np
import pytest

from federation.training.drift import (
    STABLE_INDEX,
    compare_census,
    piece_names,
    stability_index,
    take_census,
)
from federation.training.scaling import Scaling
from federation.training.schema import CATEGORICAL, Column, FeatureSchema
from federation.training.table import Rows
from node import alarms

SCHEMA = FeatureSchema(
    (Column("calls"), Column("plan", CATEGORICAL, categories=("pre", "post")), Column("age"))
)
BINS = 4
SCALING = Scaling(
    np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [-2.0, -1.0, 0.0, 1.0, 2.0]], np.float32),
    np.zeros(3, bool),
    0.0,
)


def rows(count, seed, *, shift=0.0, post=0.5, empty=0.1, positive=0.1):
    random = np.random.default_rng(seed)
    values = np.stack(
        [
            random.gamma(2.0, 1.0, count) + shift,
            (random.random(count) < post).astype(float),
            random.normal(size=count),
        ],
        axis=1,
    ).astype(np.float32)
    missing = random.random((count, 3)) < empty
    labels = (random.random(count) < positive).astype(np.float32)
    return Rows(np.where(missing, 0, values).astype(np.float32), missing, labels)


def census(*parts):
    return np.sum([take_census(SCHEMA, SCALING, part) for part in parts], axis=0)


def drift(today):
    before = census(rows(2_000, 1), rows(3_000, 2), rows(1_000, 3))
    return compare_census(SCHEMA, BINS, before, today)


def test_a_census_counts_every_row_once_in_each_column():
    part = rows(500, 9)
    found = census(part)
    names = piece_names(SCHEMA, BINS)

    assert len(found) == len(names) == 7 + 4 + 7 + 2
    for column in ("calls", "plan", "age"):
        pieces = [place for place, name in enumerate(names) if name.startswith(f"{column} ")]

        assert found[pieces].sum() == 500
    assert found[-2:].tolist() == [500 - part.labels.sum(), part.labels.sum()]
    assert (found >= 0).all()


def test_rows_of_the_same_kind_do_not_raise_an_alarm():
    found = drift(census(rows(1_500, 7), rows(2_500, 8)))

    assert [one.column for one in found.columns] == ["calls", "plan", "age"]
    assert max(one.index for one in found.columns) < 0.02
    assert not found.is_alarm
    assert found.rows == (6_000, 4_000)


@pytest.mark.parametrize(
    ("how", "columns"),
    [
        ({"shift": 1.5}, ["calls"]),
        ({"post": 0.95}, ["plan"]),
        ({"empty": 0.6}, ["calls", "plan", "age"]),
    ],
)
def test_a_column_that_moved_is_named(how, columns):
    found = drift(census(rows(4_000, 7, **how)))

    assert [one.column for one in found.columns if one.is_alarm] == columns
    assert found.is_alarm
    assert not found.label_jumped


def test_a_jump_of_the_label_rate_is_told_from_chance():
    assert drift(census(rows(4_000, 7, positive=0.2))).label_jumped
    assert not drift(census(rows(4_000, 7, positive=0.105))).label_jumped
    assert not drift(census(rows(40, 7, positive=0.2))).label_jumped


def test_rows_without_labels_have_no_rate():
    part = rows(1_000, 7)
    found = drift(census(Rows(part.values, part.empty, np.zeros(0, np.float32))))

    assert found.rates == (0.0, 0.0)
    assert not found.is_alarm


def test_a_few_rows_tell_nothing_and_an_empty_piece_is_not_infinite():
    assert stability_index(np.array([1000, 0]), np.array([0, 50])) == 0.0
    assert 5 < stability_index(np.array([1000, 0]), np.array([0, 1000])) < 20


def test_a_census_of_another_length_is_refused():
    with pytest.raises(ValueError, match="length"):
        compare_census(SCHEMA, BINS, np.zeros(3, np.int64), np.zeros(3, np.int64))


def test_the_alarm_names_the_same_limit():
    assert alarms.STABLE_INDEX == STABLE_INDEX
