"""Tell followers what changed in the order in which it was committed, whoever committed it.

Changes of this process are told by its writers' threads, those of other processes by the thread
that listens for them. Transactions are numbered without gaps; each waits for the one before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Seconds that one transaction waits for the news of those before it; they take milliseconds, and
# what does not come is made good by telling the followers to start anew.
PATIENCE_SECONDS: Final = 2.0


class Order:
    """The numbers of the transactions that followers of one process were told of."""

    def __init__(self, told: int) -> None:
        """Begin after a transaction; what is before it is in whatever is read from now on."""
        self._told = told
        self._condition = threading.Condition()
        self.is_heard = False  # whether somebody tells what other processes commit

    @contextmanager
    def turn(self, number: int) -> Iterator[bool]:
        """Wait until all before a transaction is told, and tell it inside the block.

        Yields:
            Whether nothing was missed; else any row may be another.
        """
        with self._condition:
            patience = PATIENCE_SECONDS if self.is_heard else 0
            self._condition.wait_for(lambda: self._told >= number - 1, patience)
            is_next = self._told == number - 1
        try:
            yield is_next
        finally:
            self._advance(number)

    def catch_up(self, number: int) -> bool:
        """Go on after a transaction, and say whether some before it were missed."""
        with self._condition:
            missed = self._told < number
        self._advance(number)
        return missed

    def _advance(self, number: int) -> None:
        with self._condition:
            self._told = max(self._told, number)
            self._condition.notify_all()
