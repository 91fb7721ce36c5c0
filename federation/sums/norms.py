"""Open the squared norm of each contributor's vector, and nothing else of it.

A holder squares its shares and adds them up: a share of the squared norm, of degree 2(t - 1), so
that it takes 2t - 1 holders to open it. Its other coefficients would tell of the vector: the
contributor's share of zero, random of the same degree, is added and leaves only the value at zero.
``form.check_zeros`` sees to it that it is of zero, or a contributor could choose its own norm.

The norm is one modulo the prime. A contributor could therefore hide entries beyond the range, whose
squares add up to a small number modulo the prime. Such an entry shows in the total, which is then
beyond what ``decode_total`` accepts; within it no entry passes (2N - 1) times the largest for N
contributors, and ``check_norm_capacity`` refuses ranges in which the squares of those could wrap.
Two contributors together can hide such entries from each other's total: their norm is bounded
only by the range.
"""

from collections.abc import Sequence

import numpy as np

from federation.prime_field import PRIME
from federation.sums.error import SumRefusedError
from federation.sums.field import Vector, add, multiply, total
from federation.sums.form import COMBINATIONS, Layout
from federation.sums.sharing import Points, resolve


def holders_for_norms(threshold: int) -> int:
    """Return how many holders open a norm."""
    return 2 * threshold - 1


def check_norm_capacity(contributors: int, largest: int, block: int) -> None:
    """Refuse a range in which a squared norm could wrap around while the total looks right.

    Raises:
        SumRefusedError: VECTOR_OVERFLOW.
    """
    if block * ((2 * contributors - 1) * largest) ** 2 >= PRIME:
        raise SumRefusedError(
            "a squared norm could wrap around",
            reason="VECTOR_OVERFLOW",
            hint="lower the scale or the largest entry",
        )


def share_norms(layout: Layout, row: Vector) -> Vector:
    """Return one holder's hidden share of the squared norm of each block."""
    zeros = row[layout.labels + COMBINATIONS :][: len(layout.blocks)]
    squares = [total(multiply(row[place], row[place])) for place in layout.ranges()]
    return add(np.concatenate(squares), zeros)


def open_norms(words: Points, threshold: int) -> tuple[int, ...]:
    """Open the squared norms, in squared units.

    Args:
        words: What each holder published: combinations, then its shares of the norms.
        threshold: Of the sum.

    Raises:
        SumFaultError: PARTIALS_DISAGREE; a holder lies. Only 2t holders or more can show it.
        SumRefusedError: SUM_NOT_READY; fewer than 2t - 1 holders have published.
    """
    points = {index: vector[2 * COMBINATIONS :] for index, vector in words.items()}
    return tuple(resolve(points, 2 * (threshold - 1)).value.tolist())


def decide(norms: Sequence[int], bounds: Sequence[int]) -> tuple[int, ...]:
    """Return the places of the blocks whose squared norm is beyond its bound; none: accepted."""
    pairs = enumerate(zip(norms, bounds, strict=True))
    return tuple(place for place, (norm, bound) in pairs if norm > bound)
