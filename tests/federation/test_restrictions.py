"""What holds about a subject, of all orders together: a lift frees it everywhere."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.findings import find
from federation.matters import State, fold_matter
from federation.matters.restrictions import (
    HandOver,
    covering,
    find_lifts,
    is_in_force,
    restrictions,
    state_of,
)
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.vocabulary import (
    AppealResult,
    Authority,
    DispositionBasis,
    DispositionOutcome,
    Measure,
    OrderDecision,
    ReverifyResult,
)
from tests.federation import verification_world as verification
from tests.federation.disposition_world import (
    BANK,
    COORD,
    EXECUTED,
    NET,
    POLICE,
    RESTORED,
    A,
    B,
    after,
    appeal,
    decide,
    decided,
    ordered,
    receipt,
    refusal,
    reverified,
    roles,
    say,
    timed,
)
from tests.federation.said import DAY, NOW, opaque

PARTS = {
    Measure.T_LIMIT: A,
    Measure.F_LIMIT: BANK,
    Measure.I_LIMIT: NET,
}


def acted(measure, start=0, opener=COORD, **fields):
    """Return an order by its measure's own kind of member, carried out."""
    name, member = opaque(f"{measure} {start} {opener}"), PARTS[measure]
    body = ordered(measure=measure, members=(member,), **fields)
    said = (opener, body), (member, receipt(EXECUTED, name=name, opener=opener))
    return after(*said, name=name, start=start)


def lifted(measure, start=0, opener=COORD, **fields):
    """Return the same order, lifted three seconds after it was given."""
    name, member = opaque(f"{measure} {start} {opener}"), PARTS[measure]
    by = {"name": name, "opener": opener}
    body = ordered(measure=measure, members=(member,), **fields)
    return after(
        (opener, body),
        (member, receipt(EXECUTED, **by)),
        (NET, appeal(**by)),
        (opener, decided(AppealResult.LIFTED, **by)),
        name=name,
        start=start,
    )


BARE = {"basis": DispositionBasis.CHARTER, "basis_id": b""}


def test_one_lift_frees_the_subject_of_all_measures_at_all_members():
    orders = [lifted(Measure.I_LIMIT), acted(Measure.T_LIMIT), acted(Measure.F_LIMIT, 2)]
    lifts = find_lifts(orders, NOW + 10)

    assert [state_of(one, lifts, NOW + 10) for one in orders] == [State.LIFTED] * 3
    assert not restrictions(orders, lifts, NOW + 10)
    assert len(restrictions(orders[1:], find_lifts(orders[1:], NOW + 10), NOW + 10)) == 2
    assert covering(orders[1], lifts).outcome is DispositionOutcome.LIFTED_APPEAL


def test_a_lift_does_not_free_another_subject():
    other = acted(Measure.T_LIMIT, token=opaque("another"))
    lifts = find_lifts([lifted(Measure.I_LIMIT), other], NOW + 200)

    assert is_in_force(other, lifts, NOW + 10)


def test_a_younger_order_stands_unless_it_rests_on_what_was_lifted():
    lift = lifted(Measure.I_LIMIT)
    same, new = acted(Measure.T_LIMIT, 100), acted(Measure.F_LIMIT, 100, basis_id=opaque("new"))
    lifts = find_lifts([lift, same, new], NOW + 200)

    assert state_of(same, lifts, NOW + 200) is State.LIFTED
    assert is_in_force(new, lifts, NOW + 200)


def test_an_order_without_a_basis_is_not_tied_to_a_lift_before_it():
    lifts = find_lifts([lifted(Measure.I_LIMIT, **BARE)], NOW + 200)

    assert is_in_force(acted(Measure.T_LIMIT, 100, **BARE), lifts, NOW + 200)


@pytest.mark.parametrize("authority", [Authority.FEDERATION, Authority.POLICE])
def test_only_a_lift_of_the_police_frees_from_the_police(authority):
    mine = acted(Measure.F_LIMIT, opener=POLICE, authority=Authority.POLICE)
    by_police = authority is Authority.POLICE
    lift = lifted(Measure.I_LIMIT, opener=POLICE if by_police else COORD, authority=authority)
    lifts = find_lifts([lift, mine], NOW + 200)

    assert is_in_force(mine, lifts, NOW + 10) is not by_police


