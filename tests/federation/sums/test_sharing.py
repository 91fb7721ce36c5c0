"""Shares: any t give the vector, fewer nothing, and lies are seen."""

from itertools import combinations, product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.prime_field import PRIME
from federation.sums import field, sharing
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.randomness import Keystream, uniform

elements = st.integers(0, PRIME - 1)


def vector(values):
    return np.array(values, dtype=np.uint64)


def points_of(rows):
    return dict(enumerate(rows, start=1))


def shared(values, threshold, holders):
    rows = sharing.share_threshold(vector(values), threshold, holders, Keystream.fresh())
    return points_of(rows)


def changed(points, *liars, by=1):
    return {
        index: field.add(row, field.element(by * index)) if index in liars else row
        for index, row in points.items()
    }


sizes = st.integers(2, 7).flatmap(lambda n: st.tuples(st.integers(2, n), st.just(n)))


@given(st.lists(elements, min_size=1, max_size=5), sizes)
def test_every_choice_of_t_holders_gives_the_vector(values, size):
    threshold, holders = size
    points = shared(values, threshold, holders)
    for chosen in combinations(points, threshold):
        part = {index: points[index] for index in chosen}

        assert sharing.interpolate(part, threshold - 1).tolist() == values


@given(st.lists(elements, min_size=1, max_size=5), sizes)
def test_shares_are_values_of_one_polynomial(values, size):
    threshold, holders = size
    points = shared(values, threshold, holders)

    sharing.check_points(points, threshold - 1)
    for index in points:
        part = dict(list(points.items())[:threshold])
        assert np.array_equal(sharing.interpolate(part, threshold - 1, index), points[index])


def test_shares_of_a_sum_are_sums_of_shares():
    first, second = shared([5, PRIME - 1], 2, 3), shared([7, 2], 2, 3)
    added = {index: field.add(first[index], second[index]) for index in first}

    assert sharing.resolve(added, 1).value.tolist() == [12, 1]


def test_a_product_of_shares_has_twice_the_degree():
    points = {index: field.multiply(row, row) for index, row in shared([12345], 3, 5).items()}

    assert sharing.interpolate(points, 4).tolist() == [12345**2]
    with pytest.raises(SumFaultError):
        sharing.check_points(points, 3)


def test_fewer_than_t_holders_give_nothing():
    points = dict(list(shared([1], 3, 5).items())[:2])
    for refuse in (sharing.interpolate, sharing.check_points, sharing.resolve):
        with pytest.raises(SumRefusedError) as caught:
            refuse(points, 2)

        assert caught.value.reason == "SUM_NOT_READY"


@pytest.mark.parametrize("threshold", [0, 1, 4])
def test_a_threshold_that_would_show_the_vector_or_lose_it_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        sharing.share_threshold(vector([1]), threshold, 3, Keystream.fresh())


@given(st.integers(2, 5), st.data())
def test_one_point_more_than_needed_detects_a_lie_and_names_nobody(threshold, data):
    points = shared([3, 4], threshold, threshold + 1)
    liar = data.draw(st.sampled_from(sorted(points)))
    with pytest.raises(SumFaultError) as caught:
        sharing.resolve(changed(points, liar), threshold - 1)

    assert caught.value.reason == "PARTIALS_DISAGREE"
    assert caught.value.members == ()


@given(st.integers(2, 5), st.data())
def test_two_points_more_than_needed_locate_a_lie(threshold, data):
    points = shared([3, 4], threshold, threshold + 2)
    liar = data.draw(st.sampled_from(sorted(points)))
    found = sharing.resolve(changed(points, liar), threshold - 1)

    assert found.liars == (liar,)
    assert found.value.tolist() == [3, 4]


@settings(deadline=None)
@given(st.data())
def test_four_points_more_locate_two_liars_that_agree_with_each_other(data):
    points = shared([8], 2, 6)
    liars = data.draw(st.sampled_from(list(combinations(points, 2))))
    found = sharing.resolve(changed(points, *liars, by=17), 1)

    assert found.liars == liars
    assert found.value.tolist() == [8]


def test_three_liars_are_too_many_to_be_located():
    points = shared([8], 2, 8)
    lies = {index: field.element(1000 + index**3) for index in (1, 4, 6)}
    with pytest.raises(SumFaultError):
        sharing.resolve(points | lies, 1)


def test_a_lie_in_one_entry_of_many_is_located():
    points = shared(list(range(1000)), 2, 4)
    points[3][999] ^= np.uint64(1)

    assert sharing.resolve(points, 1).liars == (3,)


@pytest.mark.parametrize("secret", [0, 1, 6])
def test_in_a_field_of_seven_t_minus_one_shares_take_every_value_equally_often(secret):
    """The same code over a field so small that all randomness can be listed."""
    small, threshold, holders = 7, 3, 4
    seen = {pair: {} for pair in combinations(range(holders), threshold - 1)}
    with patch.multiple(sharing, add=_add_small, scale=_scale_small, uniform=_listed):
        for coefficients in product(range(small), repeat=threshold - 1):
            source = iter(coefficients)
            rows = sharing.share_threshold(vector([secret]), threshold, holders, source)
            for pair, counts in seen.items():
                value = tuple(int(rows[place][0]) for place in pair)
                counts[value] = counts.get(value, 0) + 1

    for counts in seen.values():
        assert counts == dict.fromkeys(product(range(small), repeat=threshold - 1), 1)


def _add_small(left, right):
    return (left + right) % np.uint64(7)


def _scale_small(values, factor):
    return values * np.uint64(factor) % np.uint64(7)


def _listed(source, count):
    return vector([next(source) for _ in range(count)])


def test_a_share_says_nothing_of_the_vector_that_a_statistic_could_see():
    rows = {}
    for value in (0, PRIME - 1):
        source = Keystream.fresh()
        rows[value] = sharing.share_threshold(
            np.full(1 << 15, value, dtype=np.uint64), 2, 3, source
        )
    for holder in range(3):
        counts = [
            np.bincount((rows[value][holder] >> np.uint64(57)).astype(np.int64), minlength=16)
            for value in rows
        ]
        squares = sum(((each - 2048) ** 2 / 2048).sum() for each in counts)

        # Chi-square with 30 degrees of freedom: above 130 with a chance below 10**-13.
        assert squares < 130


def test_two_sharings_of_one_vector_have_nothing_in_common():
    first, second = shared([42] * 100, 2, 3), shared([42] * 100, 2, 3)

    assert all(not np.intersect1d(first[index], second[index]).size for index in first)


def test_sharing_leaves_the_vector_as_it_is():
    values = uniform(Keystream.fresh(), 10)
    before = values.copy()
    sharing.share_threshold(values, 2, 3, Keystream.fresh())

    assert np.array_equal(values, before)
