"""Put together what a node needs for measures and appeals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection

from node.assembly import Core, LogSide
from node.desk.appeal import AppealService
from node.desk.disposition import DispositionParts, DispositionService
from node.desk.intake import Intake
from node.doors.outside import Registration
from node.duties.appeal_table import AppealTable
from node.duties.dispositions import Dispositions
from node.duties.guard import Guard
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import appeal_service_pb2_grpc, disposition_service_pb2_grpc

INSIDE_NAMES = ("tocsin.desk.v1.DispositionService", "tocsin.desk.v1.AppealService")

Task = tuple[str, Callable[[], Awaitable[None]]]
"""Name of what goes on as long as the node runs, and what does it."""


class DispositionSide:
    """Services of the inside door; a query partner's refuse everything."""

    def __init__(self, core: Core, log: LogSide | None, tokeniser: Tokeniser) -> None:
        self._log = log
        self._is_listening = False
        self._parts = _build_parts(core, log, tokeniser) if log is not None else None
        self._appeals = AppealService(
            self._parts,
            AppealTable(core.private),
            log.speaker if log is not None else None,
            core.config.country,
        )

    @property
    def inside(self) -> list[Registration]:
        """Return what the inside door serves."""
        add = disposition_service_pb2_grpc.add_DispositionServiceServicer_to_server
        return [
            (add, DispositionService(self._parts)),
            (appeal_service_pb2_grpc.add_AppealServiceServicer_to_server, self._appeals),
        ]

    @property
    def tasks(self) -> list[Task]:
        """Return what goes on as long as the node runs."""
        return [] if self._parts is None else [("dispositions", self._run)]

    async def _run(self) -> None:
        if self._log is None or self._parts is None:
            raise RuntimeError("only a node with a log has this part")
        dispositions, loop = self._parts.dispositions, asyncio.get_running_loop()

        def wake(_origin: object, _size: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the node is stopping
                loop.call_soon_threadsafe(dispositions.wake)

        if not self._is_listening:  # once, also where the task was started again
            self._log.ledger.subscribe(wake)
            self._is_listening = True
        await dispositions.run()


def _build_parts(core: Core, log: LogSide, tokeniser: Tokeniser) -> DispositionParts:
    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    intake = Intake(tokeniser, core.config.country, recall)
    dispositions = Dispositions(
        core.me,
        log.matters,
        log.speaker,
        core.private,
        Guard(log.verdicts, log.catalogue, core.private, intake, core.pad, core.epoch),
        core.clock,
        automatic=core.config.dispose == "automatic",
        cutoffs=log.catalogue.cutoffs,
    )
    return DispositionParts(
        dispositions,
        intake,
        core.private,
        core.now_charter,
        core.pad,
        core.epoch,
    )
