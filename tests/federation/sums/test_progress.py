"""How a sum stands follows from what was said and the time alone."""

from dataclasses import replace

import numpy as np
import pytest

from federation import sums
from federation.sums import (
    CLOSE_SECONDS,
    SPREAD_SECONDS,
    Exclusion,
    PastSum,
    Phase,
    Standing,
    SumRefusedError,
)
from tests.federation.sums.sum_world import HOLDERS, MEMBERS, NOW, OPENER, SIGNING, World, vectors

DEADLINE = NOW + 3_600


def phase(world, now=NOW):
    found = sums.follow(world.state, SIGNING, now)
    return found.phase, found.reason


def test_a_sum_goes_through_its_phases():
    world = World()
    assert phase(world) == (Phase.OPEN, "")
    world.contribute(vectors())
    assert phase(world) == (Phase.CHECKING, "")
    world.check()
    assert sums.can_close(world.state, NOW)
    world.close()
    assert phase(world) == (Phase.CLOSED, "")
    world.answer(HOLDERS[0])
    assert phase(world) == (Phase.CLOSED, "")
    world.answer(HOLDERS[1])
    found = sums.follow(world.state, SIGNING, NOW)

    assert found.phase is Phase.DONE
    assert np.array_equal(found.total.units, sum(vectors().values()))
    assert not sums.can_close(world.state, NOW)


def test_who_is_silent_is_waited_for_until_the_deadline_and_what_was_under_way():
    world = World()
    world.contribute({name: vectors()[name] for name in MEMBERS[:3]})
    late = DEADLINE + SPREAD_SECONDS

    assert not sums.is_gathered(world.state, late - 1)
    assert phase(world, late - 1) == (Phase.OPEN, "")
    assert sums.is_gathered(world.state, late)
    assert phase(world, late) == (Phase.CHECKING, "")


def test_with_too_few_shares_it_is_abandoned():
    world = World()
    world.contribute({name: vectors()[name] for name in MEMBERS[:2]})

    assert phase(world, DEADLINE + SPREAD_SECONDS) == (Phase.ABANDONED, "SUM_TOO_FEW")


@pytest.mark.parametrize(("checked", "reason"), [(0, "HOLDERS_SILENT"), (3, "OPENER_SILENT")])
def test_what_nobody_closes_is_abandoned_after_a_day(checked, reason):
    world = World()
    world.contribute(vectors())
    if checked:
        world.check(*HOLDERS[:checked])
    last = DEADLINE + CLOSE_SECONDS

    assert phase(world, last) == (Phase.CHECKING, "")
    assert phase(world, last + 1) == (Phase.ABANDONED, reason)
    assert not sums.can_close(world.state, last + 1)


def test_a_vector_that_is_not_judged_yet_holds_up_the_close():
    world = World()
    world.contribute(vectors())
    world.check(HOLDERS[0])

    assert not sums.can_close(world.state, NOW)
    assert sums.has_checked(world.state, HOLDERS[0])
    assert not sums.has_checked(world.state, HOLDERS[1])


def test_a_holder_has_not_checked_shares_that_came_later():
    world = World()
    world.contribute({name: vectors()[name] for name in MEMBERS[:3]})
    world.check()
    assert sums.has_checked(world.state, HOLDERS[0])
    world.contribute({MEMBERS[3]: vectors()[MEMBERS[3]]})

    assert not sums.has_checked(world.state, HOLDERS[0])
    world.check()
    assert sums.has_checked(world.state, HOLDERS[0])
    assert {found.standing for found in sums.judge(world.state).values()} == {Standing.ACCEPTED}


def test_shares_said_too_late_are_named_and_not_waited_for():
    world = World()
    world.contribute({name: vectors()[name] for name in MEMBERS[:3]})
    world.say(MEMBERS[3], world.shares(MEMBERS[3], vectors()[MEMBERS[3]]), DEADLINE + 1)
    found = sums.follow(world.state, SIGNING, DEADLINE + 1)

    assert found.findings[MEMBERS[3]].reason is Exclusion.SHARES_LATE
    assert sums.is_gathered(world.state, DEADLINE + 1)


def test_two_closes_are_a_fault_of_the_opener():
    world = World()
    world.run_to_close(vectors())
    first = world.said[-1].body
    world.say(
        OPENER,
        replace(
            first, contributors=first.contributors[:3], shares_digests=first.shares_digests[:96]
        ),
    )
    found = sums.follow(world.state, SIGNING, NOW)

    assert (found.phase, found.reason) == (Phase.FAULTY, "SUM_CLOSED_TWICE")
    assert found.blamed == (OPENER,)


def test_the_opener_does_not_close_what_a_past_close_would_complete():
    world = World()
    world.contribute(vectors())
    world.check()
    closed = sums.close(world.state)
    digest = world.opening.labels_digest
    same = PastSum(b"\1" * 16, digest, frozenset(closed.contributors), NOW - 5)
    fewer = replace(same, contributors=frozenset(closed.contributors[:3]))

    sums.check_not_repeated(world.state, closed, [same], NOW)
    with pytest.raises(SumRefusedError) as caught:
        sums.check_not_repeated(world.state, closed, [fewer], NOW)
    assert caught.value.reason == "SUM_REPEATED"
