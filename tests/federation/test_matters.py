"""The matter of a training plan: each step the table allows, and no other."""

import typing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import federation.matters
from federation.matters import (
    PROCEDURES,
    Kind,
    MatterError,
    Part,
    State,
    advance,
    models_in_force,
)
from federation.statements import Body
from federation.statements.shape import MAX_TIME
from federation.vocabulary import (
    ModelStage,
    TrainingDecision,
    TrainingProtection,
    TrainingReason,
    TrainingTask,
    TrainingUse,
)
from tests.contract.matters import DOCUMENT, current_document
from tests.federation.said import DAY, EXAMPLES, NOW, opaque, plan
from tests.federation.training_world import (
    ASSESSMENT,
    CARD,
    CHECKPOINTS,
    COORD,
    DIGEST,
    PLAN,
    POLICE,
    REJECTED,
    RELEASED,
    ROLES,
    SHADOW,
    STATES,
    STORY,
    STRANGER,
    A,
    B,
    C,
    D,
    after,
    approve,
    approve_release,
    ended,
    enrol,
    evaluate,
    folded,
    refusal,
    refuse,
    roles,
    say,
    stage,
    timed,
)

PROCEDURE = PROCEDURES[Kind.TRAINING_PLAN]
TABLE, FINAL = PROCEDURE.table, PROCEDURE.final
PROPOSED, APPROVED, TRAINING = STORY[:1], STORY[:4], STORY[:6]
IN_SHADOW = STORY[:9]


def test_a_plan_goes_from_proposal_to_retirement():
    states = [after(*STORY[:length]).state for length in range(1, len(STORY) + 1)]

    assert [state.value for state in states] == STATES


def test_the_facts_say_who_approved_what_and_how_the_rounds_went():
    matter = after(*STORY[:10])

    assert matter.id == DIGEST
    assert matter.opener == COORD
    assert dict(matter.facts.approved) == {A: 100_000, B: 100_000, C: 100_000}
    assert matter.facts.enrolled == {A, B, C}
    assert [one.round for one in matter.facts.rounds] == [1, 2]
    assert matter.facts.checkpoint == CHECKPOINTS[2]
    assert matter.facts.release_approved == {A}


def test_what_is_due_when():
    assert after(*PROPOSED).due == PLAN.expiry_time
    assert after(*STORY[:5]).due == NOW + 4 + PLAN.round_seconds
    assert after(*STORY[:7]).due is None


FIELDS = {
    "task": TrainingTask.TABLE,
    "schema_digest": opaque("another", 32),
    "code_digest": opaque("another", 32),
    "rounds": 3,
    "protection": TrainingProtection.ROBUST,
    "epsilon_millionths": 8_000_001,
    "minimum_members": 4,
    "use": TrainingUse.TRIAL,
    "expiry_time": PLAN.expiry_time + 1,
    "seed": 43,
}


@pytest.mark.parametrize("field", FIELDS)
def test_an_approval_counts_for_the_very_plan_that_it_names(field):
    changed = replace(PLAN, **{field: FIELDS[field]})
    matter = after((COORD, changed))

    assert matter.id != DIGEST
    assert refusal(matter, A, approve()) == "MATTER_DIFFERS"
    assert refusal(matter, A, approve(digest=matter.id)) == "ACCEPTED"


def test_an_approval_counts_for_the_coordinator_that_it_names():
    copied = after((D, PLAN))

    assert refusal(copied, A, approve()) == "MATTER_DIFFERS"
    assert refusal(copied, A, approve(coordinator=D)) == "ACCEPTED"


def test_an_approval_counts_before_the_plan_expires():
    lifetime = PLAN.expiry_time - NOW

    assert refusal(after(*PROPOSED), A, approve(), at=lifetime - 1) == "ACCEPTED"
    assert refusal(after(*PROPOSED), A, approve(), at=lifetime) == "PLAN_EXPIRED"
    assert refusal(after(*APPROVED), COORD, enrol(), at=lifetime) == "PLAN_EXPIRED"
    assert refusal(after(*TRAINING), COORD, ended(2), at=lifetime + 599) == "ACCEPTED"
    assert refusal(after(*TRAINING), COORD, ended(2), at=lifetime + 600) == "PLAN_EXPIRED"
    assert refusal(None, COORD, PLAN, at=lifetime) == "PLAN_EXPIRED"


