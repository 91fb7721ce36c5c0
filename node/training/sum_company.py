"""Keep a coordinator from opening sums that no honest member would take part in.

Statistics and evaluation count the same rows each time: members sum them again in the same company
only. So the coordinator remembers whom it invited and over whom it closed, also after a crash.
"""

from __future__ import annotations

from typing import Final

from federation.names import MemberId
from federation.sums import REPEAT_WINDOW_SECONDS
from node.store.private import PrivateStore
from node.training.sum_order import SumOrder

_INVITED: Final = "sum-invited"
_CLOSED: Final = "sum-closed"


class SumCompany:
    """The company of a coordinator's past sums; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private

    def invited(self, order: SumOrder, now: int) -> tuple[MemberId, ...]:
        """Return whom the opening of a sum names: those of before, or who has a vector now."""
        if not order.is_repeatable:
            return tuple(sorted(order.members))
        return self._same(_INVITED, order, sorted(order.members), now)

    def closed(
        self, order: SumOrder, accepted: list[MemberId], now: int
    ) -> tuple[MemberId, ...] | None:
        """Return over whom a sum is closed; None where one of those of before is missing."""
        if not order.is_repeatable:
            return tuple(sorted(accepted))
        names = self._same(_CLOSED, order, sorted(accepted), now)
        return names if set(names) <= set(accepted) else None

    def _same(
        self, kind: str, order: SumOrder, members: list[MemberId], now: int
    ) -> tuple[MemberId, ...]:
        """Return the members remembered; where there are none, remember these."""

        def keep(known: bytes | None) -> bytes:
            if known and now - int(known.split()[0]) < REPEAT_WINDOW_SECONDS:
                return known
            return " ".join((str(now), *members)).encode()

        _time, *names = self._private.change(f"{kind}/{order.labels.hex()}", keep).decode().split()
        return tuple(MemberId(name) for name in names)
