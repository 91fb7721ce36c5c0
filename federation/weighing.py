"""Weigh the rows of evidence on one token: what each adds, or why it does not count.

The rules are those of ``federation.verdict``, which says them in words.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from federation.authorisation import PROTECTION_QUORUM, STATEMENTS, protects_alone
from federation.decay import decay
from federation.findings import Finding, confirmation, cut_time
from federation.roles import Role
from federation.statements import (
    BODY_NUMBERS,
    ClueOutcome,
    Designation,
    Nomination,
    Opinion,
    Sighting,
    VerificationOpen,
)
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.views import Row
from federation.vocabulary import ClueResult, OpinionValue, Origin, SightingKind, SubjectRole

# A member starts as if 8 of 10 statements had been upheld: trusted, and ten real ones outweigh it.
PRIOR_UPHELD: Final = 8.0
PRIOR_OVERTURNED: Final = 2.0

# A sighting repeats what others said; alone it reaches LOW.
SIGHTING_CONFIDENCE: Final = 0.30
# A false positive was found in own records.
FALSE_POSITIVE_CONFIDENCE: Final = 0.80
# A round that confirmed: what DOMAIN §8.3 gives it. Who answered is not known, so it has no more
# reliability than this; where a person decided a conflict, that member's counts, too.
CONFIRMED_CONFIDENCE: Final = 0.80
# What the police found about a clue, either way: they examined it.
CLUE_CONFIDENCE: Final = 0.90
# How much of its confidence an opinion gives; agreeing adds no observation of its own.
OPINION_WEIGHT: Final = {
    OpinionValue.STRONGLY_DISAGREE: -1.0,
    OpinionValue.DISAGREE: -0.5,
    OpinionValue.NEUTRAL: 0.0,
    OpinionValue.AGREE: 0.5,
    OpinionValue.STRONGLY_AGREE: 0.8,
}

NOT_OFFENDERS: Final = frozenset(
    {
        int(SubjectRole.VICTIM),
        int(SubjectRole.SPOOFED),
        int(SubjectRole.IMPERSONATED_BRAND),
        int(SubjectRole.SHARED_INFRASTRUCTURE),
    }
)
NOMINATION: Final = BODY_NUMBERS[Nomination]
SIGHTING: Final = BODY_NUMBERS[Sighting]
OPINION: Final = BODY_NUMBERS[Opinion]
ROUND: Final = BODY_NUMBERS[VerificationOpen]
DESIGNATION: Final = BODY_NUMBERS[Designation]
CLUE_OUTCOME: Final = BODY_NUMBERS[ClueOutcome]
_FIELDS: Final = {
    NOMINATION: "nomination",
    SIGHTING: "sighting",
    OPINION: "opinion",
    DESIGNATION: "designation",
    CLUE_OUTCOME: "clue_outcome",
}

# (body, detail) -> share of the stated confidence, fixed confidence; below zero it disputes.
_EFFECTS: Final[dict[tuple[int, int], tuple[float, float]]] = {
    **{(NOMINATION, int(origin)): (1.0, 0.0) for origin in Origin},
    (SIGHTING, int(SightingKind.SEEN)): (0.0, SIGHTING_CONFIDENCE),
    (SIGHTING, int(SightingKind.FALSE_POSITIVE)): (0.0, -FALSE_POSITIVE_CONFIDENCE),
    (SIGHTING, int(SightingKind.EXPIRED)): (0.0, 0.0),
    (CLUE_OUTCOME, int(ClueResult.FRAUD)): (0.0, CLUE_CONFIDENCE),
    (CLUE_OUTCOME, int(ClueResult.NOT_FRAUD)): (0.0, -CLUE_CONFIDENCE),
    (CLUE_OUTCOME, int(ClueResult.INSUFFICIENT)): (0.0, 0.0),
    **{(OPINION, int(value)): (weight, 0.0) for value, weight in OPINION_WEIGHT.items()},
}
_DESIGNATED: Final = (0.0, 1.0)
_KNOWS_CALLS: Final = frozenset({Role.CARRIER, Role.POLICE, Role.COORDINATOR, Role.REGULATOR})
_SEEN: Final = (SIGHTING, int(SightingKind.SEEN))
_SEEN_EXPIRED: Final = (SIGHTING, int(SightingKind.EXPIRED))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the charter and past outcomes say about members, at the time of judging.

    Attributes:
        roles: By member; a member that is not here has no say.
        reliability: By member, 0 to 1; who is not here has that of a newcomer.
        revoked: Members whose statements do not count any more.
    """

    roles: Mapping[str, frozenset[Role]]
    reliability: Mapping[str, float]
    revoked: frozenset[str] = frozenset()


