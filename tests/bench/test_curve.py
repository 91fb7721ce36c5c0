"""A slope on log-log axes is the exponent of the growth."""

import pytest

from tests.bench.curve import Curve, parse_curve

SIZES = (1_000.0, 10_000.0, 100_000.0)


def curve(power, sizes=SIZES):
    values = tuple(3 * size**power for size in sizes)
    return Curve("look-up", "time", "s", sizes, values)


@pytest.mark.parametrize(("power", "met"), [(0.0, True), (1.0, True), (1.1, True), (2.0, False)])
def test_the_slope_is_the_exponent_and_near_linear_is_met(power, met):
    found = curve(power)

    assert found.slope == pytest.approx(power, abs=1e-9)
    assert found.result().met is met


def test_the_row_says_over_which_sizes():
    assert curve(1.0).result().name == "growth: look-up, time slope, 10^3 … 10^5 items"
    assert "3 … 30 items" in curve(1.0, (3.0, 30.0)).result().name


def test_a_curve_comes_back_from_its_document():
    found = curve(1.0)

    assert parse_curve(found.document()) == found
