"""Count how members' statements ended: again when that has changed, at a bounded price.

A count looks at every row, a tenth of a second for 300,000. Every verdict rests on it, and where a
member takes back statements all day it has changed before nearly every look-up. So counts that
took long are believed for some multiple of that time, by all who ask meanwhile.
"""

import threading
import time
from typing import Final

from federation.views import OUTCOME, Outcome
from node.store.protocol import PublicStore

AT_ONCE_SECONDS: Final = 0.01
"""Seconds of processor for a count that is made again at every change: some 30,000 rows."""

REST: Final = 20
"""Times that a longer count took, for which it is believed: counting takes a twentieth of a core,
and a million rows lag behind by six seconds."""

Counts = dict[str, tuple[int, int]]
"""By member: how many of its statements were upheld, and how many overturned."""


class OutcomeCounts:
    """The counts of one store; any thread may ask."""

    def __init__(self, store: PublicStore) -> None:
        self._store = store
        self._changes = 0
        self._counted = -1
        self._counts: Counts = {}
        self._seconds = 0.0
        self._rests_until = 0.0
        self._counting = threading.Lock()
        store.follow(OUTCOME, self._note)

    def get(self) -> Counts:
        """Return the counts; blocking."""
        if self._is_due() and self._counting.acquire(blocking=self._seconds <= AT_ONCE_SECONDS):
            try:
                if self._is_due():
                    self._count()
            finally:
                self._counting.release()
        return self._counts

    def _note(self, _changes: object) -> None:
        self._changes += 1  # writers take turns

    def _is_due(self) -> bool:
        return self._counted != self._changes and time.monotonic() >= self._rests_until

    def _count(self) -> None:
        changes, begin = self._changes, time.thread_time()  # before the rows are read
        with self._store.read() as reader:
            found = {(m, o): n for m, o, n in reader.count(OUTCOME, ("member", "outcome"))}
        self._counts = {
            member: (
                found.get((member, Outcome.OVER), 0),
                found.get((member, Outcome.OVERTURNED), 0),
            )
            for member in sorted({member for member, _ in found})
        }
        self._counted, self._seconds = changes, time.thread_time() - begin
        if self._seconds > AT_ONCE_SECONDS:
            self._rests_until = time.monotonic() + REST * self._seconds
