"""Find which values two parties share, without showing the others: ECDH private set intersection.

Both hash their values to the group and blind them with a key of this session alone. Blinding with
both keys commutes, so that equal values meet, and nothing else can be compared::

    carrier                                    internet firm
    offered   = blind(y, B), padded, shuffled   →
                                           ←   blinded = blind(x, A), padded, shuffled
    evaluated = reblind(y, blinded)             →   hits: those of evaluated in reblind(x, offered)
                                           ←   reblind(x, offered), shuffled
    count: those that are in evaluated

The firm keeps the order of its own elements, so it learns which of *its* values are offered. The
carrier gets its own back in another order, so it learns how many are. Everything that a peer sends
is checked: canonical elements, no identity (the group has prime order, so there is no small
subgroup either), no element twice, a size that is a power of two.

Under DDH and a random oracle nobody learns anything else from honest parties. A firm that asks
about values it does not have learns whether they are offered: only sizes and quotas bound that.

Source: Meadows 1986; Huberman, Franklin, Hogg 1999; RFC 9380 for what a hash to a group is.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from keys.batch import Packed, count_elements, hash_all, multiply_all
from keys.errors import MatchError
from keys.group import ELEMENT_BYTES, UNIFORM_BYTES
from keys.scalar import random_secret
from keys.secret import Secret

SESSION_BYTES: Final = 16
# Elements: below it a padded size would tell more than it hides.
LEAST_ELEMENTS: Final = 64
# Elements: two megabytes a message and three seconds of one core on each side.
MOST_ELEMENTS: Final = 65_536

_DOMAIN: Final = b"tocsin/psi/ristretto255/1"


def new_key() -> Secret:
    """Draw the key of one session; a second session with it would show equal values."""
    return random_secret()


def padded_size(count: int) -> int:
    """Return how many elements stand for this many values: the next power of two.

    Raises:
        MatchError: MATCH_SIZE_INVALID; too many.
    """
    size = max(LEAST_ELEMENTS, 1 << (max(count, 1) - 1).bit_length())
    if count < 0 or size > MOST_ELEMENTS:
        raise MatchError(
            f"a match takes at most {MOST_ELEMENTS} values on each side",
            reason="MATCH_SIZE_INVALID",
            hint="match in several runs",
        )
    return size


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


def reblind(key: Secret, elements: Packed) -> bytes:
    """Blind a peer's elements with the own key, too, in their order.

    Raises:
        GroupError: An element is not canonical, or the identity.
    """
    return multiply_all(key.borrow(), elements)


def check_elements(elements: bytes, size: int) -> bytes:
    """Return a peer's elements if they are as many as announced and distinct.

    Raises:
        MatchError: MATCH_SIZE_INVALID or MATCH_ELEMENT_TWICE.
    """
    if not is_size(size) or len(elements) != size * ELEMENT_BYTES:
        raise MatchError("the elements are not as many as announced", reason="MATCH_SIZE_INVALID")
    if len(set(split_elements(elements))) != size:
        raise MatchError("an element stands twice", reason="MATCH_ELEMENT_TWICE")
    return elements


def is_size(size: int) -> bool:
    """Say whether a side may have this many elements."""
    return LEAST_ELEMENTS <= size <= MOST_ELEMENTS and size & (size - 1) == 0


def split_elements(elements: bytes) -> list[bytes]:
    """Return packed elements one by one."""
    starts = range(0, ELEMENT_BYTES * count_elements(elements), ELEMENT_BYTES)
    return [elements[start : start + ELEMENT_BYTES] for start in starts]


def shuffle(elements: bytes) -> bytes:
    """Return the elements in an order that says nothing."""
    found = split_elements(elements)
    secrets.SystemRandom().shuffle(found)
    return b"".join(found)


def matching_places(own: bytes, other: bytes) -> list[int]:
    """Return the places of the own elements that stand among the other ones, ascending."""
    there = set(split_elements(other))
    return [place for place, element in enumerate(split_elements(own)) if element in there]
