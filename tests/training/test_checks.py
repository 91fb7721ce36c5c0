"""Bad updates are named before they reach any strategy."""

import pytest

numpy = pytest.importorskip("numpy")

from federation.training.checks import Bounds, clip_length, find_outlying  # noqa: E402
from federation.training.error import UpdateError  # noqa: E402

BOUNDS = Bounds(parameters=4, norm=2.0, weight=1_000)
GOOD = numpy.array([1, 1, 1, 1], numpy.float32)


def test_a_good_update_passes_unchanged() -> None:
    assert BOUNDS.check(GOOD, 1_000) is GOOD


@pytest.mark.parametrize(
    ("change", "weight", "reason"),
    [
        (GOOD[:3], 10, "UPDATE_SHAPE"),
        (GOOD.reshape(2, 2), 10, "UPDATE_SHAPE"),
        (GOOD.astype(numpy.float64), 10, "UPDATE_SHAPE"),
        (numpy.array([1, numpy.nan, 1, 1], numpy.float32), 10, "UPDATE_NOT_FINITE"),
        (numpy.array([1, numpy.inf, 1, 1], numpy.float32), 10, "UPDATE_NOT_FINITE"),
        (GOOD * numpy.float32(-10), 10, "UPDATE_NORM"),
        (numpy.full(4, 3e38, numpy.float32), 10, "UPDATE_NORM"),
        (GOOD, 1e9, "UPDATE_WEIGHT"),
        (GOOD, 0, "UPDATE_WEIGHT"),
        (GOOD, -5, "UPDATE_WEIGHT"),
        (GOOD, float("nan"), "UPDATE_WEIGHT"),
    ],
)
def test_each_kind_of_bad_update_has_its_reason(change, weight: float, reason: str) -> None:
    with pytest.raises(UpdateError) as refusal:
        BOUNDS.check(change, weight)

    assert refusal.value.reason == reason


def test_an_update_far_longer_than_the_others_is_found() -> None:
    changes = {1: GOOD, 2: GOOD * numpy.float32(1.5), 3: GOOD * numpy.float32(-5)}

    assert set(find_outlying(changes)) == {3}
    assert find_outlying({1: GOOD, 3: GOOD * numpy.float32(-5)}) == {}


def test_clipping_keeps_the_direction_and_the_bound() -> None:
    clipped = clip_length(GOOD * numpy.float32(-10), 2.0)

    assert numpy.linalg.norm(clipped) == pytest.approx(2.0)
    assert (clipped < 0).all()
    assert clip_length(GOOD, 2.0) is GOOD
    BOUNDS.check(clipped, 10)
