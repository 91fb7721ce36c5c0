"""Find which values two parties share, without showing the others: ECDH private set intersection.

Both hash their values to the group and blind them with a key of this session alone. The firm's
elements are blinded by the carrier, too, and the firm takes its own blinding away again: what is
left is comparable with the carrier's own::

    carrier                                    internet firm
    offered   = digests of blind(y, B), padded, a set    →
                                           ←   blinded = blind(x, A), padded, shuffled
    evaluated = blinded once more, by B    →   hits: those whose digests, without A, are offered
                                           ←   the number of hits

An offered value costs the carrier one hash and one multiplication, once, and nobody anything else:
the firm computes on its own values alone. So few values are matched with many at the price of
hashing the many, and the many go as six to eight bytes each.

The firm keeps the order of its own elements, so it learns which of *its* values are offered, and
tells the carrier how many. It tells the number and nothing to work it out from: elements that it
had blinded again would let a carrier that blinds parts of its values with different keys count
each part by itself. Nobody could tell whether they were true either.

An element is the x-coordinate of a point of Curve25519 (``ladder.py``). Everything that a peer
sends is checked: canonical coordinates, none of small order, one of few sizes, nothing twice, and
nothing twice among its multiples either: what differs by a point of small order would be.

Under the one-more gap Diffie-Hellman assumption (on Curve25519, with the key used on its twist,
too, as with every X25519) and a random oracle nobody learns anything else
from honest parties: an element that the carrier blinds lets the firm test one value, and there are
as many in a session as were announced, all at once. A firm that asks about values it does not have
learns whether they are offered: only sizes and quotas bound that. A carrier may offer few values
among others of which it knows that the firm has them; then the number tells about the few.

Source: Jarecki, Kiayias, Krawczyk 2014 (2HashDH); Meadows 1986; Huberman, Franklin, Hogg 1999; RFC
9380 for what a hash to a group is; RFC 7748 for the multiplication.
"""

import hashlib
import secrets
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from keys.batch import Packed
from keys.digest_set import (
    DIGEST_BYTES,
    Digests,
    DigestShape,
    common_places,
    cut_digests,
    encode_digests,
    sort_digests,
)
from keys.errors import MatchError
from keys.group import ELEMENT_BYTES, UNIFORM_BYTES
from keys.ladder import hash_to_coordinates, multiply_coordinates
from keys.scalar import invert_secret, random_secret
from keys.secret import Secret

SESSION_BYTES: Final = 16
# Elements: below it a padded size would tell more than it hides.
LEAST_ELEMENTS: Final = 64
# Elements of the side that asks: two megabytes a message, three seconds of one core on each side.
MOST_ELEMENTS: Final = 65_536
# Values of the side that offers: eight megabytes, and a minute of one core.
MOST_OFFERED: Final = 1 << 20
# Elements: from here on a sixteenth of a power of two hides 512 values, which is enough.
_FINE_FROM: Final = 8_192
_FINE_STEPS: Final = 16


