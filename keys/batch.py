"""Compute on packed batches: 32 bytes an element, one buffer a batch, one library call an item.

The loops work on integer addresses and do nothing else, so Python adds about one per cent to
the library's time. Every function raises GroupError with the indexes of the first bad items.
"""

from collections.abc import Callable
from typing import Final

from keys.errors import GroupError
from keys.group import ELEMENT_BYTES, IDENTITY, SCALAR_BYTES, UNIFORM_BYTES
from keys.library import address_of, library

Packed = bytes | bytearray

REPORTED_INDEXES: Final = 5  # bad items named in an error; enough to find the fault


def count_elements(elements: Packed) -> int:
    """Return the number of packed elements.

    Raises:
        GroupError: The length is not a multiple of 32 bytes.
    """
    count, rest = divmod(len(elements), ELEMENT_BYTES)
    if rest:
        raise GroupError("packed elements are 32 bytes each")
    return count


def hash_all(uniform: Packed) -> bytes:
    """Map packed 64-byte strings to packed elements."""
    count, rest = divmod(len(uniform), UNIFORM_BYTES)
    if rest:
        raise GroupError("the one-way map takes 64 bytes an item")
    source = _writable(uniform)
    output = bytearray(ELEMENT_BYTES * count)
    start, target, function = (
        address_of_any(source),
        address_of_any(output),
        library().hash_to_group,
    )
    for index in range(count):
        function(target + ELEMENT_BYTES * index, start + UNIFORM_BYTES * index)
    elements = bytes(output)
    refuse_identity(elements)
    return elements


def multiply_all(scalars: Packed, elements: Packed) -> bytes:
    """Multiply each element by its scalar, or all by the one scalar given.

    Elements that are not canonical, the identity and zero scalars are refused.
    """
    count = count_elements(elements)
    step = _scalar_step(scalars, count)
    factors, source = _writable(scalars), _writable(elements)
    output = bytearray(len(source))
    factor, start, target = map(address_of_any, (factors, source, output))
    function = library().multiply
    if step:
        bad = [
            offset
            for offset in range(0, len(source), ELEMENT_BYTES)
            if function(target + offset, factor + offset, start + offset)
        ]
    else:
        bad = [
            offset
            for offset in range(0, len(source), ELEMENT_BYTES)
            if function(target + offset, factor, start + offset)
        ]
    refuse_offsets(bad)
    return bytes(output)


def multiply_base_all(scalars: Packed) -> bytes:
    """Multiply the generator by each packed scalar."""
    count_elements(scalars)
    factors = _writable(scalars)
    output = bytearray(len(factors))
    factor, target, function = (
        address_of_any(factors),
        address_of_any(output),
        library().multiply_base,
    )
    refuse_offsets(
        [
            offset
            for offset in range(0, len(factors), SCALAR_BYTES)
            if function(target + offset, factor + offset)
        ]
    )
    return bytes(output)


def add_all(left: Packed, right: Packed) -> bytes:
    """Add two batches of the same length, element by element."""
    return _pairwise(library().add, left, right)


def subtract_all(left: Packed, right: Packed) -> bytes:
    """Subtract two batches of the same length, element by element."""
    return _pairwise(library().subtract, left, right)


def sum_elements(elements: Packed) -> bytes:
    """Return the sum of all packed elements; the identity for none."""
    count_elements(elements)
    source = _writable(elements)
    total = bytearray(IDENTITY)
    start, target, function = address_of_any(source), address_of(total), library().add
    refuse_offsets(
        [
            offset
            for offset in range(0, len(source), ELEMENT_BYTES)
            if function(target, target, start + offset)
        ]
    )
    return bytes(total)


def refuse_identity(elements: bytes) -> None:
    """Refuse a batch that holds the identity.

    Raises:
        GroupError: Naming the first index at fault.
    """
    position = elements.find(IDENTITY)
    while position >= 0:
        if position % ELEMENT_BYTES == 0:
            raise GroupError("the identity is not allowed", indexes=[position // ELEMENT_BYTES])
        # A run of zeros across two elements is not an identity.
        position = elements.find(IDENTITY, position + 1)


def address_of_any(buffer: bytearray) -> int:
    """Return a buffer's address; 0 for an empty one, which has none and is never read."""
    return address_of(buffer) if buffer else 0


def _pairwise(function: Callable[..., int], left: Packed, right: Packed) -> bytes:
    count_elements(left)
    if len(left) != len(right):
        raise GroupError("the batches differ in length")
    first, second = _writable(left), _writable(right)
    output = bytearray(len(first))
    one, two, target = map(address_of_any, (first, second, output))
    refuse_offsets(
        [
            offset
            for offset in range(0, len(first), ELEMENT_BYTES)
            if function(target + offset, one + offset, two + offset)
        ]
    )
    return bytes(output)


def _scalar_step(scalars: Packed, count: int) -> int:
    if len(scalars) == SCALAR_BYTES:
        return 0
    if len(scalars) == SCALAR_BYTES * count:
        return SCALAR_BYTES
    raise GroupError("one scalar, or one for each element")


def _writable(packed: Packed) -> bytearray:
    # ctypes takes the address of writable memory only; the copy is 0.01 % of the work.
    return packed if isinstance(packed, bytearray) else bytearray(packed)


def refuse_offsets(offsets: list[int]) -> None:
    """Refuse a batch that has bad items at these bytes.

    Raises:
        GroupError: Naming the indexes of the first of them; nothing, where there are none.
    """
    if offsets:
        indexes = [offset // ELEMENT_BYTES for offset in offsets[:REPORTED_INDEXES]]
        raise GroupError(f"invalid elements at {indexes}", indexes=indexes)
