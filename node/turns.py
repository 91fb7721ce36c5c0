"""Share worker processes fairly: nobody's long work holds up another's, and short work goes first.

Start-time fair queueing: every piece of work carries its flow and its cost; of those that wait,
the one whose flow has had least so far is begun. No flow is starved, and none can gain by asking
more often. One place is kept for short work, so that a single value asked about beside a bulk
import waits for nobody.

Source: Goyal, Vin and Cheng, Start-time fair queueing, SIGCOMM 1996.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field
from typing import Final

SHORT_ITEMS: Final = 128
"""Items up to which work is short: 6 ms at a holder, 10 at a client, of one core.

A single value padded to 64 points is; a call of ``tocsin check --file``, 256 rows, is not.
"""

SHORT_PLACES: Final = 1
"""Places besides the processors' own that only short work takes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose work it is, and how much.

    Attributes:
        flow: Who shares one part: a member at a holder, empty for this node's own work.
        items: Group elements, about; what it costs.
    """

    flow: str = ""
    items: int = 1

    @property
    def is_short(self) -> bool:
        """Whether it may use the place kept for short work."""
        return self.items <= SHORT_ITEMS


@dataclass(order=True, slots=True)
class _Waiting:
    start: float
    number: int
    turn: Turn = field(compare=False)
    begin: asyncio.Future[None] = field(compare=False)


class Turns:
    """The order in which work is begun; used from one event loop."""

    def __init__(self, places: int) -> None:
        """Begin at most ``places`` pieces at once, and one short one more."""
        self.places = places
        self._running = 0
        self._running_long = 0
        self._virtual = 0.0
        self._ends: dict[tuple[str, bool], float] = {}
        self._short: list[_Waiting] = []
        self._long: list[_Waiting] = []
        self._numbers = itertools.count()

    async def begin(self, turn: Turn) -> None:
        """Wait until it is this work's turn; its place is held until ``end``."""
        waiting = self._enqueue(turn)
        self._begin_next()
        try:
            await waiting.begin
        except asyncio.CancelledError:
            if waiting.begin.done() and not waiting.begin.cancelled():
                self.end(turn)  # begun and given up in the same step of the loop
            raise

    def end(self, turn: Turn) -> None:
        """Give back the place of work that is done."""
        self._running -= 1
        self._running_long -= not turn.is_short
        self._begin_next()

    def waiting(self) -> int:
        """Return how much work waits."""
        return len(self._short) + len(self._long)

    def _enqueue(self, turn: Turn) -> _Waiting:
        flow = (turn.flow, turn.is_short)
        start = max(self._virtual, self._ends.get(flow, 0.0))
        self._ends[flow] = start + turn.items
        begin: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(start, next(self._numbers), turn, begin)
        heapq.heappush(self._short if turn.is_short else self._long, waiting)
        return waiting

    def _begin_next(self) -> None:
        while (queue := self._next_queue()) is not None:
            waiting = heapq.heappop(queue)
            if waiting.begin.cancelled():
                continue  # whoever asked has gone
            self._running += 1
            self._running_long += not waiting.turn.is_short
            self._virtual = max(self._virtual, waiting.start)
            waiting.begin.set_result(None)
        if not self._running:
            self._ends.clear()  # nothing is under way: nobody is behind

    def _next_queue(self) -> list[_Waiting] | None:
        """Return the queue whose first piece may begin now; None where there is none."""
        if self._running >= self.places + SHORT_PLACES:
            return None
        long_may = self._running_long < self.places
        queues = [queue for queue in (self._short, self._long if long_may else []) if queue]
        return min(queues, key=lambda queue: queue[0], default=None)
