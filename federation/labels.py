"""Label a subject by what became of it: by what members said, never by what was done to it.

A member learns from outcomes of its own subjects, found by their tokens (DOMAIN §8.3). The rules:

1. *Support* is a nomination of at least LEAST_CONFIDENCE, or an opinion that agrees, which counts
   by the rules of ``federation.weighing`` (age aside: an old fraud was one) and is as old as the
   plan's maturity asks. Nominations that rest on a model's score alone stay below
   LEAST_CONFIDENCE, so that no model learns from itself.
2. *Designated*: the police designated it, found it to be fraud as the outcome of a clue, or
   nominated it. *Confirmed*: that, or two members support it, or a verification round confirmed it.
   No dispute of a member unmakes a designation. What the police found to be no fraud is cleared,
   whoever supports it, unless it is designated.
3. *Cleared*: nobody supports it any more, and a member took its word back as mistaken or disputes
   it, a round refuted it, an appeal lifted a measure, or the object is protected. A lift counts at
   once: it needs no maturity.
4. *Left out*: whatever is neither, such as too young, said by one alone, disputed, reassigned,
   in conflict, over. A row of doubt teaches nothing, and a lifted subject leaves the positives at
   once.
5. *Unknown*: nobody said anything. Training counts it as negative.

Measures are no statements of this kind, so that what was done to a subject is never its label.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federation.findings import Finding, latest
from federation.matters.procedure import State
from federation.roles import Role
from federation.views import Row
from federation.vocabulary import RetractionReason, TrainingLabel
from federation.weighing import (
    CLUE_OUTCOME,
    DESIGNATION,
    NOMINATION,
    ROUND,
    SIGHTING,
    Standing,
    Weighed,
    is_protected,
    weigh,
)

DAY_SECONDS: Final = 86_400
LEAST_CONFIDENCE: Final = 30
"""Percent: MEDIUM, from which others may act; scores alone are nominated below it."""
CONFIRMING_MEMBERS: Final = 2
"""Members who must support it: one alone may be wrong, or lie. Source: DOMAIN §8.3."""

_CLEARING: Final = frozenset({State.REFUTED, State.RELEASED})
_COUNTED: Final = frozenset({"", "DECAYED", "WEAKER_TERM"})


class SubjectLabel(enum.IntEnum):
    """Say what a subject's rows teach."""

    UNKNOWN = 0
    POSITIVE = 1
    CLEARED = 2
    LEFT_OUT = 3


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """Which outcomes make a positive, and how old they must be.

    Attributes:
        definition: CONFIRMED or DESIGNATED.
        maturity_days: Younger support does not count yet.
    """

    definition: TrainingLabel
    maturity_days: int = 0


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """Rows of the views about one token, and what matters found out about it."""

    evidence: Sequence[Row] = ()
    cutoffs: Sequence[Row] = ()
    protections: Sequence[Row] = ()
    lifts: Sequence[Row] = ()
    findings: Sequence[Finding] = ()


def label_subject(
    rows: SubjectRows, rule: OutcomeRule, standing: Standing, now: int
) -> SubjectLabel:
    """Return what is to be learnt from a subject.

    Args:
        rows: All that the views hold about its token.
        rule: The plan's.
        standing: Of the members.
        now: Seconds since 1970.
    """
    weighed = weigh(rows.evidence, rows.cutoffs, rows.protections, standing, now, rows.findings)
    last = latest(rows.findings)
    counted = [one for one in weighed if one.excluded in _COUNTED and one.row[4] != SIGHTING]
    supports = [one for one in counted if one.amplitude > 0]
    disputed = any(one.amplitude < 0 for one in weighed if one.excluded in _COUNTED)
    protected = is_protected(rows.protections, standing, now)
    if not protected and (designated := [one for one in supports if one.row[4] == DESIGNATION]):
        mature = _is_positive(designated, rule, standing, now)
        return SubjectLabel.POSITIVE if mature else SubjectLabel.LEFT_OUT
    if any(one.amplitude < 0 and one.row[4] == CLUE_OUTCOME for one in counted):
        found = any(one.row[4] == CLUE_OUTCOME for one in supports)  # by other police
        return SubjectLabel.LEFT_OUT if found else SubjectLabel.CLEARED
    if disputed or protected:
        return SubjectLabel.LEFT_OUT if supports else SubjectLabel.CLEARED
    if last is not None and last.state is State.CONFLICT:
        return SubjectLabel.LEFT_OUT
    if _is_positive(supports, rule, standing, now):
        return SubjectLabel.POSITIVE
    if not supports and last is not None and last.state in _CLEARING:
        return SubjectLabel.CLEARED
    lifts = [row for row in rows.lifts if row[1] in standing.roles]
    if not supports and any(row[3] == RetractionReason.MISTAKEN for row in lifts):
        return SubjectLabel.CLEARED
    known = rows.evidence or rows.cutoffs or lifts or rows.findings
    return SubjectLabel.LEFT_OUT if known else SubjectLabel.UNKNOWN


def _is_positive(
    supports: Sequence[Weighed], rule: OutcomeRule, standing: Standing, now: int
) -> bool:
    latest = now - rule.maturity_days * DAY_SECONDS
    mature = [one for one in supports if one.row[11] <= latest]
    if any(_is_designation(one, standing) for one in mature):
        return True
    if rule.definition is not TrainingLabel.CONFIRMED:
        return False
    if any(one.row[4] == ROUND for one in mature):
        return True
    firm = (one for one in mature if one.row[4] != NOMINATION or one.row[5] >= LEAST_CONFIDENCE)
    return len({one.row[1] for one in firm}) >= CONFIRMING_MEMBERS


def _is_designation(one: Weighed, standing: Standing) -> bool:
    if one.row[4] in (DESIGNATION, CLUE_OUTCOME):
        return True
    by_police = Role.POLICE in standing.roles.get(one.row[1], frozenset())
    return by_police and one.row[4] == NOMINATION and one.row[5] >= LEAST_CONFIDENCE
