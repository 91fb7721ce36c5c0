"""Let a member's own training process answer, one process for each run."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from federation.names import MemberId
from node.clock import Clock
from node.errors import PolicyError, UnavailableError
from node.home import Home
from node.store.private import PrivateStore
from node.telemetry import get_log
from node.training.connector import locate_for, require_schema
from node.training.frames import Header
from node.training.own_numbers import keep_own_numbers
from node.training.permission import Permission
from node.training.process import TrainingProcess
from node.training.summands import WIRE, Summands

MODULE: Final = "node.training.worker_main"
MAX_WORKERS: Final = 4
"""Runs at once: each holds the member's encoded rows in memory."""
START_SECONDS: Final = 120.0
"""Seconds that a process has for its first answer: it loads its libraries and the member's rows. In
a run of short rounds one that was killed at each deadline would never have begun."""


class WorkerError(UnavailableError):
    """The training process refused or failed; ``reason`` says why."""

    reason = "WORKER_FAILED"
    public = "The member's training process failed."


class TrainingWorkers:
    """The training processes of one member."""

    def __init__(
        self, me: MemberId, home: Path, directory: Path, private: PrivateStore, clock: Clock
    ) -> None:
        """Prepare.

        Args:
            me: The member.
            home: Where training.toml lies, and what its paths are relative to.
            directory: For the processes' logs.
            private: Counts what differentially private plans have used.
            clock: Says which of the member's tables are old enough.
        """
        self._me = me
        self._clock = clock
        self._home = home
        self._directory = directory
        self._private = private
        self.summands = Summands()
        self._workers: OrderedDict[bytes, _Worker] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()

    async def answer(
        self, permission: Permission, digest: bytes, number: int, message: bytes, seconds: float
    ) -> bytes:
        """Let the run's process answer.

        Raises:
            PolicyError: PRIVACY_BUDGET_SPENT.
            ConfigError: The member's data is not described.
            WorkerError: The process refused, failed or was too slow.
        """
        settings = self._settings(permission)
        await asyncio.to_thread(self._count, permission, digest, number)
        worker = await self._worker(digest, settings)
        try:
            async with asyncio.timeout(seconds):
                return await self._listen(worker, digest, number, message)
        except WorkerError:
            raise  # the process is well: it said so itself
        except BaseException:
            if not worker.is_starting:
                await self._drop(digest, worker)
            raise

    async def _listen(self, worker: _Worker, digest: bytes, number: int, message: bytes) -> bytes:
        """Return the answer for the coordinator; what is for this member alone stays here."""
        answer = await worker.answer(number, message)
        if answer.own:
            await asyncio.to_thread(keep_own_numbers, Home(self._home).models, digest, answer.own)
        if answer.summand:
            vector = np.frombuffer(answer.summand, WIRE).astype(np.int64)
            self.summands.keep(digest, answer.labels, vector)
        return answer.reply

    def end_later(self, digest: bytes) -> None:
        """End a run's process, from the event loop."""
        worker = self._workers.pop(digest, None)
        self.summands.drop(digest)
        if worker is not None:
            ending = asyncio.create_task(worker.process.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every process."""
        for digest in list(self._workers):
            await self._workers.pop(digest).process.end()
        await asyncio.gather(*self._ending)

    def _settings(self, permission: Permission) -> dict[str, Any]:
        plan, source = permission.plan.value(), permission.source
        schema = require_schema(source)
        place = locate_for(source, self._home, permission.plan, self._clock())
        return {
            "plan": plan.encode().decode(),
            "schema": schema.encode().decode(),
            "approved": plan.digest().hex(),
            "member": str(self._me),
            "source": place.address,
            "query": place.query,
            "row_cap": permission.row_cap,
            "network": place.needs_network,
        }

    def _count(self, permission: Permission, digest: bytes, number: int) -> None:
        """Let a private plan train no more often than its epsilon was reckoned for."""
        if not number or not permission.plan.epsilon_millionths:
            return
        key = f"trained/{permission.source.name}/{digest.hex()}"
        if not self._private.charge(key, 1, permission.plan.rounds).granted:
            raise PolicyError("all rounds of the plan were spent", reason="PRIVACY_BUDGET_SPENT")

    async def _worker(self, digest: bytes, settings: dict[str, Any]) -> _Worker:
        known = self._workers.get(digest)
        if known is not None and known.settings == settings and known.process.is_running:
            return known
        if known is not None:
            await self._drop(digest, known)
        while len(self._workers) >= MAX_WORKERS:
            _, oldest = self._workers.popitem(last=False)
            await oldest.process.end()
        process = await TrainingProcess.start(MODULE, self._directory)
        worker = self._workers[digest] = _Worker(process, settings)
        await process.send(settings)
        get_log().info("training.worker_started", count=process.process_id)
        return worker

    async def _drop(self, digest: bytes, worker: _Worker) -> None:
        if self._workers.get(digest) is worker:
            del self._workers[digest]
        await worker.process.end()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a process gave: for the coordinator, for this member alone, for a private sum."""

    reply: bytes
    own: str
    labels: bytes
    summand: bytes


class _Worker:
    """One process and what it was started for."""

    def __init__(self, process: TrainingProcess, settings: dict[str, Any]) -> None:
        self.process = process
        self.settings = settings
        self._turn = asyncio.Lock()
        self._first: asyncio.Task[tuple[Header, bytes]] | None = None
        self._patience = time.monotonic() + START_SECONDS

    @property
    def is_starting(self) -> bool:
        """Whether it works on its first answer still, and has not taken too long for it."""
        is_first = self._first is not None and not self._first.done()
        return is_first and time.monotonic() < self._patience

    async def answer(self, number: int, message: bytes) -> _Answer:
        async with self._turn:
            header, answer = await self._ask({"round": number}, message)
        if "refused" in header:
            get_log().warning("training.worker_refused", reason=str(header["refused"]))
            raise WorkerError(str(header.get("why", "")), reason=str(header["refused"]))
        end = len(answer) - int(header["summand"])
        labels = bytes.fromhex(str(header["labels"]))
        return _Answer(answer[:end], str(header["own"]), labels, answer[end:])

    async def _ask(self, header: Header, message: bytes) -> tuple[Header, bytes]:
        """Ask; a first answer that came too late for who wanted it is waited for, and dropped."""
        if self._first is None:
            self._first = asyncio.create_task(self.process.ask(header, message))
            self._first.add_done_callback(_look_at)
            return await asyncio.shield(self._first)
        await asyncio.shield(self._first)
        return await self.process.ask(header, message)


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended, where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
