"""Keep this member's SuperNodes: one process for each run that a coordinator asked it into.

The process fetches and sends; each message it fetched comes here, where the member asks itself
again whether it approves, and its own training process answers. Every start has a key of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from federation.errors import FederationError
from federation.names import MemberId
from node.errors import NodeError, PolicyError
from node.socket_path import short_path
from node.telemetry import describe_error, get_log
from node.training.consent import Consents
from node.training.frames import ProcessError
from node.training.permission import require_permission
from node.training.process import TrainingProcess
from node.training.streams import CHUNK_BYTES
from node.training.supernode_main import NODE_SOCKET
from tocsin.v1 import training_service_pb2 as wire
from tocsin.v1 import training_service_pb2_grpc as stubs

MODULE: Final = "node.training.supernode_main"
PAUSE_SECONDS: Final = (1.0, 60.0)
"""First and longest pause before a SuperNode that ended is started again; doubled each time."""
WORKER_FAILED: Final = "WORKER_FAILED"
MAX_CONNECTIONS: Final = 16
"""Connections of one SuperNode at once: its client keeps a few open."""

Answer = Callable[[int, bytes], Awaitable[bytes]]
"""Called with the round and a message of a run; returns the member's answer."""
Channel = Callable[[], grpc.aio.Channel]


class SuperNodes:
    """The member's SuperNodes, by plan."""

    def __init__(self, consents: Consents, directory: Path) -> None:
        """Prepare.

        Args:
            consents: The member's decisions.
            directory: For the processes' logs and sockets.
        """
        self._consents = consents
        self._directory = directory
        self._tasks: dict[bytes, tuple[MemberId, asyncio.Task[None]]] = {}

    async def start(
        self, coordinator: MemberId, asked: wire.SuperNodeStart, channel: Channel, answer: Answer
    ) -> None:
        """Start a run's SuperNode, in place of an earlier one.

        Raises:
            PolicyError: ENGINE_NOT_ALLOWED, or the member does not take part in the run.
        """
        policy = await asyncio.to_thread(self._consents.policy)
        if not policy.flower:
            raise PolicyError(
                "this member runs no SuperNodes",
                reason="ENGINE_NOT_ALLOWED",
                hint="training.toml: [engines] flower = true",
            )
        plan = asked.plan_digest
        await asyncio.to_thread(require_permission, self._consents, plan, coordinator, trains=False)
        await self._end(plan)
        keeper = _Keeper(self._directory / plan.hex(), asked, channel, answer)
        self._tasks[plan] = coordinator, asyncio.create_task(keeper.run(), name="supernode")

    def end_later(self, plan: bytes) -> None:
        """End a run's SuperNode, from the event loop."""
        if plan in self._tasks:
            self._tasks.pop(plan)[1].cancel()

    def leave(self, coordinator: MemberId) -> None:
        """End the SuperNodes of a coordinator that is not there any more."""
        for plan in [plan for plan, (one, _) in self._tasks.items() if one == coordinator]:
            self.end_later(plan)

    async def close(self) -> None:
        """End every SuperNode."""
        for plan in list(self._tasks):
            await self._end(plan)

    async def _end(self, plan: bytes) -> None:
        if plan in self._tasks:
            _, task = self._tasks.pop(plan)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class _Keeper:
    """Keeps one SuperNode running."""

    def __init__(
        self, directory: Path, asked: wire.SuperNodeStart, channel: Channel, answer: Answer
    ) -> None:
        self._directory = directory
        self._asked = asked
        self._channel = channel
        self._answer = answer

    async def run(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        pause, longest = PAUSE_SECONDS
        while True:
            try:
                await self._serve()
            except (ProcessError, OSError) as error:
                get_log().warning("training.supernode_lost", reason=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _serve(self) -> None:
        process = await TrainingProcess.start(MODULE, self._directory)
        connections: set[asyncio.Task[None]] = set()
        try:
            await process.send({}, self._asked.certificate)
            _, public_key = await process.receive()

            async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connections.add(asyncio.current_task())  # type: ignore[arg-type]  # there is one
                await self._carry(public_key, reader, writer)

            socket = self._directory / NODE_SOCKET
            socket.unlink(missing_ok=True)
            with short_path(socket) as path:
                server = await asyncio.start_unix_server(connect, path, backlog=MAX_CONNECTIONS)
            async with server:
                await process.send({})
                get_log().info("training.supernode_started", count=process.process_id)
                while True:
                    await process.send(*await self._judge(*await process.receive()))
        finally:
            for connection in connections:
                connection.cancel()
            await process.end()

    async def _judge(self, header: dict[str, Any], message: bytes) -> tuple[dict[str, Any], bytes]:
        """Let the member answer a message that its SuperNode fetched, or refuse it."""
        try:
            return {"refused": ""}, await self._answer(int(header["round"]), message)
        except (NodeError, FederationError) as error:
            get_log().warning("training.refused", reason=error.reason)
            return {"refused": error.reason}, b""
        except Exception as error:  # whatever it is, the coordinator must not wait for it
            get_log().error("training.failed", body="answer", **describe_error(error))
            return {"refused": WORKER_FAILED}, b""

    async def _carry(
        self, public_key: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one connection of the SuperNode to the coordinator."""
        stub: Any = stubs.TrainingServiceStub(self._channel())
        call = stub.Tunnel()
        plan = self._asked.plan_digest
        with contextlib.suppress(grpc.aio.AioRpcError, OSError, asyncio.InvalidStateError):
            await call.write(wire.TunnelRequest(plan_digest=plan, public_key=public_key))
            sending = asyncio.create_task(_send(reader, call))
            try:
                async for response in call:
                    writer.write(response.chunk)
                    await writer.drain()
            finally:
                sending.cancel()
        call.cancel()
        writer.close()


async def _send(reader: asyncio.StreamReader, call: Any) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, OSError, asyncio.InvalidStateError):
        while chunk := await reader.read(CHUNK_BYTES):
            await call.write(wire.TunnelRequest(chunk=chunk))
        await call.done_writing()
