"""The matter of a verification round: only a tally that most have read alike decides, and how."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.matters import MatterError, State, advance, fold_matter
from federation.matters.verification import (
    CONFLICT_SECONDS,
    EXAMINE_SECONDS,
    OPENING_SECONDS,
    Tally,
    is_sound,
)
from federation.names import MemberId
from federation.roles import Role
from federation.statements.shape import MAX_TIME
from federation.vocabulary import VerificationAnswer, VerificationDecision
from tests.federation.said import NOW, opaque, said, verification_open
from tests.federation.verification_world import (
    ASKED,
    OPENER,
    OPENING,
    ROLES,
    ROUND,
    examine,
    folded,
    read_by,
    says,
    tally,
)

COORD = MemberId("coord")
CONFIRM, REFUTE = VerificationDecision.CONFIRM, VerificationDecision.REFUTE
MAJORITY = len(ASKED) // 2 + 1
counts = st.tuples(*[st.integers(0, 12)] * 4)


@pytest.mark.parametrize(
    ("counted", "state"),
    [
        ((3, 0, 3, 0), State.CONFIRMED),
        ((4, 0, 0, 0), State.CONFIRMED),
        ((3, 1, 2, 0), State.CONFLICT),
        ((1, 1, 4, 0), State.CONFLICT),
        ((3, 3, 0, 0), State.CONFLICT),
        ((0, 3, 2, 0), State.REFUTED),
        ((1, 3, 0, 0), State.REFUTED),
        ((0, 2, 2, 0), State.INSUFFICIENT),
        ((2, 0, 4, 0), State.INSUFFICIENT),
        ((1, 0, 5, 0), State.INSUFFICIENT),
        ((0, 0, 6, 0), State.INSUFFICIENT),
        ((2, 0, 0, 4), State.INSUFFICIENT),
    ],
)
def test_a_tally_that_most_read_alike_decides(counted, state):
    found = folded(*read_by(MAJORITY, tally(*counted)))

    assert found.matter.state is state
    assert found.matter.facts.tally == counted
    assert not found.refused


@given(counts, st.integers(2, 6), st.integers(0, 50), st.integers(0, 50))
def test_who_has_no_record_or_declines_agrees_with_nobody(counted, quorum, unknown, declined):
    suspect, benign, *_ = counted

    assert Tally(*counted).judge(quorum) is Tally(suspect, benign, unknown, declined).judge(quorum)


@given(counts, st.integers(2, 6))
def test_one_benign_answer_keeps_it_out_of_confirmed(counted, quorum):
    suspect, benign, no_record, declined = counted

    assert Tally(suspect, benign + 1, no_record, declined).judge(quorum) is not State.CONFIRMED
    assert (Tally(*counted).judge(quorum) is State.CONFIRMED) == (suspect >= quorum and not benign)


def test_fewer_readers_than_most_decide_nothing():
    found = folded(*read_by(MAJORITY - 1, tally(4, 0)))

    assert found.matter.state is State.VERIFYING
    assert found.matter.facts.tally is None


@given(st.permutations(ASKED), st.data())
def test_a_minority_that_lies_decides_nothing_and_stops_nothing(readers, data):
    liars = readers[: len(ASKED) - MAJORITY]
    lies = [data.draw(st.sampled_from([tally(6), tally(0, 6), tally(2, 1)])) for _ in liars]
    words = [
        *(says(name, lie, 1) for name, lie in zip(liars, lies, strict=True)),
        *(says(name, tally(3, 0, 3), 2) for name in readers[len(liars) :]),
    ]
    found = folded(*words)

    assert found.matter.state is State.CONFIRMED
    assert found.matter.facts.tally == (3, 0, 3, 0)


def test_the_order_between_members_changes_nothing():
    words = [says(name, tally(3, 0, 3), at) for at, name in enumerate(ASKED[:5], start=1)]
    liar = says(ASKED[5], tally(0, 6), 2)
    states = {
        (found.state, found.facts.decided, found.facts.tally)
        for order in itertools.islice(itertools.permutations([*words, liar]), 0, 720, 17)
        for found in (folded(*order).matter,)
    }

    assert states == {(State.CONFIRMED, NOW + MAJORITY, (3, 0, 3, 0))}


@pytest.mark.parametrize("lie", [tally(3), tally(0, 3)])
def test_two_of_a_round_of_three_decide_nothing_alone(lie):
    opening = replace(OPENING, members=ASKED[:3], quorum=2)
    two = folded(says(ASKED[0], lie), says(ASKED[1], lie), opening=opening)
    three = folded(*(says(member, lie) for member in ASKED[:3]), opening=opening)

    assert two.matter.state is State.VERIFYING
    assert three.matter.state in (State.CONFIRMED, State.REFUTED)


def test_a_member_reads_once():
    found = folded(says(ASKED[0], tally(4)), says(ASKED[0], tally(0, 4), 2))

    assert [one.error.reason for one in found.refused] == ["TALLY_TWICE"]
    assert found.matter.facts.tallies == {ASKED[0]: (4, 0, 0, 0)}


@pytest.mark.parametrize("counted", [(1, 0, 1, 0), (7, 0, 0, 0), (3, 3, 3, 3), (0, 0, 0, 0)])
def test_a_tally_counts_at_least_three_answers_and_none_that_was_not_asked(counted):
    found = folded(says(ASKED[1], tally(*counted)))

    assert [one.error.reason for one in found.refused] == ["TALLY_IMPOSSIBLE"]
    assert not is_sound(Tally(*counted), len(ASKED))


def test_an_opener_that_was_not_asked_reads_nothing_that_counts():
    opening = verification_open(members=ASKED[1:], quorum=3)
    found = folded(says(OPENER, tally(4)), opening=opening)

    assert [one.error.reason for one in found.refused] == ["NOT_ASKED"]
    assert not found.matter.facts.tallies


def test_a_stranger_to_the_round_reads_nothing_that_counts():
    outsider = MemberId("police")
    found = folded(says(outsider, tally(4)))

    assert [one.error.reason for one in found.refused] == ["NOT_A_PARTY"]


def conflict(*more):
    return folded(*read_by(MAJORITY, tally(3, 1, 2)), *more)


def test_a_conflict_is_a_task_for_a_day():
    found = conflict().matter

    assert found.state is State.CONFLICT
    assert found.due == NOW + 1 + EXAMINE_SECONDS
    assert found.state_at(NOW + 1 + CONFLICT_SECONDS) is State.EXPIRED


@pytest.mark.parametrize(("decision", "state"), [(CONFIRM, "CONFIRMED"), (REFUTE, "REFUTED")])
@pytest.mark.parametrize("examiner", [OPENER, COORD])
def test_the_opener_and_who_oversees_examine_a_conflict(examiner, decision, state):
    words = [*read_by(MAJORITY, tally(3, 3)), says(examiner, examine(decision), 9)]
    found = folded(*words).matter

    assert found.state == state
    assert found.facts.decided == NOW + 9
    assert found.is_over


def test_the_opener_does_not_refute_what_one_knows_as_benign_and_a_quorum_suspects():
    found = conflict(says(OPENER, examine(REFUTE), 9))

    assert [one.error.reason for one in found.refused] == ["BENIGN_TOO_FEW"]
    assert found.matter.state is State.CONFLICT

    overseen = conflict(says(OPENER, examine(REFUTE), 9), says(COORD, examine(REFUTE), 10))

    assert overseen.matter.state is State.REFUTED


@given(counts, st.integers(2, 6), st.sampled_from([OPENER, COORD, *ASKED[1:]]))
def test_nobody_refutes_alone_what_others_suspect(counted, quorum, examiner):
    """Whoever examines: REFUTED takes a quorum of benign answers, or another that oversees."""
    suspect, benign, *rest = counted
    small = tally(min(suspect, 3), min(benign, 3), *(0 for _ in rest))
    opening = verification_open(members=ASKED, quorum=quorum)
    words = [*read_by(MAJORITY, small), says(examiner, examine(REFUTE), 9)]
    found = folded(*words, opening=opening).matter

    if found.state is State.REFUTED:
        assert small.benign >= quorum or (examiner == COORD and small.benign)


@pytest.mark.parametrize(
    ("counted", "decision", "reasons"),
    [
        ((3, 1), REFUTE, ["OWN_ROUND"]),
        ((3, 1), CONFIRM, []),
        ((1, 1, 1), CONFIRM, ["OWN_ROUND"]),
        ((3, 3), REFUTE, []),
    ],
)
def test_who_oversees_examines_its_own_round_as_any_opener(counted, decision, reasons):
    opening = COORD, said(OPENING, id=ROUND, issued_time=NOW)
    read = [says(name, tally(*counted, opener=COORD)) for name in ASKED[:MAJORITY]]
    words = [opening, *read, says(COORD, examine(decision, opener=COORD), 9)]
    found = fold_matter(words, lambda member, _time: ROLES[member], MAX_TIME)

    assert [one.error.reason for one in found.refused] == reasons
    assert (found.matter.state is State.CONFLICT) == bool(reasons)


def test_nobody_else_examines_it():
    found = conflict(says(ASKED[2], examine(REFUTE), 9))

    assert [one.error.reason for one in found.refused] == ["NOT_THE_OPENER"]
    assert found.matter.state is State.CONFLICT


def test_a_conflict_waits_for_the_opener_and_for_who_oversees():
    turn = conflict().matter.turn

    assert turn.members == {OPENER}
    assert turn.roles == {Role.COORDINATOR, Role.REGULATOR}


def test_an_examination_confirms_nothing_that_no_quorum_suspects():
    words = [*read_by(MAJORITY, tally(2, 1, 2)), says(OPENER, examine(CONFIRM), 9)]
    found = folded(*words)

    assert [one.error.reason for one in found.refused] == ["SUSPECTS_TOO_FEW"]
    assert found.matter.state is State.CONFLICT


@pytest.mark.parametrize("counted", [(3, 0, 3), (0, 3, 3), (0, 0, 6)])
def test_what_is_decided_is_not_examined(counted):
    found = folded(*read_by(MAJORITY, tally(*counted)), says(OPENER, examine(REFUTE), 9))

    assert [one.error.reason for one in found.refused] == ["TRANSITION_NOT_ALLOWED"]


def test_a_round_whose_sum_never_opens_is_over_undecided():
    found = folded().matter

    assert found.due == OPENING.due_time
    assert found.state_at(OPENING.due_time + OPENING_SECONDS - 1) is State.VERIFYING
    assert found.state_at(OPENING.due_time + OPENING_SECONDS) is State.EXPIRED


@pytest.mark.parametrize("due", [NOW, NOW - 1, NOW + 604_801])
def test_answers_are_due_later_and_within_a_week(due):
    opening = said(verification_open(due_time=due), id=ROUND, issued_time=NOW)

    with pytest.raises(MatterError, match="within a week"):
        advance(None, OPENER, ROLES[OPENER], opening)


def test_another_members_round_of_the_same_id_is_another_matter():
    opening = said(OPENING, id=ROUND, issued_time=NOW)
    matter = advance(None, OPENER, frozenset({Role.BANK}), opening)
    wrong = says(ASKED[1], tally(4, opener=ASKED[1]))

    with pytest.raises(MatterError) as caught:
        advance(matter, ASKED[1], ROLES[ASKED[1]], wrong[1])

    assert caught.value.reason == "MATTER_DIFFERS"


def test_no_statement_has_room_for_one_members_answer():
    words = set(VerificationAnswer.__members__)
    fields = {
        name
        for body in (OPENING, tally(3), examine(REFUTE))
        for name in type(body).__dataclass_fields__
    }

    assert not {word.lower() for word in words} & fields - {"no_record"}
    assert "answer" not in fields


@pytest.mark.parametrize("truth", [VerificationAnswer.HIT_SUSPECT, VerificationAnswer.HIT_BENIGN])
def test_five_percent_of_dishonest_verifiers_turn_no_verdict_round(truth):
    """Each liar votes against the truth, as a vector with a single 1 lets it, and reads falsely."""
    draw, members, quorum = random.Random(5), 40, 3
    wrong = {State.CONFIRMED, State.REFUTED} - {right(truth)}
    for _ in range(300):
        honest = [truth if draw.random() < 0.3 else VerificationAnswer.NO_RECORD for _ in range(38)]
        against = (
            VerificationAnswer.HIT_BENIGN
            if truth is VerificationAnswer.HIT_SUSPECT
            else VerificationAnswer.HIT_SUSPECT
        )
        votes = [*honest, *[against] * (members // 20)]
        counted = Tally(*(votes.count(answer) for answer in VerificationAnswer))

        assert counted.judge(quorum) not in wrong


def right(truth):
    suspects = truth is VerificationAnswer.HIT_SUSPECT
    return State.CONFIRMED if suspects else State.REFUTED


def test_the_id_is_that_of_the_opening_statement():
    assert folded().matter.id == ROUND != opaque("another")
