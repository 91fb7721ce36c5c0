"""A verdict follows from its rows, never rises by waiting, and spares whom it must spare."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.decay import CURVES, decay, default_term_seconds, lifetime_seconds
from federation.indicators.kind import Kind
from federation.roles import Role
from federation.statements import BODY_NUMBERS, Designation, Nomination, Opinion, Sighting
from federation.verdict import (
    DISPLAY_CODES,
    NOTHING_KNOWN,
    RULES,
    Outline,
    Standing,
    band_of_score,
    code_bits,
    is_protected,
    is_spoofed,
    judge,
    outline,
    reliability,
)
from federation.vocabulary import Band, OpinionValue, Origin, SightingKind, SubjectRole
from tests.federation.said import DAY, NOW, TOKEN, opaque

ROLES = {
    "bank-a": frozenset({Role.BANK}),
    "bank-b": frozenset({Role.BANK}),
    "carrier-c": frozenset({Role.CARRIER}),
    "police-d": frozenset({Role.POLICE}),
    "coordinator-e": frozenset({Role.COORDINATOR}),
    "partner-f": frozenset({Role.PARTNER}),
}
RELIABILITY = {"bank-a": 0.9, "bank-b": 0.7, "carrier-c": 0.8, "police-d": 1.0}
STANDING = Standing(ROLES, RELIABILITY)
DETAILS = {
    BODY_NUMBERS[Nomination]: [int(origin) for origin in Origin],
    BODY_NUMBERS[Sighting]: [int(kind) for kind in SightingKind],
    BODY_NUMBERS[Opinion]: [int(value) for value in OpinionValue],
}


def row(member="bank-a", body=Nomination, *, confidence=80, detail=0, role=1, **other):
    issued = other.get("issued", NOW)
    return (
        TOKEN,
        member,
        other.get("statement", opaque(f"{member} {body} {detail} {issued}")),
        int(other.get("kind", Kind.PHONE)),
        body if isinstance(body, int) else BODY_NUMBERS[body],
        confidence,
        int(detail),
        1,
        1,
        int(role),
        1,
        issued,
        other.get("seen", issued),
        other.get("expires", 0),
        1,
        0,
    )


def cutoff(member="carrier-c", effective=NOW, expires=0):
    return (TOKEN, member, opaque(f"cutoff {member} {effective}"), 1, effective, expires)


def protection(member, expires=0):
    return (TOKEN, member, opaque(f"protection {member}"), 1, 3, expires)


def exclusions(verdict):
    return [term.excluded for term in verdict.terms]


def outline_of(verdict):
    return Outline(verdict.band, verdict.codes, verdict.expires, verdict.sources)


def verdict_of(*rows, cutoffs=(), protections=(), standing=STANDING, now=NOW):
    return judge(rows, cutoffs, protections, standing, now)


@st.composite
def _row(draw, *, bodies=tuple(DETAILS), endless=False):
    body = draw(st.sampled_from(bodies))
    issued = NOW - draw(st.integers(0, 20 * DAY))
    return row(
        draw(st.sampled_from(sorted(ROLES))),
        body,
        confidence=draw(st.integers(1, 100)),
        detail=draw(st.sampled_from(DETAILS[body])),
        role=draw(st.sampled_from([0, 1, 1, 2, 3])),
        statement=opaque(draw(st.integers(0, 10**6))),
        kind=draw(st.sampled_from([Kind.PHONE, Kind.URL, Kind.IBAN])),
        issued=issued,
        seen=issued - draw(st.integers(0, 10 * DAY)),
        expires=0 if endless else draw(st.sampled_from([0, issued + 5 * DAY, NOW + 9 * DAY])),
    )


def unique(rows):
    return list({(item[1], item[2]): item for item in rows}.values())


ROWS = st.lists(_row(), max_size=7).map(unique)
ENDLESS = st.lists(_row(endless=True), max_size=7).map(unique)
NOMINATIONS = _row(bodies=(BODY_NUMBERS[Nomination],))
AGREEING = st.one_of(
    NOMINATIONS,
    st.builds(
        row,
        st.sampled_from(sorted(ROLES)),
        st.sampled_from([Sighting]),
        detail=st.just(SightingKind.SEEN),
        issued=st.integers(NOW - 20 * DAY, NOW),
    ),
    st.builds(
        row,
        st.sampled_from(sorted(ROLES)),
        st.sampled_from([Opinion]),
        detail=st.sampled_from([OpinionValue.AGREE, OpinionValue.STRONGLY_AGREE]),
        confidence=st.integers(1, 100),
        issued=st.integers(NOW - 20 * DAY, NOW),
    ),
)
MEMBERS = st.sampled_from(sorted(ROLES))
CUTOFFS = st.lists(
    st.builds(cutoff, MEMBERS, st.integers(NOW - 20 * DAY, NOW + 5 * DAY)), max_size=2
)
PROTECTIONS = st.lists(st.builds(protection, MEMBERS), max_size=2)
STANDINGS = st.builds(
    Standing,
    st.just(ROLES),
    st.dictionaries(MEMBERS, st.floats(0, 1)),
    st.frozensets(MEMBERS, max_size=2),
)


@given(ROWS, CUTOFFS, PROTECTIONS, STANDINGS, st.data())
def test_the_order_of_rows_is_irrelevant(rows, cutoffs, protections, standing, data):
    verdict = judge(rows, cutoffs, protections, standing, NOW)
    shuffled = judge(
        data.draw(st.permutations(rows)), cutoffs[::-1], protections[::-1], standing, NOW
    )

    assert shuffled == verdict


@given(ROWS, CUTOFFS, PROTECTIONS, STANDINGS)
def test_the_outline_is_that_of_the_verdict(rows, cutoffs, protections, standing):
    verdict = judge(rows, cutoffs, protections, standing, NOW)

    assert outline(rows, cutoffs, protections, standing, NOW) == outline_of(verdict)


@given(NOMINATIONS, STANDINGS, st.integers(0, 30 * DAY))
def test_the_outline_of_one_nomination_is_that_of_its_verdict(one, standing, later):
    verdict = judge([one], [], [], standing, NOW + later)

    assert outline([one], [], [], standing, NOW + later) == outline_of(verdict)


@given(ROWS, CUTOFFS, STANDINGS)
def test_the_score_is_that_of_the_terms(rows, cutoffs, standing):
    verdict = judge(rows, cutoffs, [], standing, NOW)
    terms = [term.weight for term in verdict.terms if not term.excluded]
    counted = 1 - math.prod(1 - weight for weight in terms if weight > 0)
    disputed = math.prod(1 + weight for weight in terms if weight < 0)

    assert 0 <= verdict.score <= 1
    assert verdict.score == pytest.approx(counted * disputed, abs=1e-6)
    assert len(verdict.terms) == len(rows)
    assert all(term.weight == 0 for term in verdict.terms if term.excluded)
    for sign in (1, -1):
        members = [
            term.member for term in verdict.terms if not term.excluded and term.weight * sign > 0
        ]
        assert len(members) == len(set(members))


@given(ROWS, NOMINATIONS, CUTOFFS, STANDINGS, st.data())
def test_more_confidence_in_a_nomination_never_lowers_the_score(rows, one, cutoffs, standing, data):
    surer = (*one[:5], data.draw(st.integers(one[5], 100)), *one[6:])
    before = judge([*rows, one], cutoffs, [], standing, NOW)
    after = judge([*rows, surer], cutoffs, [], standing, NOW)

    assert after.score >= before.score


@given(ROWS, CUTOFFS, STANDINGS, AGREEING)
def test_evidence_that_agrees_never_lowers_the_score(rows, cutoffs, standing, one):
    before, after = (judge(each, cutoffs, [], standing, NOW) for each in (rows, [*rows, one]))

    assert after.score >= before.score


@given(ROWS, CUTOFFS, STANDINGS, MEMBERS, st.sampled_from([1, 2]), st.integers(1, 100))
def test_a_dispute_never_raises_the_score(rows, cutoffs, standing, member, detail, confidence):
    dispute = row(member, Opinion, detail=detail, confidence=confidence)
    before, after = (judge(each, cutoffs, [], standing, NOW) for each in (rows, [*rows, dispute]))

    assert after.score <= before.score


@given(ENDLESS, CUTOFFS, STANDINGS, st.integers(0, 40 * DAY), st.integers(0, 40 * DAY))
def test_a_score_never_rises_by_waiting(rows, cutoffs, standing, wait, more):
    early = judge(rows, cutoffs, [], standing, NOW + wait)
    late = judge(rows, cutoffs, [], standing, NOW + wait + more)

    assert late.score <= early.score


@given(ENDLESS, CUTOFFS, STANDINGS, st.integers(0, 40 * DAY))
def test_the_band_is_weaker_when_the_verdict_says_so(rows, cutoffs, standing, more):
    verdict = judge(rows, cutoffs, [], standing, NOW)
    if verdict.band is Band.NONE:
        assert verdict.expires == 0
        return
    later = judge(rows, cutoffs, [], standing, verdict.expires + more)

    assert verdict.expires > NOW
    assert later.band < verdict.band


@given(ROWS, STANDINGS)
def test_supporting_rows_that_end_are_weaker_when_the_verdict_says_so(rows, standing):
    supports = [one for one in rows if one[4] == BODY_NUMBERS[Nomination]]
    verdict = judge(supports, [], [], standing, NOW)
    if verdict.band is Band.NONE:
        assert verdict.expires == 0
        return
    assert judge(supports, [], [], standing, verdict.expires).band < verdict.band


@given(st.integers(20, 100), st.sampled_from([Kind.PHONE, Kind.URL, Kind.IBAN]))
def test_the_time_of_a_weaker_band_is_right_to_the_minute(confidence, kind):
    verdict = verdict_of(row(confidence=confidence, kind=kind))
    before = verdict_of(row(confidence=confidence, kind=kind), now=verdict.expires - 61)

    assert before.band is verdict.band or verdict.expires <= NOW + 61


@given(ROWS, CUTOFFS, st.sampled_from([["coordinator-e"], ["bank-a", "bank-b"]]))
def test_a_protected_object_is_never_above_none(rows, cutoffs, speakers):
    protections = [protection(member) for member in speakers]
    verdict = judge(rows, cutoffs, protections, STANDING, NOW)

    assert verdict.band is Band.NONE
    assert verdict.score == 0
    assert verdict.codes == ("PROTECTED",)
    assert set(exclusions(verdict)) <= {"PROTECTED"}
    assert is_protected(protections, STANDING)


@pytest.mark.parametrize("speakers", [["bank-a"], ["bank-a", "partner-f"], ["nobody"], []])
def test_a_single_member_does_not_protect(speakers):
    protections = [protection(member) for member in speakers]

    assert verdict_of(row(), protections=protections).band is Band.HIGH
    assert not is_protected(protections, STANDING)


def test_one_member_that_says_it_twice_does_not_protect():
    twice = [protection("bank-a"), (*protection("bank-a")[:2], opaque("again"), 1, 3, 0)]

    assert verdict_of(row(), protections=twice).band is Band.HIGH


def test_a_revoked_coordinator_does_not_protect():
    standing = dataclasses.replace(STANDING, revoked=frozenset({"coordinator-e"}))

    assert not is_protected([protection("coordinator-e")], standing)


def test_a_protection_ends_with_its_term():
    ended = [protection("coordinator-e", expires=NOW)]

    assert verdict_of(row(), protections=ended).band is Band.HIGH


def test_what_was_seen_before_a_number_changed_hands_does_not_count():
    old = row(issued=NOW - DAY)
    verdict = verdict_of(old, cutoffs=[cutoff(effective=NOW - 60)])

    assert verdict.band is Band.NONE
    assert exclusions(verdict) == ["REASSIGNED"]
    assert verdict.codes == ("REASSIGNED",)


def test_an_old_sight_nominated_after_a_number_changed_hands_does_not_count():
    late = row(issued=NOW, seen=NOW - DAY)

    assert verdict_of(late, cutoffs=[cutoff(effective=NOW - 60)]).band is Band.NONE


def test_a_sighting_of_the_new_owner_does_not_revive_what_the_old_one_did():
    old = row(issued=NOW - DAY)
    new = row(body=Sighting, detail=SightingKind.SEEN)
    verdict = verdict_of(old, new, cutoffs=[cutoff(effective=NOW - 60)])

    assert sorted(exclusions(verdict)) == ["", "REASSIGNED"]
    assert verdict.band is Band.LOW


@pytest.mark.parametrize(
    "change",
    [
        cutoff("bank-b", NOW - 60),
        cutoff("carrier-c", NOW + 60),
        cutoff("carrier-c", NOW - 60, expires=NOW),
        cutoff("carrier-c", NOW - 2 * DAY),
    ],
    ids=["by a bank", "in the future", "taken back by its term", "before the evidence"],
)
def test_only_a_carriers_past_change_of_hands_cuts_off(change):
    assert verdict_of(row(issued=NOW - DAY), cutoffs=[change]).band > Band.NONE


def test_evidence_seen_after_a_number_changed_hands_counts():
    assert verdict_of(row(), cutoffs=[cutoff(effective=NOW - 60)]).band is Band.HIGH


@pytest.mark.parametrize(
    ("one", "excluded"),
    [
        (row("partner-f"), "ROLE_NOT_ALLOWED"),
        (row("nobody"), "ROLE_NOT_ALLOWED"),
        (row(expires=NOW), "EXPIRED"),
        (row(issued=NOW + 301), "NOT_YET_VALID"),
        (row(issued=NOW - 10 * DAY), "DECAYED"),
        (row(role=SubjectRole.VICTIM), "NOT_OFFENDER"),
        (row(role=SubjectRole.SPOOFED), "NOT_OFFENDER"),
        (row(role=SubjectRole.IMPERSONATED_BRAND), "NOT_OFFENDER"),
        (row(role=SubjectRole.SHARED_INFRASTRUCTURE), "NOT_OFFENDER"),
        (row(body=Opinion, detail=OpinionValue.NEUTRAL), "NO_WEIGHT"),
        (row(body=Sighting, detail=SightingKind.EXPIRED), "NO_WEIGHT"),
    ],
)
def test_a_term_that_does_not_count_says_why(one, excluded):
    verdict = verdict_of(one)

    assert exclusions(verdict) == [excluded]
    assert verdict.band is Band.NONE
    assert verdict.sources == 0


def test_a_number_shown_falsely_by_somebody_abroad_is_no_offender_s_and_the_call_is_told_of():
    spoofed = row("carrier-c", detail=Origin.OVERSEAS, role=SubjectRole.SPOOFED)
    offender = row("bank-a", detail=Origin.OVERSEAS)
    domestic = row("bank-a", detail=Origin.DOMESTIC)
    old = row("carrier-c", detail=Origin.OVERSEAS, role=SubjectRole.SPOOFED, issued=NOW - 10 * DAY)

    assert (verdict_of(spoofed).band, verdict_of(spoofed).codes) == (Band.NONE, ("OVERSEAS",))
    assert outline((spoofed,), (), (), STANDING, NOW) == (Band.NONE, ("OVERSEAS",), 0, 0)
    assert verdict_of(offender).codes == ("REPORTED", "OVERSEAS")
    assert outline((offender,), (), (), STANDING, NOW).codes == ("REPORTED", "OVERSEAS")
    assert verdict_of(domestic).codes == verdict_of(row()).codes
    assert verdict_of(domestic).score == verdict_of(row()).score
    assert verdict_of(old).codes == outline((old,), (), (), STANDING, NOW).codes == ()


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([row("carrier-c", role=SubjectRole.SPOOFED)], True),
        ([row("police-d", role=SubjectRole.SPOOFED), row("bank-a")], True),
        ([row("bank-a", role=SubjectRole.SPOOFED)], False),
        ([row("partner-f", role=SubjectRole.SPOOFED)], False),
        ([row("nobody", role=SubjectRole.SPOOFED)], False),
        ([row("carrier-c", role=SubjectRole.SPOOFED, expires=NOW)], False),
        ([row("carrier-c", role=SubjectRole.SPOOFED, issued=NOW - 10 * DAY)], False),
        ([row("carrier-c", role=SubjectRole.VICTIM)], False),
        ([row("carrier-c", role=SubjectRole.SPOOFED), row("police-d", Designation)], False),
        ([], False),
    ],
)
def test_who_knows_calls_says_that_a_number_is_shown_falsely_and_the_police_overrule_it(
    rows, holds
):
    assert is_spoofed(rows, STANDING, NOW) is holds


def test_nothing_that_a_revoked_member_said_counts():
    standing = dataclasses.replace(STANDING, revoked=frozenset({"bank-a"}))
    dispute = row("bank-a", Opinion, detail=OpinionValue.STRONGLY_DISAGREE)
    verdict = verdict_of(row("bank-a"), dispute, row("bank-b"), standing=standing)

    assert sorted(exclusions(verdict)) == ["", "MEMBER_REVOKED", "MEMBER_REVOKED"]
    assert verdict.score == verdict_of(row("bank-b")).score


def test_a_member_counts_once_with_its_strongest_term():
    weak, strong = row(confidence=30, statement=opaque(1)), row(confidence=90, statement=opaque(2))
    verdict = verdict_of(weak, strong)

    assert verdict.score == pytest.approx(0.81)
    assert verdict.sources == 1
    assert sorted(exclusions(verdict)) == ["", "WEAKER_TERM"]


def test_two_members_together_reach_the_highest_band():
    verdict = verdict_of(row("bank-a"), row("bank-b"))

    assert verdict.score == pytest.approx(1 - (1 - 0.72) * (1 - 0.56))
    assert verdict.band is Band.VERY_HIGH
    assert verdict.codes == ("REPORTED", "SEVERAL_MEMBERS")
    assert verdict.rules == RULES == "verdict-2"


def test_a_dispute_of_another_member_lowers_the_band():
    dispute = row("bank-b", Opinion, detail=OpinionValue.STRONGLY_DISAGREE, confidence=100)
    verdict = verdict_of(row("bank-a"), dispute)

    assert verdict.score == pytest.approx(0.72 * (1 - 0.7))
    assert verdict.codes == ("DISPUTED", "REPORTED")
    assert min(term.weight for term in verdict.terms) == pytest.approx(-0.7)


@pytest.mark.parametrize("detail", [SightingKind.EXPIRED, SightingKind.FALSE_POSITIVE])
def test_a_members_later_word_withdraws_its_earlier_one(detail):
    earlier = row(issued=NOW - 60)
    verdict = verdict_of(earlier, row(body=Sighting, detail=detail))

    assert verdict.band is Band.NONE
    assert "WITHDRAWN" in exclusions(verdict)


def test_new_support_withdraws_the_members_own_dispute():
    dispute = row("bank-a", Opinion, detail=OpinionValue.DISAGREE, issued=NOW - 60)
    verdict = verdict_of(dispute, row("bank-a"))

    assert verdict.score == verdict_of(row("bank-a")).score


def test_a_sighting_renews_the_members_own_nomination_and_no_others():
    seen = row("bank-a", Sighting, detail=SightingKind.SEEN)
    own, other = row("bank-a", issued=NOW - 5 * DAY), row("bank-b", issued=NOW - 5 * DAY)
    renewed = {
        term.member: term.decay for term in verdict_of(seen, own, other).terms if term.weight
    }

    assert renewed == {"bank-a": 1.0, "bank-b": pytest.approx(decay(Kind.PHONE, 5 * DAY))}


def test_codes_name_mules_and_the_police():
    verdict = verdict_of(row("police-d", role=SubjectRole.MULE))

    assert verdict.codes == ("REPORTED", "POLICE", "MULE")
    assert code_bits(verdict.codes) == 0b0110_1000


@given(ROWS, CUTOFFS, PROTECTIONS, STANDINGS)
def test_every_verdict_above_none_has_a_reason_code(rows, cutoffs, protections, standing):
    verdict = judge(rows, cutoffs, protections, standing, NOW)

    assert set(verdict.codes) <= set(DISPLAY_CODES)
    assert bool(verdict.codes) or verdict.band is Band.NONE
    assert 0 <= code_bits(verdict.codes) <= 255


def test_nothing_said_is_none():
    assert outline_of(verdict_of()) == outline([], [], [], STANDING, NOW) == NOTHING_KNOWN


@pytest.mark.parametrize(
    ("score", "band"),
    [(0, 1), (0.099999, 1), (0.1, 2), (0.3, 3), (0.599999, 3), (0.6, 4), (0.85, 5), (1, 5)],
)
def test_bands_begin_at_their_scores(score, band):
    assert band_of_score(score) == band


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_reliability_grows_with_what_was_upheld_and_stays_inside(upheld, overturned):
    value = reliability(upheld, overturned)

    assert 0 < value < 1
    assert reliability(upheld + 1, overturned) > value > reliability(upheld, overturned + 1)


def test_a_newcomer_is_trusted_like_eight_of_ten():
    newcomer = Standing({"bank-a": ROLES["bank-a"]}, {})

    assert reliability(0, 0) == 0.8
    assert verdict_of(row(confidence=100), standing=newcomer).score == pytest.approx(0.8)


def test_every_kind_fades():
    assert set(CURVES) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_decay_falls_from_one_to_nothing_within_its_lifetime(kind):
    life = lifetime_seconds(kind)
    values = [decay(kind, life * step // 100) for step in range(101)]

    assert values[0] == 1
    assert values[-1] == 0
    assert values == sorted(values, reverse=True)
    assert decay(kind, -5) == 1
    assert default_term_seconds(kind) >= life


@pytest.mark.parametrize(("kind", "days"), [(Kind.PHONE, 3.39), (Kind.URL, 1.02)])
def test_decay_is_the_published_one(kind, days):
    """MISP: of base score 80 the threshold 30 is left after 3.4 days (vishing), 1.0 (phishing)."""
    assert 80 * decay(kind, int(days * DAY)) == pytest.approx(30, abs=0.1)


def test_support_that_is_cut_off_does_not_withdraw_the_members_dispute():
    dispute = row("bank-a", Opinion, detail=OpinionValue.STRONGLY_DISAGREE, issued=NOW - 3 * DAY)
    old = row("bank-a", issued=NOW - DAY)
    change = [cutoff(effective=NOW - 60)]
    with_old = verdict_of(dispute, old, row("bank-b"), cutoffs=change)

    assert "DISPUTED" in with_old.codes
    assert with_old.score == verdict_of(dispute, row("bank-b"), cutoffs=change).score


def test_of_support_and_dispute_in_one_second_the_dispute_stands():
    dispute = row("bank-a", Opinion, detail=OpinionValue.DISAGREE)
    verdict = verdict_of(dispute, row("bank-a"), row("bank-b"))

    assert sorted(exclusions(verdict)) == ["", "", "WITHDRAWN"]
    assert "DISPUTED" in verdict.codes


def test_what_a_dispute_withdrew_does_not_come_back_when_the_dispute_ends():
    dispute = row("bank-a", Opinion, detail=OpinionValue.DISAGREE, issued=NOW - 60, expires=NOW)
    verdict = verdict_of(row("bank-a", issued=NOW - 90), dispute)

    assert verdict.band is Band.NONE
    assert sorted(exclusions(verdict)) == ["EXPIRED", "WITHDRAWN"]


@pytest.mark.parametrize("members", [["bank-a"], ["bank-a", "carrier-c"]])
def test_the_time_of_a_weaker_band_allows_for_a_dispute_that_ends(members):
    dispute = row("bank-b", Opinion, detail=OpinionValue.DISAGREE, expires=NOW + 600)
    rows = [*(row(member, confidence=95) for member in members), dispute]
    verdict = verdict_of(*rows)

    assert verdict.expires > NOW + 600
    assert verdict_of(*rows, now=verdict.expires).band < verdict.band
