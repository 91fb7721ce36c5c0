"""Alarms are said once, and none hides a worse one."""

import asyncio
from contextlib import ExitStack, closing

import pytest

from federation.statements.alarm import DATED_AHEAD
from federation.statements.shape import MAX_AMOUNT, MAX_SKEW_SECONDS, MAX_TIME
from federation.vocabulary import AlarmKind
from node.store.postgresql import SCHEMA, PostgresqlStore
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
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


@pytest.fixture
def open_process(private_place, tmp_path, request):
    """Give what opens one more process of a member, over either kind of database."""
    path, is_file = tmp_path / "public.db", request.node.callspec.params["private_place"] == "file"
    if not is_file:
        request.getfixturevalue("postgresql_server").do(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    with ExitStack() as opened:

        def open_one(private=None):
            store = SqliteStore(path) if is_file else PostgresqlStore(private_place.where)
            stores = (store, private or private_place.open())
            return opened.enter_context(closing(Node(tmp_path, stores=stores)))

        yield open_one


async def test_two_processes_that_see_the_same_at_once_say_one_alarm(open_process):
    processes = [open_process() for _ in range(2)]
    reasons = [f"{name}_REFUSED" for name in ("NOMINATION", "LIFT", "SIGHTING", "GRANT", "MARK")]
    await asyncio.gather(
        *(
            process.alarms.statement_refused(OTHER, reason)
            for reason in reasons
            for process in processes
        )
    )

    for process in processes:
        assert {one.reason for one in process.raised()} == set(reasons)
        assert process.ledger.size(process.ledger.own) == len(reasons)


async def test_a_process_killed_before_it_noted_what_it_said_says_it_once(open_process, tmp_path):
    before, forgetful = open_process(), open_process(PrivateStore(tmp_path / "empty.db"))
    for process in (before, forgetful):
        await process.alarms.dated_ahead(OTHER, NOW + DAY)
        await process.alarms.dated_ahead(THIRD, NOW + DAY)
        process.time += DAY
        await process.alarms.dated_ahead(OTHER, NOW + 2 * DAY)

    assert len(forgetful.raised()) == 3
    assert forgetful.ledger.size(forgetful.ledger.own) == 3
