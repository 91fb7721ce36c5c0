"""Run the inside door: gRPC on a Unix socket, for this member's own systems alone.

Whoever can reach the socket may do everything, so the directory's mode is the authorisation: it
belongs to the node's user and nobody else can enter it. One node holds a directory at a time; a
lock that the system drops with the process tells a live node from a dead one's leavings.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from node.doors.errors import SocketError
from node.doors.gate import InsideGate
from node.doors.interceptor import DoorInterceptor
from node.doors.outside import STOP_SECONDS, Registration
from node.doors.policy import DoorPolicy, server_options
from node.socket_path import short_path
from node.telemetry import get_log, log_incident

MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Bytes: a page of 1,000 statements with sealed details; the socket is the member's own."""

INSIDE_POLICY: Final = DoorPolicy(
    message_bytes=MESSAGE_BYTES, longest_deadline=timedelta(minutes=10)
)

_PRIVATE: Final = 0o700
_LOCK_MODE: Final = 0o600
_DESK_LOCK: Final = "desk.lock"


class InsideDoor:
    """The server that the member's own systems call."""

    def __init__(
        self,
        socket: Path,
        services: Sequence[Registration],
        names: Sequence[str] = (),
        policy: DoorPolicy = INSIDE_POLICY,
        take: Callable[[Path], AbstractContextManager[object]] | None = None,
    ) -> None:
        """Prepare a door.

        Args:
            socket: Path of the socket; its directory is made private to this user.
            services: What it serves, beside health and reflection.
            names: Full names of the services, for reflection.
            policy: Limits.
            take: Keeps everybody else from the socket's directory; ``hold_directory`` if None.
        """
        self._socket = socket.absolute()
        self._take = take or hold_directory
        self._services = services
        self._names = names
        self._policy = policy
        self._health = health_aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._held = ExitStack()
        self._is_held = False

    def hold(self) -> None:
        """Take the directory for this node, before the door opens; until ``stop``.

        Raises:
            SocketError: NODE_RUNNING, another node holds it; SOCKET_DIRECTORY_OPEN, others may
                enter it.
        """
        if not self._is_held:
            self._held.enter_context(self._take(self._socket.parent))
            self._is_held = True

    async def start(self) -> None:
        """Open the door.

        Raises:
            SocketError: What ``hold`` raises; SOCKET_PATH_TAKEN, something else stands at the path.
        """
        self.hold()
        with self._held.pop_all() as held:
            self._is_held = False
            _clear_path(self._socket)
            path = held.enter_context(short_path(self._socket))
            server = self._build()
            try:
                server.add_insecure_port(f"unix:{path}")
            except RuntimeError as error:
                raise SocketError("the socket cannot be listened on") from error
            await server.start()
            self._server = server
            self._held = held.pop_all()
            self._is_held = True
        get_log().info("desk.opened")

    async def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """Let calls under way end, then close and give the directory free."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_seconds)
            self._server = None
            self._socket.unlink(missing_ok=True)
            get_log().info("desk.closed")
        self._held.close()
        self._is_held = False

    async def set_ready(self, *, ready: bool) -> None:
        """Tell health checks whether the node answers checks."""
        status = health_pb2.HealthCheckResponse
        await self._health.set("", status.SERVING if ready else status.NOT_SERVING)

    def _build(self) -> grpc.aio.Server:
        interceptor = DoorInterceptor(InsideGate(self._policy), log_incident, show_private=True)
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=server_options(self._policy),
            maximum_concurrent_rpcs=self._policy.concurrent_calls,
        )
        for register, servicer in self._services:
            register(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server)
        return server


@contextmanager
def hold_directory(directory: Path) -> Iterator[int]:
    """Keep every other node, and whatever moves a node's data, from a home's run directory.

    Yields:
        The descriptor that holds it; a process that inherits it holds it, too.

    Raises:
        SocketError: NODE_RUNNING or SOCKET_DIRECTORY_OPEN.
    """
    directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = directory.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & ~_PRIVATE:
        raise SocketError(
            "others may enter the directory of the node's socket",
            reason="SOCKET_DIRECTORY_OPEN",
            hint=f"chmod 700 {directory}",
        )
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def hold_desk(directory: Path) -> Iterator[None]:
    """Keep the other processes of this node from the desk's socket; the home is held already.

    Raises:
        SocketError: NODE_RUNNING.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory / _DESK_LOCK, flags, _LOCK_MODE)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SocketError(
            "another node runs on this home directory",
            reason="NODE_RUNNING",
            hint="end it first, or use another home directory",
        ) from error


def _clear_path(socket: Path) -> None:
    """Remove the socket of a node that died: the lock says that none lives."""
    try:
        mode = socket.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(
            "something that is no socket stands at the socket's path",
            reason="SOCKET_PATH_TAKEN",
            hint=f"move {socket} away",
        )
    socket.unlink()
