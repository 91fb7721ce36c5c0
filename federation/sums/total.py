"""Read the total of a sum from the holders' partials."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.names import MemberId
from federation.statements.sums import SumPartial
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector, decode_elements
from federation.sums.fixed_point import decode_total
from federation.sums.holder import PARTIAL_CONTEXT
from federation.sums.opening import Sum
from federation.sums.sharing import resolve
from federation.sums.state import SumState
from keys.errors import SignatureError
from keys.signing import verify_signature


@dataclass(frozen=True, slots=True)
class Total:
    """What a sum gave.

    Attributes:
        units: The total of each entry, in units of 1/scale.
        contributors: Whose vectors are in it.
        liars: Holders whose partial is false.
        is_checked: Whether there was a partial more than needed, so that a false one would show.
    """

    units: NDArray[np.int64]
    contributors: tuple[MemberId, ...]
    liars: tuple[MemberId, ...]
    is_checked: bool


def read_total(state: SumState, signing_keys: Mapping[MemberId, bytes]) -> Total:
    """Interpolate the total from the holders' partials.

    Args:
        state: How the sum stands.
        signing_keys: Public keys of the holders, from the charter.

    Raises:
        SumFaultError: SUM_CLOSED_TWICE; PARTIAL_INVALID, naming holders whose partials are no
            partials, with too few others left; PARTIALS_DISAGREE, naming nobody; or
            TOTAL_IMPLAUSIBLE.
        SumRefusedError: SUM_NOT_READY; too few holders have answered.
    """
    opened, said = state.sum, state.single_close()
    points, invalid = _read_partials(state, opened.close_digest(said), signing_keys)
    threshold = opened.opening.threshold
    if invalid and len(points) < threshold:
        raise SumFaultError("partials are wrong", reason="PARTIAL_INVALID", members=invalid)
    resolution = resolve(points, threshold - 1)
    units = decode_total(resolution.value, len(said.contributors), opened.opening.largest)
    liars = (*invalid, *(opened.opening.holders[index - 1] for index in resolution.liars))
    is_checked = len(points) > threshold
    return Total(units, said.contributors, tuple(sorted(liars)), is_checked)


def read_partial(opened: Sum, holder: MemberId, partial: SumPartial, public: bytes) -> Vector:
    """Verify one holder's partial and return its vector.

    Raises:
        SumFaultError: PARTIAL_INVALID, naming the holder.
    """
    message = opened.partial_message(holder, partial.close_digest, partial.vector)
    try:
        verify_signature(public, PARTIAL_CONTEXT, message, partial.signature)
        return decode_elements(partial.vector, opened.opening.label_count)
    except (SignatureError, SumRefusedError) as error:
        raise SumFaultError(
            f"the partial of {holder} is wrong", reason="PARTIAL_INVALID", members=(holder,)
        ) from error


def _read_partials(
    state: SumState, close_digest: bytes, signing_keys: Mapping[MemberId, bytes]
) -> tuple[dict[int, Vector], tuple[MemberId, ...]]:
    points, invalid = {}, []
    for holder, partials in state.partials.items():
        if close_digest not in partials or holder not in signing_keys:
            continue
        try:
            partial, public = partials[close_digest], signing_keys[holder]
            points[state.sum.index(holder)] = read_partial(state.sum, holder, partial, public)
        except SumFaultError:
            invalid.append(holder)
    return points, tuple(invalid)