def test_a_term_that_is_over_restricts_nobody():
    order = acted(Measure.T_LIMIT, term_end_time=NOW + DAY)

    assert restrictions([order], {}, NOW + DAY - 1) == (order,)
    assert restrictions([order], {}, NOW + DAY) == ()
    assert state_of(order, {}, NOW + DAY) is State.EXPIRED


def test_a_rejected_order_never_held():
    name = opaque("proposed")
    by = {"name": name, "opener": A}
    order = after(
        (A, ordered(authority=Authority.MEMBER)),
        (COORD, decide(OrderDecision.REJECT, **by)),
        name=name,
    )

    assert not is_in_force(order, {}, NOW + 10)


_orders = st.builds(
    acted,
    st.sampled_from(sorted(PARTS)),
    st.integers(0, 40),
    basis_id=st.sampled_from([opaque("verification"), opaque("new")]),
)


@given(st.lists(_orders, max_size=4), st.integers(0, 40))
def test_no_older_restriction_outlives_a_lift_in_whatever_order_they_arrive(orders, start):
    lift = lifted(Measure.I_LIMIT, start)
    time = lift.facts.lifted_time
    expected = None
    for arrived in permutations([lift, *orders]):
        lifts = find_lifts(arrived, NOW + 100)
        held = {one.id for one in restrictions(arrived, lifts, NOW + 100)}
        expected = held if expected is None else expected

        assert held == expected
    for order in orders:
        if order.opened <= time:
            assert order.id not in expected
        elif order.facts.order.basis_id != lift.facts.order.basis_id:
            assert order.id in expected


def test_a_lift_counts_also_where_its_own_order_was_answered_late():
    late = lifted(Measure.I_LIMIT)
    again = replace(late, facts=replace(late.facts, answers={}))

    assert find_lifts([again], NOW + 200)[late.facts.order.token][0].time == late.facts.lifted_time


def test_a_verification_that_refutes_frees_what_was_ordered_before_it_or_rests_on_it():
    refuted = verification.folded(
        *verification.read_by(len(verification.ASKED), verification.tally(0, 3, 1))
    ).matter
    same = {"token": refuted.subject, **BARE}
    on_it = {"basis": DispositionBasis.VERIFICATION, "basis_id": refuted.id}
    before, later = acted(Measure.T_LIMIT, -10, **same), acted(Measure.F_LIMIT, 10, **same)
    resting = acted(Measure.I_LIMIT, 10, token=refuted.subject, **on_it)
    lifts = find_lifts([refuted, before, later, resting], NOW + 200)

    assert refuted.state is State.REFUTED
    assert covering(before, lifts).outcome is DispositionOutcome.LIFTED_REFUTED
    assert covering(resting, lifts).matter_id == refuted.id
    assert is_in_force(later, lifts, NOW + 20)


def test_a_lift_dated_ahead_of_the_clock_does_not_count_yet():
    lift = lifted(Measure.I_LIMIT, DAY)
    order = acted(Measure.T_LIMIT)
    time = lift.facts.lifted_time

    assert is_in_force(order, find_lifts([lift], time - MAX_SKEW_SECONDS - 1), NOW + 10)
    assert not is_in_force(order, find_lifts([lift], time - MAX_SKEW_SECONDS), NOW + 10)


@given(st.integers(1, 20 * DAY), st.integers(0, 20 * DAY))
def test_an_order_that_its_author_lifts_ahead_of_the_clock_stands_until_then(ahead, wait):
    now = NOW + 10
    lift = say(decide(OrderDecision.LIFT), 10 + MAX_SKEW_SECONDS + ahead)
    again = say(receipt(RESTORED), 11 + MAX_SKEW_SECONDS + ahead)
    story = [*timed([(COORD, ordered()), (A, receipt(EXECUTED))]), (COORD, lift), (A, again)]
    before = fold_matter(story, roles, now).matter
    later = fold_matter(story, roles, now + wait).matter

    assert before.state is State.EXECUTED
    assert before.facts.restricting == {A}
    assert is_in_force(before, find_lifts([before], now), now)
    assert (later.state is State.LIFTED) is (wait >= ahead)
    assert is_in_force(later, find_lifts([later], now + wait), now + wait) is (wait < ahead)


