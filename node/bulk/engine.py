"""Run a function over parts, in processes of this machine or of a cluster, some at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from typing import Any, Final, Protocol, TypeVar

from federation.training.ray_runtime import LOCAL, require_ray, running_ray
from node.errors import UnavailableError
from node.workers import start_worker

T = TypeVar("T")
R = TypeVar("R")

PARTS_A_PROCESS: Final = 2
"""Parts under way for each process: one that it works on, one that waits beside it."""


class Engine(Protocol):
    """Where parts are worked on."""

    processes: int

    def each(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """Yield what a top-level function, or a partial of one, made of each part, as it comes.

        Parts are taken only as they are needed, so that memory is bounded.
        """
        ...


class LocalEngine:
    """Processes of this machine."""

    def __init__(self, processes: int, library_path: str = "") -> None:
        self.processes = processes
        self._others = set(active_children())
        self._pool = ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=start_worker,
            initargs=(os.getpid(), library_path),
        )

    def each(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """Yield what came of each part.

        Raises:
            UnavailableError: WORKER_LOST.
        """
        running: set[Future[R]] = set()
        waiting = iter(parts)
        try:
            while True:
                while len(running) < PARTS_A_PROCESS * self.processes:
                    if (part := next(waiting, None)) is None:
                        break
                    running.add(self._pool.submit(function, part))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise lost() from error
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """End the processes once they have done what they are at."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def abandon(self) -> None:
        """Kill the processes: nobody waits for what they are at, a part of some fifteen seconds."""
        for process in set(active_children()) - self._others:
            process.kill()


class RayEngine:
    """Processes of Ray, here or on a cluster."""

    def __init__(self, ray: Any, processes: int) -> None:
        self.processes = processes
        self._ray = ray

    def each(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """Yield what came of each part.

        Raises:
            UnavailableError: WORKER_LOST.
        """
        ray = self._ray
        # Ray would try a lost process's part again; whoever runs the job decides that.
        remote = ray.remote(num_cpus=1, max_retries=0)(_apply)
        shared = ray.put(function)
        running: list[Any] = []
        waiting = iter(parts)
        while True:
            while len(running) < PARTS_A_PROCESS * self.processes:
                if (part := next(waiting, None)) is None:
                    break
                running.append(remote.remote(shared, part))
            if not running:
                return
            done, running = ray.wait(running, num_returns=1)
            yield self._result(done[0])

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self._ray.exceptions.RayError as error:
            raise lost() from error


def _apply(function: Callable[[T], R], part: T) -> R:
    return function(part)


@contextlib.contextmanager
def open_engine(
    name: str, processes: int, library_path: str = "", address: str = LOCAL
) -> Iterator[Engine]:
    """Yield an engine by its name, ``local`` or ``ray``.

    Raises:
        PlanError: ENGINE_MISSING, ENGINE_FAILED.
    """
    if name == "ray":
        require_ray("the engine ray", "ray")
        with running_ray(processes, address) as ray:
            count = int(ray.cluster_resources().get("CPU", processes))
            yield RayEngine(ray, count)
        return
    engine = LocalEngine(processes, library_path)
    try:
        yield engine
    except BaseException:
        engine.abandon()
        raise
    finally:
        engine.close()


def lost() -> UnavailableError:
    """Return the error of a process that was killed."""
    return UnavailableError(
        "a process of the job was killed",
        reason="WORKER_LOST",
        hint="run it again: it goes on where it was; if it comes back, use fewer processes",
    )
