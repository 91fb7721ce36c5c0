"""Write vectors of numbers as field elements, and totals back as numbers.

A number is rounded to whole units and kept in a signed range that is so small that the total of
all contributors cannot wrap around: whoever opens a sum states the range, and it is refused
unless contributors times the largest entry stays below half the prime.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.prime_field import LARGEST_TOTAL, PRIME
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector

# Beyond the field's range, within that of int64.
_FLOAT_LIMIT: Final = float(1 << 62)


def check_capacity(contributors: int, largest: int) -> None:
    """Refuse a range in which the total of all contributors could wrap around.

    Raises:
        SumRefusedError: VECTOR_OVERFLOW.
    """
    if largest < 1 or contributors * largest > LARGEST_TOTAL:
        raise SumRefusedError(
            "the total of all contributors does not fit into the field",
            reason="VECTOR_OVERFLOW",
            hint="lower the scale or the largest entry",
        )


def encode_integers(values: NDArray[np.int64], largest: int) -> Vector:
    """Write whole numbers between minus and plus ``largest``.

    Raises:
        SumRefusedError: VECTOR_INVALID, no row of whole numbers; VECTOR_OVERFLOW, one is larger.
    """
    _check_row(values, "i")
    if values.size and (int(values.max()) > largest or int(values.min()) < -largest):
        raise SumRefusedError("an entry is larger than the sum allows", reason="VECTOR_OVERFLOW")
    return np.where(values < 0, values + PRIME, values).astype(np.uint64)


def encode_floats(values: NDArray[np.floating], scale: int, largest: int) -> Vector:
    """Round numbers to units of 1/``scale`` and clip them to ``largest`` units either way.

    Raises:
        SumRefusedError: VECTOR_INVALID; no row of floats, or one is not finite.
    """
    _check_row(values, "f")
    if not np.isfinite(values).all():
        raise SumRefusedError("an entry is not finite", reason="VECTOR_INVALID")
    # Clipped before the product too, which could overflow.
    safe = np.clip(values.astype(np.float64), -_FLOAT_LIMIT / scale, _FLOAT_LIMIT / scale)
    return encode_integers(np.rint(safe * scale).astype(np.int64).clip(-largest, largest), largest)


def decode_total(values: Vector, contributors: int, largest: int) -> NDArray[np.int64]:
    """Read a total as signed numbers, in units.

    Raises:
        SumFaultError: TOTAL_IMPLAUSIBLE; an entry is larger than honest contributors can add up
            to, so one of them left the range. Nobody can tell which.
    """
    signed = values.astype(np.int64)
    signed = np.where(signed > LARGEST_TOTAL, signed - PRIME, signed)
    if signed.size and int(np.abs(signed).max()) > contributors * largest:
        raise SumFaultError(
            "a total is larger than the contributors can have added up to",
            reason="TOTAL_IMPLAUSIBLE",
        )
    return signed


def to_floats(units: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """Turn units of 1/``scale`` back into numbers."""
    return units.astype(np.float64) / scale


def _check_row(values: NDArray[np.generic], kind: str) -> None:
    if values.ndim != 1 or values.dtype.kind != kind:
        raise SumRefusedError("a vector is one row of numbers", reason="VECTOR_INVALID")
