"""Say of most tokens at once that they are not in a large set: a Bloom filter in single words.

Tokens are outputs of a pseudorandom function, so their own bits choose the place: the first half
the word, the second half four bits in it. A wrong "perhaps" costs one look-up; there is no wrong
"no". One processor cache line is read for each token, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS_PER_TOKEN: Final = 12
"""Bits at full capacity: one foreign token in a hundred is looked up in vain."""

WORD_BITS: Final = 64
_BITS_SET: Final = 4
_PLACE_BITS: Final = 6  # a place in a word of 64
_HALF_BITS: Final = 32


class TokenFilter:
    """A set of tokens of 16 bytes that can grow, and answers "no" or "perhaps".

    Attributes:
        capacity: Tokens up to which it answers "no" as often as it should.
        count: Tokens added, repeats included.
    """

    def __init__(self, capacity: int) -> None:
        """Make an empty set of 1.5 bytes for each token of its capacity."""
        self.capacity = capacity
        self.count = 0
        self._words = np.zeros(capacity * BITS_PER_TOKEN // WORD_BITS + 1, dtype=np.uint64)

    @property
    def is_full(self) -> bool:
        """Whether it holds more than it was made for."""
        return self.count > self.capacity

    def add(self, tokens: Sequence[bytes]) -> None:
        """Add tokens; another thread may ask meanwhile, but none may add."""
        places, masks = self._find(tokens)
        np.bitwise_or.at(self._words, places, masks)
        self.count += len(tokens)

    def possible(self, tokens: Sequence[bytes]) -> list[bytes]:
        """Return those of the tokens that may be in the set, in their order."""
        places, masks = self._find(tokens)
        perhaps = self._words[places] & masks == masks
        return [tokens[place] for place in np.flatnonzero(perhaps).tolist()]

    def _find(self, tokens: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return for each token the number of its word, and its bits in there."""
        halves = np.frombuffer(b"".join(tokens), dtype="<u8").reshape(len(tokens), 2)
        # The upper 32 bits of a half, as a fraction of the number of words.
        places = ((halves[:, 0] >> np.uint64(_HALF_BITS)) * np.uint64(len(self._words))) >> (
            np.uint64(_HALF_BITS)
        )
        masks = np.zeros(len(tokens), dtype=np.uint64)
        for bit in range(_BITS_SET):
            place = (halves[:, 1] >> np.uint64(bit * _PLACE_BITS)) & np.uint64(WORD_BITS - 1)
            masks |= np.uint64(1) << place
        return places, masks
