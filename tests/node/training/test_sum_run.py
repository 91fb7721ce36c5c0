"""Sums over the training stream: who is in them, who is named, and what losses cost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest

from federation.training.sum_labels import round_label
from node.training.sum_speech import ECHO, PARTIAL, SHARES
from tests.node.training.sum_world import BANK, CARRIER, HOLDER, OTHERS, ROWS, World
from tocsin.v1 import training_service_pb2 as wire

CHEAT, OTHER = OTHERS[0].name, OTHERS[1].name

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.attach()
    yield made
    made.close()


def total(given, *left_out):
    return sum(vector for name, vector in given.items() if name not in left_out)


async def test_all_updates_are_added_and_the_total_is_checked_by_a_third_holder(world):
    given = world.give_updates()
    outcome = await world.add()

    assert set(outcome.contributors) == set(given)
    assert (outcome.units == total(given)).all()
    assert outcome.norms_opened
    assert not outcome.rejected
    assert not outcome.absent


async def test_a_coordinator_that_holds_no_shares_sees_sealed_ones_alone(world):
    given = world.give_updates()
    await world.add()
    vector = next(iter(given.values())).astype("<u8").tobytes()

    for member in world.members.values():
        for piece in member.received:
            assert vector[:64] not in piece.body


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda part: part * np.r_[np.full(len(part) - 1, 3), 1], "UPDATE_NORM"),
        (lambda part: part + np.r_[np.zeros(len(part) - 1, np.int64), 10**6], "UPDATE_WEIGHT"),
        (lambda part: part - np.r_[np.zeros(len(part) - 1, np.int64), 10**6], "UPDATE_WEIGHT"),
    ],
)
async def test_an_update_beyond_its_bounds_is_named_and_not_in_the_sum(world, change, reason):
    given = world.give_updates()
    world.members[CHEAT].give(round_label(1, 0), change(given[CHEAT]))
    outcome = await world.add()

    assert outcome.rejected[CHEAT].startswith(reason)
    assert set(outcome.contributors) == set(given) - {CHEAT}
    assert (outcome.units == total(given, CHEAT)).all()


async def test_a_small_member_may_not_weigh_as_much_as_a_large_one(world):
    given = world.give_updates()
    caps = dict.fromkeys(world.contributors, ROWS) | {CHEAT: 10}
    outcome = await world.add(row_caps=caps)

    assert outcome.rejected[CHEAT].startswith("UPDATE_WEIGHT")
    assert (outcome.units == total(given, CHEAT)).all()


def altered(part, **changes):
    """Make a change of what a member sends: one part of a sum, in its bytes."""

    def change(request):
        if request.WhichOneof("part") == "sum" and request.sum.part == part:
            for name, value in changes.items():
                setattr(request.sum, name, value(getattr(request.sum, name)))
        return request

    return change


def flipped(data):
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


@pytest.mark.parametrize(
    "change",
    [
        altered(SHARES, body=flipped),
        altered(SHARES, signature=lambda one: bytes(64)),
        altered(SHARES, body=lambda one: b"\xff\xff"),
    ],
)
async def test_shares_that_are_not_what_was_signed_are_named(world, change):
    given = world.give_updates()
    world.members[CHEAT].change = change
    outcome = await world.add()

    assert outcome.rejected[CHEAT].startswith("PROTOCOL")
    assert (outcome.units == total(given, CHEAT)).all()


async def test_a_vector_beyond_the_range_is_refused_by_its_own_node(world):
    given = world.give_updates()
    world.members[CHEAT].give(round_label(1, 0), np.full(len(given[CHEAT]), 2**62, np.int64))
    outcome = await world.add()

    assert outcome.absent[CHEAT] == ("refused", "VECTOR_OVERFLOW")
    assert (outcome.units == total(given, CHEAT)).all()


async def test_who_has_nothing_to_add_holds_all_the_same(world):
    given = world.give_updates()
    world.members[BANK.name].summands.drop(world.plan.digest())
    outcome = await world.add()

    assert outcome.absent[BANK.name] == ("refused", "SUM_NOT_READY")
    assert (outcome.units == total(given, BANK.name)).all()
    assert outcome.norms_opened


async def test_a_lost_contributor_is_left_out_at_once(world):
    given = world.give_updates()
    world.members[CHEAT].change = lambda request: world.members[CHEAT].detach()
    started = time.monotonic()
    outcome = await world.add()

    assert time.monotonic() - started < 2
    assert outcome.absent[CHEAT] == ("lost", "CONNECTION_LOST")
    assert (outcome.units == total(given, CHEAT)).all()


async def test_a_silent_contributor_costs_its_step_and_no_more(world):
    given = world.give_updates()
    world.members[CHEAT].freeze()
    started = time.monotonic()
    outcome = await world.add(seconds=3.0)

    assert 1.0 < time.monotonic() - started < 2.8
    assert outcome.absent[CHEAT] == ("late", "DEADLINE_PASSED")
    assert (outcome.units == total(given, CHEAT)).all()


async def test_without_one_of_three_holders_sums_go_on_and_say_that_nobody_measured(world):
    world.members[HOLDER.name].detach()
    world.desk.missing = frozenset({HOLDER.name})
    given = world.give_updates()
    outcome = await world.add()

    assert not outcome.norms_opened
    assert (outcome.units == total(given)).all()


@pytest.mark.parametrize("fails", ["detach", "freeze"])
async def test_a_holder_lost_in_the_middle_costs_the_norms_not_the_sum(world, fails):
    given = world.give_updates()
    holder = world.members[HOLDER.name]
    holder.change = lambda request: getattr(holder, fails)()
    outcome = await world.add()

    assert not outcome.norms_opened
    assert (outcome.units == total(given)).all()


async def test_without_two_holders_nothing_opens_and_nobody_waits_long(world):
    for name in (HOLDER.name, BANK.name):
        world.members[name].detach()
    world.desk.missing = frozenset({HOLDER.name, BANK.name})
    world.give_updates()
    outcome = await world.add()

    assert outcome.contributors == ()
    assert not outcome.units.size
    assert outcome.absent[CARRIER.name] == ("late", "HOLDERS_MISSING")


async def test_with_fewer_than_the_plan_wants_nothing_opens(world):
    world.give_updates()
    for name in (CHEAT, OTHER):
        world.members[name].detach()
    outcome = await world.add()

    assert outcome.contributors == ()
    assert not [piece for piece in world.members[HOLDER.name].received if piece.part == PARTIAL]


async def test_a_contributor_lost_before_it_repeats_the_close_ends_the_attempt(world):
    world.give_updates()

    def vanish(request):
        if request.sum.part == ECHO:
            return world.members[CHEAT].detach()
        return request

    world.members[CHEAT].change = vanish
    outcome = await world.add()

    assert outcome.contributors == ()
    assert outcome.absent[CHEAT] == ("lost", "CONNECTION_LOST")

    given = world.give_updates(attempt=1)
    world.members[CHEAT].change = lambda request: request
    again = await world.add(round_label(1, 1), members=tuple(set(world.contributors) - {CHEAT}))

    assert (again.units == total(given, CHEAT)).all()


async def test_statistics_are_summed_again_in_the_same_company_alone(world):
    counts = {name: np.arange(5) + place for place, name in enumerate(world.contributors)}
    for label in ("query.coarse", "query.fine"):
        for name, vector in counts.items():
            world.members[name].give(label, vector)
        outcome = await world.add(label, length=5)

        assert (outcome.units == total(counts)).all()
        assert outcome.norms_opened

    world.desk = world.new_desk()
    world.time += 60
    world.members[CHEAT].detach()
    fewer = tuple(set(world.contributors) - {CHEAT})
    outcome = await world.add("query.fine", length=5, members=fewer)

    assert outcome.contributors == ()
    assert set(outcome.absent[OTHER]) == {"late", "SUM_REPEATED"}


async def test_a_round_begun_again_under_the_same_name_with_others_is_refused(world):
    world.give_updates()
    await world.add()
    fewer = tuple(set(world.contributors) - {CHEAT})
    outcome = await world.add(members=fewer)

    assert outcome.contributors == ()
    assert outcome.absent[OTHER] == ("refused", "SUM_REPEATED")


async def test_the_same_round_twice_with_the_same_members_gives_the_same_total(world):
    given = world.give_updates()
    await world.add()
    outcome = await world.add()

    assert (outcome.units == total(given)).all()


async def test_a_member_restarted_from_its_files_remembers_what_it_took_part_in(world):
    world.give_updates()
    await world.add()
    for member in world.members.values():
        member.detach()
        member.attach()
    fewer = tuple(set(world.contributors) - {CHEAT})
    outcome = await world.add(members=fewer)

    assert outcome.contributors == ()
    assert outcome.absent[OTHER] == ("refused", "SUM_REPEATED")


async def test_a_plan_of_another_protection_or_an_unknown_one_has_no_sums(world):
    world.give_updates()
    order = world.order()
    outcome = await world.add(plan=bytes(range(32)), labels=order.labels, seconds=12.0)

    assert outcome.contributors == ()
    assert {reason for _status, reason in outcome.absent.values()} <= {
        "PLAN_UNKNOWN",
        "SUM_TOO_FEW",
    }


async def test_what_a_member_says_of_no_sum_or_in_another_s_name_is_dropped(world):
    link = world.members[CHEAT]._link
    stray = wire.SumPiece(plan_digest=bytes(32), sum_id=bytes(range(16)), part=SHARES, pieces=1)
    world.hub.receive(link, wire.AttachRequest(sum=stray))
    given = world.give_updates()
    world.members[CHEAT].change = altered(SHARES, speaker=lambda _: OTHER)
    outcome = await world.add(seconds=2.0)

    assert outcome.absent[CHEAT] == ("late", "DEADLINE_PASSED")
    assert (outcome.units == total(given, CHEAT)).all()


async def test_no_event_loop_is_held_up_by_a_large_sum(world):
    from tests.node.training import sum_world

    slow = []

    async def watch():
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            slow.append(time.monotonic() - before)

    scale = replace(world.scale(), parameters=50_000)
    scale = type(scale).fitting(50_000, 4, ROWS)
    change = np.random.default_rng(1).normal(0, 0.001, 50_000).astype(np.float32)
    for name in world.contributors:
        world.members[name].give(
            round_label(1, 0), scale.encode(change, 1.0, 100, sum_world.ROWS, 0.5)
        )
    watching = asyncio.create_task(watch())
    outcome = await world.add(length=scale.length, scale=scale, seconds=30.0)
    watching.cancel()

    assert len(outcome.contributors) == 4
    assert max(slow) < 0.5
