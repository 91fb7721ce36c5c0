"""Say which one of a member's processes leads.

What answers peers runs in every process; what acts by itself (replication, ceremonies, duties, the
desk) runs in the one that leads.

    leadership = store.leadership()
    leadership.claim()     # again and again, until it is True
    leadership.holds()     # again and again, while it is True
"""

from __future__ import annotations

from typing import Protocol


class Leadership(Protocol):
    """The place of the one process that leads. Blocking; used by one thread at a time."""

    def claim(self) -> bool:
        """Lead if nobody else does, and say whether this process leads now.

        Raises:
            StoreError: Whoever knows who leads cannot be asked.
        """
        ...

    def holds(self) -> bool:
        """Say whether this process surely still leads; not so after a lost connection."""
        ...

    def close(self) -> None:
        """Lead no longer."""
        ...