def _sizes() -> tuple[int, ...]:
    found, power = [], LEAST_ELEMENTS
    while power < MOST_OFFERED:
        steps = _FINE_STEPS if power >= _FINE_FROM else 2
        found += [power + power * step // steps for step in range(steps)]
        power *= 2
    return (*found, MOST_OFFERED)


# Elements that a side may have: powers of two and half-way between them, then sixteen steps each.
SIZES: Final = _sizes()
_DOMAIN: Final = b"tocsin/psi/curve25519/1"
_DIGEST_DOMAIN: Final = b"tocsin/psi/digest/4"


def new_key() -> Secret:
    """Draw the key of one session; a second session with it would show equal values."""
    return random_secret()


def padded_size(count: int, most: int = MOST_ELEMENTS) -> int:
    """Return how many elements stand for this many values: the next of ``SIZES``.

    Raises:
        MatchError: MATCH_SIZE_INVALID; more than ``most``.
    """
    if not 0 <= count <= most:
        raise MatchError(
            f"a match takes at most {most} values on this side",
            reason="MATCH_SIZE_INVALID",
            hint="match in several runs",
        )
    return SIZES[bisect_left(SIZES, count)]


def is_size(size: int, most: int = MOST_ELEMENTS) -> bool:
    """Say whether a side may have this many elements."""
    return size in SIZES and size <= most


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
    return multiply_coordinates(key, hash_to_coordinates(uniform))


def offer_values(key: Secret, session: bytes, values: Sequence[bytes]) -> bytes:
    """Return the hashes of blinded values, in their order, as ``arrange_digests`` takes them."""
    return _hashes(session, blind_values(key, session, values))


def arrange_digests(hashes: bytes, shape: DigestShape) -> bytes:
    """Return the coded set of digests, filled up with random ones: its order says nothing."""
    found = sort_digests(cut_digests(hashes, shape))
    while missing := shape.offered - len(found.rests):  # again where random ones meet others
        hashes += secrets.token_bytes(DIGEST_BYTES * missing)
        found = sort_digests(cut_digests(hashes, shape))
    return encode_digests(found, shape)


def random_elements(count: int) -> bytes:
    """Return elements that stand for no value, as padding; nobody can tell them apart."""
    drawn = hash_to_coordinates(secrets.token_bytes(UNIFORM_BYTES * count))
    return multiply_coordinates(new_key(), drawn)


def evaluate(key: Secret, elements: Packed) -> bytes:
    """Blind a peer's elements with the own key, too, in their order.

    Raises:
        GroupError: An element is not canonical, or of small order.
    """
    return multiply_coordinates(key, elements)


def unblind(key: Secret, session: bytes, elements: Packed) -> bytes:
    """Take the own key away from elements that a peer blinded, and return 16 bytes of a hash each.

    Raises:
        GroupError: An element is not canonical, or of small order.
    """
    inverse = invert_secret(key)
    try:
        return _hashes(session, multiply_coordinates(inverse, elements))
    finally:
        inverse.wipe()


def check_elements(elements: bytes, size: int) -> bytes:
    """Return a peer's elements if they are as many as announced and distinct.

    Raises:
        MatchError: MATCH_SIZE_INVALID or MATCH_ELEMENT_TWICE.
    """
    if not is_size(size) or len(elements) != size * ELEMENT_BYTES:
        raise MatchError("the elements are not as many as announced", reason="MATCH_SIZE_INVALID")
    if len(set(split(elements, ELEMENT_BYTES))) != size:
        raise _twice()
    return elements


def split(packed: bytes, size: int) -> list[bytes]:
    """Return packed items of some bytes each one by one."""
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def mix(elements: bytes) -> tuple[bytes, list[int]]:
    """Return the elements in an order that says nothing, and the place of each before."""
    found = split(elements, ELEMENT_BYTES)
    order = list(range(len(found)))
    secrets.SystemRandom().shuffle(order)
    return b"".join(found[place] for place in order), order


def matching_places(own: bytes, offered: Digests, shape: DigestShape) -> list[int]:
    """Return the places of the own hashes whose digests are offered, ascending.

    Raises:
        MatchError: MATCH_ELEMENT_TWICE, what the peer gave back for two values is the same.
    """
    if len(set(split(own, DIGEST_BYTES))) != len(own) // DIGEST_BYTES:
        raise _twice()
    return common_places(cut_digests(own, shape), offered)


def _hashes(session: bytes, elements: bytes) -> bytes:
    head = _DIGEST_DOMAIN + len(session).to_bytes(1) + session
    found = split(elements, ELEMENT_BYTES)
    return b"".join(hashlib.sha512(head + one).digest()[:DIGEST_BYTES] for one in found)


def _twice() -> MatchError:
    return MatchError("an element stands twice", reason="MATCH_ELEMENT_TWICE")
