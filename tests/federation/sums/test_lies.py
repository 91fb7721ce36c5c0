"""What contributors and holders can do wrong, and what comes of it."""

from dataclasses import replace

import numpy as np
import pytest

from federation import sums
from federation.prime_field import PRIME
from federation.sums import Exclusion, SumFaultError, field, form
from federation.sums.randomness import Keystream
from federation.sums.sealing import seal_shares
from keys.secret import Secret
from tests.federation.sums.sum_world import (
    HOLDERS,
    MEMBERS,
    NOW,
    SEALING,
    World,
    signing_key,
    vectors,
)

CHEAT, *HONEST = MEMBERS[:4]

# The prime itself: as long as an element, and none.
NO_ELEMENT = PRIME.to_bytes(8, "little")


def dealt(world, values=(1, 2, 3, 4)):
    opening = world.opening
    vector = np.array(values, dtype=np.uint64)
    holders = len(opening.holders)
    return form.deal(world.sum.layout, vector, opening.threshold, holders, Keystream.fresh())


def sealed(world, rows, member=CHEAT):
    return seal_shares(world.sum, member, rows, SEALING, signing_key(member))


def signed(world, shares, member=CHEAT):
    digest = world.sum.shares_digest(member, shares.sealed_shares)
    return replace(shares, signature=signing_key(member).sign("sum-shares/v1", digest))


def run_with(world, *bodies):
    """Let everybody else be honest, and say how the cheat stands and what came out."""
    honest = {name: values for name, values in vectors().items() if name != CHEAT}
    world.contribute(honest)
    for body in bodies:
        world.say(CHEAT, body)
    world.check()
    world.close()
    world.answer()
    total = world.total()

    assert total.contributors == tuple(HONEST)
    assert total.units.tolist() == sum(honest.values()).tolist()
    return sums.judge(world.state)[CHEAT]


@pytest.mark.parametrize("entry", [0, 3, 4, 5])
@pytest.mark.parametrize("threshold", [2, 3])
def test_shares_of_a_wrong_degree_are_left_out(entry, threshold):
    world = World(holders=4, threshold=threshold)
    rows = dealt(world)
    rows[2, entry] = (rows[2, entry] + np.uint64(1)) % np.uint64(field.PRIME)

    assert run_with(world, sealed(world, rows)).reason is Exclusion.DEGREE_WRONG


def test_shares_of_a_higher_degree_are_left_out():
    world = World(holders=4)
    rows = form.deal(world.sum.layout, np.ones(4, dtype=np.uint64), 3, 4, Keystream.fresh())

    assert run_with(world, sealed(world, rows)).reason is Exclusion.DEGREE_WRONG


def test_two_wrong_entries_cannot_cancel_each_other():
    world = World(holders=3)
    rows = dealt(world)
    rows[1, 0], rows[1, 1] = rows[1, 1], rows[1, 0]

    assert run_with(world, sealed(world, rows)).reason is Exclusion.DEGREE_WRONG


def test_what_proves_the_form_is_uniform_and_the_same_whatever_the_vector():
    """With the masks of one sharing moved by what another vector adds, the words are equal."""
    world = World()
    layout, challenge = world.sum.layout, bytes(range(32))
    vector, other = np.array([1, 2, 3, 4], np.uint64), np.array([9, 9, 9, 9], np.uint64)
    words = {}
    for name, values in (("vector", vector), ("other", other)):
        rows = form.deal(layout, values, 2, 3, Keystream(Secret(b"s" * 32)))
        words[name] = [form.combine(layout, row, challenge) for row in rows]
    moved = [field.subtract(a, b) for a, b in zip(*words.values(), strict=True)]

    # The difference is one constant for all holders: a mask with another constant term hides it.
    assert all(np.array_equal(each, moved[0]) for each in moved)
    assert moved[0].all()


def test_shares_copied_from_another_sum_are_left_out():
    earlier, world = World(deadline_time=NOW + 60), World()
    old = earlier.shares(CHEAT, [1, 2, 3, 4])
    copied = signed(world, replace(old, sum_id=world.opening.sum_id))
    finding = run_with(world, copied)

    assert finding.reason is Exclusion.SHARE_INVALID
    assert finding.refused_by == world.opening.holders


