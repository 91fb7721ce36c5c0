"""Draw uniform field elements from an AES-256-CTR keystream."""

import secrets
from typing import Final, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from federation.prime_field import ELEMENT_BYTES, PRIME, PRIME_BITS
from federation.sums.field import Vector
from keys.secret import Secret

SEED_BYTES: Final = 32

_EXCESS_BITS: Final = np.uint64(8 * ELEMENT_BYTES - PRIME_BITS)
# Safe because a seed serves one keystream only.
_COUNTER: Final = bytes(16)


class Source(Protocol):
    """Give bytes that nobody can tell from uniform ones."""

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""


class Keystream:
    """Stretch one seed of 32 bytes: the same seed gives the same bytes.

    Raises:
        ValueError: The seed is not 32 bytes long.
    """

    __slots__ = ("_cipher",)

    def __init__(self, seed: Secret) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a keystream's seed has 32 bytes")
        key = algorithms.AES256(seed.borrow())
        self._cipher = Cipher(key, modes.CTR(_COUNTER)).encryptor()

    @classmethod
    def fresh(cls) -> "Keystream":
        """Start from a new random seed, which nobody keeps."""
        seed = Secret(secrets.token_bytes(SEED_BYTES))
        try:
            return cls(seed)
        finally:
            seed.wipe()

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        return self._cipher.update(bytes(count))


def uniform(source: Source, count: int) -> Vector:
    """Draw ``count`` uniform elements by rejection: 61 bits each, drawn again if the prime."""
    drawn = _draw(source, count)
    while (rejected := np.flatnonzero(drawn >= np.uint64(PRIME))).size:
        drawn[rejected] = _draw(source, rejected.size)
    return drawn


def _draw(source: Source, count: int) -> Vector:
    words = np.frombuffer(source.read(count * ELEMENT_BYTES), dtype="<u8")
    return words.astype(np.uint64) >> _EXCESS_BITS
