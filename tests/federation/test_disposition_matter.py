"""The matter of an order: who may order what, what follows, and how a person gets out again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.indicators.kind import PERSONS
from federation.indicators.kind import Kind as IndicatorKind
from federation.matters import IN_FORCE, PROCEDURES, Kind, MatterError, State, advance
from federation.matters.disposition_facts import (
    APPEAL_SECONDS,
    EXECUTE_SECONDS,
    LIFTS,
    MAX_APPEALS,
    MAX_TERM_SECONDS,
    RESTORE_SECONDS,
)
from federation.measures import MEASURES, RESTRICTABLE, fits, holds_money, restricts
from federation.roles import INDUSTRY, Role
from federation.statements import Appeal, StatementError
from federation.vocabulary import (
    AppealResult,
    Authority,
    DispositionOutcome,
    DispositionReason,
    DocumentsNeeded,
    Measure,
    NoticeDuty,
    OrderDecision,
    ReceiptStep,
    Remedy,
    ReverifyResult,
    SubjectRole,
)
from tests.federation.disposition_world import (
    BANK,
    COORD,
    EXECUTED,
    EXEMPT,
    MATTER,
    NET,
    NOT_MINE,
    NOTIFIED,
    POLICE,
    RESTORED,
    A,
    B,
    after,
    appeal,
    decide,
    decided,
    folded,
    ordered,
    receipt,
    refusal,
    reverified,
    roles,
    say,
    timed,
)
from tests.federation.said import DAY, NOW

ORDER = (COORD, ordered())
ACTED = (ORDER, (A, receipt(EXECUTED)), (B, receipt(NOT_MINE)))
TOLD = (*ACTED, (A, receipt(NOTIFIED)))
APPEALED = (*TOLD, (NET, appeal()))


def test_an_order_is_answered_told_appealed_and_lifted():
    story = (*APPEALED, (A, decided(AppealResult.LIFTED)), (A, receipt(RESTORED)))
    states = [after(*story[:length]).state.value for length in range(1, len(story) + 1)]

    assert states == [
        "AUTHORISED",
        "EXECUTED",
        "EXECUTED",
        "NOTIFIED",
        "APPEALED",
        "LIFTED",
        "LIFTED",
    ]


def test_the_facts_say_when_each_member_acted_and_told():
    facts = after(*TOLD).facts

    assert facts.order_time == facts.authorised_time == NOW
    assert facts.answers[A].executed_time == NOW + 1
    assert facts.answers[A].notified_time == NOW + 3
    assert facts.answers[B].step is NOT_MINE
    assert facts.executed == facts.restricting == {A}


def test_what_is_due_and_whose_step_it_is():
    matters = [after(*APPEALED[:length]) for length in (1, 2, 3, 4, 5)]
    lifted = after(*APPEALED, (COORD, decided(AppealResult.LIFTED)))

    assert matters[0].due == NOW + EXECUTE_SECONDS
    assert matters[0].turn.members == {A, B}
    assert matters[1].turn.members == {B}
    assert matters[2].due == NOW + 1 + DAY
    assert matters[2].turn.members == {A}
    assert matters[3].due is None
    assert matters[4].due == NOW + 4 + APPEAL_SECONDS
    assert matters[4].turn.members == {COORD}
    assert matters[3].turn.members == matters[3].turn.roles == frozenset()
    assert lifted.due == NOW + 5 + RESTORE_SECONDS
    assert lifted.turn.members == {A}


def test_a_proposed_order_waits_for_who_may_authorise_it():
    turn = after((A, ordered(authority=Authority.MEMBER))).turn

    assert turn.members == frozenset()
    assert turn.roles == {Role.COORDINATOR, Role.REGULATOR}


def test_notice_may_wait_only_where_police_keep_a_case_secret():
    secret = {"authority": Authority.POLICE, "notice_duty": NoticeDuty.DEFERRED}
    by_police = after(
        (POLICE, ordered(members=(A,), **secret)), (A, receipt(EXECUTED, opener=POLICE))
    )

    assert by_police.due is None
    assert not by_police.facts.unnotified
    assert refusal(None, COORD, ordered(**secret)) == "AUTHORITY_INVALID"
    assert refusal(None, COORD, ordered(notice_duty=NoticeDuty.DEFERRED)) == "POLICE_ONLY"


@pytest.mark.parametrize(
    "measure", [Measure.F_URGENT_STOP, Measure.F_FREEZE, Measure.F_UNFREEZE, Measure.F_RETURN]
)
def test_money_is_stopped_and_given_back_on_police_order_alone(measure):
    fields = {"measure": measure, "kind": IndicatorKind.BANK_ACCOUNT, "members": (BANK,)}

    assert refusal(None, COORD, ordered(**fields)) == "POLICE_ONLY"
    assert refusal(None, BANK, ordered(authority=Authority.MEMBER, **fields)) == "POLICE_ONLY"
    assert refusal(None, POLICE, ordered(authority=Authority.POLICE, **fields)) == "ACCEPTED"


@pytest.mark.parametrize("role", sorted(set(SubjectRole) - RESTRICTABLE))
def test_only_an_offenders_resource_or_a_mule_is_restricted(role):
    checked = ordered(subject_role=role, measure=Measure.T_REVERIFY)

    spoofed = role is SubjectRole.SPOOFED

    assert refusal(None, COORD, ordered(subject_role=role)) == (
        "SPOOFED_NUMBER" if spoofed else "SUBJECT_NOT_RESTRICTED"
    )
    assert refusal(None, COORD, checked) == "ACCEPTED"


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("kind", sorted(frozenset(IndicatorKind) - PERSONS))
def test_a_measure_is_ordered_about_its_kinds_alone(measure, kind):
    body = ordered(measure=measure, kind=kind, authority=Authority.POLICE)
    expected = "ACCEPTED" if fits(measure, kind) else "MEASURE_UNFIT"

    assert refusal(None, POLICE, body) == expected


def test_no_measure_is_about_an_organisation_and_each_prefix_has_its_actors():
    actors = {"T": Role.CARRIER, "F": Role.BANK, "I": Role.INTERNET}

    for kind in (IndicatorKind.ORGANISATION, *PERSONS):
        assert not any(fits(measure, kind) for measure in Measure)
    assert set(MEASURES) == set(Measure)
    for measure, rule in MEASURES.items():
        if (role := actors.get(measure.name[0])) is not None:
            assert role in rule.actors
        assert rule.actors <= INDUSTRY
        assert bool(rule.kinds) is bool(rule.actors)
        assert rule.actors or not rule.restricts


def test_an_amount_belongs_to_what_a_bank_does_for_the_police():
    money = {Measure.F_URGENT_STOP, Measure.F_FREEZE, Measure.F_UNFREEZE, Measure.F_RETURN}

    assert {measure for measure in Measure if holds_money(measure)} == money
    assert MEASURES[Measure.T_SHUTDOWN].by_police


@pytest.mark.parametrize("seconds", [0, -DAY, MAX_TERM_SECONDS + 1])
def test_a_term_lies_ahead_and_within_half_a_year(seconds):
    assert refusal(None, COORD, ordered(term_end_time=NOW + 50 + seconds)) == "TERM_INVALID"


def test_who_cannot_carry_a_measure_out_does_not_say_that_it_did():
    matter = after((COORD, ordered(members=(A, BANK))))

    assert refusal(matter, BANK, receipt(EXECUTED)) == "MEASURE_NOT_ITS_OWN"
    assert refusal(matter, B, receipt(EXECUTED)) == "NOT_A_PARTY"
    assert refusal(matter, A, receipt(EXECUTED)) == "ACCEPTED"


def test_nothing_is_executed_twice_or_told_unexecuted():
    matter = after(*ACTED)

    assert refusal(matter, A, receipt(EXECUTED)) == "ALREADY_EXECUTED"
    assert refusal(matter, A, receipt(NOT_MINE)) == "ALREADY_EXECUTED"
    assert refusal(matter, B, receipt(NOTIFIED)) == "NOTICE_NOT_OWED"
    assert refusal(after(*TOLD), A, receipt(NOTIFIED)) == "NOTICE_NOT_OWED"
    assert refusal(matter, B, receipt(RESTORED)) == "NOT_EXECUTED"


def test_a_member_orders_itself_and_proposes_to_others():
    member = {"authority": Authority.MEMBER}
    own = after((A, ordered(members=(A,), **member)))
    proposed = after((A, ordered(**member)))
    by = {"opener": A}

    assert own.state is State.AUTHORISED
    assert proposed.state is State.PROPOSED
    assert refusal(proposed, B, receipt(EXECUTED, **by)) == "TRANSITION_NOT_ALLOWED"
    assert refusal(proposed, B, decide(OrderDecision.AUTHORISE, **by)) == "ROLE_NOT_ALLOWED"
    for decision, state in (
        (OrderDecision.AUTHORISE, State.AUTHORISED),
        (OrderDecision.REJECT, State.REJECTED),
    ):
        assert after((A, ordered(**member)), (COORD, decide(decision, **by))).state is state


def test_a_passed_verification_of_identity_lifts_and_a_failed_one_does_not():
    passed = after(*TOLD, (A, reverified(ReverifyResult.PASS)))
    failed = after(*TOLD, (A, reverified(ReverifyResult.FAIL)))

    assert passed.state is State.LIFTED
    assert passed.facts.lift is DispositionOutcome.PASS
    assert failed.state is State.NOTIFIED
    assert refusal(after(*TOLD), B, reverified(ReverifyResult.PASS)) == "NOT_EXECUTED"


def test_an_appeal_is_decided_by_who_ordered_acted_or_oversees():
    matter = after(*APPEALED)

    for member in (COORD, A, POLICE):
        assert refusal(matter, member, decided(AppealResult.LIFTED)) == "ACCEPTED"
    assert refusal(matter, B, decided(AppealResult.LIFTED)) == "NOT_EXECUTED"
    assert refusal(matter, NET, decided(AppealResult.LIFTED)) == "NOT_THE_OPENER"
    assert refusal(after(*TOLD), A, decided(AppealResult.LIFTED)) == "TRANSITION_NOT_ALLOWED"


def test_an_appeal_that_failed_can_be_filed_again_and_be_lifted_after_all():
    upheld = (*APPEALED, (COORD, decided(AppealResult.UPHELD)))

    assert after(*upheld).state is State.UPHELD
    assert after(*upheld, (BANK, appeal())).state is State.APPEALED
    assert after(*upheld, (COORD, decided(AppealResult.LIFTED))).state is State.LIFTED


def test_a_member_has_one_open_appeal_on_an_order_and_a_bounded_number_in_all():
    story = list(APPEALED)
    (appellant,) = (member for member, body in APPEALED if isinstance(body, Appeal))
    another = next(one for one in (NET, BANK) if one != appellant)

    assert refusal(after(*story), appellant, appeal()) == "APPEAL_OPEN"
    assert refusal(after(*story), another, appeal()) == "ACCEPTED"

    story.append((COORD, decided(AppealResult.UPHELD)))
    for _ in range(MAX_APPEALS - 1):
        story += [(appellant, appeal()), (COORD, decided(AppealResult.UPHELD))]

    assert refusal(after(*story), appellant, appeal()) == "APPEALS_TOO_MANY"
    assert refusal(after(*story), another, appeal()) == "ACCEPTED"
    assert refusal(after(*story), COORD, decided(AppealResult.LIFTED)) == "ACCEPTED"


_APPEALS = st.tuples(st.sampled_from([NET, BANK, B]), st.just(appeal())) | st.just(
    (COORD, decided(AppealResult.UPHELD))
)


@given(st.lists(_APPEALS, max_size=60))
def test_the_facts_of_an_order_hold_no_more_appeals_than_its_bound(story):
    facts = folded(timed((ORDER, *story))).matter.facts
    since = [member for member, body in story if isinstance(body, Appeal)]

    assert len(facts.appeals) <= MAX_APPEALS * len(set(since))
    assert facts.appellants <= set(since)
    assert bool(facts.appellants) is bool(facts.appealed_time)


def test_a_police_order_is_lifted_by_the_police_alone():
    body = ordered(authority=Authority.POLICE, members=(A,))
    acted = ((POLICE, body), (A, receipt(EXECUTED, opener=POLICE)))
    contested = (*acted, (NET, appeal(opener=POLICE)))
    by = {"opener": POLICE}

    assert refusal(after(*acted), A, reverified(ReverifyResult.PASS, **by)) == "POLICE_ORDER"
    assert refusal(after(*acted), COORD, decide(OrderDecision.LIFT, **by)) == "POLICE_ORDER"
    assert refusal(after(*contested), A, decided(AppealResult.LIFTED, **by)) == "POLICE_ORDER"
    assert after(*contested, (POLICE, decided(AppealResult.LIFTED, **by))).state is State.LIFTED


def test_a_term_ends_by_itself_and_is_reported_over():
    end = ordered().term_end_time
    matter = after(*TOLD)
    over = receipt(RESTORED, DispositionOutcome.LIFTED_TERM)

    assert matter.state_at(end - 1) is State.NOTIFIED
    assert matter.state_at(end) is State.EXPIRED
    assert refusal(matter, A, over) == "NOT_LIFTED"
    assert advance(matter, A, roles(A), say(over, end - NOW)).state is State.EXPIRED
    assert refusal(after(ORDER), A, receipt(EXECUTED), end - NOW) == "TERM_OVER"


def test_an_order_lifted_elsewhere_ends_when_the_last_has_restored():
    alone = after(*TOLD, (A, receipt(RESTORED)))
    waiting = after(ORDER, (A, receipt(EXECUTED)), (A, receipt(RESTORED)))
    false = receipt(RESTORED, DispositionOutcome.NO_RESPONSE)

    assert alone.state is State.LIFTED
    assert waiting.state is State.EXECUTED
    assert refusal(after(*TOLD), A, false) == "NOT_LIFTED"


FIELDS = {
    "reason": st.sampled_from(DispositionReason),
    "remedy": st.sampled_from(Remedy),
    "documents": st.sampled_from(DocumentsNeeded),
    "measure": st.sampled_from(Measure),
    "kind": st.sampled_from(IndicatorKind),
    "subject_role": st.sampled_from(SubjectRole),
    "authority": st.sampled_from(Authority),
    "members": st.sampled_from([(A,), (A, B), (BANK,), (NET, BANK)]),
    "term_end_time": st.integers(NOW - DAY, NOW + 2 * MAX_TERM_SECONDS),
}


@given(st.fixed_dictionaries(FIELDS), st.sampled_from([COORD, POLICE, A, BANK, NET]))
def test_no_restriction_is_ever_in_force_without_reason_term_and_remedy(fields, opener):
    try:
        matter = after((opener, ordered(**fields)))
    except (MatterError, StatementError):
        return

    order = matter.facts.order
    if matter.state in IN_FORCE and restricts(order.measure):
        assert order.reason in DispositionReason
        assert order.remedy in Remedy
        assert order.documents in DocumentsNeeded
        assert NOW < order.term_end_time <= NOW + MAX_TERM_SECONDS
        assert matter.ends == order.term_end_time
        assert order.subject_role in RESTRICTABLE


BODIES = [
    (A, receipt(EXECUTED)),
    (B, receipt(EXECUTED)),
    (A, receipt(NOTIFIED)),
    (B, receipt(EXEMPT)),
    (A, receipt(RESTORED)),
    (NET, appeal()),
    (A, reverified(ReverifyResult.FAIL)),
    (COORD, decided(AppealResult.UPHELD)),
    (BANK, receipt(EXECUTED)),
]


@given(st.lists(st.sampled_from(BODIES), max_size=9), st.randoms(use_true_random=False))
def test_a_lift_wins_whatever_else_is_said_and_in_whatever_order_it_arrives(story, random):
    lift = (POLICE, say(decide(OrderDecision.LIFT), 5))
    said = [*timed((ORDER, *story)), lift]
    matter = folded(said).matter
    by_member = {}
    for member, statement in said:
        by_member.setdefault(member, []).append((member, statement))
    shuffled = []
    while by_member:  # each log keeps its order, and they arrive in any
        member = random.choice(sorted(by_member))
        shuffled.append(by_member[member].pop(0))
        if not by_member[member]:
            del by_member[member]

    assert matter.state is State.LIFTED
    assert matter.facts.lift in LIFTS
    assert folded(shuffled).matter == matter
    assert matter.state_at(NOW + 10 * MAX_TERM_SECONDS) is State.LIFTED


def test_the_last_to_take_a_measure_back_for_another_lift_ends_the_order_for_good():
    matter = after(ORDER, (A, receipt(EXECUTED)), (B, receipt(EXEMPT)), (A, receipt(RESTORED)))

    assert matter.state is State.LIFTED
    assert matter.facts.lift is DispositionOutcome.LIFTED_APPEAL
    assert matter.state_at(NOW + 10 * MAX_TERM_SECONDS) is State.LIFTED


def test_no_state_that_restricts_is_without_a_way_out():
    table = PROCEDURES[Kind.DISPOSITION].table
    for state in IN_FORCE:
        ways = {row.next for row in table if row.state is state}

        assert {State.LIFTED, State.APPEALED, State.EXPIRED} <= ways
    assert {row.next for row in table if row.state is State.LIFTED} == {State.LIFTED}


def test_every_receipt_is_known_to_every_state_in_force():
    table = PROCEDURES[Kind.DISPOSITION].table
    for state in (*IN_FORCE, State.LIFTED):
        choices = {row.choice for row in table if row.state is state}

        assert set(ReceiptStep) <= choices
    assert after(*TOLD).id == MATTER
