"""Space out attempts that fail: twice as long each time, with jitter, up to a limit."""

import random
import time
from typing import Final

FIRST_SECONDS: Final = 0.5
"""Seconds: a peer that restarts is back within a few of these."""

LONGEST_SECONDS: Final = 30.0
"""Seconds: a link that comes back after days is used again within half a minute."""


class Backoff:
    """When to try again after failures; monotonic clock."""

    def __init__(self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first = first
        self._longest = longest
        self._next = first
        self._until = 0.0

    def fail(self) -> float:
        """Note a failure and return how many seconds to wait from now."""
        # Jitter, so that all peers of a node that comes back do not call in the same moment.
        delay = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._next = min(self._longest, 2 * self._next)
        self._until = time.monotonic() + delay
        return delay

    def reset(self) -> None:
        """Note a success: the next attempt need not wait."""
        self._next = self._first
        self._until = 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the next attempt is due; 0 where it is due already."""
        return max(0.0, self._until - time.monotonic())
