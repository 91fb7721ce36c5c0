"""Norms: the true one opens, nobody chooses its own, and nothing else is opened."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import sums
from federation.sums import Exclusion, SumRefusedError, field, form, norms, sharing
from federation.sums.error import SumFaultError
from federation.sums.randomness import Keystream, uniform
from federation.sums.sealing import seal_shares
from tests.federation.sums.sum_world import (
    HOLDERS,
    MEMBERS,
    SEALING,
    World,
    signing_key,
    vectors,
)

CHALLENGE = bytes(range(32))
CHEAT, *HONEST = MEMBERS[:4]


def published(layout, rows):
    return {
        index: np.concatenate(
            (form.combine(layout, row, CHALLENGE), norms.share_norms(layout, row))
        )
        for index, row in enumerate(rows, start=1)
    }


@settings(deadline=None)
@given(
    st.lists(st.integers(-1000, 1000), min_size=4, max_size=9),
    st.integers(2, 4),
    st.integers(0, 2),
)
def test_the_opened_norm_is_the_true_one_of_each_block(values, threshold, spare):
    layout = form.Layout(len(values), (3, 1))
    vector = np.array([value % field.PRIME for value in values], dtype=np.uint64)
    rows = form.deal(layout, vector, threshold, 2 * threshold - 1 + spare, Keystream.fresh())
    words = published(layout, rows)
    form.check_zeros(words, threshold)

    expected = sum(value**2 for value in values[:3]), values[3] ** 2
    assert norms.open_norms(words, threshold) == expected


def test_every_choice_of_enough_holders_opens_the_same_norm():
    layout = form.Layout(2, (2,))
    rows = form.deal(layout, np.array([3, 4], np.uint64), 2, 5, Keystream.fresh())
    words = published(layout, rows)
    opened = {
        norms.open_norms({index: words[index] for index in chosen}, 2)
        for chosen in combinations(words, 3)
    }

    assert opened == {(25,)}


def test_fewer_holders_open_no_norm():
    layout = form.Layout(2, (2,))
    rows = form.deal(layout, np.array([3, 4], np.uint64), 2, 3, Keystream.fresh())
    words = published(layout, rows[:2])
    with pytest.raises(SumRefusedError) as caught:
        norms.open_norms(words, 2)

    assert caught.value.reason == "SUM_NOT_READY"


def test_the_opened_polynomial_shows_its_constant_term_only():
    """Given the norm and one traitor's share, every value at the other holders is as likely.

    For any two vectors of one norm and any published values of the first, there is a share of zero
    with which the second gives the same values.
    """
    layout = form.Layout(2, (2,))
    first = form.deal(layout, np.array([3, 4], np.uint64), 2, 3, Keystream.fresh())
    traitor = first[0, :2]
    second = through(np.array([5, 0], np.uint64), traitor)
    products = [field.total(field.multiply(row, row)) for row in second]
    wanted = [norms.share_norms(layout, row) for row in first]
    zeros = {
        index: field.subtract(want, product)
        for index, (want, product) in enumerate(zip(wanted, products, strict=True), start=1)
    }

    # A share of zero of degree 2, and at the traitor the one that it was dealt.
    assert sharing.interpolate(zeros, 2).tolist() == [0]
    assert zeros[1].tolist() == first[0, 4:5].tolist()


def through(constant, at_one):
    """Share with threshold 2 so that holder 1 has a given share."""
    slope = field.subtract(at_one, constant)
    return [field.add(constant, field.scale(slope, index)) for index in (1, 2, 3)]


def test_without_the_share_of_zero_the_polynomial_would_show_more():
    layout = form.Layout(2, (2,))
    rows = form.deal(layout, np.array([3, 4], np.uint64), 2, 3, Keystream.fresh())
    bare = {
        index: field.total(field.multiply(row[:2], row[:2]))
        for index, row in enumerate(rows, start=1)
    }
    hidden = {index: norms.share_norms(layout, row) for index, row in enumerate(rows, start=1)}

    assert sharing.interpolate(bare, 2).tolist() == sharing.interpolate(hidden, 2).tolist()
    assert all(bare[index] != hidden[index] for index in bare)


@pytest.mark.parametrize("place", [4, 5, 6])
def test_a_share_of_something_else_than_zero_is_seen(place):
    layout = form.Layout(2, (2,))
    rows = form.deal(layout, np.array([30, 40], np.uint64), 2, 3, Keystream.fresh())
    # The same at every holder: a constant, which would lower the norm.
    rows[:, place] = field.subtract(rows[:, place], field.element(2400))
    with pytest.raises(SumFaultError) as caught:
        form.check_zeros(published(layout, rows), 2)

    assert caught.value.reason == "PARTIALS_DISAGREE"


def test_a_share_of_zero_of_a_wrong_degree_is_seen_by_one_holder_more():
    layout = form.Layout(2, (2,))
    rows = form.deal(layout, np.array([3, 4], np.uint64), 2, 4, Keystream.fresh())
    rows[3, 4] ^= np.uint64(1)
    with pytest.raises(SumFaultError):
        form.check_zeros(published(layout, rows), 2)


def test_who_exceeds_a_bound_is_decided_block_by_block():
    assert norms.decide((10, 20), (10, 20)) == ()
    assert norms.decide((11, 20), (10, 20)) == (0,)
    assert norms.decide((11, 21), (10, 20)) == (0, 1)


def test_a_range_in_which_a_hidden_entry_could_pass_is_refused():
    norms.check_norm_capacity(7, 1 << 19, 6209)
    with pytest.raises(SumRefusedError) as caught:
        norms.check_norm_capacity(7, 1 << 21, 6209)

    assert caught.value.reason == "VECTOR_OVERFLOW"


def with_norms(**changes):
    return World(norm_blocks=(3,), norm_bounds=(3_000_000,), **changes)


def test_everybody_within_the_bound_is_summed_and_its_norm_is_known():
    world = with_norms()
    world.run_to_close(vectors())
    world.answer()
    findings = sums.judge(world.state)

    assert world.total().units.tolist() == sum(vectors().values()).tolist()
    for name, values in vectors().items():
        assert findings[name].norms == (int((values[:3] ** 2).sum()),)


def test_who_exceeds_the_bound_is_left_out_by_name():
    world = World(norm_blocks=(3,), norm_bounds=(100,))
    everybody = {name: np.array([1, 2, 3, 900]) for name in HONEST}
    everybody[CHEAT] = np.array([8, 6, 1, 0])
    world.run_to_close(everybody)
    world.answer()
    finding = sums.judge(world.state)[CHEAT]

    assert finding.reason is Exclusion.NORM_EXCEEDED
    assert finding.norms == (101,)
    assert world.total().contributors == tuple(HONEST)
    assert world.total().units.tolist() == [3, 6, 9, 2700]


def test_who_chooses_its_own_norm_is_left_out_by_name():
    world = with_norms()
    world.contribute({name: vectors()[name] for name in HONEST})
    row = np.array([1000, 1000, 1000, 0], np.uint64)
    rows = form.deal(world.sum.layout, row, 2, 3, Keystream.fresh())
    rows[:, 6] = field.subtract(rows[:, 6], field.element(3_000_000))
    world.say(CHEAT, seal_shares(world.sum, CHEAT, rows, SEALING, signing_key(CHEAT)))
    world.check()

    assert sums.judge(world.state)[CHEAT].reason is Exclusion.ZERO_WRONG
    assert CHEAT not in world.close().contributors


def test_with_fewer_than_two_t_less_one_holders_norms_wait():
    world = with_norms()
    world.contribute(vectors())
    world.check(*HOLDERS[:2])

    assert {f.standing for f in sums.judge(world.state).values()} == {sums.Standing.WAITING}


def test_norms_of_fewer_than_k_contributors_are_not_opened():
    world = with_norms()
    world.contribute(dict(list(vectors().items())[:2]))
    with pytest.raises(SumRefusedError) as caught:
        world.check(HOLDERS[0])

    assert caught.value.reason == "SUM_TOO_FEW"


def test_a_holder_that_lies_about_a_norm_is_seen_by_2t_holders():
    world = with_norms(holders=4)
    world.contribute(vectors())
    world.check()
    said = world.said[-1]
    words = field.decode_elements(said.body.combinations, 4 * world.sum.layout.words)
    words[4] ^= np.uint64(1)
    world.said[-1] = sums.Said(
        said.member,
        said.time,
        sums.SumCheck(
            said.body.sum_id,
            said.body.contributors,
            said.body.shares_digests,
            field.encode_elements(words),
        ),
    )

    assert sums.judge(world.state)[CHEAT].reason is Exclusion.NORM_DISPUTED


def test_a_square_that_wraps_passes_for_small_but_shows_in_the_total():
    """The limit that the module names: one such contributor spoils the sum, and is not hidden."""
    root = pow(2, (field.PRIME + 1) // 4, field.PRIME)
    assert root * root % field.PRIME == 2
    world = World(norm_blocks=(3,), norm_bounds=(3_000_000,))
    world.contribute({name: vectors()[name] for name in HONEST})
    rows = form.deal(
        world.sum.layout, np.array([root, 0, 0, 0], np.uint64), 2, 3, Keystream.fresh()
    )
    world.say(CHEAT, seal_shares(world.sum, CHEAT, rows, SEALING, signing_key(CHEAT)))
    world.check()
    world.close()
    world.answer()

    assert sums.judge(world.state)[CHEAT].norms == (2,)
    with pytest.raises(SumFaultError) as caught:
        world.total()
    assert caught.value.reason == "TOTAL_IMPLAUSIBLE"


def test_random_words_are_no_norm():
    words = {index: uniform(Keystream.fresh(), 5) for index in (1, 2, 3)}
    with pytest.raises(SumFaultError):
        form.check_zeros(words, 2)
