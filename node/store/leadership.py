"""Say which one of a member's processes leads.

What answers peers runs in every process; what acts by itself (replication, ceremonies, duties, the
desk) runs in the one that leads.

    leadership = store.leadership()
    leadership.claim()     # again and again, until it is True
    leadership.holds()     # again and again, while it is True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process that takes part.

    Attributes:
        number: The system's number of it.
        machine: Name of the machine that it runs on.
        leads: Whether it leads; it stands by otherwise.
        since: Since when it does, seconds since 1970 by the database's clock.
    """

    number: int
    machine: str
    leads: bool
    since: int


class Leadership(Protocol):
    """The place of the one process that leads.

    Blocking; all but ``processes`` is used by one thread at a time.
    """

    def claim(self) -> bool:
        """Lead if nobody else does, and say whether this process leads now.

        Raises:
            StoreError: Whoever knows who leads cannot be asked.
        """
        ...

    def holds(self) -> bool:
        """Say whether this process surely still leads; not so after a lost connection."""
        ...

    def processes(self) -> list[ProcessState]:
        """Return the processes that take part now, the leader first; by any thread.

        Raises:
            StoreError: Whoever knows them cannot be asked.
        """
        ...

    def close(self) -> None:
        """Lead no longer."""
        ...