def reliability(upheld: int, overturned: int) -> float:
    """Estimate how often a member is right: the mean of a Beta distribution with a prior of 8:2."""
    return (PRIOR_UPHELD + upheld) / (PRIOR_UPHELD + PRIOR_OVERTURNED + upheld + overturned)


NEWCOMER: Final = reliability(0, 0)
"""Reliability of a member of whom nothing is known."""


class Weighed(NamedTuple):
    """One row of evidence, weighed.

    ``amplitude`` is reliability · confidence, below zero for a dispute; ``weight`` is what it
    adds now. ``seen`` is renewed by the member's sightings. ``excluded`` is empty if it counts.
    """

    row: Row
    reliability: float
    confidence: float
    decay: float
    amplitude: float
    seen: int
    excluded: str

    @property
    def weight(self) -> float:
        """What the row adds: zero if it does not count."""
        return 0.0 if self.excluded else self.amplitude * self.decay


class _Cut(NamedTuple):
    """From when on what was seen counts.

    Attributes:
        reassigned: What was seen before does not.
        refuted: What was seen up to then does not, but for what the police designated.
    """

    reassigned: int
    refuted: int

    def code(self, row: Row, standing: Standing) -> str:
        """Return why support is cut off, or nothing."""
        if row[12] < self.reassigned:
            return "REASSIGNED"
        by_police = row[4] == NOMINATION and Role.POLICE in standing.roles[row[1]]
        return "REFUTED" if row[12] <= self.refuted and not by_police else ""


class _History(NamedTuple):
    """What members said last: later words take back earlier ones. Times by member."""

    withdrawn: dict[str, int]
    supported: dict[str, int]
    sighted: dict[str, int]


def weigh(
    evidence: Iterable[Row],
    cutoffs: Sequence[Row],
    protections: Sequence[Row],
    standing: Standing,
    now: int,
    findings: Sequence[Finding] = (),
) -> list[Weighed]:
    """Weigh all rows of one token; the result is in the order of member and statement.

    A confirmation by a verification round is one more row, under who opened the round.
    """
    rows = sorted(evidence, key=_by_member)
    findings = [one for one in findings if one.time <= now + MAX_SKEW_SECONDS]
    if is_protected(protections, standing, now):
        return [_exclude(row, standing, "PROTECTED") for row in rows]
    cut = _Cut(_cutoff_time(cutoffs, standing, now), cut_time(findings))
    refused = [_refuse(row, standing, now) for row in rows]
    history = _history(rows, refused, cut, standing)
    weighed = [
        _exclude(row, standing, code) if code else _weigh_row(row, history, cut, standing, now)
        for row, code in zip(rows, refused, strict=True)
    ]
    return sorted(
        [*_keep_strongest(weighed), *_weigh_findings(findings, cut, standing, now)],
        key=lambda one: _by_member(one.row),
    )


def has_say(member: str, body: str, standing: Standing) -> bool:
    """Say whether a member's statements with this body count."""
    roles = standing.roles.get(member)
    return bool(roles and member not in standing.revoked and roles & STATEMENTS[body])


class Bearing(NamedTuple):
    """What one statement comes to under a standing, apart from times and other statements.

    Attributes:
        amplitude: reliability · confidence, below zero for a dispute.
        is_dispute: Whether it lowers the score; else it raises it, if by nothing.
        weighs: Whether such statements have any weight.
        supports: Whether it takes back the member's earlier dispute.
        withdraws: Whether it takes back what the member said before.
        renews: Whether it renews the age of the member's nominations.
    """

    amplitude: float
    is_dispute: bool
    weighs: bool
    supports: bool
    withdraws: bool
    renews: bool


