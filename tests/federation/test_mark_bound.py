"""What one member can add to the marks of a number, whatever its node does."""

import numpy as np
import pytest
from hypothesis import given
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
from federation.sums import Exclusion, form
from federation.sums.randomness import Keystream
from federation.sums.sealing import seal_shares
from federation.vocabulary import MarkLabel
from tests.federation.said import sum_open
from tests.federation.sums.sum_world import MEMBERS, SEALING, World, signing_key

LIAR, *HONEST = MEMBERS[:4]
LABEL = MarkLabel.FRAUD
BOUNDED = {"largest": 1, "one_hot": len(MarkLabel)}
counts = st.dictionaries(st.sampled_from(MarkLabel), st.integers(-3, 40))
# What the proof lets pass: zeros and ones, as many ones as labels, in whichever places.
proved = st.sets(
    st.integers(0, len(ENTRIES) - 1), min_size=len(MarkLabel), max_size=len(MarkLabel)
).map(lambda places: [int(place in places) for place in range(len(ENTRIES))])


def added(vectors):
    return [sum(column) for column in zip(*vectors, strict=True)]


@given(st.lists(counts, min_size=3, max_size=9))
def test_the_total_is_what_the_members_have_each_at_most_its_bound(members):
    found = totals_of(added(entries_of(one) for one in members), len(members))

    assert found == {
        label: sum(min(max(one.get(label, 0), 0), MEMBER_REPORTERS) for one in members)
        for label in MarkLabel
    }


@given(
    st.lists(counts, min_size=2, max_size=8),
    st.lists(proved | counts.map(entries_of), min_size=1, max_size=3),
)
def test_liars_add_no_more_than_the_bound_each_and_take_nothing(honest, liars):
    before = totals_of(added(entries_of(one) for one in honest), len(honest))
    everybody = [*(entries_of(one) for one in honest), *liars]
    after = totals_of(added(everybody), len(everybody))
    most = MEMBER_REPORTERS * len(liars)

    assert all(0 <= after[label] - before[label] <= most for label in after)
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
        in_label(at_5=-1),
        in_label(),
        in_label(at_1=PRIME - 5, at_5=6),
        [0] * len(ENTRIES),
    ],
)
def test_who_adds_more_than_one_count_or_takes_one_away_is_left_out_by_name(vector):
    world = run(vector)
    total = world.total()

    assert sums.judge(world.state)[LIAR].reason is Exclusion.NOT_ONE_HOT
    assert total.contributors == tuple(HONEST)
    assert set(totals_of(total.units.tolist(), len(HONEST)).values()) == {0}


def test_an_honest_vector_adds_what_it_says():
    world = run(entries_of({LABEL: 5, MarkLabel.DELIVERY: 2}))
    found = totals_of(world.total().units.tolist(), 4)

    assert found == dict.fromkeys(MarkLabel, 0) | {LABEL: 5, MarkLabel.DELIVERY: 2}


def test_ones_of_another_label_take_both_labels_out_of_the_sum():
    vector = in_label(at_4=1, at_5=1)
    other = list(ENTRIES.values()).index((MarkLabel.DELIVERY, 0))
    vector[other] = 0
    found = totals_of(run(vector).total().units.tolist(), 4)

    assert found == dict.fromkeys(set(MarkLabel) - {LABEL, MarkLabel.DELIVERY}, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"largest": 5},
        {"one_hot": 0},
        {"one_hot": 1},
        {"one_hot": 0, "norm_blocks": (LEVELS,), "norm_bounds": (1,)},
        {"label_count": len(ENTRIES) + 1},
    ],
)
def test_a_sum_of_marks_is_believed_with_these_very_bounds_alone(wrong):
    sound = {"label_count": len(ENTRIES), "norm_blocks": (), "norm_bounds": ()} | BOUNDED

    assert is_bounded(sum_open(**sound))
    assert not is_bounded(sum_open(**sound | wrong))
