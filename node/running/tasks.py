"""Keep tasks running for as long as the node runs, and wake those that wait for news."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

from node.log.ledger import Ledger
from node.telemetry import describe_error, get_log

Work = Callable[[], Awaitable[None]]

PAUSE_SECONDS: Final = 1.0
"""Seconds before a task that failed is started again."""


class Tasks:
    """The tasks of one node; used from the event loop alone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run something for ever."""
        return self.once(name, supervised(name, work))

    def once(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something to its end."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        return task

    async def end(self) -> None:
        """Cancel all of them, and return when they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def supervised(name: str, work: Work) -> None:
    """Run a task for ever; one that fails is logged and started again a second later."""
    while True:
        try:
            await work()
        except Exception as error:  # the supervisor: the node outlives its tasks
            get_log().error("task.failed", body=name, **describe_error(error))
            await asyncio.sleep(PAUSE_SECONDS)


class Growth:
    """Wakes tasks when a log grew; each has a bell of its own, so none takes another's news."""

    def __init__(self) -> None:
        self._bells: list[asyncio.Event] = []

    def listen(self, ledger: Ledger) -> None:
        """Ring whenever a log grows from now on, on whichever thread."""
        loop = asyncio.get_running_loop()

        def ring(_origin: object, _size: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the node is stopping
                loop.call_soon_threadsafe(self._ring)

        ledger.subscribe(ring)

    def bell(self) -> asyncio.Event:
        """Return one more bell; it keeps what it heard before anybody waited."""
        self._bells.append(bell := asyncio.Event())
        return bell

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()


def after_growth(bell: asyncio.Event, seconds: float, look: Work) -> Work:
    """Return what looks when the bell rings, and so many seconds after the last look."""

    async def work() -> None:
        while True:
            await _heard(bell, seconds)
            await look()

    return work


def at_once_and_after_growth(bell: asyncio.Event, seconds: float, look: Work) -> Work:
    """Return what looks at once, and then as ``after_growth`` does."""

    async def work() -> None:
        while True:
            await look()
            await _heard(bell, seconds)

    return work


async def _heard(bell: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
    bell.clear()