def test_shares_for_another_sum_are_not_in_this_one():
    earlier, world = World(deadline_time=NOW + 60), World()
    world.contribute(vectors())
    world.say(CHEAT, earlier.shares(CHEAT, [1, 2, 3, 4]))

    assert world.state.excluded == {}


def test_shares_copied_from_another_contributor_are_left_out():
    world = World()
    stolen = world.shares(HONEST[0], [1, 2, 3, 4])

    assert run_with(world, signed(world, stolen)).reason is Exclusion.SHARE_INVALID


def test_shares_that_open_for_one_holder_only_are_left_out():
    world = World()
    good = world.shares(CHEAT, [1, 2, 3, 4])
    noise = b"\x01" + bytes(255 - place % 200 for place in range(len(good.sealed_shares[0]) - 1))
    broken = replace(good, sealed_shares=(good.sealed_shares[0], noise, noise))
    finding = run_with(world, signed(world, broken))

    assert finding.reason is Exclusion.SHARE_INVALID
    assert finding.refused_by == HOLDERS[1:3]


def test_shares_that_hold_no_field_element_are_left_out():
    world = World()
    rows = dealt(world)
    rows[0, 0] = field.PRIME

    assert run_with(world, sealed(world, rows)).reason is Exclusion.SHARE_INVALID


@pytest.mark.parametrize(
    "change", [lambda s: s[:2], lambda s: (*s, s[0]), lambda s: (s[0] + b"x", *s[1:])]
)
def test_shares_of_another_length_or_number_are_left_out(change):
    world = World()
    good = world.shares(CHEAT, [1, 2, 3, 4])
    wrong = signed(world, replace(good, sealed_shares=change(good.sealed_shares)))

    assert run_with(world, wrong).reason is Exclusion.SHARES_LENGTH


def test_two_different_contributions_are_both_left_out():
    world = World()
    both = (world.shares(CHEAT, [1, 2, 3, 4]) for _ in range(2))

    assert run_with(world, *both).reason is Exclusion.SHARES_TWICE


def test_a_contribution_said_again_counts_once():
    world = World()
    world.contribute(vectors())
    world.said.extend(world.said[1:])
    world.check()
    world.close()
    world.answer()

    assert world.total().units.tolist() == sum(vectors().values()).tolist()


def test_shares_that_somebody_else_made_in_a_members_name_are_nobodys():
    world = World()
    forged = sealed(world, dealt(world), member=HONEST[0])

    assert run_with(world, forged).reason is Exclusion.SHARES_UNSIGNED


def test_shares_altered_on_their_way_do_not_count_beside_the_true_ones():
    world = World()
    world.contribute(vectors())
    true = world.shares(CHEAT, [1, 2, 3, 4])
    world.said = [said for said in world.said if said.member != CHEAT]
    world.say(CHEAT, replace(true, sealed_shares=(*true.sealed_shares[:2], true.sealed_shares[0])))
    world.say(CHEAT, true)

    assert world.state.excluded == {}


def test_a_stranger_is_left_out():
    world = World()
    world.contribute(vectors())
    other = World(contributors=10)
    world.say(MEMBERS[9], replace(other.shares(MEMBERS[9], [1] * 4), sum_id=world.opening.sum_id))

    assert world.state.excluded == {MEMBERS[9]: Exclusion.NOT_ALLOWED}