def by_itself(*story, member=BANK):
    """Return an order that a member gave to itself and carried out, after what else it says."""
    name = opaque(f"own {member}")
    by = {"name": name, "opener": member}
    body = ordered(measure=Measure.F_LIMIT, members=(member,), authority=Authority.MEMBER)
    said = [(member, say(**by)) for say in story]
    return after((member, body), (member, receipt(EXECUTED, **by)), *said, name=name, start=5)


def restored_for(outcome):
    return lambda **by: receipt(RESTORED, outcome, **by)


@pytest.mark.parametrize(
    "outcome", [DispositionOutcome.LIFTED_REFUTED, DispositionOutcome.LIFTED_APPEAL]
)
def test_a_claim_that_another_lift_covers_the_subject_is_no_lift_and_no_finding(outcome):
    claimed, order = by_itself(restored_for(outcome)), acted(Measure.T_LIMIT)
    lifts = find_lifts([claimed, order], NOW + 20)

    assert claimed.state is State.LIFTED
    assert is_in_force(order, lifts, NOW + 20)
    assert find(claimed, NOW + 20) is None


def lifted_in_appeal(**by):
    return decided(AppealResult.LIFTED, **by)


def lifted_by_itself(**by):
    return decide(OrderDecision.LIFT, **by)


@pytest.mark.parametrize("story", [(appeal, lifted_in_appeal), (lifted_by_itself,)])
def test_a_member_that_lifts_its_own_order_frees_the_subject_of_no_other_authority(story):
    own, order = by_itself(*story), acted(Measure.T_LIMIT)
    others = by_itself(member=BANK)
    lifts = find_lifts([own, order], NOW + 20)

    assert is_in_force(order, lifts, NOW + 20)
    assert state_of(others, lifts, NOW + 20) is State.LIFTED
    assert find(own, NOW + 20) is None


def freed_by_actor(outcome, **fields):
    """Return a federation order that the carrier carried out, found harmless and lifted."""
    name = opaque(f"acted under {outcome}")
    by = {"name": name}
    found = {
        "pass": [(A, reverified(ReverifyResult.PASS, **by))],
        "appeal": [(NET, appeal(**by)), (A, lifted_in_appeal(**by))],
    }
    return after(
        (COORD, ordered(measure=Measure.T_LIMIT, members=(A, B), **fields)),
        (A, receipt(EXECUTED, **by)),
        (B, receipt(EXECUTED, **by)),
        *found[outcome],
        name=name,
        start=5,
    )


OTHER_BASIS = {"basis": DispositionBasis.VERIFICATION, "basis_id": opaque("another")}


@pytest.mark.parametrize("outcome", ["pass", "appeal"])
@pytest.mark.parametrize("fields", [BARE, {}])
def test_a_member_that_acted_lifts_what_derives_from_one_suspicion_and_no_other_order(
    outcome, fields
):
    lift = freed_by_actor(outcome, **fields)
    same, others = acted(Measure.F_LIMIT, **fields), acted(Measure.I_LIMIT, **OTHER_BASIS)
    bare = acted(Measure.F_LIMIT, 1, **BARE)
    foreign = acted(Measure.I_LIMIT, 2, opener=NET, authority=Authority.MEMBER, **fields)
    everything = [lift, same, others, bare, foreign]
    lifts = find_lifts(everything, NOW + 60)

    assert lift.state is State.LIFTED
    assert lift.facts.restricting == {A, B}
    assert {member for _time, member in lift.facts.owed()} == {A, B}
    assert is_in_force(others, lifts, NOW + 60)
    assert is_in_force(bare, lifts, NOW + 60)
    assert is_in_force(foreign, lifts, NOW + 60)
    assert is_in_force(same, lifts, NOW + 60) is (fields == BARE)
    assert find(lift, NOW + 60) is None


