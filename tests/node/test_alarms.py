"""Alarms are said once, and none hides a worse one."""

from contextlib import closing

import pytest

from federation.statements.alarm import DATED_AHEAD
from federation.statements.shape import MAX_AMOUNT, MAX_SKEW_SECONDS, MAX_TIME
from federation.vocabulary import AlarmKind
from tests.federation.said import DAY, NOW
from tests.node.matters.heard import OTHER, THIRD, Node


@pytest.fixture
def node(tmp_path):
    with closing(Node(tmp_path)) as found:
        yield found


async def test_what_is_dated_within_the_skew_of_clocks_is_no_alarm(node):
    await node.alarms.dated_ahead(OTHER, 0)
    await node.alarms.dated_ahead(OTHER, NOW + MAX_SKEW_SECONDS)

    assert node.raised() == []


async def test_who_dates_ahead_is_named_once_a_day_with_how_far(node):
    for seconds in (MAX_SKEW_SECONDS + 1, 2 * DAY):
        await node.alarms.dated_ahead(OTHER, NOW + seconds)
    await node.alarms.dated_ahead(THIRD, NOW + DAY)
    first, other = sorted(node.raised(), key=lambda one: one.observed)

    assert (first.member, first.observed, first.limit) == (
        OTHER,
        MAX_SKEW_SECONDS + 1,
        MAX_SKEW_SECONDS,
    )
    assert (first.alarm_kind, first.reason) == (AlarmKind.STATEMENT_REFUSED, DATED_AHEAD)
    assert (other.member, other.observed) == (THIRD, DAY)


async def test_a_small_step_ahead_hides_no_large_one_of_the_same_day(node):
    await node.alarms.dated_ahead(OTHER, NOW + DAY)
    await node.alarms.dated_ahead(OTHER, NOW + 300 * DAY)
    node.time += DAY
    await node.alarms.dated_ahead(OTHER, node.time)

    assert {one.observed for one in node.raised()} == {DAY, 299 * DAY}

    node.time += DAY
    await node.alarms.dated_ahead(OTHER, node.time)

    assert len(node.raised()) == 2


async def test_the_last_second_that_can_be_written_is_told_as_the_largest_number(node):
    await node.alarms.dated_ahead(OTHER, MAX_TIME)

    assert [one.observed for one in node.raised()] == [min(MAX_TIME - NOW, MAX_AMOUNT)]
