"""Prove that a contributor's vector holds so many ones and else zeros, and show nothing else of it.

How many is in the opening: 1 for the answer to one question, more where several are asked at once.

Let f be the polynomial with f(i) = v_i at the places 1 to n of the entries and a random value at 0.
The contributor shares, beside the vector and f(0), the polynomial P = f(f - 1), of degree 2n, by
its values at 0 and n + 1 to 2n; at 1 to n it is zero by what these shares mean. Once all shares are
sealed, a hash of them gives a place r beyond 2n. Every holder publishes its shares of f(r), of P(r)
and of the sum of the entries, each a fixed combination of what it holds, so of degree t - 1. What
opens must be P(r) = f(r)(f(r) - 1), and the number of ones. If P is not f(f - 1), they differ at
all but 2n places of 2^61; if it is, f(i) is 0 or 1 at every entry. The random f(0) makes f(r)
uniform, the other two follow from it: nothing is shown. There are two proofs, as r is a hash that a
contributor can try again.

Unlike a norm (``norms``) this leaves no entry below zero and none that wraps, not even the zero
vector, and of 2t - 1 holders that publish t - 1 may lie: the t honest ones alone determine what
opens, and another word does not fit to theirs.

Source: H. Corrigan-Gibbs and D. Boneh, "Prio" (2017), section 4; DESIGN §8.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from federation.prime_field import PRIME
from federation.sums.error import SumRefusedError
from federation.sums.field import Vector, element, multiply, subtract, total
from federation.sums.randomness import Keystream, Source, uniform
from federation.sums.sharing import Points, check_points, interpolate
from keys.secret import Secret

PROOFS: Final = 2
"""Independent proofs; each is fooled with probability 2^-53 at most."""


def proof_elements(entries: int) -> int:
    """Return how many elements are shared beside a vector."""
    return PROOFS * (entries + 2)


def proof_words() -> int:
    """Return how many elements a holder publishes of a share: the sum, and two for each proof."""
    return 1 + 2 * PROOFS


def require_one_hot(vector: Vector, ones: int = 1) -> None:
    """Refuse to share what does not hold so many ones: its proof would fail, and show some of it.

    Raises:
        SumRefusedError: VECTOR_INVALID.
    """
    if sorted(vector.tolist()) != [0] * (vector.size - ones) + [1] * ones:
        message = f"a vector here has {ones} entries that are 1, else zeros"
        raise SumRefusedError(message, reason="VECTOR_INVALID")


def prove(vector: Vector, source: Source) -> Vector:
    """Return what is shared beside a vector."""
    parts: list[Vector] = []
    for _ in range(PROOFS):
        mask = uniform(source, 1)
        values = np.concatenate((mask, vector))
        places = _free_places(vector.size)
        shown = np.concatenate([_combine(values, _weights(vector.size + 1, at)) for at in places])
        parts.extend((mask, multiply(shown, subtract(shown, element(1)))))
    return np.concatenate(parts)


def answer(row: Vector, entries: int, challenge: bytes) -> Vector:
    """Return what one holder publishes of its share of a vector and its proofs.

    Args:
        row: Its share of the entries, then of the proofs.
        entries: How many.
        challenge: The 32 bytes that ``Sum.one_hot_challenge`` derives from the sealed shares.
    """
    vector, proofs = row[:entries], row[entries:]
    words = [total(vector)]
    for proof, at in zip(np.split(proofs, PROOFS), _places(entries, challenge), strict=True):
        values = np.concatenate((proof[:1], vector))
        words.append(_combine(values, _weights(entries + 1, at)))
        weights = _weights(2 * entries + 1, at)
        words.append(_combine(proof[1:], [weights[place] for place in _free_places(entries)]))
    return np.concatenate(words)


def check_one_hot(words: Points, threshold: int, ones: int = 1) -> bool:
    """Say whether the vector holds so many ones; what the holders publish must fit together.

    Raises:
        SumFaultError: PARTIALS_DISAGREE; a holder lies, or the proof was not shared as one.
        SumRefusedError: SUM_NOT_READY; fewer holders than the threshold have published.
    """
    check_points(words, threshold - 1)
    entries_sum, *opened = interpolate(words, threshold - 1).tolist()
    pairs = zip(opened[::2], opened[1::2], strict=True)
    is_bits = all(value * (value - 1) % PRIME == shown for value, shown in pairs)
    return entries_sum == ones and is_bits


def _free_places(entries: int) -> list[int]:
    """Return where the product is shared: everywhere but at the entries."""
    return [0, *range(entries + 1, 2 * entries + 1)]


def _places(entries: int, challenge: bytes) -> Iterator[int]:
    """Give the place of each proof; none is that of an entry, which it would show."""
    source = Keystream(Secret(challenge))
    for _ in range(PROOFS):
        place = 0
        while place <= 2 * entries:
            (place,) = uniform(source, 1).tolist()
        yield place


def _weights(count: int, at: int) -> list[int]:
    """Return the weights by which values at 0 to count - 1 give that at another place."""
    return [_weight(place, count, at) for place in range(count)]


def _weight(place: int, count: int, at: int) -> int:
    numerator = denominator = 1
    for other in range(count):
        if other != place:
            numerator = numerator * (at - other) % PRIME
            denominator = denominator * (place - other) % PRIME
    return numerator * pow(denominator, -1, PRIME) % PRIME


def _combine(values: Vector, weights: Sequence[int]) -> Vector:
    return total(multiply(values, np.array(weights, dtype=np.uint64)))
