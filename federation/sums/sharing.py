"""Share vectors among holders so that t of them give a vector back, and fewer nothing.

Holder i of n gets the values at i of one random polynomial for each entry; the entry is the value
at zero (Shamir). Polynomials add up entry by entry, so shares of a sum are sums of shares; the
product of two has the sum of their degrees.

Source: A. Shamir, "How to share a secret" (1979); hold-out is unique decoding of a Reed-Solomon
code, by trial.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Final

import numpy as np

from federation.prime_field import PRIME
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.field import Vector, add, multiply_by, scale
from federation.sums.randomness import Source, uniform

# Liars that are looked for: trials grow with the number of holders to this power.
MAX_LIARS: Final = 2

Points = Mapping[int, Vector]
"""What each holder says, by its index from 1."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The vector that the points agree on.

    Attributes:
        value: At zero.
        liars: Indexes of the holders whose points are false.
    """

    value: Vector
    liars: tuple[int, ...]


def share(vector: Vector, degree: int, holders: int, source: Source) -> Vector:
    """Share a vector: row i is for holder i + 1.

    Args:
        vector: Its entries, each the constant term of a polynomial of its own.
        degree: Of the polynomials; any degree + 1 rows give the vector back.
        holders: How many rows, at most 100.
        source: Of the other coefficients; used for nothing else.
    """
    coefficients = [uniform(source, vector.size) for _ in range(degree)]
    rows = [_evaluate(vector, coefficients, index) for index in range(1, holders + 1)]
    for coefficient in coefficients:
        # With one share they would give the vector away.
        coefficient.fill(0)
    return np.stack(rows)


def share_threshold(vector: Vector, threshold: int, holders: int, source: Source) -> Vector:
    """Share a vector so that ``threshold`` of the holders give it back, and fewer nothing.

    Raises:
        ValueError: The threshold is below 2 or above the number of holders.
    """
    if not 2 <= threshold <= holders:
        raise ValueError("a threshold is between 2 and the number of holders")
    return share(vector, threshold - 1, holders, source)


def interpolate(points: Points, degree: int, position: int = 0) -> Vector:
    """Evaluate the polynomials through the first degree + 1 points; nothing is checked.

    Raises:
        SumRefusedError: SUM_NOT_READY; there are fewer points.
    """
    indexes = _enough(points, degree)[: degree + 1]
    terms = (multiply_by(points[index], _weight(index, indexes, position)) for index in indexes)
    return reduce(add, terms)


def check_points(points: Points, degree: int) -> None:
    """Accept points that lie on polynomials of this degree; degree + 1 points always do.

    Raises:
        SumFaultError: PARTIALS_DISAGREE, naming nobody.
        SumRefusedError: SUM_NOT_READY; there are fewer points.
    """
    if not _agree(points, degree):
        raise _disagreement()


def resolve(points: Points, degree: int) -> Resolution:
    """Interpolate at zero; detect a false point with one more than needed, locate it with two.

    With degree + 1 + 2e points e liars are located, e at most ``MAX_LIARS``: the points agree once
    the liars, and only they, are held out. More liars than that can agree on a false value.

    Raises:
        SumFaultError: PARTIALS_DISAGREE, naming nobody; too few points to tell who lies.
        SumRefusedError: SUM_NOT_READY; there are fewer points than degree + 1.
    """
    for liars in _suspects(_enough(points, degree), degree):
        rest = {index: vector for index, vector in points.items() if index not in liars}
        if _agree(rest, degree):
            return Resolution(interpolate(rest, degree), liars)
    raise _disagreement()


def _suspects(indexes: Sequence[int], degree: int) -> Iterator[tuple[int, ...]]:
    most = min(MAX_LIARS, (len(indexes) - degree - 1) // 2)
    for count in range(most + 1):
        yield from combinations(indexes, count)


def _agree(points: Points, degree: int) -> bool:
    rest = _enough(points, degree)[degree + 1 :]
    return all(np.array_equal(interpolate(points, degree, index), points[index]) for index in rest)


def _enough(points: Points, degree: int) -> list[int]:
    if len(points) <= degree:
        raise SumRefusedError("too few holders have answered", reason="SUM_NOT_READY")
    return sorted(points)


def _evaluate(constant: Vector, coefficients: Sequence[Vector], position: int) -> Vector:
    value = np.zeros_like(constant)
    for coefficient in (*reversed(coefficients), constant):
        value = add(scale(value, position), coefficient)
    return value


def _weight(index: int, indexes: Collection[int], position: int) -> int:
    """Return the Lagrange coefficient of ``index`` for the value at ``position``."""
    numerator = denominator = 1
    for other in indexes:
        if other != index:
            numerator = numerator * (position - other) % PRIME
            denominator = denominator * (index - other) % PRIME
    return numerator * pow(denominator, -1, PRIME) % PRIME


def _disagreement() -> SumFaultError:
    return SumFaultError("what the holders say does not fit together", reason="PARTIALS_DISAGREE")
