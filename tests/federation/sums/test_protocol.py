"""A sum from opening to total: the plain sum comes out, and nothing with fewer than k or t."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import sums
from federation.statements import StatementError
from federation.sums import SumFaultError, SumRefusedError
from tests.federation.sums.sum_world import (
    FEDERATION,
    HOLDERS,
    MEMBERS,
    NO_ID,
    NOW,
    OPENER,
    SIGNING,
    World,
    draft,
    vectors,
)


def refused(reason, step, *arguments, **named):
    with pytest.raises((SumRefusedError, SumFaultError)) as caught:
        step(*arguments, **named)

    assert caught.value.reason == reason
    return caught.value


shapes = st.integers(2, 5).flatmap(
    lambda n: st.tuples(st.integers(2, n), st.just(n), st.integers(3, 6), st.integers(1, 6))
)


@settings(deadline=None, max_examples=25)
@given(shapes, st.data())
def test_the_total_is_the_plain_sum_whoever_drops_out(shape, data):
    threshold, holders, contributors, labels = shape
    world = World(threshold=threshold, holders=holders, contributors=contributors, labels=labels)
    everybody = vectors(contributors, labels, seed=data.draw(st.integers(0, 1000)))
    names = st.sets(st.sampled_from(sorted(everybody)), min_size=3)
    present = {name: everybody[name] for name in sorted(data.draw(names))}
    checking = st.sets(st.sampled_from(HOLDERS[:holders]), min_size=threshold)
    world.contribute(present)
    world.check(*sorted(data.draw(checking)))
    world.close()
    world.answer(*sorted(data.draw(checking)))
    total = world.total()

    assert total.units.tolist() == sum(present.values()).tolist()
    assert total.contributors == tuple(present)
    assert total.liars == ()


def test_every_choice_of_t_holders_gives_the_same_total():
    world = World(holders=5, threshold=3)
    world.run_to_close(vectors())
    partials = {holder: world.partial(holder) for holder in world.opening.holders}
    totals = []
    for chosen in combinations(partials, 3):
        said = [*world.said, *(sums.Said(name, NOW, partials[name]) for name in chosen)]
        state = sums.fold_sum(FEDERATION, world.opening.sum_id, said, SIGNING)
        totals.append(sums.read_total(state, SIGNING))

    expected = sum(vectors().values()).tolist()
    assert len(totals) == 10
    assert all(total.units.tolist() == expected for total in totals)
    assert not any(total.is_checked for total in totals)


def test_the_order_of_what_is_said_does_not_matter():
    world = World()
    world.run_to_close(vectors())
    world.answer()
    before = world.total()
    world.said.reverse()

    assert np.array_equal(world.total().units, before.units)
    assert before.is_checked


def test_numbers_with_a_fraction_are_added_in_units():
    world = World(scale=1 << 16, largest=1 << 20, labels=2)
    world.run_to_close({name: np.array([0.5, -1.25]) for name in MEMBERS[:4]})
    world.answer()

    assert sums.to_floats(world.total().units, 1 << 16).tolist() == [2.0, -5.0]


def test_late_and_silent_contributors_are_not_in_the_close():
    world = World(contributors=5)
    everybody = vectors(5)
    silent, late, *others = everybody
    world.contribute({name: everybody[name] for name in others})
    world.say(late, world.shares(late, everybody[late]), time=world.opening.deadline_time + 1)
    world.check()
    closed = world.close()
    world.answer()

    assert closed.contributors == tuple(others)
    assert world.state.excluded == {late: sums.Exclusion.SHARES_LATE}
    assert silent not in sums.judge(world.state)
    assert world.total().units.tolist() == sum(everybody[name] for name in others).tolist()


def test_with_fewer_than_k_contributors_nobody_closes():
    world = World(least_contributors=4)
    world.contribute(dict(list(vectors().items())[:3]))
    world.check()

    refused("SUM_TOO_FEW", world.close)


def test_holders_answer_no_close_of_fewer_than_k():
    world = World(least_contributors=4)
    world.contribute(vectors())
    world.check()
    full = sums.close(world.state)
    world.say(
        OPENER,
        replace(full, contributors=full.contributors[:3], shares_digests=full.shares_digests[:96]),
    )

    refused("SUM_TOO_FEW", world.partial, HOLDERS[0])


def test_fewer_than_t_partials_give_nothing():
    world = World(threshold=3, holders=5)
    world.run_to_close(vectors())
    world.answer(*HOLDERS[:2])

    refused("SUM_NOT_READY", world.total)


def test_before_t_holders_have_checked_nobody_counts():
    world = World()
    world.contribute(vectors())
    world.check(HOLDERS[0])

    assert {f.standing for f in sums.judge(world.state).values()} == {sums.Standing.WAITING}
    refused("SUM_TOO_FEW", world.close)


def test_a_sum_is_closed_once():
    world = World()
    world.run_to_close(vectors())

    refused("SUM_OVER", world.close)
    refused("SUM_NOT_READY", World().total)


def second_close(world):
    first = world.state.closes[0]
    return replace(
        first, contributors=first.contributors[1:], shares_digests=first.shares_digests[32:]
    )


def test_a_holder_that_sees_two_closes_answers_neither_and_both_are_evidence():
    world = World()
    world.run_to_close(vectors())
    world.say(OPENER, second_close(world))
    error = refused("SUM_CLOSED_TWICE", world.partial, HOLDERS[0])

    assert error.members == (OPENER,)
    assert len(world.state.closes) == 2
    refused("SUM_CLOSED_TWICE", world.total)


def test_a_holder_refuses_another_close_than_the_one_it_answered():
    world = World()
    world.run_to_close(vectors())
    bound = world.partial(HOLDERS[0]).close_digest
    other = second_close(world)
    world.said.pop()
    world.say(OPENER, other)
    error = refused("SUM_CLOSED_TWICE", world.partial, HOLDERS[0], bound=bound)

    assert error.members == (OPENER,)


def test_the_same_close_may_be_answered_again():
    world = World()
    world.run_to_close(vectors())
    first = world.partial(HOLDERS[0])
    world.say(OPENER, world.state.closes[0])

    assert world.partial(HOLDERS[0], bound=first.close_digest) == first


def test_only_the_opener_closes():
    world = World()
    world.contribute(vectors())
    world.check()
    world.say(MEMBERS[0], sums.close(world.state))

    refused("SUM_NOT_READY", world.partial, HOLDERS[0])


def test_a_close_that_names_a_stranger_is_refused():
    world = World()
    world.contribute(vectors())
    world.check()
    full = sums.close(world.state)
    strange = replace(full, contributors=(*full.contributors[:3], MEMBERS[9]))
    world.say(OPENER, strange)

    assert refused("CLOSE_INVALID", world.partial, HOLDERS[0]).members == (OPENER,)


def test_a_close_over_shares_that_are_not_here_waits_for_them():
    world = World()
    world.run_to_close(vectors())
    missing = [said for said in world.said if said.member != MEMBERS[0]]
    world.said[:] = missing

    refused("SUM_NOT_READY", world.partial, HOLDERS[0])


def test_shares_posted_after_the_close_do_not_undo_it():
    world = World()
    world.run_to_close(vectors())
    world.say(MEMBERS[0], world.shares(MEMBERS[0], vectors(seed=2)[MEMBERS[0]]))
    world.answer()

    assert world.state.excluded == {MEMBERS[0]: sums.Exclusion.SHARES_TWICE}
    assert world.total().units.tolist() == sum(vectors().values()).tolist()


def test_with_echoes_no_holder_answers_before_enough_have_repeated_the_close():
    world = World(echoes=sums.safe_echoes(2, 3))
    world.run_to_close(vectors())
    world.echo(HOLDERS[0], HOLDERS[1])

    refused("SUM_NOT_READY", world.partial, HOLDERS[0])
    world.echo(HOLDERS[2])
    world.answer()
    assert world.total().units.tolist() == sum(vectors().values()).tolist()


def test_echoes_of_one_holder_count_once_and_for_the_close_it_named_first():
    world = World(echoes=2)
    world.run_to_close(vectors())
    world.say(HOLDERS[0], sums.SumEcho(world.opening.sum_id, bytes(range(128, 160))))
    world.echo(HOLDERS[0], HOLDERS[1], HOLDERS[1])

    refused("SUM_NOT_READY", world.partial, HOLDERS[0])


@pytest.mark.parametrize("holders", range(2, 8))
def test_safe_echoes_leave_no_room_for_two_closes(holders):
    for threshold in range(2, holders + 1):
        echoes, traitors = sums.safe_echoes(threshold, holders), threshold - 1

        assert 2 * echoes > holders + traitors >= 2 * (echoes - 1)
        assert echoes <= holders


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (lambda world: world.shares(MEMBERS[9], [1, 2, 3, 4]), "SUM_NOT_PARTY"),
        (lambda world: world.shares(MEMBERS[0], [1, 2, 3]), "VECTOR_INVALID"),
        (lambda world: world.shares(MEMBERS[0], [True] * 4), "VECTOR_INVALID"),
        (lambda world: world.shares(MEMBERS[0], [1, 2, 3, 1001]), "VECTOR_OVERFLOW"),
        (lambda world: world.check(HOLDERS[5]), "SUM_NOT_PARTY"),
        (lambda world: world.partial(HOLDERS[5]), "SUM_NOT_PARTY"),
    ],
)
def test_who_is_no_party_and_what_is_no_vector_are_refused(step, reason):
    refused(reason, step, World())


def test_after_the_deadline_nobody_contributes():
    world = World(deadline_time=NOW - 1)

    refused("SUM_OVER", world.shares, MEMBERS[0], [1, 2, 3, 4])


def test_the_id_depends_on_everything_that_is_opened():
    changes = [
        {},
        {"labels": 5},
        {"contributors": 5},
        {"holders": 4},
        {"threshold": 3},
        {"least_contributors": 4},
        {"deadline_time": NOW + 1},
        {"scale": 2},
        {"largest": 10},
        {"echoes": 1},
        {"norm_blocks": (2,), "norm_bounds": (10,)},
        {"norm_blocks": (2,), "norm_bounds": (11,)},
    ]

    assert len({World(**change).opening.sum_id for change in changes}) == len(changes)


def test_an_opening_under_another_id_is_no_sum():
    stolen = replace(draft(), sum_id=World(labels=5).opening.sum_id)
    said = [sums.Said(OPENER, NOW, stolen)]

    refused("SUM_UNKNOWN", sums.fold_sum, FEDERATION, stolen.sum_id, said, SIGNING)
    refused("SUM_UNKNOWN", sums.fold_sum, FEDERATION, NO_ID, [], SIGNING)


def test_the_same_opening_of_another_opener_is_another_sum():
    assert sums.open_sum(FEDERATION, MEMBERS[0], draft()).digest != World().sum.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"contributors": 2},
        {"least_contributors": 2},
        {"least_contributors": 5},
        {"threshold": 1},
        {"threshold": 4},
        {"holders": 1},
        {"label_count": 0},
        {"scale": 0},
        {"largest": 0},
        {"echoes": 4},
        {"norm_blocks": (5,), "norm_bounds": (1,)},
        {"norm_blocks": (2, 3), "norm_bounds": (1, 1)},
        {"norm_blocks": (2,), "norm_bounds": ()},
        {"deadline_time": 0},
        {"labels_digest": b"+8613800000000"},
    ],
)
def test_an_opening_out_of_shape_cannot_be_written(changes):
    with pytest.raises(StatementError):
        draft(**changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"largest": 1 << 59}, "VECTOR_OVERFLOW"),
        ({"largest": 1 << 40, "norm_blocks": (1,), "norm_bounds": (1,)}, "VECTOR_OVERFLOW"),
        ({"holders": 2, "norm_blocks": (1,), "norm_bounds": (1,)}, "SUM_REFUSED"),
    ],
)
def test_an_opening_whose_numbers_do_not_go_together_is_refused(changes, reason):
    refused(reason, World, **changes)


def test_labels_that_stand_twice_are_refused():
    refused("SUM_REFUSED", sums.digest_labels, [b"a", b"b", b"a"])


def test_a_holder_without_a_key_is_named():
    world = World()
    error = refused(
        "SUM_REFUSED",
        sums.contribute,
        world.sum,
        MEMBERS[0],
        np.zeros(4),
        {},
        None,
        now=NOW,
        past=(),
    )

    assert HOLDERS[0] in str(error)
