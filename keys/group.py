"""Compute in ristretto255, one element at a time; ``keys.batch`` does many.

An element is 32 bytes in canonical encoding, a scalar 32 bytes little-endian below ORDER.
Inputs that are not canonical, and the identity where it has no business, raise GroupError.

Source: RFC 9496; libsodium does the arithmetic, in constant time.
"""

from collections.abc import Callable
from typing import Final

from keys.errors import GroupError
from keys.library import Library, address_of, library

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
UNIFORM_BYTES: Final = 64  # input of the one-way map, RFC 9496 section 4.3.4
ORDER: Final = 2**252 + 27742317777372353535851937790883648493

IDENTITY: Final = bytes(ELEMENT_BYTES)
GENERATOR: Final = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")


def hash_to_group(uniform: bytes) -> bytes:
    """Map 64 uniform bytes to an element.

    Raises:
        GroupError: The input is not 64 bytes, or maps to the identity.
    """
    if len(uniform) != UNIFORM_BYTES:
        raise GroupError("the one-way map takes 64 bytes")
    element = _call(lambda sodium: sodium.hash_to_group, uniform)
    if element == IDENTITY:
        raise GroupError("the input maps to the identity")
    return element


def multiply(scalar: bytes | bytearray, element: bytes) -> bytes:
    """Multiply an element by a scalar.

    Raises:
        GroupError: The element is not canonical, or the scalar or the result is trivial.
    """
    _require_length(scalar, element)
    return _call(lambda sodium: sodium.multiply, scalar, element)


def multiply_base(scalar: bytes | bytearray) -> bytes:
    """Multiply the generator by a scalar.

    Raises:
        GroupError: The scalar is zero or not 32 bytes.
    """
    _require_length(scalar)
    return _call(lambda sodium: sodium.multiply_base, scalar)


def add(left: bytes, right: bytes) -> bytes:
    """Add two elements; the identity is allowed here, and a possible result.

    Raises:
        GroupError: An element is not canonical.
    """
    _require_length(left, right)
    return _call(lambda sodium: sodium.add, left, right)


def subtract(left: bytes, right: bytes) -> bytes:
    """Subtract ``right`` from ``left``; as ``add``."""
    _require_length(left, right)
    return _call(lambda sodium: sodium.subtract, left, right)


def is_valid(element: bytes) -> bool:
    """Tell whether the bytes are a canonical element other than the identity."""
    if len(element) != ELEMENT_BYTES or element == IDENTITY:
        return False
    buffer = bytearray(element)  # named, so that it outlives the call
    return bool(library().is_valid(address_of(buffer)))


def require_element(element: bytes) -> bytes:
    """Return ``element`` if it is valid.

    Raises:
        GroupError: It is not canonical, or is the identity.
    """
    if not is_valid(element):
        raise GroupError
    return element


def _require_length(*values: bytes | bytearray) -> None:
    if any(len(value) != ELEMENT_BYTES for value in values):
        raise GroupError("elements and scalars are 32 bytes")


def _call(choose: Callable[[Library], Callable[..., int]], *inputs: bytes | bytearray) -> bytes:
    output = bytearray(ELEMENT_BYTES)
    # A bytes object has no writable address; a bytearray (a secret's) is used in place.
    buffers = [value if isinstance(value, bytearray) else bytearray(value) for value in inputs]
    if choose(library())(address_of(output), *map(address_of, buffers)):
        raise GroupError
    return bytes(output)
