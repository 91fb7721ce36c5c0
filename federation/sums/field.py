"""Compute with vectors over the prime field of 2^61 - 1, in numpy.

Elements are ``uint64`` below the prime, in arrays of one dimension or more (numpy warns of the
intended wrap-around on single numbers). No operation branches on a value.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.prime_field import ELEMENT_BYTES, PRIME, PRIME_BITS
from federation.sums.error import SumRefusedError

Vector = NDArray[np.uint64]
"""Field elements: one row, or several of one length."""

# Factors of ``scale`` lie below: its products then fit into 64 bits without a carry.
MAX_SMALL_FACTOR: Final = 1 << 30

_PRIME: Final = np.uint64(PRIME)
_LOW_HALF_BITS: Final = np.uint64(31)
_HIGH_HALF_BITS: Final = np.uint64(30)
_LOW_HALF: Final = np.uint64((1 << 31) - 1)
_HIGH_HALF: Final = np.uint64((1 << 30) - 1)
_WORD_HALF_BITS: Final = np.uint64(32)
_WORD_HALF: Final = np.uint64((1 << 32) - 1)
_WIRE: Final = np.dtype("<u8")


def reduce(values: Vector) -> Vector:
    """Reduce any 64-bit values to field elements."""
    folded = (values & _PRIME) + (values >> np.uint64(PRIME_BITS))
    return _subtract_once(folded)


def add(left: Vector, right: Vector) -> Vector:
    """Add element by element."""
    return _subtract_once(left + right)


def subtract(left: Vector, right: Vector) -> Vector:
    """Subtract ``right`` from ``left`` element by element."""
    difference = left - right
    # Below zero it has wrapped to nearly 2^64, and adding the prime wraps it back.
    smaller: Vector = np.minimum(difference, difference + _PRIME)
    return smaller


def multiply(left: Vector, right: Vector) -> Vector:
    """Multiply element by element.

    Each factor is split into 30 high and 31 low bits; as 2^61 is 1 in the field, the four partial
    products fold into one sum below 2^64.
    """
    left_high, left_low = left >> _LOW_HALF_BITS, left & _LOW_HALF
    right_high, right_low = right >> _LOW_HALF_BITS, right & _LOW_HALF
    middle = left_high * right_low + left_low * right_high
    high = (left_high * right_high) << np.uint64(1)
    return reduce(high + left_low * right_low + _shift_half(middle))


def scale(values: Vector, factor: int) -> Vector:
    """Multiply by one public factor below 2^30, in half the time of ``multiply``."""
    if not 0 <= factor < MAX_SMALL_FACTOR:
        raise ValueError("a small factor is below 2^30")
    small = np.uint64(factor)
    high, low = (values >> _LOW_HALF_BITS) * small, (values & _LOW_HALF) * small
    return reduce(low + _shift_half(high))


def multiply_by(values: Vector, factor: int) -> Vector:
    """Multiply by one public factor of any size."""
    return multiply(values, element(factor))


def total(values: Vector) -> Vector:
    """Add up along the last dimension, which becomes one element long."""
    low = (values & _WORD_HALF).sum(axis=-1, keepdims=True, dtype=np.uint64)
    high = (values >> _WORD_HALF_BITS).sum(axis=-1, keepdims=True, dtype=np.uint64)
    return add(reduce(low), multiply(reduce(high), element(1 << 32)))


def element(value: int) -> Vector:
    """Return one whole number, of any sign, as a vector of one element."""
    return np.array([value % PRIME], dtype=np.uint64)


def encode_elements(values: Vector) -> bytes:
    """Write elements one after another, eight bytes each, little-endian."""
    return values.astype(_WIRE, copy=False).tobytes()


def decode_elements(encoded: bytes, count: int) -> Vector:
    """Read exactly ``count`` elements.

    Raises:
        SumRefusedError: VECTOR_INVALID; another length, or a value not below the prime.
    """
    if len(encoded) != count * ELEMENT_BYTES:
        raise SumRefusedError("a vector has another length", reason="VECTOR_INVALID")
    values = np.frombuffer(encoded, dtype=_WIRE).astype(np.uint64)
    if count and values.max() >= _PRIME:
        raise SumRefusedError("a vector holds no field element", reason="VECTOR_INVALID")
    return values


def _subtract_once(values: Vector) -> Vector:
    """Bring values below twice the prime under it: a smaller one wraps to a larger number."""
    smaller: Vector = np.minimum(values, values - _PRIME)
    return smaller


def _shift_half(values: Vector) -> Vector:
    """Multiply values below 2^63 by 2^31; the result is below 2^61 + 2^33."""
    return (values >> _HIGH_HALF_BITS) + ((values & _HIGH_HALF) << _LOW_HALF_BITS)
