"""A member's figures are counted from what it did itself, in the period, and only in its sector."""

from types import MappingProxyType

import pytest

from federation.figures import (
    OwnNomination,
    Period,
    confirmed_tokens,
    fits_role,
    matter_figures,
    nomination_figures,
    only_of_role,
)
from federation.matters import Kind, Matter, State
from federation.matters.disposition_facts import Answer, DispositionFacts
from federation.matters.report import ReportFacts
from federation.matters.table import PROCEDURES
from federation.matters.verification import VerificationFacts
from federation.matters.warning import Track, WarningFacts
from federation.names import MemberId
from federation.roles import Role
from federation.sheet import INDICATOR, SHEET, duration_figure, has_cases
from federation.vocabulary import (
    DispositionOutcome,
    ReceiptStep,
    ReverifyResult,
    WarningChannel,
    WarningOutcome,
)
from tests.federation.said import NOW, TOKEN, opaque, order, report, verification_open, warning

ME, OTHER = MemberId("carrier-a"), MemberId("bank-x")
PERIOD = Period(NOW, NOW + 86_400)
HOUR = 3_600


def matter(kind, facts, state=State.EXECUTED, opened=NOW):
    return Matter(PROCEDURES[kind], opaque(repr(facts)), state, OTHER, opened, None, None, facts)


def answered(member=ME, executed=NOW + 600, **fields):
    step = ReceiptStep.EXECUTED
    return MappingProxyType({member: Answer(step, executed, executed_time=executed, **fields)})


def ordered(**fields):
    return matter(Kind.DISPOSITION, DispositionFacts(order=order(), authorised_time=NOW, **fields))


def test_wrong_restrictions_are_those_that_this_member_carried_out():
    lifted = {"lifted_time": NOW + 9 * HOUR, "lift": DispositionOutcome.LIFTED_APPEAL}
    figures = matter_figures(
        ME,
        [
            ordered(answers=answered(), appeals=((ME, NOW + HOUR), (OTHER, NOW)), **lifted),
            ordered(answers=answered(executed=NOW + 1_200)),
            ordered(
                answers=answered(reverified=ReverifyResult.PASS),
                lifted_time=NOW + HOUR,
                lift=DispositionOutcome.PASS,
            ),
            ordered(answers=answered(OTHER), appeals=((OTHER, NOW),), **lifted),
            ordered(answers=answered(executed=NOW - 1), **lifted),
        ],
        PERIOD,
    )

    assert figures["E-1"] == (1, 3)
    assert figures["E-2"] == duration_figure([8 * HOUR])
    assert figures["C-2"] == duration_figure([600, 1_200, 600])
    assert figures["B-3"] == (1, 3)


def test_a_report_is_answered_by_who_worked_on_it():
    def handled(member, fed_back, opened=NOW):
        facts = ReportFacts(report(), 1, opened, handler=member, fed_back_time=fed_back)
        return matter(Kind.REPORT, facts, opened=opened)

    figures = matter_figures(
        ME,
        [handled(ME, NOW + 2 * HOUR), handled(ME, 0), handled(OTHER, NOW + HOUR), handled(None, 0)],
        PERIOD,
    )

    assert figures["E-3"] == (1, 2)
    assert figures["I-2-FEEDBACK"] == duration_figure([2 * HOUR])


def test_a_warning_reached_whom_acknowledged_it():
    def warned(member, acknowledged=0, outcome=None):
        sent = ((next(iter(WarningChannel)), NOW + 60),)
        track = Track(member, sent, acknowledged, outcome)
        facts = WarningFacts(warning(), ends=NOW + 86_400, tracks={member: track})
        return matter(Kind.WARNING, facts)

    figures = matter_figures(
        ME,
        [
            warned(ME, NOW + 90, WarningOutcome.DISSUADED),
            warned(ME, NOW + 90, WarningOutcome.LOST),
            warned(ME),
            warned(OTHER, NOW + 90, WarningOutcome.DISSUADED),
        ],
        PERIOD,
    )

    assert figures["C-7"] == (2, 3)
    assert figures["C-7-DISSUADED"] == (1, 2)


def test_nominations_count_as_they_ended():
    own = [
        OwnNomination(TOKEN, NOW, is_first=True, hit_time=NOW - 3 * HOUR),
        OwnNomination(opaque("late"), NOW, is_first=False),
        OwnNomination(opaque("never"), NOW, is_first=True, hit_time=NOW + 1),
        OwnNomination(opaque("before"), NOW - 1, is_first=True),
    ]
    confirmed = frozenset({TOKEN, opaque("late"), opaque("before")})
    figures = nomination_figures(own, confirmed, PERIOD)

    assert figures["E-4"] == (2, 3)
    assert figures["E-4-FIRST"] == (1, 2)
    assert figures["E-5"] == duration_figure([3 * HOUR])


@pytest.mark.parametrize("state", [State.CONFIRMED, State.REFUTED, State.VERIFYING])
def test_only_a_confirming_round_confirms(state):
    round_ = matter(Kind.VERIFICATION, VerificationFacts(verification_open()), state)

    assert bool(confirmed_tokens([round_])) is (state is State.CONFIRMED)


def test_indicators_of_a_sector_are_about_its_members():
    figures = {one.code: (1, 2) for one in SHEET}
    of_bank = only_of_role(figures, frozenset({Role.BANK}))

    assert {code.partition("-")[0] for code in of_bank} == {"B", "E"}
    assert fits_role("C-7-DISSUADED", frozenset({Role.CARRIER}))
    assert not fits_role("I-1", frozenset({Role.CARRIER}))


def test_without_matters_there_is_no_figure_with_cases():
    figures = matter_figures(ME, [], PERIOD) | nomination_figures([], frozenset(), PERIOD)

    assert not any(has_cases(INDICATOR[code], figure) for code, figure in figures.items())
