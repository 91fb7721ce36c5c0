"""Judge a token: one band from all that members have said about it (rules ``verdict-2``).

1. *Protection first.* An object that a coordinator or a regulator, or two members together, call
   protected is NONE, whatever the evidence (R69).
2. *A term* is reliability(member) · confidence · decay(kind, age). A nomination has its own
   confidence; an opinion that agrees has half or four fifths of its own, a sighting a fixed low
   one. A sighting also renews the age of the same member's nomination.
3. *One member, one term*: its strongest. The others are shown as WEAKER_TERM.
4. *Disputes* of members (an opinion that disagrees, a false positive) multiply the score by
   1 - reliability · strength, the strongest of each member. They do not fade: a person who was
   cleared stays cleared, and a score never rises by waiting.
5. *A member's later word takes back its earlier one*: what it disputed or saw end withdraws what
   it said before, and new support withdraws its dispute.
6. *Reassigned*: what was seen before a carrier says that a number changed hands does not count
   against the new owner (R68). Disputes stay.
7. Victims, spoofed numbers, impersonated brands and shared infrastructure are no offenders: a
   nomination that says so does not raise the band. That it is used from abroad is told all the
   same, as advice about the call.
8. *Refuted*: what was seen up to the second in which a verification round refuted it, or an appeal
   lifted a measure, does not count; what is seen later does. A police nomination stays. Disputes
   stay. Only a tally that more than half of those asked have read alike decides a round.
9. *Confirmed*: a round that confirmed it is one more term, of fixed confidence, that decays from
   then on. Members that are in it stay unknown, so it counts beside their nominations.
10. What the police *designate* (涉案) scores 1 until they lift it: it does not fade, and no vote
   makes or unmakes it. Protection and a change of hands still go before it (R59).
11. Whatever has expired, was said by a revoked member or by one whose roles have no say is out.

Score = (1 - Π(1 - term)) · Π(1 - dispute), to six places so that nodes agree in spite of their
arithmetic. Nothing here reads a clock. Source: DESIGN §7; DOMAIN §6.4, R15, R65.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from federation.decay import age_at, decay, default_term_seconds, lifetime_seconds
from federation.findings import Finding, latest
from federation.matters.procedure import State
from federation.roles import Role
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.views import Row
from federation.vocabulary import Band, Origin, SubjectRole
from federation.weighing import (
    CLUE_OUTCOME,
    DESIGNATION,
    NEWCOMER,
    NOMINATION,
    NOT_OFFENDERS,
    OPINION,
    ROUND,
    SIGHTING,
    Standing,
    Weighed,
    has_say,
    is_overseas,
    is_protected,
    is_spoofed,
    reliability,
    weigh,
)

__all__ = [
    "DISPLAY_CODES",
    "NOTHING_KNOWN",
    "RULES",
    "Outline",
    "Standing",
    "Term",
    "Verdict",
    "band_of_score",
    "code_bits",
    "default_term_seconds",
    "is_protected",
    "is_spoofed",
    "judge",
    "outline",
    "reliability",
]

RULES: Final = "verdict-2"

# Scores from which a band begins. MEDIUM is MISP's threshold of 30; one fresh nomination of a
# member of ordinary reliability reaches HIGH at most, so VERY_HIGH needs a second one.
LOW_SCORE: Final = 0.10
MEDIUM_SCORE: Final = 0.30
HIGH_SCORE: Final = 0.60
VERY_HIGH_SCORE: Final = 0.85
BAND_SCORES: Final = {
    Band.VERY_HIGH: VERY_HIGH_SCORE,
    Band.HIGH: HIGH_SCORE,
    Band.MEDIUM: MEDIUM_SCORE,
    Band.LOW: LOW_SCORE,
}
_FROM_STRONGEST: Final = tuple(BAND_SCORES.items())

DISPLAY_CODES: Final = (
    "PROTECTED",
    "REASSIGNED",
    "DISPUTED",
    "REPORTED",
    "SEVERAL_MEMBERS",
    "POLICE",
    "MULE",
    "OVERSEAS",
)
"""All codes of verdicts; the place is the bit in a packed record. OVERSEAS is advice about a call
that comes from abroad, also where the number that it shows is innocent (R20)."""

# Seconds to which the time of a weaker band is worked out.
DROP_RESOLUTION: Final = 60
SCORE_PLACES: Final = 6

# Seconds after which to ask again about a designation whose review is overdue.
_OVERDUE_SECONDS: Final = 86_400

_BODY_NAMES: Final = {
    NOMINATION: "NOMINATION",
    SIGHTING: "SIGHTING",
    OPINION: "OPINION",
    ROUND: "VERIFICATION",
    DESIGNATION: "DESIGNATION",
    CLUE_OUTCOME: "CLUE_OUTCOME",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One row of evidence and what it adds.

    Attributes:
        statement: Its id, 16 bytes.
        body: NOMINATION, SIGHTING, OPINION, VERIFICATION, DESIGNATION or CLUE_OUTCOME.
        confidence: As it counts, 0 to 1.
        weight: What the term adds: the product; below zero for a dispute, zero if excluded.
        excluded: Why it does not count, or empty: PROTECTED, MEMBER_REVOKED, ROLE_NOT_ALLOWED,
            NOT_YET_VALID, EXPIRED, NO_WEIGHT, NOT_OFFENDER, WITHDRAWN, REASSIGNED, REFUTED,
            DECAYED or WEAKER_TERM.
    """

    member: str
    statement: bytes
    body: str
    reliability: float
    confidence: float
    decay: float
    weight: float
    excluded: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the federation knows about a token at one time.

    Attributes:
        score: 0 to 1.
        codes: Some of ``DISPLAY_CODES``, in their order.
        expires: Second by which the band is weaker at the latest if nothing new is said;
            0 for NONE. At most a minute after the band really falls, unless a dispute or a
            protection ends by its own term before.
        sources: Members whose terms count.
        terms: All, in the order of member and statement.
        rules: Version of these rules.
    """

    band: Band
    score: float
    codes: tuple[str, ...]
    expires: int
    sources: int
    terms: tuple[Term, ...]
    rules: str = RULES


class Outline(NamedTuple):
    """What may be told of a verdict to anybody; the attributes are those of ``Verdict``."""

    band: Band
    codes: tuple[str, ...]
    expires: int
    sources: int


NOTHING_KNOWN: Final = Outline(Band.NONE, (), 0, 0)
_FROM_ABROAD: Final = Outline(Band.NONE, ("OVERSEAS",), 0, 0)


def judge(
    evidence: Sequence[Row],
    cutoffs: Sequence[Row],
    protections: Sequence[Row],
    standing: Standing,
    now: int,
    findings: Sequence[Finding] = (),
) -> Verdict:
    """Judge one token from its rows (``federation.views``) and findings, in any order.

    The terms explain it.
    """
    weighed = weigh(evidence, cutoffs, protections, standing, now, findings)
    score = _score(weighed)
    band = band_of_score(score)
    if is_protected(protections, standing, now):
        codes: tuple[str, ...] = ("PROTECTED",)
    else:
        codes = _codes(weighed, standing, findings, is_overseas(evidence, standing, now))
    return Verdict(
        band=band,
        score=score,
        codes=codes,
        expires=_drop_time(weighed, band, now),
        sources=len({item.row[1] for item in weighed if item.weight > 0}),
        terms=tuple(_term(item) for item in weighed),
    )


def outline(
    evidence: Sequence[Row],
    cutoffs: Sequence[Row],
    protections: Sequence[Row],
    standing: Standing,
    now: int,
    findings: Sequence[Finding] = (),
) -> Outline:
    """Return ``judge(...)`` without the explanation, for batches.

    Most tokens have a single nomination and nothing else: that case is worked out at once.
    """
    if not evidence and not protections and not findings:
        return NOTHING_KNOWN
    is_alone = len(evidence) == 1 and not (cutoffs or protections or findings)
    if is_alone and evidence[0][4] == NOMINATION:
        return _outline_nomination(evidence[0], standing, now)
    verdict = judge(evidence, cutoffs, protections, standing, now, findings)
    return Outline(verdict.band, verdict.codes, verdict.expires, verdict.sources)


def _outline_nomination(row: Row, standing: Standing, now: int) -> Outline:
    (_, member, _, kind, _, stated, origin, _, _, role, _, issued, seen, expires, _, _) = row
    if 0 < expires <= now or issued > now + MAX_SKEW_SECONDS:
        return NOTHING_KNOWN
    if not has_say(member, "nomination", standing):
        return NOTHING_KNOWN
    if role in NOT_OFFENDERS:
        return _FROM_ABROAD if is_overseas((row,), standing, now) else NOTHING_KNOWN
    amplitude = standing.reliability.get(member, NEWCOMER) * (stated / 100)
    weight = amplitude * decay(kind, now - seen)
    if not weight:
        return _FROM_ABROAD if is_overseas((row,), standing, now) else NOTHING_KNOWN
    # In the same steps as ``_score``, so that not even the last place differs.
    band = band_of_score(round(1 - (1 - weight), SCORE_PLACES))
    drop = 0 if band is Band.NONE else _single_drop_time(row, seen, amplitude, band)
    return Outline(band, single_codes(standing.roles[member], role, origin), drop, 1)


def band_of_score(score: float) -> Band:
    """Return the band in which a score lies."""
    for band, least in _FROM_STRONGEST:
        if score >= least:
            return band
    return Band.NONE


def code_bits(codes: Iterable[str]) -> int:
    """Return the codes of a verdict as the bit field of a packed record, 0 to 255."""
    return sum(1 << DISPLAY_CODES.index(code) for code in set(codes))


def _designations(weighed: Iterable[Weighed]) -> list[Weighed]:
    return [one for one in weighed if one.row[4] == DESIGNATION and one.weight > 0]


def _score(weighed: Sequence[Weighed]) -> float:
    if _designations(weighed):
        return 1.0
    unsupported = math.prod(1 - item.weight for item in weighed if item.weight > 0)
    undisputed = math.prod(1 + item.weight for item in weighed if item.weight < 0)
    return round((1 - unsupported) * undisputed, SCORE_PLACES)


def _codes(
    weighed: Sequence[Weighed],
    standing: Standing,
    findings: Sequence[Finding],
    from_abroad: bool,
) -> tuple[str, ...]:
    supports = [item.row for item in weighed if item.weight > 0]
    last = latest(findings)
    found = {
        "REASSIGNED": any(item.excluded == "REASSIGNED" for item in weighed),
        "DISPUTED": any(item.weight < 0 for item in weighed)
        or (last is not None and last.state is State.CONFLICT),
        "REPORTED": bool(supports),
        "SEVERAL_MEMBERS": len(supports) > 1 or any(row[4] == ROUND for row in supports),
        "POLICE": any(
            row[4] != ROUND and Role.POLICE in standing.roles[row[1]] for row in supports
        ),
        "MULE": any(row[9] == SubjectRole.MULE for row in supports),
        "OVERSEAS": from_abroad,
    }
    return tuple(code for code in DISPLAY_CODES if found.get(code))


@functools.cache  # of a few sets of roles and the enumeration
def single_codes(roles: frozenset[Role], subject_role: int, origin: int) -> tuple[str, ...]:
    """Return the codes of a nomination that counts and stands alone."""
    found = {
        "REPORTED": True,
        "POLICE": Role.POLICE in roles,
        "MULE": subject_role == SubjectRole.MULE,
        "OVERSEAS": origin == Origin.OVERSEAS,
    }
    return tuple(code for code in DISPLAY_CODES if found.get(code))


def _term(item: Weighed) -> Term:
    return Term(
        member=item.row[1],
        statement=item.row[2],
        body=_BODY_NAMES[item.row[4]],
        reliability=item.reliability,
        confidence=item.confidence,
        decay=item.decay,
        weight=item.weight,
        excluded=item.excluded,
    )


def _drop_time(weighed: Sequence[Weighed], band: Band, now: int) -> int:
    """Return a time by which the band is weaker.

    Of one term it is closed form; of several it is bisected, since their score only falls and is
    zero when the last of them has ended.

    Disputes that end by their own term are left out: without them the score is higher, so the
    time found is not too early.
    """
    if band is Band.NONE:
        return 0
    if designations := _designations(weighed):
        reviews = [one.row[6] for one in designations if one.row[6] > now]
        return max(reviews, default=now + _OVERDUE_SECONDS)
    alive = [item for item in weighed if item.excluded in ("", "WEAKER_TERM")]
    supports = [item for item in alive if item.amplitude > 0]
    lasting = [item for item in alive if item.amplitude < 0 and not item.row[13]]
    undisputed = math.prod(1 - amount for amount in _strongest(lasting, now).values())
    if len(supports) == 1:
        (item,) = supports
        return _single_drop_time(item.row, item.seen, item.amplitude * undisputed, band)
    low, high = now, max(_end(item) for item in supports)
    while high - low > DROP_RESOLUTION:
        middle = (low + high) // 2
        terms = _strongest(supports, middle).values()
        score = (1 - math.prod(1 - amount for amount in terms)) * undisputed
        if band_of_score(round(score, SCORE_PLACES)) < band:
            high = middle
        else:
            low = middle
    return high


def _single_drop_time(row: Row, seen: int, amplitude: float, band: Band) -> int:
    return min(_end_of(row, seen), seen + drop_age(row[3], amplitude, band))


def drop_age(kind: int, amplitude: float, band: Band) -> int:
    """Return an age at which a term of this amplitude is below a band."""
    # By more than rounding could lift it back.
    score = BAND_SCORES[band] - 10**-SCORE_PLACES
    return age_at(kind, min(1.0, score / amplitude))


def _end(item: Weighed) -> int:
    return _end_of(item.row, item.seen)


def _end_of(row: Row, seen: int) -> int:
    """Return when nothing is left of a term: its life or its own end, whichever is first."""
    end = seen + lifetime_seconds(row[3])
    return min(end, row[13]) if row[13] else end


def _strongest(items: Iterable[Weighed], time: int) -> dict[tuple[str, bool], float]:
    """Return by member the strongest amount at a time; a round is nobody's."""
    amounts: dict[tuple[str, bool], float] = {}
    for item in items:
        member, expires = (item.row[1], item.row[4] == ROUND), item.row[13]
        left = 1.0 if item.amplitude < 0 else decay(item.row[3], time - item.seen)
        amount = 0.0 if 0 < expires <= time else abs(item.amplitude) * left
        amounts[member] = max(amount, amounts.get(member, 0.0))
    return amounts
