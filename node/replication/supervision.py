"""Keep one task running for each key: started, ended and restarted as the keys change."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Hashable
from typing import Generic, TypeVar

from node.replication.backoff import Backoff
from node.telemetry import describe_error, get_log

Key = TypeVar("Key", bound=Hashable)


class TaskSet(Generic[Key]):
    """Tasks by key; one that fails is logged and started again, later each time."""

    def __init__(self, work: Callable[[Key], Coroutine[None, None, None]]) -> None:
        self._work = work
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def keep(self, keys: Collection[Key]) -> None:
        """Start what is missing and cancel what is no longer wanted."""
        for key in self._tasks.keys() - set(keys):
            self._end(self._tasks.pop(key))
        for key in set(keys) - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._supervise(key))

    async def close(self) -> None:
        """End all tasks and wait for them."""
        self.keep(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def _supervise(self, key: Key) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._work(key)
            except Exception as error:
                get_log().error("replication.task_failed", **describe_error(error))
            await asyncio.sleep(backoff.fail())
