"""Say what a private sum of a training run is over, open it, and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.charter import Charter
from federation.names import MemberId
from federation.prime_field import LARGEST_TOTAL
from federation.statements import StatementError, SumOpen
from federation.sums import Sum, open_sum, round_coarse
from federation.training.fixed_point import FixedPoint
from federation.vocabulary import Purpose

Units = npt.NDArray[np.int64]

_NO_ID: Final = bytes(range(200, 216))  # replaced when the sum is opened


@dataclass(frozen=True, slots=True)
class SumOrder:
    """What is to be added.

    Attributes:
        plan: Digest of the plan.
        labels: What the opening names the labels by.
        members: Whose training process gave a vector.
        length: Of each vector.
        least: Fewer open nothing.
        row_caps: From the approvals.
        scale: How updates are written; None where no norms are to be opened.
        seconds: In all.
        is_repeatable: Whether the same labels may be asked for again: see ``SumCompany``.
    """

    plan: bytes
    labels: bytes
    members: tuple[MemberId, ...]
    length: int
    least: int
    row_caps: Mapping[MemberId, int]
    scale: FixedPoint | None
    seconds: float
    is_repeatable: bool


@dataclass(frozen=True, slots=True)
class SumOutcome:
    """What came of it.

    Attributes:
        units: The total; empty where nothing opened.
        contributors: Whose vectors are in it.
        rejected: Whose are not, by their own fault, and why.
        absent: Whose are not for other reasons: status and reason.
        norms_opened: Whether the holders measured the updates.
    """

    units: Units
    contributors: tuple[MemberId, ...]
    rejected: Mapping[MemberId, str]
    absent: Mapping[MemberId, tuple[str, str]]
    norms_opened: bool


def open_order(
    charter: Charter,
    me: MemberId,
    order: SumOrder,
    invited: tuple[MemberId, ...],
    deadline: int,
    *,
    opens_norms: bool,
) -> Sum:
    """Open a sum.

    Args:
        charter: Names the holders.
        me: The coordinator.
        order: What is to be added.
        invited: Who may contribute.
        deadline: Seconds since 1970.
        opens_norms: Whether the updates are measured.
    """
    scale = order.scale
    draft = SumOpen(
        sum_id=_NO_ID,
        labels_digest=order.labels,
        label_count=order.length,
        contributors=invited,
        least_contributors=order.least,
        threshold=charter.threshold,
        holders=charter.holders,
        purpose=Purpose.TRAINING,
        deadline_time=deadline,
        scale=1,
        largest=scale.largest if scale else _largest_count(len(invited)),
        norm_blocks=scale.blocks if scale and opens_norms else (),
        norm_bounds=_norm_bounds(scale) if scale and opens_norms else (),
    )
    try:
        return open_sum(charter.federation, me, draft)
    except StatementError:  # the id reads as text, once in 10^8
        return open_sum(charter.federation, me, replace(draft, deadline_time=deadline + 1))


def _largest_count(members: int) -> int:
    """Return the largest power of two of which so many add up without wrapping around."""
    return 1 << ((LARGEST_TOTAL // members).bit_length() - 1)


def _norm_bounds(scale: FixedPoint) -> tuple[int, ...]:
    """Return the bounds of the heaviest weight; those of each member are judged beside."""
    return tuple(round_coarse(bound) for bound in scale.bounds(scale.rows))
