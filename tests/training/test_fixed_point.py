"""Sums of encoded updates are exact, fit a 61-bit field and give the weighted mean."""

import pytest

numpy = pytest.importorskip("numpy")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as some  # noqa: E402

from federation.training.fixed_point import MOST_SUMMED, SUM_BITS, FixedPoint  # noqa: E402


@given(
    some.lists(
        some.tuples(some.integers(1, 10**6), some.integers(0, 2**31)), min_size=1, max_size=9
    )
)
def test_a_sum_decodes_to_the_weighted_mean(members: list[tuple[int, int]]) -> None:
    scale = FixedPoint.fitting(10**6, 8.0)
    changes = [
        numpy.random.default_rng(seed).normal(0, 0.02, 20).astype(numpy.float32)
        for _, seed in members
    ]
    weights = [weight for weight, _ in members]
    parts = [
        scale.encode(change, weight, 0.5) for change, weight in zip(changes, weights, strict=True)
    ]
    change, weight, loss = scale.decode(sum(parts))

    assert weight == sum(weights)
    assert loss == pytest.approx(0.5, abs=1e-6)
    assert change == pytest.approx(numpy.average(changes, axis=0, weights=weights), abs=1e-6)


def test_the_order_of_members_does_not_matter() -> None:
    scale = FixedPoint.fitting(10**6, 8.0)
    source = numpy.random.default_rng(1)
    parts = [
        scale.encode(source.normal(0, 1, 50).astype(numpy.float32), 7 * n + 1, 0.1)
        for n in range(9)
    ]

    assert (sum(parts) == sum(parts[::-1])).all()


@pytest.mark.parametrize(("cap", "norm"), [(1, 0.1), (10**6, 8.0), (10**9, 8.0), (10**9, 1000.0)])
def test_the_largest_sum_fits_the_field(cap: int, norm: float) -> None:
    scale = FixedPoint.fitting(cap, norm)
    largest = scale.encode(numpy.array([norm, -norm], numpy.float32), cap, 1e9)

    assert abs(largest).max() * MOST_SUMMED < 2 ** (SUM_BITS - 1)
    assert scale.bits >= 7


def test_a_sum_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        FixedPoint(20).decode(numpy.zeros(5, numpy.int64))
