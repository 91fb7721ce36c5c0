"""Describe a shared key in public: what all holders' shares add up to, and each one's part."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from keys.errors import GroupError, RequestError
from keys.group import IDENTITY, add, multiply, require_element
from keys.scalar import encode_scalar, lagrange

MAXIMUM_HOLDERS: Final = 255  # a holder's index is one byte on the wire, and zero is the key
# A client meets five kind classes and a few holder sets; an entry is under 1 KiB, all public.
CACHED_PARTIAL_KEYS: Final = 256


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Hold the public side of one kind class's key in one share epoch.

    Attributes:
        threshold: Number of holders that evaluate together.
        commitments: Summed Feldman commitments, ``threshold`` elements; the first is the
            group's public key.

    Raises:
        GroupError: A commitment is not valid, or their number is not the threshold.
    """

    threshold: int
    commitments: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= MAXIMUM_HOLDERS or len(self.commitments) != self.threshold:
            raise GroupError("a public key has one commitment for each holder of the threshold")
        for commitment in self.commitments:
            require_element(commitment)

    @property
    def element(self) -> bytes:
        """The group's public key, the same through every refresh and reshare."""
        return self.commitments[0]

    def holder_key(self, index: int) -> bytes:
        """Return the public key of one holder's share."""
        require_index(index)
        return evaluate_commitments(self.commitments, index)

    def partial_key(self, index: int, subset: Sequence[int]) -> bytes:
        """Return the holder's public key times its Lagrange coefficient in ``subset``."""
        require_index(index)
        return _partial_key(self.commitments, index, tuple(subset))

    def check_subset(self, subset: Sequence[int]) -> None:
        """Accept only a holder set of exactly the threshold's size, ascending.

        Raises:
            RequestError: It is not.
        """
        require_subset(subset)
        if len(subset) != self.threshold:
            raise RequestError(f"exactly {self.threshold} holders evaluate together")

    def digest(self) -> bytes:
        """Return SHA-256 over threshold and commitments, to bind stored shares to them."""
        return hashlib.sha256(bytes([self.threshold]) + b"".join(self.commitments)).digest()


@lru_cache(maxsize=CACHED_PARTIAL_KEYS)
def _partial_key(commitments: tuple[bytes, ...], index: int, subset: tuple[int, ...]) -> bytes:
    own = evaluate_commitments(commitments, index)
    return multiply(encode_scalar(lagrange(index, subset)), own)


def require_index(index: int) -> None:
    """Accept only a holder index that exists.

    Raises:
        RequestError: It is not from 1 to 255.
    """
    if not 1 <= index <= MAXIMUM_HOLDERS:
        raise RequestError("a holder's index is from 1 to 255")


def require_subset(subset: Sequence[int]) -> None:
    """Accept only holder indexes in ascending order, each once.

    Raises:
        RequestError: They are not, or there are none.
    """
    for index in subset:
        require_index(index)
    if not subset or any(left >= right for left, right in pairwise(subset)):
        raise RequestError("a holder set is in ascending order, each holder once")


def evaluate_commitments(commitments: Sequence[bytes], index: int) -> bytes:
    """Evaluate a committed polynomial in the group (Horner); the result may be the identity."""
    position = encode_scalar(index)
    total = IDENTITY
    for commitment in reversed(commitments):
        # The library refuses to multiply the identity; its multiple is itself.
        scaled = IDENTITY if total == IDENTITY else multiply(position, total)
        total = add(scaled, commitment)
    return total
