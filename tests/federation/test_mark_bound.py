"""What one member can add to the marks of a number, whatever its node does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import sums
from federation.marks import (
    ENTRIES,
    LEAST_REPORTERS,
    LEVELS,
    MEMBER_REPORTERS,
    entries_of,
    is_bounded,
    totals_of,
)
from federation.prime_field import PRIME
from federation.sums import Exclusion, SumFaultError, form
from federation.sums.randomness import Keystream
from federation.sums.sealing import seal_shares
from federation.vocabulary import MarkLabel
from tests.federation.said import THREE, sum_open
from tests.federation.sums.sum_world import MEMBERS, SEALING, World, signing_key

LIAR, *HONEST = MEMBERS[:4]
LABEL = MarkLabel.FRAUD
BOUNDED = {
    "largest": 1,
    "norm_blocks": (LEVELS,) * len(MarkLabel),
    "norm_bounds": (1,) * len(MarkLabel),
}
counts = st.dictionaries(st.sampled_from(MarkLabel), st.integers(-3, 40))
short = st.one_of(
    st.just([0] * LEVELS),
    st.tuples(st.integers(0, LEVELS - 1), st.sampled_from([-1, 1])).map(
        lambda one: [one[1] * (place == one[0]) for place in range(LEVELS)]
    ),
)


def added(vectors):
    return [sum(column) for column in zip(*vectors, strict=True)]


@given(st.lists(counts, min_size=3, max_size=9))
def test_the_total_is_what_the_members_have_each_at_most_its_bound(members):
    found = totals_of(added(entries_of(one) for one in members), len(members))

    assert found == {
        label: sum(min(max(one.get(label, 0), 0), MEMBER_REPORTERS) for one in members)
        for label in MarkLabel
    }


@given(st.lists(counts, min_size=2, max_size=8), st.lists(short, min_size=8, max_size=8))
def test_no_vector_that_the_norms_let_pass_adds_more_or_takes_anything(honest, parts):
    """Every vector of whole numbers whose blocks have a squared length of 1 at most."""
    liar = [entry for part in parts for entry in part]
    before = totals_of(added(entries_of(one) for one in honest), len(honest))
    after = totals_of(added([*(entries_of(one) for one in honest), liar]), len(honest) + 1)

    assert all(0 <= after[label] - before[label] <= MEMBER_REPORTERS for label in after)
    assert MEMBER_REPORTERS < LEAST_REPORTERS


def run(vector):
    """Sum up what honest members without any mark add, and what a liar does."""
    world = World(labels=len(ENTRIES), **BOUNDED)
    world.contribute({name: np.array(entries_of({})) for name in HONEST})
    row = np.array([value % PRIME for value in vector], np.uint64)
    rows = form.deal(world.sum.layout, row, 2, 3, Keystream.fresh())
    world.say(LIAR, seal_shares(world.sum, LIAR, rows, SEALING, signing_key(LIAR)))
    world.check()
    world.close()
    world.answer()
    return world


def in_label(**values):
    """Return a vector with these entries in the first label, by count."""
    place = list(ENTRIES.values()).index((LABEL, 0))
    vector = entries_of({})
    for count in range(LEVELS):
        vector[place + count] = values.get(f"at_{count}", 0)
    return vector


@pytest.mark.parametrize(
    "vector",
    [
        in_label(at_5=7),
        in_label(at_0=-3, at_5=4),
        in_label(at_4=1, at_5=1),
        in_label(at_5=PRIME - 2),
    ],
)
def test_who_adds_more_than_one_count_is_left_out_by_name(vector):
    world = run(vector)
    total = world.total()

    assert sums.judge(world.state)[LIAR].reason is Exclusion.NORM_EXCEEDED
    assert total.contributors == tuple(HONEST)
    assert set(totals_of(total.units.tolist(), len(HONEST)).values()) == {0}


def test_honest_norms_are_all_alike_and_tell_nothing():
    world = run(entries_of({LABEL: 5, MarkLabel.DELIVERY: 2}))
    total = world.total()
    found = totals_of(total.units.tolist(), 4)

    assert {one.norms for one in sums.judge(world.state).values()} == {(1,) * len(MarkLabel)}
    assert found == dict.fromkeys(MarkLabel, 0) | {LABEL: 5, MarkLabel.DELIVERY: 2}


def test_who_takes_away_what_others_added_takes_the_label_out_of_the_sum():
    total = run(in_label(at_5=-1)).total()
    found = totals_of(total.units.tolist(), 4)

    assert found == dict.fromkeys(set(MarkLabel) - {LABEL}, 0)


def root(square):
    """Return a square root modulo the prime, or None."""
    found = pow(square, (PRIME + 1) // 4, PRIME)
    return found if found * found % PRIME == square % PRIME else None


@settings(max_examples=20, deadline=None)
@given(st.integers(10**6, PRIME - 10**6))
def test_large_entries_whose_squares_wrap_to_one_spoil_the_sum_and_show_nothing(first):
    second = root((1 - first * first) % PRIME)
    if second is None or min(second, PRIME - second) < 100:
        return
    world = run(in_label(at_1=first, at_5=second))

    assert sums.judge(world.state)[LIAR].norms == (1,) * len(MarkLabel)
    with pytest.raises(SumFaultError) as caught:
        world.total()
    assert caught.value.reason == "TOTAL_IMPLAUSIBLE"


@pytest.mark.parametrize(
    "wrong",
    [
        {"largest": 5},
        {"norm_bounds": (2,) * len(MarkLabel)},
        {"norm_blocks": (len(ENTRIES),), "norm_bounds": (1,)},
        {"norm_blocks": (), "norm_bounds": ()},
        {"label_count": len(ENTRIES) + 1},
    ],
)
def test_a_sum_of_marks_is_believed_with_these_very_bounds_alone(wrong):
    sound = {"label_count": len(ENTRIES)} | BOUNDED
    few = {"holders": THREE[:2], "norm_blocks": (), "norm_bounds": (), "echoes": 2}

    assert is_bounded(sum_open(**sound))
    assert is_bounded(sum_open(**sound | few))  # norms take three holders
    assert not is_bounded(sum_open(**sound | wrong))
