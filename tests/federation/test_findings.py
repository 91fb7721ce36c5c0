"""What verification rounds found out, in verdicts and labels: the same in any order."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from federation.findings import Finding, find
from federation.indicator_state import IndicatorState, indicator_state
from federation.labels import OutcomeRule, SubjectLabel, SubjectRows, label_subject
from federation.matters import State
from federation.matters.verification import Tally
from federation.names import MemberId
from federation.statements import Opinion, Sighting
from federation.verdict import Band, judge, outline
from federation.vocabulary import (
    OpinionValue,
    SightingKind,
    TrainingLabel,
    VerificationDecision,
)
from tests.federation.said import DAY, NOW, TOKEN, opaque
from tests.federation.test_verdict import (
    ROLES,
    STANDING,
    cutoff,
    exclusions,
    outline_of,
    protection,
    row,
)
from tests.federation.verification_world import OPENER, examine, folded, read_by, says, tally

BANK = MemberId("bank-a")
CONFIRMED = OutcomeRule(TrainingLabel.CONFIRMED)
DESIGNATED = OutcomeRule(TrainingLabel.DESIGNATED)


def finding(state, time=NOW, **fields):
    defaults = {
        "token": TOKEN,
        "state": state,
        "matter": opaque(f"{state}/{time}"),
        "opener": BANK,
        "kind": 1,
        "epoch": 1,
        "time": time,
        "tally": Tally(3, 0, 2, 0),
    }
    return Finding(**defaults | fields)


def verdict(*rows, findings=(), cutoffs=(), protections=(), now=NOW):
    return judge(rows, cutoffs, protections, STANDING, now, findings)


def test_a_confirmation_raises_the_band_and_is_one_more_term():
    before = verdict(row(confidence=50))
    after = verdict(row(confidence=50), findings=[finding(State.CONFIRMED)])

    assert before.band < after.band is Band.VERY_HIGH
    assert [term.body for term in after.terms].count("VERIFICATION") == 1
    assert after.sources == 1  # who answered stays unknown
    assert "SEVERAL_MEMBERS" in after.codes


def test_a_confirmation_alone_is_high_and_decays():
    found = [finding(State.CONFIRMED)]

    assert verdict(findings=found).band is Band.HIGH
    assert outline([], [], [], STANDING, NOW, found) == outline_of(verdict(findings=found))

    later = verdict(findings=found, now=verdict(findings=found).expires)

    assert later.band < Band.HIGH


def test_an_examined_confirmation_weighs_what_its_examiner_does():
    found = finding(State.CONFIRMED, examined=True)
    (term,) = verdict(findings=[found]).terms

    assert term.reliability == STANDING.reliability["bank-a"]

    (term,) = verdict(findings=[replace(found, examiner=MemberId("police-d"))]).terms

    assert term.reliability == STANDING.reliability["police-d"] != STANDING.reliability["bank-a"]


def test_a_refutation_cuts_off_what_was_seen_before_and_nothing_later():
    old = row("bank-a", issued=NOW - DAY)
    new = row("bank-b", issued=NOW + 1)
    found = [finding(State.REFUTED, NOW)]

    assert verdict(old, findings=found).band is Band.NONE
    assert exclusions(verdict(old, findings=found)) == ["REFUTED"]
    assert exclusions(verdict(old, new, findings=found, now=NOW + 1)) == ["REFUTED", ""]


def test_a_lift_in_an_appeal_cuts_off_like_a_refutation():
    found = [finding(State.RELEASED, NOW, tally=None)]

    assert exclusions(verdict(row(issued=NOW - 1), findings=found)) == ["REFUTED"]


def test_a_police_designation_is_not_refuted_by_members():
    designated = row("police-d", issued=NOW - DAY)

    assert exclusions(verdict(designated, findings=[finding(State.REFUTED)])) == [""]


def test_a_refutation_leaves_disputes():
    disputed = row("bank-b", Opinion, detail=OpinionValue.STRONGLY_DISAGREE, issued=NOW - DAY)
    rows = (row(issued=NOW - DAY), disputed)

    assert exclusions(verdict(*rows, findings=[finding(State.REFUTED)])) == ["REFUTED", ""]


def test_the_later_outcome_counts():
    refuted, confirmed = finding(State.REFUTED, NOW - 10), finding(State.CONFIRMED, NOW - 5)

    assert verdict(findings=[refuted, confirmed]).band is Band.HIGH

    confirmed = replace(confirmed, time=NOW - 10)

    assert verdict(findings=[refuted, confirmed]).band is Band.NONE


def test_protection_and_a_new_owner_outweigh_a_confirmation():
    found = [finding(State.CONFIRMED, NOW - DAY)]

    assert verdict(findings=found, protections=[protection("coordinator-e")]).band is Band.NONE
    assert exclusions(verdict(findings=found, cutoffs=[cutoff()])) == ["REASSIGNED"]


def test_a_conflict_changes_no_score_and_is_shown():
    plain = verdict(row())
    doubted = verdict(row(), findings=[finding(State.CONFLICT, tally=Tally(3, 1, 0, 0))])

    assert doubted.score == plain.score
    assert doubted.codes == ("DISPUTED", "REPORTED")


def test_rounds_without_an_outcome_weigh_nothing():
    for state in (State.VERIFYING, State.INSUFFICIENT, State.EXPIRED):
        assert verdict(row(), findings=[finding(state)]).score == verdict(row()).score


outcomes = st.sampled_from([State.CONFIRMED, State.REFUTED, State.CONFLICT, State.RELEASED])
found = st.lists(
    st.builds(finding, outcomes, st.integers(NOW - 30 * DAY, NOW)), max_size=5, unique=True
)
people = st.sampled_from(["bank-a", "bank-b", "carrier-c", "police-d"])
seen = st.lists(
    st.builds(lambda who, at: row(who, issued=at), people, st.integers(NOW - 30 * DAY, NOW)),
    max_size=5,
    unique_by=lambda one: (one[1], one[2]),
)


@given(seen, found, st.randoms())
def test_the_order_of_rows_and_findings_changes_nothing(rows, findings, draw):
    before = verdict(*rows, findings=findings)
    draw.shuffle(rows)
    draw.shuffle(findings)

    assert verdict(*rows, findings=findings) == before


@given(seen, found)
def test_a_refutation_never_raises_a_score_and_a_confirmation_never_lowers_one(rows, findings):
    score = verdict(*rows, findings=findings).score

    assert verdict(*rows, findings=[*findings, finding(State.REFUTED)]).score <= score

    confirmed = verdict(*rows, findings=[*findings, finding(State.CONFIRMED, NOW + 1)], now=NOW)

    assert confirmed.score >= score


@given(seen, found)
def test_the_outline_is_that_of_the_verdict(rows, findings):
    judged = verdict(*rows, findings=findings)

    assert outline(rows, [], [], STANDING, NOW, findings) == outline_of(judged)


def label(*rows, findings=(), rule=CONFIRMED, now=NOW):
    return label_subject(SubjectRows(evidence=rows, findings=findings), rule, STANDING, now)


def test_a_confirmation_makes_a_positive_and_a_refutation_clears():
    nominated = row(issued=NOW - DAY)

    assert label(nominated) is SubjectLabel.LEFT_OUT
    assert label(nominated, findings=[finding(State.CONFIRMED)]) is SubjectLabel.POSITIVE
    assert label(nominated, findings=[finding(State.REFUTED)]) is SubjectLabel.CLEARED
    assert label(nominated, findings=[finding(State.CONFLICT)]) is SubjectLabel.LEFT_OUT
    assert label(findings=[finding(State.VERIFYING)]) is SubjectLabel.LEFT_OUT


def test_a_confirmation_is_no_designation_and_must_be_old_enough():
    found = [finding(State.CONFIRMED, NOW)]

    assert label(findings=found, rule=DESIGNATED) is SubjectLabel.LEFT_OUT
    assert label(findings=found, rule=replace(CONFIRMED, maturity_days=1)) is SubjectLabel.LEFT_OUT


def stands(*rows, findings=()):
    return indicator_state(verdict(*rows, findings=findings), findings, ROLES)


def test_the_state_of_an_indicator_follows_its_rounds():
    old = row(issued=NOW - DAY)
    running, little = finding(State.VERIFYING, NOW - 5), finding(State.INSUFFICIENT, NOW - 5)

    assert stands() is IndicatorState.UNKNOWN
    assert stands(row(body=Sighting, detail=SightingKind.SEEN)) is IndicatorState.OBSERVED
    assert stands(old) is IndicatorState.NOMINATED
    assert stands(old, findings=[running]) is IndicatorState.VERIFYING
    assert stands(old, findings=[finding(State.CONFLICT)]) is IndicatorState.VERIFYING
    assert stands(old, findings=[little]) is IndicatorState.INSUFFICIENT
    assert stands(old, findings=[finding(State.CONFIRMED), little]) is IndicatorState.CONFIRMED
    assert stands(old, findings=[finding(State.REFUTED)]) is IndicatorState.REFUTED
    assert stands(old, findings=[finding(State.RELEASED)]) is IndicatorState.RELEASED
    assert stands(row(expires=NOW, issued=NOW - DAY)) is IndicatorState.EXPIRED


def test_who_sees_a_refuted_indicator_again_nominates_it_anew():
    again = row(issued=NOW)

    assert stands(again, findings=[finding(State.REFUTED, NOW - 1)]) is IndicatorState.NOMINATED


@given(seen, found)
def test_only_the_police_designate(rows, findings):
    others = [one for one in rows if one[1] != "police-d"]

    assert stands(*others, findings=findings) is not IndicatorState.DESIGNATED

    designated = stands(*others, row("police-d"), findings=findings)

    assert designated is IndicatorState.DESIGNATED


def test_a_finding_is_read_from_the_folded_matter():
    words = read_by(4, tally(3, 3))
    decided = says(OPENER, examine(VerificationDecision.REFUTE), 9)
    told = find(folded(*words, decided).matter, NOW + 10)

    assert told is not None
    assert (told.state, told.time, told.examiner) == (State.REFUTED, NOW + 9, OPENER)
    assert told.examined
    assert told.tally == (3, 3, 0, 0)
    assert find(folded().matter, NOW + DAY * 3).state is State.EXPIRED
