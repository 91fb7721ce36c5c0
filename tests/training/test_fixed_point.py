"""Sums of encoded updates are exact, can be opened by their lengths, and give the weighted mean."""

import math
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as some  # noqa: E402

from federation.sums.fixed_point import check_capacity  # noqa: E402
from federation.sums.norms import check_norm_capacity  # noqa: E402
from federation.training.error import UpdateError  # noqa: E402
from federation.training.fixed_point import LOSS_LIMIT, FixedPoint  # noqa: E402

BOUND = 8.0
SIZES = [(1, 3), (6_209, 3), (100_000, 20), (100_000, 100), (1_000_000, 100)]


def change_of(seed: int, parameters: int, length: float = BOUND) -> Any:
    numbers = numpy.random.default_rng(seed).normal(0, 1, parameters)
    return (numbers * (length / numpy.linalg.norm(numbers))).astype(numpy.float32)


def squares_of(part: Any) -> tuple[int, int]:
    return sum(int(each) ** 2 for each in part[:-1]), int(part[-1]) ** 2


def reason_of(scale: FixedPoint, part: Any, row_cap: int) -> str:
    with pytest.raises(UpdateError) as refused:
        scale.check(part, row_cap)
    return refused.value.reason


@given(
    some.lists(
        some.tuples(some.integers(1, 10**6), some.integers(0, 2**31)), min_size=1, max_size=9
    )
)
def test_a_sum_decodes_to_the_weighted_mean(members: list[tuple[int, int]]) -> None:
    weights = [weight for weight, _ in members]
    caps = [weight + seed % 1_000 for weight, seed in members]
    scale = FixedPoint.fitting(20, 9, max(caps))
    changes = [change_of(seed, 20) for _, seed in members]
    parts = [
        scale.encode(change, BOUND, weight, cap, 0.5)
        for change, weight, cap in zip(changes, weights, caps, strict=True)
    ]
    change, weight, loss = scale.decode(sum(parts), BOUND, caps)

    steps = [max(1, round(each * 2**20 / max(caps))) for each in weights]
    # Half a unit for each member; of a weight of a millionth of the heaviest few units are left.
    coarse = len(members) * 2**20 / scale.largest / sum(steps)

    assert weight == pytest.approx(sum(weights), abs=len(members))
    assert loss == pytest.approx(0.5, abs=16 * LOSS_LIMIT * coarse + 1e-6)
    mean = numpy.average(changes, axis=0, weights=steps)
    assert change == pytest.approx(mean, abs=BOUND * coarse + 1e-6)


@pytest.mark.parametrize(("parameters", "members"), SIZES)
def test_real_models_fit_with_norms_opened_and_keep_their_digits(
    parameters: int, members: int
) -> None:
    scale = FixedPoint.fitting(parameters, members, 20_000)
    changes = [change_of(seed, parameters) for seed in range(3)]
    parts = [scale.encode(each, BOUND, 20_000, 20_000, 0.3) for each in changes]
    change, weight, loss = scale.decode(sum(parts), BOUND, [20_000] * 3)

    check_capacity(members, scale.largest)
    for block in scale.blocks:
        check_norm_capacity(members, scale.largest, block)
    for part in parts:
        assert numpy.abs(part).max() <= scale.largest
        scale.check(part, 20_000)
    assert sum(scale.blocks) == scale.length == parameters + 2
    assert weight == 60_000
    assert loss == pytest.approx(0.3, abs=0.02)
    wrong = numpy.linalg.norm(change - numpy.mean(changes, axis=0))
    assert wrong < 0.05 * numpy.linalg.norm(change)


def test_the_order_of_members_does_not_matter() -> None:
    scale = FixedPoint.fitting(50, 9, 64)
    parts = [scale.encode(change_of(n, 50), BOUND, 7 * n + 1, 64, 0.1) for n in range(9)]

    assert (sum(parts) == sum(parts[::-1])).all()


@given(some.integers(1, 10**9), some.integers(1, 10**9), some.floats(0, 1e6))
def test_every_honest_part_is_within_its_own_bounds(rows: int, cap: int, loss: float) -> None:
    scale = FixedPoint.fitting(30, 5, 10**6)
    part = scale.encode(change_of(rows, 30), BOUND, rows, cap, loss)

    scale.check(part, cap)
    scale.judge(squares_of(part), cap)
    assert numpy.abs(part).max() <= scale.largest


def test_a_small_member_may_not_use_the_weight_of_a_large_one() -> None:
    scale = FixedPoint.fitting(30, 3, 10_000)
    honest = scale.encode(change_of(1, 30), BOUND, 100, 100, 0.5)
    long = scale.encode(change_of(1, 30), BOUND, 10_000, 10_000, 0.5)
    claiming, negative = honest.copy(), honest.copy()
    claiming[-1] += scale.bounds(100)[1] ** 0.5 + 1
    negative[-1] -= 2 * scale.bounds(100)[1] ** 0.5 + 1

    scale.check(honest, 100)
    assert reason_of(scale, long, 100) == "UPDATE_WEIGHT"
    long[-1] = honest[-1]
    assert reason_of(scale, long, 100) == "UPDATE_NORM"
    assert reason_of(scale, claiming, 100) == "UPDATE_WEIGHT"
    assert reason_of(scale, negative, 100) == "UPDATE_WEIGHT"


def test_an_update_a_little_too_long_or_a_loss_too_large_is_refused() -> None:
    scale = FixedPoint.fitting(1_000, 3, 1_000)
    longer = scale.encode(change_of(1, 1_000, 1.01 * BOUND), BOUND, 1_000, 1_000, 0.5)
    lossy = scale.encode(change_of(1, 1_000, 0.0 + 1e-9), BOUND, 1_000, 1_000, LOSS_LIMIT)
    lossy[-2] *= 20

    assert reason_of(scale, longer, 1_000) == "UPDATE_NORM"
    assert reason_of(scale, lossy, 1_000) == "UPDATE_NORM"
    assert reason_of(scale, longer[:-1], 1_000) == "UPDATE_SHAPE"
    assert reason_of(scale, longer.astype(float), 1_000) == "UPDATE_SHAPE"


def test_a_sum_without_weight_or_of_another_length_is_refused() -> None:
    scale = FixedPoint.fitting(3, 3, 10)
    empty = numpy.zeros(5, numpy.int64)
    empty[-1] = -math.isqrt(scale.bounds(10)[1])
    for total, reason in ((empty, "UPDATE_WEIGHT"), (empty[1:], "UPDATE_SHAPE")):
        with pytest.raises(UpdateError) as refused:
            scale.decode(total, BOUND, [10])

        assert refused.value.reason == reason
