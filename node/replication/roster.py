"""Tell, from the charter in force, which logs there are and whom to ask for them."""

from collections.abc import Callable
from dataclasses import dataclass

from federation.charter import Charter
from federation.names import MemberId, Origin
from federation.roles import REPLICATING


@dataclass(frozen=True, slots=True)
class Roster:
    """This node's view of the others; reads the charter anew at every question.

    Attributes:
        me: This node's member.
        charter: Gives the charter in force.
        clock: Gives seconds since 1970.
    """

    me: MemberId
    charter: Callable[[], Charter]
    clock: Callable[[], int]

    def peers(self) -> frozenset[MemberId]:
        """Return the other members that hold logs and are not revoked."""
        return frozenset(
            member.member
            for member in self.charter().active(self.clock())
            if member.roles & REPLICATING and member.member != self.me
        )

    def origins(self) -> frozenset[Origin]:
        """Return all logs: also those of revoked members, and this node's own.

        The own one is read back from peers after this node lost its end, as from a backup.
        """
        charter = self.charter()
        return frozenset(
            Origin(charter.federation, member.member)
            for member in charter.members
            if member.is_speaking
        )
