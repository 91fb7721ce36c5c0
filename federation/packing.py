"""Write several byte strings as one, so that no two different lists give the same bytes."""

from typing import Final

LENGTH_BYTES: Final = 4


def pack(*parts: bytes) -> bytes:
    """Join parts, each after its length in four bytes, big-endian.

    Raises:
        OverflowError: A part has 4 GiB or more.
    """
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)


def pack_number(number: int) -> bytes:
    """Write a whole number in four bytes, big-endian.

    Raises:
        OverflowError: It is negative or does not fit.
    """
    return number.to_bytes(LENGTH_BYTES, "big")