def by_somebody(measure, start, opener, basis_id):
    authority = Authority.POLICE if opener == POLICE else Authority.FEDERATION
    return acted(measure, start, opener, authority=authority, basis_id=basis_id)


_given = st.builds(
    by_somebody,
    st.sampled_from(sorted(PARTS)),
    st.integers(0, 100),
    st.sampled_from([COORD, POLICE]),
    st.sampled_from([opaque("verification"), opaque("new")]),
)


@given(st.lists(_given, max_size=5), st.sampled_from(["pass", "appeal"]))
def test_no_order_on_another_basis_or_of_another_ends_with_what_an_acting_member_says(
    orders, outcome
):
    lift = freed_by_actor(outcome)
    lifts = find_lifts([lift, *orders], NOW + 200)
    for order in orders:
        derives = order.opener == COORD and order.facts.order.basis_id == opaque("verification")

        assert is_in_force(order, lifts, NOW + 200) is not derives


def test_who_oversees_lifts_an_order_in_an_appeal_for_all():
    name = opaque("own bank")
    by = {"name": name, "opener": BANK}
    own = after(
        (BANK, ordered(measure=Measure.F_LIMIT, members=(BANK,), authority=Authority.MEMBER)),
        (BANK, appeal(**by)),
        (COORD, decided(AppealResult.LIFTED, **by)),
        name=name,
        start=5,
    )
    order = acted(Measure.T_LIMIT)

    assert not is_in_force(order, find_lifts([own], NOW + 20), NOW + 20)
    assert find(own, NOW + 20).state is State.RELEASED


@pytest.mark.parametrize(
    "first",
    [restored_for(DispositionOutcome.LIFTED_APPEAL), lifted_by_itself, lifted_in_appeal],
)
@pytest.mark.parametrize("last", [lifted_by_itself, lifted_in_appeal])
def test_a_member_that_dates_its_own_lift_before_that_for_all_keeps_nobody_restricted(first, last):
    name = opaque("own bank")
    by = {"name": name, "opener": BANK}
    own = after(
        (BANK, ordered(measure=Measure.F_LIMIT, members=(BANK,), authority=Authority.MEMBER)),
        (BANK, receipt(EXECUTED, **by)),
        (NET, appeal(**by)),
        (BANK, first(**by)),
        (COORD, last(**by)),
        name=name,
        start=5,
    )
    order = acted(Measure.T_LIMIT)

    assert own.facts.lifted_by == COORD
    assert not is_in_force(order, find_lifts([own], NOW + 20), NOW + 20)
    assert refusal(own, COORD, last(**by)) == "ALREADY_LIFTED"


def test_a_new_owner_is_free_of_what_was_ordered_against_the_last():
    before, later = acted(Measure.T_LIMIT), acted(Measure.T_LIMIT, DAY)
    police = acted(Measure.T_LIMIT, opener=POLICE, authority=Authority.POLICE)
    said_by = {
        name: [HandOver(before.facts.order.token, name, NOW + DAY // 2)] for name in (A, B, NET)
    }
    lifts = find_lifts([before, later, police], NOW + 2 * DAY, said_by[A])

    assert covering(before, lifts).outcome is DispositionOutcome.LIFTED_REASSIGNED
    assert state_of(before, lifts, NOW + 2 * DAY) is State.LIFTED
    assert covering(later, lifts) is None
    assert covering(police, lifts) is None
    for name in (B, NET):  # neither carried it out, so neither has the number
        assert not find_lifts([before], NOW + 2 * DAY, said_by[name])


def test_a_hand_over_of_another_number_or_of_tomorrow_frees_nobody():
    order = acted(Measure.T_LIMIT)
    token = order.facts.order.token

    assert not find_lifts([order], NOW + DAY, [HandOver(opaque("other"), A, NOW + 10)])
    assert not find_lifts([order], NOW + DAY, [HandOver(token, A, NOW + 2 * DAY)])
