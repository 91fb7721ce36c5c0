"""Durations are read and written as people say them."""

from __future__ import annotations

import click
import pytest

from node.cli.duration import Duration, due_text, duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (10_800, "3 h"), (172_800, "2 d")],
)
def test_a_duration_is_written_in_its_largest_unit(seconds, text):
    assert duration_text(seconds) == text


def test_a_due_time_is_ahead_or_missed():
    assert due_text(1_000, 1_000) == "in 0 s"
    assert due_text(1_000 + 7_200, 1_000) == "in 2 h"
    assert due_text(1_000, 1_000 + 3 * 3_600) == "overdue by 3 h"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("30min", 1_800), ("45", 45), ("1 h", 3_600)]
)
def test_a_duration_is_read_with_its_unit(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1d", "1.5h", "3w"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)