@pytest.mark.parametrize(
    ("story", "member", "body", "rule"),
    [
        ((), A, approve(), "MATTER_UNKNOWN"),
        ((), POLICE, PLAN, "ROLE_NOT_ALLOWED"),
        (PROPOSED, COORD, PLAN, "TRANSITION_NOT_ALLOWED"),
        (PROPOSED, COORD, approve(), "ROLE_NOT_ALLOWED"),
        (PROPOSED, POLICE, approve(), "ROLE_NOT_ALLOWED"),
        (PROPOSED, STRANGER, approve(), "ROLE_NOT_ALLOWED"),
        (PROPOSED, A, approve(row_cap=1_000_001), "ROW_CAP_EXCEEDED"),
        (PROPOSED, COORD, enrol(), "TRANSITION_NOT_ALLOWED"),
        (PROPOSED, A, REJECTED, "NOT_THE_OPENER"),
        (APPROVED, A, enrol(), "NOT_THE_OPENER"),
        (APPROVED, COORD, enrol(A, B), "APPROVALS_MISSING"),
        (APPROVED, COORD, enrol(A, B, D), "APPROVALS_MISSING"),
        (APPROVED, COORD, ended(1), "TRANSITION_NOT_ALLOWED"),
        (TRAINING, COORD, ended(1), "ROUND_OUT_OF_ORDER"),
        (TRAINING, COORD, ended(3), "ROUND_OUT_OF_ORDER"),
        (TRAINING, A, ended(2), "NOT_THE_OPENER"),
        (TRAINING, COORD, ended(2, members=(A, B, D)), "OUTCOMES_DIFFER"),
        (TRAINING, COORD, ended(2, members=(A, B)), "OUTCOMES_DIFFER"),
        (TRAINING, COORD, ended(2, C, checkpoint=CHECKPOINTS[2]), "MEMBERS_TOO_FEW"),
        (TRAINING, COORD, ended(2, checkpoint=b""), "MEMBERS_TOO_FEW"),
        (TRAINING, COORD, evaluate(), "TRANSITION_NOT_ALLOWED"),
        (STORY[:7], COORD, evaluate(CHECKPOINTS[1]), "MODEL_DIFFERS"),
        (STORY[:7], COORD, evaluate(contributors=2), "CONTRIBUTORS_TOO_FEW"),
        (STORY[:7], COORD, evaluate(contributors=4), "CONTRIBUTORS_TOO_FEW"),
        (STORY[:7], A, evaluate(), "NOT_THE_OPENER"),
        (STORY[:7], COORD, SHADOW, "TRANSITION_NOT_ALLOWED"),
        (STORY[:8], COORD, stage(ModelStage.SHADOW, CHECKPOINTS[1]), "MODEL_DIFFERS"),
        (STORY[:8], COORD, RELEASED, "TRANSITION_NOT_ALLOWED"),
        (STORY[:8], COORD, stage(ModelStage.SHADOW, card=b""), "CARD_MISSING"),
        (STORY[:8], COORD, stage(ModelStage.SHADOW, assessment=b""), "ASSESSMENT_MISSING"),
        (IN_SHADOW, D, approve_release(), "NOT_A_PARTY"),
        (IN_SHADOW, A, approve_release(opaque("another", 32)), "RELEASE_DIFFERS"),
        (IN_SHADOW, COORD, RELEASED, "RELEASE_NOT_APPROVED"),
        (STORY[:10], COORD, RELEASED, "RELEASE_NOT_APPROVED"),
        (STORY[:11], COORD, stage(ModelStage.RELEASED, card=b""), "CARD_MISSING"),
        (STORY[:11], COORD, stage(ModelStage.RELEASED, assessment=b""), "ASSESSMENT_MISSING"),
        (
            STORY[:11],
            COORD,
            stage(ModelStage.RELEASED, card=opaque("another", 32)),
            "RELEASE_DIFFERS",
        ),
        (STORY[:11], A, RELEASED, "NOT_THE_OPENER"),
        (STORY[:12], COORD, REJECTED, "TRANSITION_NOT_ALLOWED"),
        (STORY[:13], COORD, RELEASED, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_the_table_does_not_allow_is_refused_by_the_name_of_the_rule(
    story, member, body, rule
):
    assert refusal(after(*story) if story else None, member, body) == rule


def test_a_member_may_withdraw_and_the_plan_then_waits_for_another():
    withdrawn = after(*APPROVED, (B, refuse(TrainingReason.BUDGET_SPENT)))

    assert withdrawn.state is State.PROPOSED
    assert withdrawn.facts.refused == {B: TrainingReason.BUDGET_SPENT}
    assert not withdrawn.facts.is_enough
    assert after(*APPROVED, (D, approve()), (B, refuse())).state is State.APPROVED
    assert after(*APPROVED, (B, refuse()), (B, approve())).state is State.APPROVED


def test_who_approves_later_is_in_once_it_is_enrolled():
    story = (*TRAINING, (D, approve()))

    assert after(*story).facts.enrolled == {A, B, C}
    assert after(*story, (COORD, enrol(A, B, C, D))).facts.enrolled == {A, B, C, D}
    assert after(*story, (COORD, enrol(A, B, C, D))).state is State.TRAINING


def test_a_round_with_too_few_members_changes_nothing_and_is_run_again():
    failed = after(*TRAINING, (COORD, ended(2, C)))
    again = after(*TRAINING, (COORD, ended(2, C)), (COORD, ended(2)))

    assert failed.state is State.TRAINING
    assert failed.facts.checkpoint == CHECKPOINTS[1]
    assert again.state is State.AGGREGATED
    assert [one.round for one in again.facts.rounds] == [1, 2]


def test_a_new_card_voids_the_approvals_of_a_release():
    revised = stage(ModelStage.SHADOW, card=opaque("another card", 32))
    matter = after(*STORY[:11], (COORD, revised))

    assert matter.facts.release_approved == frozenset()
    assert refusal(matter, COORD, RELEASED) == "RELEASE_DIFFERS"


def test_who_refuses_a_release_no_longer_approves_it():
    refused = approve_release(decision=TrainingDecision.REFUSE_RELEASE)
    matter = after(*STORY[:11], (A, refused))

    assert matter.facts.release_refused == {A}
    assert refusal(matter, COORD, RELEASED) == "RELEASE_NOT_APPROVED"


def test_a_trial_is_never_released():
    trial = replace(PLAN, use=TrainingUse.TRIAL)

    def of_trial(body):
        fields = {"plan_digest": trial.digest()} if hasattr(body, "plan_digest") else {}
        return replace(body, **fields)

    story = [(member, of_trial(body)) for member, body in STORY[1:9]]

    assert refusal(after((COORD, trial), *story), COORD, of_trial(RELEASED)) == (
        "TRIAL_NOT_RELEASED"
    )


def test_retiring_the_last_model_brings_the_one_before_it_back():
    first = after(*STORY[:12])
    second = replace(first, id=opaque("b", 32), facts=replace(first.facts, released_time=NOW + DAY))
    key = (PLAN.task, PLAN.schema_digest)
    retired = replace(second, state=State.RETIRED)

    assert models_in_force([second, first])[key] is second
    assert models_in_force([retired, first])[key] is first
    assert models_in_force([retired]) == {}


# Anybody says anything, in any order: most of it is refused, and some of it gets far.
BODIES = [
    *dict.fromkeys(body for _member, body in STORY),
    refuse(),
    enrol(A, B, C, D),
    ended(1, C),
    ended(2, members=(A, B, C, D)),
    evaluate(CHECKPOINTS[1]),
    stage(ModelStage.SHADOW, card=b""),
    REJECTED,
    approve_release(decision=TrainingDecision.REFUSE_RELEASE),
    plan(rounds=7),
    *EXAMPLES[:3],
]
steps = st.tuples(st.sampled_from([*ROLES, STRANGER]), st.sampled_from(BODIES))
likely = st.integers(0, len(STORY) - 1).map(STORY.__getitem__)
stories = st.lists(likely | steps, max_size=30).map(lambda more: more)
mixed = st.builds(
    lambda length, more: [*STORY[:length], *more], st.integers(0, len(STORY)), stories
)


@given(mixed)
def test_no_sequence_reaches_a_state_by_a_way_that_the_table_lacks(story):
    matter = None
    for member, statement in timed(story):
        body, before = statement.body, matter.state if matter else State.ABSENT
        try:
            matter = advance(matter, member, roles(member), statement)
        except MatterError:
            continue
        choice = getattr(body, "stage", None) or getattr(body, "decision", None)
        rows = [
            row
            for row in TABLE
            if (row.state, row.body, row.choice, row.next)
            == (before, type(body), choice, matter.state)
        ]

        assert any(row.roles & roles(member) for row in rows)
        assert rows[0].part is not Part.OPENER or member == matter.opener
        assert before not in FINAL


@given(mixed)
def test_a_release_always_has_card_assessment_and_the_approval_of_most(story):
    matter = folded(timed(story)).matter
    if matter is None or matter.state is not State.RELEASED:
        return
    facts = matter.facts

    assert facts.stage.model_sheet_digest
    assert facts.stage.assessment_digest
    assert 2 * len(facts.release_approved & facts.enrolled) > len(facts.enrolled)
    assert len(facts.enrolled) >= facts.plan.minimum_members


@given(mixed, st.data())
def test_the_order_in_which_logs_arrive_does_not_matter(story, data):
    said = timed(story)
    logs = {}
    for member, statement in said:
        logs.setdefault(member, []).append((member, statement))
    turns = data.draw(st.permutations([member for member, _ in said]))
    places = {member: iter(log) for member, log in logs.items()}

    here, there = folded([next(places[member]) for member in turns]), folded(said)

    assert here.matter == there.matter
    assert [one[:2] for one in here.refused] == [one[:2] for one in there.refused]


@given(st.permutations(range(len(STORY))))
def test_no_clock_that_is_wrong_keeps_an_honest_story_from_its_end(times):
    # Each member's own log is in order, whatever times its clock gave.
    said = [(member, say(body, at)) for (member, body), at in zip(STORY, times, strict=True)]
    result = folded(said)

    assert result.matter.state is State.RETIRED
    assert result.refused == ()


def test_a_statement_that_never_can_count_is_named_and_the_rest_goes_on():
    said = timed([*STORY[:4], (A, enrol()), *STORY[4:6]])
    result = folded(said)

    assert result.matter.state is State.TRAINING
    assert [(one.member, one.error.reason) for one in result.refused] == [(A, "NOT_THE_OPENER")]
    assert not result.refused[0].error.waits


def test_what_others_may_still_allow_is_said_to_wait():
    result = folded(timed([(COORD, PLAN), (A, approve()), (COORD, enrol())]))

    assert [one.error.waits for one in result.refused] == [True]


def test_a_member_that_was_revoked_no_longer_counts():
    def revoked(member, time):
        return frozenset() if member == C and time >= NOW + 3 else roles(member)

    result = federation.matters.fold_matter(timed(STORY[:4]), revoked, MAX_TIME)

    assert result.matter.state is State.PROPOSED


def test_the_table_names_bodies_and_reachable_states_alone():
    reached = {State.ABSENT}
    while more := {row.next for row in TABLE if row.state in reached} - reached:
        reached |= more

    assert reached >= {row.state for row in TABLE}
    assert {row.body for row in TABLE} <= set(typing.get_args(Body))
    assert CARD != ASSESSMENT


def test_the_document_shows_the_table():
    assert DOCUMENT.read_text(encoding="utf-8") == current_document(), "run `make gen`"