def bearing(member: str, body: int, stated: int, detail: int, standing: Standing) -> Bearing | None:
    """Return what a row of evidence other than a designation bears; None if it has no say."""
    if not has_say(member, _FIELDS[body], standing):
        return None
    effect, sign = _strength(body, detail, stated), sum(_effect(body, detail))
    return Bearing(
        amplitude=standing.reliability.get(member, NEWCOMER) * effect,
        is_dispute=effect < 0,
        weighs=bool(sign),
        supports=sign > 0,
        withdraws=_withdraws(body, detail),
        renews=(body, detail) == _SEEN,
    )


def is_protected(protections: Iterable[Row], standing: Standing, now: int = 0) -> bool:
    """Say whether one member that may do so alone, or enough together, protect the object.

    Without ``now`` no protection has expired: in doubt for the object.
    """
    speakers = {
        member
        for _token, member, _statement, _kind, _ground, expires in protections
        if not 0 < expires <= now and has_say(member, "protected_object", standing)
    }
    if len(speakers) >= PROTECTION_QUORUM:
        return True
    return any(protects_alone(standing.roles[member]) for member in speakers)


def is_overseas(evidence: Iterable[Row], standing: Standing, now: int) -> bool:
    """Say whether a nomination in force says that it is used from abroad.

    It is a hint about a call, not a charge: one that says that the number shown is a victim's
    counts, too.
    """
    return any(
        row[4] == NOMINATION and row[6] == Origin.OVERSEAS and _stands(row, standing, now)
        for row in evidence
    )


def is_spoofed(evidence: Sequence[Row], standing: Standing, now: int) -> bool:
    """Say whether somebody else shows it falsely, so that whoever has it is a victim.

    A carrier says so, since calls pass its network, or somebody who oversees or investigates:
    anybody else could shield its own number. What the police designate is not shielded.
    """
    if any(row[4] == DESIGNATION and not _refuse(row, standing, now) for row in evidence):
        return False
    return any(
        row[4] == NOMINATION
        and row[9] == SubjectRole.SPOOFED
        and standing.roles.get(row[1], frozenset()) & _KNOWS_CALLS
        and _stands(row, standing, now)
        for row in evidence
    )


def _stands(row: Row, standing: Standing, now: int) -> bool:
    """Say whether a nomination is in force and not too old, whether it accuses or not."""
    is_in_force = _refuse(row, standing, now) in ("", "NOT_OFFENDER")
    return is_in_force and decay(row[3], now - row[12]) > 0


def _cutoff_time(cutoffs: Sequence[Row], standing: Standing, now: int) -> int:
    """Return the latest change of hands up to now, or 0."""
    return max(
        (
            effective
            for _token, member, _statement, _kind, effective, expires in cutoffs
            if effective <= now
            and not 0 < expires <= now
            and has_say(member, "reassigned", standing)
        ),
        default=0,
    )


def _by_member(row: Row) -> tuple[str, bytes]:
    return row[1], row[2]


def _refuse(row: Row, standing: Standing, now: int) -> str:
    """Return why a row does not count whatever the others say, or nothing."""
    _, member, _, _, body, _, detail, _, _, role, _, issued, _, expires, _, _ = row
    if member in standing.revoked:
        return "MEMBER_REVOKED"
    if not has_say(member, _FIELDS[body], standing):
        return "ROLE_NOT_ALLOWED"
    if issued > now + MAX_SKEW_SECONDS:
        return "NOT_YET_VALID"
    if 0 < expires <= now:
        return "EXPIRED"
    if role in NOT_OFFENDERS:
        return "NOT_OFFENDER"
    return "" if any(_effect(body, detail)) else "NO_WEIGHT"


def _history(
    rows: Sequence[Row], refused: Sequence[str], cut: _Cut, standing: Standing
) -> _History:
    history = _History({}, {}, {})
    for row, code in zip(rows, refused, strict=True):
        _, member, _, _, body, _, detail, _, _, _, _, issued, seen, _, _, _ = row
        # A word that has expired still took back what came before it: nothing rises by waiting.
        if _withdraws(body, detail):
            if code in ("", "EXPIRED", "NO_WEIGHT"):
                _raise(history.withdrawn, member, issued)
        elif sum(_effect(body, detail)) > 0 and not code and not cut.code(row, standing):
            _raise(history.supported, member, issued)
            if (body, detail) == _SEEN:
                _raise(history.sighted, member, seen)
    return history


