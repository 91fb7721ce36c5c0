"""Serve the members that attach to this node as their coordinator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from node.doors.caller import current_caller
from node.errors import PeerError
from node.telemetry import get_log
from node.training.file_server import FileServer
from node.training.hub import Hub, Link
from node.training.runner import Runs
from tocsin.v1 import training_service_pb2 as wire
from tocsin.v1 import training_service_pb2_grpc as stubs


class TrainingService(stubs.TrainingServiceServicer):
    """TrainingService of the outside door."""

    def __init__(self, hub: Hub, files: FileServer, runs: Runs) -> None:
        self._hub = hub
        self._runs = runs
        self._files = files

    async def Attach(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[wire.AttachRequest], context: Any
    ) -> AsyncIterator[wire.AttachResponse]:
        """Keep a member attached for as long as it holds the stream open."""
        member = current_caller().member
        first = await anext(request_iterator, wire.AttachRequest())
        if not first.HasField("hello"):
            raise PeerError("the first message is no hello", member=member)
        link = self._hub.attach(member)
        reading = asyncio.create_task(self._read(link, request_iterator))
        try:
            while (message := await link.next()) is not None:
                yield message
        finally:
            self._hub.detach(link)
            self._files.forget(link)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def Tunnel(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[wire.TunnelRequest], context: Any
    ) -> AsyncIterator[wire.TunnelResponse]:
        """Carry one connection of a member's SuperNode to the SuperLink of a run."""
        member = current_caller().member
        first = await anext(request_iterator, wire.TunnelRequest())
        entries = self._runs.entries(first.plan_digest)
        async for chunk in entries.carry(member, request_iterator, first.public_key):
            yield wire.TunnelResponse(chunk=chunk)

    async def _read(self, link: Link, requests: AsyncIterator[wire.AttachRequest]) -> None:
        try:
            async for request in requests:
                if request.HasField("file"):
                    self._files.answer(link, request.file)
                else:
                    self._hub.receive(link, request)
        except PeerError as error:
            get_log().warning("training.protocol", member=link.member, reason=error.reason)
        finally:
            link.end()
