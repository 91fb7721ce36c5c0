"""Contribute a vector to a sum: shared, sealed, signed, and only if no past sum completes it."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from federation.names import MemberId
from federation.statements.sums import SumShares
from federation.sums.error import SumRefusedError
from federation.sums.field import Vector
from federation.sums.fixed_point import encode_floats, encode_integers
from federation.sums.form import deal
from federation.sums.history import PastSum, check_repeat
from federation.sums.one_hot import require_one_hot
from federation.sums.opening import Sum, check_opening
from federation.sums.randomness import Keystream
from federation.sums.sealing import seal_shares
from keys.signing import SigningKey

Numbers = NDArray[np.int64] | NDArray[np.float32] | NDArray[np.float64]
"""What a contributor adds: whole units, or numbers that are scaled, rounded and clipped."""


def contribute(
    opened: Sum,
    me: MemberId,
    numbers: Numbers,
    sealing_keys: Mapping[MemberId, bytes],
    signing_key: SigningKey,
    *,
    now: int,
    past: Iterable[PastSum],
    fingerprints: Vector | None = None,
) -> SumShares:
    """Share a vector among the holders and seal the shares.

    Every call gives other shares, and two of one member exclude it: what was said before a crash
    is said again, not made again.

    Args:
        opened: The sum; that its labels are what their digest says is the caller's to check.
        me: Who contributes.
        numbers: One for each label.
        sealing_keys: Of every holder, from the charter.
        signing_key: This member's.
        now: Seconds since 1970.
        past: The sums this member contributed to; add this one before the shares leave.
        fingerprints: Of the labels, so that sums over some of them are recognised.

    Raises:
        SumRefusedError: SUM_NOT_PARTY, SUM_OVER, SUM_REPEATED, SUM_REFUSED, VECTOR_INVALID or
            VECTOR_OVERFLOW.
    """
    opening = opened.opening
    check_opening(opened)
    if me not in opening.contributors:
        raise SumRefusedError("this member does not contribute here", reason="SUM_NOT_PARTY")
    if now > opening.deadline_time:
        raise SumRefusedError("the deadline has passed", reason="SUM_OVER")
    check_repeat(remember_contribution(opened, now, fingerprints), past)
    if numbers.shape != (opening.label_count,):
        raise SumRefusedError("there is not one number for each label", reason="VECTOR_INVALID")
    vector = _encode(opened, numbers)
    if opening.one_hot:
        require_one_hot(vector, opening.one_hot)
    holders = len(opening.holders)
    rows = deal(opened.layout, vector, opening.threshold, holders, Keystream.fresh())
    try:
        return seal_shares(opened, me, rows, sealing_keys, signing_key)
    finally:
        rows.fill(0)
        vector.fill(0)


def remember_contribution(opened: Sum, now: int, fingerprints: Vector | None = None) -> PastSum:
    """Return what a contributor remembers of a sum."""
    opening = opened.opening
    everybody = frozenset(opening.contributors)
    return PastSum(opening.sum_id, opening.labels_digest, everybody, now, fingerprints)


def _encode(opened: Sum, numbers: Numbers) -> Vector:
    opening = opened.opening
    if numbers.dtype.kind == "f":
        return encode_floats(numbers.astype(np.float64), opening.scale, opening.largest)
    if numbers.dtype.kind != "i":
        raise SumRefusedError("a vector is one row of numbers", reason="VECTOR_INVALID")
    return encode_integers(numbers.astype(np.int64), opening.largest)
