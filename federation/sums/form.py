"""Prove that a contributor's shares have the right form, and show nothing else of them.

A contributor shares beside its vector two *masks*: random elements, shared like the vector. Once
the shares are sealed, a hash of them is the seed of public coefficients r, and every holder
publishes m + sum of r_j s_j over its shares s and a mask m. If the shares of one entry lie on no
polynomial of degree t - 1, neither do the combinations, but for one choice of r in 2^61: the mask
was fixed before r was known. As the mask's polynomial is uniform, so is the published one: it
shows nothing. There are two combinations, as the seed is a hash that a contributor can try again:
2^122 attempts, not 2^61.

Where norms are opened, the shares of zero that hide the products (``norms``) are proved the same
way: combined under masks that are shares of zero too, their degree is 2(t - 1) and their value at
zero is zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from federation.sums.error import SumFaultError
from federation.sums.field import Vector, add, multiply, total
from federation.sums.one_hot import proof_elements, proof_words, prove
from federation.sums.randomness import Keystream, Source, uniform
from federation.sums.sharing import Points, check_points, interpolate, share, share_threshold
from keys.secret import Secret

COMBINATIONS: Final = 2
"""Independent combinations of each kind; each is fooled with probability 2^-61."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where in a share: entries, masks, then zeros and their masks, or a proof.

    Attributes:
        labels: Entries.
        blocks: Lengths of the blocks whose norms are opened, from the first entry.
        one_hot: Whether it is proved that a single entry is 1 and the others 0 (``one_hot``).
    """

    labels: int
    blocks: tuple[int, ...] = ()
    one_hot: bool = False

    @property
    def zeros(self) -> int:
        """Shares of zero at the end, masks included."""
        return len(self.blocks) + COMBINATIONS if self.blocks else 0

    @property
    def length(self) -> int:
        """Elements of a share."""
        proof = proof_elements(self.labels) if self.one_hot else 0
        return self.labels + COMBINATIONS + self.zeros + proof

    @property
    def words(self) -> int:
        """Elements that a holder publishes of a share: combinations, then norms or a proof."""
        return COMBINATIONS + self.zeros + (proof_words() if self.one_hot else 0)

    def ranges(self) -> Iterator[slice]:
        """Give where each block stands."""
        edges = [sum(self.blocks[:place]) for place in range(len(self.blocks) + 1)]
        return (slice(start, end) for start, end in pairwise(edges))


def deal(layout: Layout, vector: Vector, threshold: int, holders: int, source: Source) -> Vector:
    """Share a vector with what proves its form; row i is for holder i + 1."""
    proof = prove(vector, source) if layout.one_hot else vector[:0]
    extended = np.concatenate((vector, uniform(source, COMBINATIONS), proof))
    rows = share_threshold(extended, threshold, holders, source)
    if not layout.blocks:
        return rows
    zeros = np.zeros(layout.zeros, dtype=np.uint64)
    return np.concatenate((rows, share(zeros, 2 * (threshold - 1), holders, source)), axis=1)


def combine(layout: Layout, row: Vector, challenge: bytes) -> Vector:
    """Combine one share: first the entries' combinations, then those of the zeros.

    Args:
        layout: What stands where in the share.
        row: The share.
        challenge: The 32 bytes that ``Sum.challenge`` derives from the sealed shares.
    """
    source = Keystream(Secret(challenge))
    masks = layout.labels + COMBINATIONS
    words = [_combined(source, row[: layout.labels], row[layout.labels : masks])]
    if layout.blocks:
        last = masks + len(layout.blocks)
        words.append(_combined(source, row[masks:last], row[last:]))
    return np.concatenate(words)


def check_entries(words: Points, threshold: int) -> None:
    """Accept shares whose entries lie on polynomials of degree threshold - 1.

    Raises:
        SumFaultError: PARTIALS_DISAGREE.
        SumRefusedError: SUM_NOT_READY; fewer holders than the threshold have published.
    """
    check_points(_part(words, 0, COMBINATIONS), threshold - 1)


def check_zeros(words: Points, threshold: int) -> None:
    """Accept shares of zero that have degree 2(threshold - 1) and are of zero.

    Raises:
        SumFaultError: PARTIALS_DISAGREE.
        SumRefusedError: SUM_NOT_READY; fewer than 2 threshold - 1 holders have published.
    """
    degree = 2 * (threshold - 1)
    points = _part(words, COMBINATIONS, 2 * COMBINATIONS)
    check_points(points, degree)
    if interpolate(points, degree).any():
        raise SumFaultError("what should hide a norm is no zero", reason="PARTIALS_DISAGREE")


def _combined(source: Source, values: Vector, masks: Vector) -> Vector:
    sums = [total(multiply(values, uniform(source, values.size))) for _ in range(masks.size)]
    return add(np.concatenate(sums), masks)


def _part(words: Points, start: int, end: int) -> Points:
    return {index: vector[start:end] for index, vector in words.items()}
