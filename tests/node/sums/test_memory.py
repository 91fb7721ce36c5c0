"""What a member did in a sum is remembered across restarts, once and for ever."""

from contextlib import closing

import numpy as np
import pytest

from federation.names import MemberId
from federation.statements import SumShares
from federation.sums import (
    REPEAT_WINDOW_SECONDS,
    PastSum,
    SumFaultError,
    SumRefusedError,
    check_repeat,
    fingerprint_labels,
)
from node.sums.memory import Part, SumMemory
from tests.federation.said import NOW, SUM, THREE, opaque

PAST = PastSum(SUM, opaque("labels", 32), frozenset(THREE), NOW, fingerprint_labels([b"a", b"b"]))


def shares(seed):
    sealed = (opaque(f"{seed} 1", 1_200), opaque(f"{seed} 2", 1_200))
    return SumShares(SUM, sealed, opaque("signature", 64))


@pytest.fixture
def memory(private):
    return SumMemory(private)


def test_the_first_shares_of_a_sum_are_the_ones_that_are_said(memory):
    assert memory.contribution(SUM) is None
    assert not memory.has_contributed(SUM)
    assert memory.remember_contribution(PAST, shares("first")) == shares("first")
    assert memory.remember_contribution(PAST, shares("second")) == shares("first")
    assert memory.contribution(SUM) == shares("first")


def test_shares_that_stand_in_the_log_take_no_room_and_stay_known(memory):
    memory.remember_contribution(PAST, shares("first"))
    memory.drop_shares(SUM)

    assert memory.contribution(SUM) is None
    assert memory.has_contributed(SUM)
    assert len(memory.past(Part.CONTRIBUTOR, NOW)) == 1


def test_a_holder_is_bound_to_one_close(memory):
    first, second = opaque("close 1", 32), opaque("close 2", 32)
    memory.bind(PAST, first)
    memory.bind(PAST, first)
    with pytest.raises(SumFaultError) as caught:
        memory.bind(PAST, second)

    assert caught.value.reason == "SUM_CLOSED_TWICE"
    assert memory.bound(SUM) == first


def test_a_repeat_is_told_after_a_restart(private_place):
    with closing(private_place.open()) as private:
        SumMemory(private).remember_contribution(PAST, shares("first"))
    with closing(private_place.open()) as private:
        (found,) = SumMemory(private).past(Part.CONTRIBUTOR, NOW + 5)

        assert SumMemory(private).past(Part.HOLDER, NOW) == []

    assert (found.sum_id, found.contributors, found.time) == (SUM, PAST.contributors, NOW)
    assert np.array_equal(found.fingerprints, PAST.fingerprints)
    others = frozenset((*THREE, MemberId("net-p")))
    again = PastSum(opaque("other"), opaque("list", 32), others, NOW + 5, PAST.fingerprints)
    with pytest.raises(SumRefusedError) as caught:
        check_repeat(again, [found])
    assert caught.value.reason == "SUM_REPEATED"


def test_what_lies_behind_the_window_is_bound_and_hinders_nothing(memory):
    memory.bind(PAST, opaque("close 1", 32))
    later = NOW + REPEAT_WINDOW_SECONDS

    assert memory.past(Part.HOLDER, later) == []
    assert memory.bound(SUM) == opaque("close 1", 32)


def test_a_sum_that_came_meanwhile_is_compared_with_before_anything_is_stored(memory):
    """The other carrier, or another process, was faster than the one that looked before."""
    seen = memory.past(Part.CONTRIBUTOR, NOW)
    memory.remember_contribution(PAST, shares("first"))
    others = frozenset((*THREE, MemberId("net-p")))
    again = PastSum(opaque("other"), PAST.labels_digest, others, NOW + 5, PAST.fingerprints)
    for store in (
        lambda: memory.remember_contribution(again, shares("second"), seen),
        lambda: memory.note_contribution(again),
    ):
        with pytest.raises(SumRefusedError) as caught:
            store()

        assert caught.value.reason == "SUM_REPEATED"
    assert not memory.has_contributed(again.sum_id)
    memory.bind(again, opaque("close", 32))  # what it holds for others is another matter