def _effect(body: int, detail: int) -> tuple[float, float]:
    """Return share of the stated confidence, and fixed confidence, of what was said."""
    return _DESIGNATED if body == DESIGNATION else _EFFECTS[body, detail]


def _strength(body: int, detail: int, stated: int) -> float:
    """Return how confident a row is, below zero where it disputes."""
    share, fixed = _effect(body, detail)
    return share * (stated / 100) + fixed


def _withdraws(body: int, detail: int) -> bool:
    """Say whether it takes back what the member said before."""
    return sum(_effect(body, detail)) < 0 or (body, detail) == _SEEN_EXPIRED


def _raise(times: dict[str, int], member: str, time: int) -> None:
    times[member] = max(time, times.get(member, 0))


def _weigh_row(row: Row, history: _History, cut: _Cut, standing: Standing, now: int) -> Weighed:
    _, member, _, kind, body, stated, detail, _, _, _, _, issued, seen, _, _, _ = row
    if body == DESIGNATION:  # no age and no later word takes it back: the police lift it
        code = "REASSIGNED" if seen < cut.reassigned else ""
        return Weighed(row, 1.0, 1.0, 1.0, 1.0, seen, code)
    effect = _strength(body, detail, stated)
    trust = standing.reliability.get(member, NEWCOMER)
    if effect < 0:
        code = "WITHDRAWN" if issued < history.supported.get(member, 0) else ""
        return Weighed(row, trust, -effect, 1.0, trust * effect, seen, code)
    code = cut.code(row, standing)
    if not code and issued <= history.withdrawn.get(member, 0):
        code = "WITHDRAWN"
    if not code and body == NOMINATION:
        seen = max(seen, history.sighted.get(member, 0))
    left = decay(kind, now - seen)
    return Weighed(
        row, trust, effect, left, trust * effect, seen, code or ("" if left else "DECAYED")
    )


def _weigh_findings(
    findings: Sequence[Finding], cut: _Cut, standing: Standing, now: int
) -> list[Weighed]:
    """Return what the last confirmation adds: one row, or none."""
    found = confirmation(findings)
    if found is None:
        return []
    percent, count = round(CONFIRMED_CONFIDENCE * 100), found.tally.suspect if found.tally else 0
    about = (found.token, str(found.opener), found.matter, found.kind, ROUND, percent)
    when = (count, found.time, found.time, 0, found.epoch, 0)
    row = (*about, 0, 0, 0, 0, *when)
    examiner = found.examiner or found.opener
    trust = standing.reliability.get(examiner, NEWCOMER) if found.examined else 1.0
    left = decay(found.kind, now - found.time)
    code = "REASSIGNED" if found.time < cut.reassigned else "" if left else "DECAYED"
    amplitude = trust * CONFIRMED_CONFIDENCE
    return [Weighed(row, trust, CONFIRMED_CONFIDENCE, left, amplitude, found.time, code)]


def _exclude(row: Row, standing: Standing, code: str) -> Weighed:
    share, fixed = _effect(row[4], row[6])
    trust = standing.reliability.get(row[1], NEWCOMER)
    return Weighed(row, trust, abs(share * (row[5] / 100) + fixed), 0.0, 0.0, row[12], code)


def _keep_strongest(weighed: list[Weighed]) -> list[Weighed]:
    """Leave one term and one dispute to each member; of equals the first statement id."""
    best: dict[tuple[str, bool], tuple[float, int]] = {}
    for place, item in enumerate(weighed):
        key = (item.row[1], item.amplitude > 0)
        if not item.excluded and abs(item.weight) > best.get(key, (0.0, 0))[0]:
            best[key] = (abs(item.weight), place)
    kept = {place for _weight, place in best.values()}
    return [
        item if item.excluded or place in kept else item._replace(excluded="WEAKER_TERM")
        for place, item in enumerate(weighed)
    ]
