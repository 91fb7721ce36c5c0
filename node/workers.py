"""Run group operations in worker processes, so that they never block the event loop.

Processes are spawned, never forked: gRPC does not survive a fork. A worker ends by itself when its
node is killed, because it watches for a new parent. Work is begun in turns (``node.turns``), and
workers yield the processor to the event loop, so that bulk work holds up no single question.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, Self, TypeVar

from keys.library import describe_library, set_library_path
from node.errors import UnavailableError
from node.turns import SHORT_ITEMS, SHORT_PLACES, Turn, Turns

P = ParamSpec("P")
R = TypeVar("R")

PARENT_WATCH_SECONDS = 1.0  # how long an orphaned worker may outlive a killed node
NICENESS = 5  # steps below the event loop, which gets three quarters of a core that both want

_UNSIZED = Turn(items=SHORT_ITEMS + 1)


class Workers:
    """A pool of worker processes for pure functions of floor 1.

    Arguments and results are pickled through a pipe between parent and child: secrets stay in
    this machine's memory, never in arguments of a command line or in the environment.
    """

    def __init__(self, count: int, library_path: str = "") -> None:
        self.count = count or os.cpu_count() or 1
        self._library_path = library_path
        self._turns = Turns(self.count)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        # The process for short work is started when all others are busy for the first time.
        return ProcessPoolExecutor(
            self.count + SHORT_PLACES,
            mp_context=get_context("spawn"),
            initializer=start_worker,
            initargs=(os.getpid(), self._library_path),
        )

    async def warm_up(self) -> Self:
        """Start every process now, so that the first batch does not wait for it."""
        await asyncio.gather(*(self.run(describe_library) for _ in range(self.count)))
        return self

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a top-level function of unknown length in a worker; as ``run_in``."""
        return await self.run_in(_UNSIZED, function, *args, **kwargs)

    async def run_in(
        self, turn: Turn, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a top-level function in a worker and return its result or raise its error.

        Raises:
            UnavailableError: WORKER_LOST; a worker was killed. The next call finds new ones.
        """
        turns = self._turns_here()
        await turns.begin(turn)
        pool, ends = self._pool, _turn_ends(turns, turn)
        try:
            return await asyncio.wrap_future(_begun(pool, ends, function, *args, **kwargs))
        except BrokenProcessPool as error:
            self._replace(pool)
            raise UnavailableError(
                "a worker process was killed",
                reason="WORKER_LOST",
                hint="ask again; if it comes back, see whether the machine is out of memory",
            ) from error

    def _turns_here(self) -> Turns:
        """Return the turns of this event loop: what a closed one gave up holds no place."""
        if (loop := asyncio.get_running_loop()) is not self._loop:
            self._loop, self._turns = loop, Turns(self.count)
        return self._turns

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is broken:  # else another call that failed with it was faster
            from node.telemetry import get_log  # not for the workers, who import this module too

            get_log().error("workers.replaced", count=self.count)
            self._pool = self._new_pool()
            # A process begun while the pool broke is left out of its own clean-up, which would wait
            # for it as long as this program runs (CPython 3.11, gh-94777).
            for process in list(broken._processes.values()):  # noqa: SLF001  # nothing public
                process.kill()
            broken.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes; batches under way are finished, waiting ones dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _turn_ends(turns: Turns, turn: Turn) -> Callable[[object], None]:
    """Return what ends a turn, to be called on any thread."""
    loop = asyncio.get_running_loop()

    def end(_done: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(turns.end, turn)

    return end


def _begun(
    pool: ProcessPoolExecutor,
    ends: Callable[[object], None],
    function: Callable[P, R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Future[R]:
    """Hand work to a pool; the turn ends with the work.

    Not with the call: who gives it up leaves a worker behind that is still at it, and whoever came
    next would wait for that one out of turn.
    """
    try:
        work = pool.submit(function, *args, **kwargs)
    except BaseException:
        ends(None)
        raise
    work.add_done_callback(ends)
    return work


def start_worker(parent: int, library_path: str) -> None:
    """Make a fresh process a worker: it yields to others, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node decides when workers end
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    if library_path:
        set_library_path(library_path)
    describe_library()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_WATCH_SECONDS)
    os._exit(1)  # the node is gone; nothing here is worth keeping