def test_a_check_out_of_shape_says_nothing():
    world = World()
    world.contribute(vectors())
    world.check(HOLDERS[0])
    good = world.said.pop().body
    world.say(
        HOLDERS[0], replace(good, combinations=good.combinations[: len(good.combinations) // 2])
    )
    world.say(HOLDERS[0], replace(good, combinations=NO_ELEMENT * (len(good.combinations) // 8)))
    world.say(HOLDERS[0], replace(good, shares_digests=bytes(range(128, 256))))
    world.check(HOLDERS[1])

    assert {f.standing for f in sums.judge(world.state).values()} == {sums.Standing.WAITING}


def test_a_contributor_found_wrong_after_the_close_stops_the_sum():
    world = World()
    rows = dealt(world)
    rows[2, 0] ^= np.uint64(1)
    world.contribute({name: vectors()[name] for name in HONEST})
    world.say(CHEAT, sealed(world, rows))
    world.check(*HOLDERS[:2])
    assert CHEAT in world.close().contributors
    world.check(HOLDERS[2])
    with pytest.raises(SumFaultError) as caught:
        world.partial(HOLDERS[0])

    assert caught.value.reason == "CLOSE_INVALID"


def lie(world, holder):
    true = world.partial(holder)
    values = field.decode_elements(true.vector, world.opening.label_count)
    vector = field.encode_elements(field.add(values, field.element(5)))
    message = world.sum.partial_message(holder, true.close_digest, vector)
    signature = signing_key(holder).sign("sum-partial/v1", message)
    world.say(holder, replace(true, vector=vector, signature=signature))


def test_one_partial_more_than_needed_detects_a_lie_and_names_nobody():
    world = World(holders=3)
    world.run_to_close(vectors())
    lie(world, HOLDERS[1])
    world.answer(HOLDERS[0], HOLDERS[2])
    with pytest.raises(SumFaultError) as caught:
        world.total()

    assert caught.value.reason == "PARTIALS_DISAGREE"
    assert caught.value.members == ()


def test_two_partials_more_than_needed_name_the_liar_and_give_the_total():
    world = World(holders=4)
    world.run_to_close(vectors())
    lie(world, HOLDERS[1])
    world.answer(HOLDERS[0], HOLDERS[2], HOLDERS[3])
    total = world.total()

    assert total.liars == (HOLDERS[1],)
    assert total.units.tolist() == sum(vectors().values()).tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda partial: replace(partial, signature=bytes(range(128, 192))),
        lambda partial: replace(partial, vector=partial.vector[8:]),
        lambda partial: replace(partial, vector=NO_ELEMENT + partial.vector[8:]),
    ],
)
def test_a_partial_that_is_none_is_named(change):
    world = World()
    world.run_to_close(vectors())
    world.answer(HOLDERS[0])
    world.say(HOLDERS[1], change(world.partial(HOLDERS[1])))
    with pytest.raises(SumFaultError) as caught:
        world.total()

    assert caught.value.reason == "PARTIAL_INVALID"
    assert caught.value.members == (HOLDERS[1],)
    world.answer(HOLDERS[2])
    assert world.total().liars == (HOLDERS[1],)
    assert world.total().units.tolist() == sum(vectors().values()).tolist()


def test_a_partial_for_another_close_does_not_count():
    world = World()
    world.run_to_close(vectors())
    world.answer(HOLDERS[0])
    world.say(HOLDERS[1], replace(world.partial(HOLDERS[1]), close_digest=bytes(range(128, 160))))
    with pytest.raises(sums.SumRefusedError) as caught:
        world.total()

    assert caught.value.reason == "SUM_NOT_READY"


def test_a_total_beyond_what_honest_members_reach_is_refused():
    world = World()
    world.contribute({name: vectors()[name] for name in HONEST})
    world.say(CHEAT, sealed(world, dealt(world, (10**15, 0, 0, 0))))
    world.check()
    world.close()
    world.answer()
    with pytest.raises(SumFaultError) as caught:
        world.total()

    assert caught.value.reason == "TOTAL_IMPLAUSIBLE"


def test_of_two_checks_of_one_holder_the_first_counts():
    world = World()
    world.contribute(vectors())
    world.check()
    good = world.said[-1].body
    world.say(HOLDERS[2], replace(good, combinations=bytes(len(good.combinations))))

    assert {f.standing for f in sums.judge(world.state).values()} == {sums.Standing.ACCEPTED}


def test_nobody_contributes_to_a_sum_whose_opening_was_altered():
    world = World()
    world.sum = replace(world.sum, opening=replace(world.opening, largest=10**6))
    with pytest.raises(sums.SumRefusedError) as caught:
        world.shares(HONEST[0], [1, 2, 3, 4])

    assert caught.value.reason == "SUM_REFUSED"
