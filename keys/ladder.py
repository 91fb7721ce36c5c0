"""Multiply x-coordinates on Curve25519: a fifth cheaper than elements of ristretto255.

Only what needs no addition can use it: private matching. A value is hashed to ristretto255 as
everywhere; an element that is encoded as ``s`` stands for the points of edwards25519 with
``y = (1 - s^2) / (1 + s^2)``, which are those of Curve25519 with ``u = (1 + y) / (1 - y) =
1 / s^2``. So hashes lie on the curve, never on its twist, where a bit of each would show.

An element stands for points that differ by one of small order. A key is used as the multiple of
eight that it equals modulo the order, which takes that difference away: after one multiplication
everything is in the subgroup of prime order, where two keys commute and a key has an inverse. As
``u`` is the same for a point and its negative, one of a key and its negative has the highest bit
that X25519 sets.

Coordinates of a peer that are not canonical or of small order are refused. One on the twist is
not: the twist's order is four times a prime, so a multiple of it says nothing about the key, and
nothing about points of the curve.

Source: RFC 7748; RFC 9496 section 4.3.1; Bernstein 2006.
"""

from typing import Final

import numpy as np

from keys.batch import Packed, address_of_any, count_elements, hash_all, refuse_offsets
from keys.errors import GroupError
from keys.group import ELEMENT_BYTES, ORDER
from keys.library import library
from keys.secret import Secret

PRIME: Final = 2**255 - 19
"""Of the field; a coordinate is canonical below it."""

_COFACTOR: Final = 8
_HIGHEST_BIT: Final = 1 << 254
"""That X25519 sets in each scalar."""

_PRIME_WORDS: Final = np.frombuffer(PRIME.to_bytes(ELEMENT_BYTES, "little"), "<u8")


def hash_to_coordinates(uniform: Packed) -> bytes:
    """Map packed 64-byte strings to packed coordinates of points on the curve."""
    elements = hash_all(uniform)
    roots = [
        int.from_bytes(elements[start : start + ELEMENT_BYTES], "little")
        for start in range(0, len(elements), ELEMENT_BYTES)
    ]
    return b"".join(_inverse_squares(roots))


def multiply_coordinates(key: Secret, coordinates: Packed) -> bytes:
    """Multiply points by a scalar, which ``invert_secret`` inverts; in their order.

    Raises:
        GroupError: A coordinate is not canonical, or of small order, or the scalar is zero.
    """
    count_elements(coordinates)
    scalar = _as_multiple_of_eight(key)
    source, output = bytearray(coordinates), bytearray(len(coordinates))
    start, target = address_of_any(source), address_of_any(output)
    factor, function = scalar.address(), library().multiply_coordinate
    refuse_offsets(_not_canonical(source))
    bad = [
        offset
        for offset in range(0, len(source), ELEMENT_BYTES)
        if function(target + offset, factor, start + offset)
    ]
    scalar.wipe()
    refuse_offsets(bad)
    return bytes(output)


def _inverse_squares(roots: list[int]) -> list[bytes]:
    """Return ``1 / s^2`` of each, with one inversion; none is zero, as none is the identity."""
    before, product = [], 1
    for root in roots:
        before.append(product)
        product = product * root % PRIME
    inverse = pow(product, -1, PRIME)
    found = [b""] * len(roots)
    for place in range(len(roots) - 1, -1, -1):
        one = inverse * before[place] % PRIME
        found[place] = (one * one % PRIME).to_bytes(ELEMENT_BYTES, "little")
        inverse = inverse * roots[place] % PRIME
    return found


def _as_multiple_of_eight(key: Secret) -> Secret:
    """Return the scalar, or its negative, as X25519 takes it.

    The integers on the way are copies that nothing wipes: of the key of one session, never more.

    Raises:
        GroupError: Neither is: zero, and one in 2^127 others.
    """
    value = int.from_bytes(key.borrow(), "little")
    value += ORDER * (-value * pow(ORDER, -1, _COFACTOR) % _COFACTOR)
    if value < _HIGHEST_BIT:
        value = _COFACTOR * ORDER - value
    if value >= 2 * _HIGHEST_BIT:
        raise GroupError("a scalar that no multiplication takes")
    return Secret(value.to_bytes(ELEMENT_BYTES, "little"))


def _not_canonical(packed: bytearray) -> list[int]:
    """Return where coordinates begin that are not below the prime."""
    words = np.frombuffer(packed, "<u8").reshape(-1, 4)
    least, high = _PRIME_WORDS[0], _PRIME_WORDS[3]
    is_full = (words[:, 1:3] == _PRIME_WORDS[1:3]).all(axis=1) & (words[:, 0] >= least)
    bad = (words[:, 3] > high) | ((words[:, 3] == high) & is_full)
    return [ELEMENT_BYTES * place for place in np.flatnonzero(bad).tolist()]
