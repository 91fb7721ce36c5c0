"""State the field that private sums count in; its arithmetic and its statements both need it."""

from typing import Final

# A Mersenne prime: products reduce by shifts, and elements fit into eight bytes.
PRIME_BITS: Final = 61
PRIME: Final = (1 << PRIME_BITS) - 1
ELEMENT_BYTES: Final = 8

LARGEST_TOTAL: Final = (PRIME - 1) // 2
"""The largest number that has a field element of its own, with its negative."""

# Units per one: finer than a 32-bit float's precision, and far from the field's range.
MAX_SCALE: Final = 1 << 40
