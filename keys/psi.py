"""Find which values two parties share, without showing the others: ECDH private set intersection.

Both hash their values to the group and blind them with a key of this session alone. Blinding with
both keys commutes, so that equal values meet, and nothing else can be compared::

    carrier                                    internet firm
    offered   = blind(y, B), padded, shuffled   →
                                           ←   blinded = blind(x, A), padded, shuffled
    evaluated = digests of reblind(blinded, B)  →   hits: those of evaluated that are among the
                                                    digests of reblind(offered, A)
                                           ←   the number of hits

The firm keeps the order of its own elements, so it learns which of *its* values are offered, and
tells the carrier how many. It tells the number and nothing to work it out from: elements that it
had blinded again would let a carrier that blinds parts of its values with different keys count
each part by itself. Nobody could tell whether they were true either.

What is only compared is sent as ten bytes of a hash: two that differ look equal once in 2^48 runs
of the largest size. Everything that a peer sends is checked: canonical elements, no identity (the
group has prime order, so there is no small subgroup either), nothing twice, one of few sizes.

Under DDH and a random oracle nobody learns anything else from honest parties. A firm that asks
about values it does not have learns whether they are offered: only sizes and quotas bound that.
A carrier may offer few values among others of which it knows that the firm has them; then the
number tells about the few.

Source: Meadows 1986; Huberman, Franklin, Hogg 1999; RFC 9380 for what a hash to a group is.
"""

import hashlib
import secrets
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from keys.batch import Packed, hash_all, multiply_all
from keys.errors import MatchError
from keys.group import ELEMENT_BYTES, UNIFORM_BYTES
from keys.scalar import random_secret
from keys.secret import Secret

SESSION_BYTES: Final = 16
# Elements: below it a padded size would tell more than it hides.
LEAST_ELEMENTS: Final = 64
# Elements: two megabytes a message and three seconds of one core on each side.
MOST_ELEMENTS: Final = 65_536
# Elements that a side may have: powers of two, and half-way between them.
SIZES: Final = tuple(
    size
    for power in range(LEAST_ELEMENTS.bit_length() - 1, MOST_ELEMENTS.bit_length())
    for size in (1 << power, 3 << (power - 1))
    if size <= MOST_ELEMENTS
)
# Bytes: 2^32 pairs in a run of the largest size, so two that differ meet in one of 2^48 runs.
DIGEST_BYTES: Final = 10

_DOMAIN: Final = b"tocsin/psi/ristretto255/1"
_DIGEST_DOMAIN: Final = b"tocsin/psi/digest/1"


def new_key() -> Secret:
    """Draw the key of one session; a second session with it would show equal values."""
    return random_secret()


def padded_size(count: int) -> int:
    """Return how many elements stand for this many values: the next of ``SIZES``.

    Raises:
        MatchError: MATCH_SIZE_INVALID; too many.
    """
    place = bisect_left(SIZES, count)
    if count < 0 or place == len(SIZES):
        raise MatchError(
            f"a match takes at most {MOST_ELEMENTS} values on each side",
            reason="MATCH_SIZE_INVALID",
            hint="match in several runs",
        )
    return SIZES[place]


def blind_values(key: Secret, session: bytes, values: Sequence[bytes]) -> bytes:
    """Hash values to the group for one session and blind them, in their order.

    Args:
        key: Of this side, for this session.
        session: 16 bytes; elements of another session fit into none.
        values: What is compared, byte for byte; distinct.

    Returns:
        Packed elements.
    """
    head = _DOMAIN + len(session).to_bytes(1) + session
    uniform = b"".join(hashlib.sha512(head + value).digest() for value in values)
    return multiply_all(key.borrow(), hash_all(uniform))


def random_elements(count: int) -> bytes:
    """Return elements that stand for no value, as padding; nobody can tell them apart."""
    return hash_all(secrets.token_bytes(UNIFORM_BYTES * count))


def reblind(key: Secret, session: bytes, elements: Packed) -> bytes:
    """Blind a peer's elements with the own key, too, and return their digests, in their order.

    Raises:
        GroupError: An element is not canonical, or the identity.
    """
    head = _DIGEST_DOMAIN + len(session).to_bytes(1) + session
    found = split(multiply_all(key.borrow(), elements), ELEMENT_BYTES)
    return b"".join(hashlib.sha512(head + one).digest()[:DIGEST_BYTES] for one in found)


def check_elements(elements: bytes, size: int) -> bytes:
    """Return a peer's elements if they are as many as announced and distinct.

    Raises:
        MatchError: MATCH_SIZE_INVALID or MATCH_ELEMENT_TWICE.
    """
    return _checked(elements, size, ELEMENT_BYTES)


def check_digests(digests: bytes, size: int) -> bytes:
    """Return a peer's digests if they are as many as announced and distinct.

    Raises:
        MatchError: MATCH_SIZE_INVALID or MATCH_ELEMENT_TWICE.
    """
    return _checked(digests, size, DIGEST_BYTES)


def is_size(size: int) -> bool:
    """Say whether a side may have this many elements."""
    return size in SIZES


def split(packed: bytes, size: int) -> list[bytes]:
    """Return packed items of some bytes each one by one."""
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def mix(elements: bytes) -> tuple[bytes, list[int]]:
    """Return the elements in an order that says nothing, and the place of each before."""
    found = split(elements, ELEMENT_BYTES)
    order = list(range(len(found)))
    secrets.SystemRandom().shuffle(order)
    return b"".join(found[place] for place in order), order


def matching_places(own: bytes, other: bytes) -> list[int]:
    """Return the places of the own digests that stand among the other ones, ascending."""
    there = set(split(other, DIGEST_BYTES))
    return [place for place, one in enumerate(split(own, DIGEST_BYTES)) if one in there]


def _checked(packed: bytes, size: int, width: int) -> bytes:
    if not is_size(size) or len(packed) != size * width:
        raise MatchError("the elements are not as many as announced", reason="MATCH_SIZE_INVALID")
    if len(set(split(packed, width))) != size:
        raise MatchError("an element stands twice", reason="MATCH_ELEMENT_TWICE")
    return packed
