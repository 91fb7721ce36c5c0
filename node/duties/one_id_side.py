"""Put together what a node needs for citizens' questions about accounts, and their disputes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from node.assembly import Core, LogSide
from node.desk.intake import Intake
from node.desk.one_id import OneIdParts, OneIdService
from node.doors.outside import Registration
from node.duties.holdings import Holdings
from node.duties.one_id import Desk, OneIds
from node.duties.one_id_disputes import Disputes
from node.tokens.tokeniser import Tokeniser
from tocsin.desk.v1 import one_id_service_pb2_grpc

INSIDE_NAME = "tocsin.desk.v1.OneIdService"

Task = tuple[str, Callable[[], Awaitable[None]]]
"""Name of what goes on as long as the node runs, and what does it."""


class OneIdSide:
    """The service of the inside door; a query partner's refuses everything."""

    def __init__(self, core: Core, log: LogSide | None, tokeniser: Tokeniser) -> None:
        self._log = log
        self._is_listening = False
        self._parts = _build_parts(core, log, tokeniser) if log is not None else None

    @property
    def inside(self) -> Registration:
        """Return what the inside door serves."""
        add = one_id_service_pb2_grpc.add_OneIdServiceServicer_to_server
        return add, OneIdService(self._parts)

    @property
    def tasks(self) -> list[Task]:
        """Return what goes on as long as the node runs."""
        return [] if self._parts is None else [("one-id", self._run)]

    async def _run(self) -> None:
        if self._log is None or self._parts is None:
            raise RuntimeError("only a node with a log has this part")
        one_ids, loop = self._parts.one_ids, asyncio.get_running_loop()

        def wake(_origin: object, _size: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the node is stopping
                loop.call_soon_threadsafe(one_ids.wake)

        if not self._is_listening:  # once, also where the task was started again
            self._log.ledger.subscribe(wake)
            self._is_listening = True
        await one_ids.run()


def _build_parts(core: Core, log: LogSide, tokeniser: Tokeniser) -> OneIdParts:
    # Nothing is recalled: an identity is kept nowhere, so it is shown blinded to holders each time.
    intake = Intake(tokeniser, persons=True)
    holdings = Holdings(core.private)
    desk = Desk(intake, core.now_charter, core.pad, core.epoch, core.clock)
    return OneIdParts(
        OneIds(core.me, log.matters, holdings, log.speaker, desk),
        Disputes(
            core.me,
            log.matters,
            holdings,
            log.speaker,
            core.now_charter,
            core.keys.sealing,
            core.clock,
        ),
        holdings,
        intake,
        log.matters,
        core.now_charter,
        core.pad,
        core.clock,
    )
