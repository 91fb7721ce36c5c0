"""Ask before taking part in a private sum of a training run whether it is what its plan allows.

    terms = require_terms(consents, charter, coordinator, plan digest, opening, rows)

Contributors and holders ask the same: the coordinator opens sums, but not over whom, to whom or of
what it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from federation.charter import Charter
from federation.matters import State
from federation.names import MemberId
from federation.statements import SumOpen
from federation.training.fixed_point import TAIL, FixedPoint
from federation.vocabulary import Purpose, TrainingProtection
from node.training.consent import Consents
from node.training.permission import RunError

SKEW_SECONDS: Final = 120
"""Seconds by which the members' clocks may differ."""
MAX_ROWS: Final = 1_000_000_000
"""Rows of the heaviest weight: what a plan may allow at most."""

_SUMS: Final = frozenset({State.ENROLLED, State.TRAINING, State.AGGREGATED, State.EVALUATED})


@dataclass(frozen=True, slots=True)
class SumTerms:
    """What holds for a sum.

    Attributes:
        row_caps: Most rows of each contributor, from its signed approval.
        scale: How updates are written, where their norms are opened; else None.
    """

    row_caps: Mapping[MemberId, int]
    scale: FixedPoint | None


def require_terms(
    consents: Consents,
    charter: Charter,
    coordinator: MemberId,
    plan: bytes,
    opening: SumOpen,
    rows: int,
) -> SumTerms:
    """Return what holds for a sum that a coordinator opens; blocking.

    Args:
        consents: Knows the plans.
        charter: In force.
        coordinator: Who the certificate of its connection says.
        plan: Digest of the plan.
        opening: Of the sum.
        rows: What came with it.

    Raises:
        RunError: The plan does not allow this sum.
    """
    matter = next(
        (
            one.matter
            for one in consents.matters.all()
            if (one.matter.id, one.matter.opener) == (plan, coordinator)
        ),
        None,
    )
    if matter is None:
        raise RunError("the coordinator has proposed no such plan", reason="PLAN_UNKNOWN")
    facts = matter.facts
    if matter.state not in _SUMS or facts.plan.protection is not TrainingProtection.SECRET:
        raise RunError("the plan has no sums now", reason="RUN_NOT_OPEN")
    if (opening.holders, opening.threshold) != (charter.holders, charter.threshold):
        raise RunError("the holders are not those of the charter", reason="SUM_REFUSED")
    if not set(opening.contributors) <= facts.enrolled & facts.approved.keys():
        raise RunError("a contributor does not approve the plan", reason="PLAN_NOT_APPROVED")
    latest = consents.now() + facts.plan.round_seconds + SKEW_SECONDS
    if (
        opening.least_contributors < facts.plan.minimum_members
        or opening.purpose is not Purpose.TRAINING
        or opening.deadline_time > latest
        or opening.scale != 1
        or opening.echoes
        or opening.one_hot
    ):
        raise RunError("the opening is not what the plan says", reason="SUM_REFUSED")
    caps = {name: facts.approved[name] for name in opening.contributors}
    return SumTerms(caps, _scale(opening, rows))


def _scale(opening: SumOpen, rows: int) -> FixedPoint | None:
    """Accept no other blocks than an update's: the norm of a short one would show its entries."""
    if not opening.norm_blocks:
        return None
    scale = FixedPoint(opening.label_count - TAIL, opening.largest, rows)
    fits = opening.label_count > TAIL and 1 <= rows <= MAX_ROWS
    if not fits or opening.norm_blocks != scale.blocks:
        raise RunError("other norms are opened than an update's", reason="SUM_REFUSED")
    return scale
