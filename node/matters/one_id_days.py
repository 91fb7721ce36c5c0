"""Say whether a citizen's question stands: its desk's one of a day, and not one of a flood.

The same requests give the same answer on every node, so nobody answers what does not stand and
nobody is late for it. A request costs a look at those about the same token and at two places in a
list, however many there are.
"""

from __future__ import annotations

from typing import Final

from federation.matters import Kind
from federation.matters.one_id import (
    REPEAT_SECONDS,
    REQUESTS_A_DAY,
    OneIdMatter,
    first_of_day,
)
from federation.names import MemberId
from node.errors import PolicyError
from node.matters.book import MatterBook

_WITHIN_DAY: Final = "ASKED_WITHIN_DAY"
_DESK_FULL: Final = "DESK_DAY_FULL"


def stands(book: MatterBook, matter: OneIdMatter) -> bool:
    """Say whether a request is to be answered; blocking."""
    return _broken(book, matter) is None


def require_standing(book: MatterBook, matter: OneIdMatter) -> None:
    """Refuse a request that nobody answers; blocking.

    Raises:
        PolicyError: ASKED_WITHIN_DAY or DESK_DAY_FULL.
    """
    broken = _broken(book, matter)
    if broken == _WITHIN_DAY:
        raise PolicyError(
            "this desk asked about this identity before, within 24 hours", reason=_WITHIN_DAY
        )
    if broken is not None:
        raise desk_full()


def has_room(book: MatterBook, desk: MemberId, now: int) -> bool:
    """Say whether a request that a desk opens now would not be one too many; blocking."""
    return _opened_in_day(book, desk, now) < REQUESTS_A_DAY


def desk_full() -> PolicyError:
    """Make the error that a desk has asked as often as a desk may."""
    return PolicyError(
        f"a desk asks for at most {REQUESTS_A_DAY} citizens in 24 hours",
        reason=_DESK_FULL,
        hint="ask again tomorrow, or at the desk of another member",
    )


def _broken(book: MatterBook, matter: OneIdMatter) -> str | None:
    about = (one.matter for one in book.about(Kind.ONE_ID, matter.subject))
    own = [one for one in about if one.opener == matter.opener]
    if (matter.id, matter.opener) not in first_of_day(own):
        return _WITHIN_DAY
    is_full = _opened_in_day(book, matter.opener, matter.opened) > REQUESTS_A_DAY
    return _DESK_FULL if is_full else None


def _opened_in_day(book: MatterBook, desk: MemberId, until: int) -> int:
    return book.opened_within(Kind.ONE_ID, desk, until - REPEAT_SECONDS, until)
