"""Say who the carriers are, for what only they count together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from federation.charter import Charter
from federation.names import MemberId
from federation.roles import Role
from federation.sums import MIN_CONTRIBUTORS
from node.errors import PolicyError


@dataclass(frozen=True, slots=True)
class Carriers:
    """The carriers of the charter in force.

    Attributes:
        me: This node's member.
        charter: Returns the charter in force.
        clock: Seconds since 1970.
    """

    me: MemberId
    charter: Callable[[], Charter]
    clock: Callable[[], int]

    def all(self) -> tuple[MemberId, ...]:
        """Return them by name, without those that are revoked."""
        active = self.charter().active(self.clock())
        return tuple(sorted(one.member for one in active if Role.CARRIER in one.roles))

    def require_me(self, things: str) -> None:
        """Refuse what only a carrier has, in the plural, on another member's node.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED.
        """
        if self.me not in self.all():
            raise PolicyError(f"only carriers have {things}", reason="ROLE_NOT_ALLOWED")

    def require_enough(self, happens: str, reason: str) -> tuple[MemberId, ...]:
        """Return all carriers, where a sum over them would hide each.

        Raises:
            PolicyError: The given reason; there are too few.
        """
        carriers = self.all()
        if len(carriers) < MIN_CONTRIBUTORS:
            message = f"{happens} at least {MIN_CONTRIBUTORS} carriers"
            raise PolicyError(message, reason=reason)
        return carriers
