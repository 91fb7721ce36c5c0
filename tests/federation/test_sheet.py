"""The sheet adds up figures, tells them from three members on, and puts effect before activity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.sheet import (
    CLASSES,
    INDICATOR,
    LEAST_MEMBERS,
    SHEET,
    Form,
    add_figures,
    count_labels,
    count_vector,
    duration_figure,
    figure_labels,
    figure_vector,
    has_cases,
    period_subject,
    read_figures,
    read_period,
    shared_subject,
    told,
    value_of,
)

ASKED = ["C-1", "C-2", "C-6", "C-7", "I-1", "I-2", "B-1", "B-2", "B-3"]
ASKED += ["E-1", "E-2", "E-3", "E-4", "E-5", "E-6"]


def figures_of(one):
    count = st.integers(0, 1_000)
    if one.form is Form.DURATION:
        return st.tuples(*[count] * len(CLASSES))
    return st.tuples(count, count)


members = st.fixed_dictionaries({}, optional={one.code: figures_of(one) for one in SHEET})


def test_false_restriction_and_time_to_lift_come_first_and_no_indicator_is_missing():
    codes = [one.code for one in SHEET]

    assert codes[:2] == ["E-1", "E-2"]
    assert len(set(codes)) == len(codes)
    assert {code for code in ASKED if not any(c.startswith(code) for c in codes)} == set()


@given(st.lists(members, min_size=1, max_size=5))
def test_what_is_told_is_the_sum_of_the_members_and_only_of_enough_of_them(all_figures):
    shared = told(sum(count_vector(one) for one in all_figures))
    totals = sum(figure_vector(one, shared) for one in all_figures)
    having = {
        one.code: [f[one.code] for f in all_figures if has_cases(one, f.get(one.code))]
        for one in SHEET
    }

    assert {one.code for one in shared} == {
        code for code, found in having.items() if len(found) >= LEAST_MEMBERS
    }
    for code, figure in read_figures(shared, totals).items():
        every = [f[code] for f in all_figures if code in f]
        assert figure == add_figures(INDICATOR[code], every)


def test_a_rate_has_the_unit_of_its_indicator_and_nothing_without_cases():
    assert value_of(INDICATOR["E-1"], (1, 50)) == 2.0
    assert value_of(INDICATOR["C-1"], (3, 10_000)) == 3.0
    assert value_of(INDICATOR["I-1"], (7, 1_000_000)) == 7.0
    assert value_of(INDICATOR["E-1"], (0, 0)) is None
    assert value_of(INDICATOR["E-2"], duration_figure([])) is None


@pytest.mark.parametrize("seconds", [0, 59, 60, 3_599, 3_600, 86_400, 10**7])
def test_a_duration_falls_into_the_class_that_it_begins(seconds):
    place = duration_figure([seconds]).index(1)

    assert CLASSES[place] <= seconds
    assert place + 1 == len(CLASSES) or seconds < CLASSES[place + 1]


@given(st.lists(st.integers(0, 89 * 86_400), min_size=1, max_size=40))
def test_a_median_lies_in_the_class_of_the_true_one(seconds):
    figure = duration_figure(seconds)
    median = value_of(INDICATOR["E-2"], figure) * 3_600
    true = sorted(seconds)[(len(seconds) - 1) // 2]
    place = duration_figure([true]).index(1)

    assert CLASSES[place] <= median <= CLASSES[place + 1]


def test_labels_and_subjects_name_one_thing_each():
    labels = [*count_labels(), *figure_labels(SHEET)]

    assert len(set(labels)) == len(labels)
    assert len({period_subject(0, 86_400), period_subject(86_400, 0), shared_subject(b"")}) == 3
    assert read_period(period_subject(5 * 86_400, 7 * 86_400)) == (5 * 86_400, 7 * 86_400)
    assert read_period(shared_subject(b"")) is read_period(b"") is None
    assert np.array_equal(count_vector({}), np.zeros(len(SHEET)))
