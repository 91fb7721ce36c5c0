"""One-hot vectors: one answer each, proved; whoever shares anything else is named and left out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import sums
from federation.statements import StatementError
from federation.sums import Exclusion, Standing, SumRefusedError, field, form, one_hot, sharing
from federation.sums.error import SumFaultError
from federation.sums.randomness import Keystream, uniform
from federation.sums.sealing import seal_shares
from tests.federation.sums.sum_world import (
    HOLDERS,
    MEMBERS,
    SEALING,
    World,
    draft,
    signing_key,
)

CHALLENGE = bytes(range(32))
CHEAT, *HONEST = MEMBERS[:4]
VOTES = {name: np.eye(4, dtype=np.int64)[place] for place, name in enumerate(MEMBERS[:4])}
SQUARE_ROOT_OF_TWO = pow(2, (field.PRIME + 1) // 4, field.PRIME)


def elements(values):
    return np.array([value % field.PRIME for value in values], dtype=np.uint64)


def shared(values, threshold=2, holders=3, proof=None):
    vector = elements(values)
    beside = one_hot.prove(vector, Keystream.fresh()) if proof is None else proof
    whole = np.concatenate((vector, beside))
    return sharing.share_threshold(whole, threshold, holders, Keystream.fresh())


def published(rows, entries, challenge=CHALLENGE):
    return {
        index: one_hot.answer(row, entries, challenge) for index, row in enumerate(rows, start=1)
    }


@given(st.integers(2, 9), st.integers(2, 3), st.integers(0, 1), st.data())
def test_every_one_hot_vector_is_accepted(entries, threshold, spare, data):
    place = data.draw(st.integers(0, entries - 1))
    rows = shared(np.eye(entries, dtype=int)[place], threshold, 2 * threshold - 1 + spare)

    assert one_hot.check_one_hot(published(rows, entries), threshold)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=6))
def test_no_other_vector_is(values):
    is_one_hot = sorted(values) == [0] * (len(values) - 1) + [1]

    assert one_hot.check_one_hot(published(shared(values), len(values)), 2) == is_one_hot


@pytest.mark.parametrize(
    "values",
    [
        (0, 0, 0, 0),
        (0, -1, 0, 0),
        (1, 1, 0, 0),
        (2, -1, 0, 0),
        (100, 0, -99, 0),
        (SQUARE_ROOT_OF_TWO, 1 - SQUARE_ROOT_OF_TWO, 0, 0),
        ((field.PRIME + 1) // 2, (field.PRIME + 1) // 2, 0, 0),
    ],
)
def test_not_even_a_vector_whose_norm_or_sum_is_that_of_an_answer(values):
    assert not one_hot.check_one_hot(published(shared(values), 4), 2)


@settings(max_examples=30)
@given(st.integers(0, one_hot.proof_elements(4) - 1))
def test_a_changed_proof_proves_nothing(place):
    vector = elements((0, 1, 0, 0))
    proof = one_hot.prove(vector, Keystream.fresh())
    proof[place] ^= np.uint64(1)

    assert not one_hot.check_one_hot(published(shared(vector, proof=proof), 4), 2)


def test_a_random_proof_of_no_answer_proves_nothing():
    proof = uniform(Keystream.fresh(), one_hot.proof_elements(4))

    assert not one_hot.check_one_hot(published(shared((0, 0, 0, 0), proof=proof), 4), 2)


def test_a_proof_that_is_no_polynomial_of_the_threshold_does_not_fit_together():
    rows = shared((1, 0, 0, 0))
    rows[0, 5] ^= np.uint64(1)
    with pytest.raises(SumFaultError):
        one_hot.check_one_hot(published(rows, 4), 2)


@pytest.mark.parametrize("word", range(one_hot.proof_words()))
def test_one_lying_holder_of_three_makes_no_false_vector_pass(word):
    """Its own included: what the two honest ones say determines what the third must."""
    words = published(shared((0, 0, 0, 0)), 4)
    words[2][word] ^= np.uint64(1)
    with pytest.raises(SumFaultError):
        one_hot.check_one_hot(words, 2)


def test_what_is_opened_of_two_different_answers_is_distributed_alike():
    """The value at the place is masked uniformly: the means of many differ by chance alone."""
    opened = {place: [] for place in (0, 3)}
    for place, found in opened.items():
        for _ in range(200):
            words = published(shared(np.eye(4, dtype=int)[place]), 4)
            entries_sum, value, product, *_ = sharing.interpolate(words, 1).tolist()
            found.append(value / field.PRIME)

            assert (entries_sum, product) == (1, value * (value - 1) % field.PRIME)

    # A uniform value's mean over 200 is within 0.1 of a half but for one time in a million.
    assert all(abs(np.mean(found) - 0.5) < 0.1 for found in opened.values())


def test_the_mask_makes_every_answer_as_likely():
    """For each other vector there is a mask of f with which the same value is opened."""
    rows = shared((1, 0, 0, 0))
    (place, _) = one_hot._places(4, CHALLENGE)
    value = int(sharing.interpolate(published(rows, 4), 1)[1])
    weights = one_hot._weights(5, place)
    masks = set()
    for other in np.eye(4, dtype=int).tolist():
        rest = sum(weight * entry for weight, entry in zip(weights[1:], other, strict=True))
        masks.add((value - rest) * pow(weights[0], -1, field.PRIME) % field.PRIME)

    assert len(masks) == 4


def test_no_place_is_that_of_an_entry():
    for number in range(200):
        places = list(one_hot._places(4, number.to_bytes(32)))

        assert len(places) == one_hot.PROOFS
        assert all(place > 8 for place in places)


def world(**changes):
    return World(one_hot=1, largest=1, **changes)


def cheat(found, values):
    """Say shares of no answer, as a changed node would."""
    rows = form.deal(found.sum.layout, elements(values), 2, 3, Keystream.fresh())
    found.say(CHEAT, seal_shares(found.sum, CHEAT, rows, SEALING, signing_key(CHEAT)))


def test_answers_are_added_up():
    found = world()
    found.run_to_close(VOTES)
    found.answer()

    assert found.total().units.tolist() == [1, 1, 1, 1]
    assert {one.standing for one in sums.judge(found.state).values()} == {Standing.ACCEPTED}


@pytest.mark.parametrize("values", [(0, 0, 0, 0), (0, -1, 0, 0), (3, -2, 0, 0), (1, 1, 0, 0)])
def test_who_gives_no_answer_or_several_is_left_out_by_name(values):
    found = world()
    found.contribute({name: VOTES[name] for name in HONEST})
    cheat(found, values)
    found.check()

    assert sums.judge(found.state)[CHEAT] == sums.Finding(Standing.EXCLUDED, Exclusion.NOT_ONE_HOT)

    found.close()
    found.answer()

    assert found.total().contributors == tuple(HONEST)
    assert found.total().units.tolist() == [0, 1, 1, 1]


def test_a_holder_that_lies_about_a_proof_is_seen_by_three():
    found = world()
    found.contribute(VOTES)
    found.check()
    said = found.said[-1]
    count = found.sum.layout.words
    words = field.decode_elements(said.body.combinations, 4 * count)
    words[form.COMBINATIONS] ^= np.uint64(1)
    lie = replace(said.body, combinations=field.encode_elements(words))
    found.said[-1] = replace(said, body=lie)

    assert sums.judge(found.state)[said.body.contributors[0]].reason is Exclusion.PROOF_DISPUTED


def test_with_fewer_than_two_t_less_one_holders_answers_wait():
    found = world()
    found.contribute(VOTES)
    found.check(*HOLDERS[:2])

    assert {one.standing for one in sums.judge(found.state).values()} == {Standing.WAITING}


def test_an_honest_member_shares_nothing_else():
    with pytest.raises(SumRefusedError) as caught:
        world().shares(CHEAT, [0, 0, 0, 0])

    assert caught.value.reason == "VECTOR_INVALID"


def test_no_such_sum_opens_with_fewer_holders():
    with pytest.raises(SumRefusedError) as caught:
        world(holders=2)

    assert caught.value.reason == "SUM_REFUSED"


@pytest.mark.parametrize(
    "change",
    [
        {"one_hot": 4},
        {"one_hot": 1, "label_count": 1},
        {"one_hot": 1, "label_count": 65},
        {"one_hot": 1, "norm_blocks": (4,), "norm_bounds": (1,)},
    ],
)
def test_an_opening_asks_for_one_answer_out_of_few_and_for_no_norm_beside(change):
    with pytest.raises(StatementError):
        draft(**change)


def test_whether_answers_are_proved_is_part_of_the_sums_id():
    assert World(largest=1).opening.sum_id != world().opening.sum_id
