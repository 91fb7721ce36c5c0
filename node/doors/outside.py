"""Run the outside door: gRPC over mTLS for the other members.

door = OutsideDoor(identity, [(add_LogServiceServicer_to_server, service)], traffic)
port = await door.start("0.0.0.0:7443")
...
await door.stop()
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from node.doors.errors import AddressError
from node.doors.gate import OutsideGate
from node.doors.interceptor import DoorInterceptor
from node.doors.live import LiveCalls
from node.doors.policy import DoorPolicy, server_options
from node.identity import Identity
from node.telemetry import get_log, log_incident
from node.traffic import Meter

Registration = tuple[Callable[[Any, Any], None], object]
"""What generated code calls ``add_XServicer_to_server``, and the servicer."""

STOP_SECONDS: Final = 10.0
"""Seconds that calls under way get to end: a full batch takes one, a stream goes on elsewhere."""


class OutsideDoor:
    """The server that other members call."""

    def __init__(
        self,
        identity: Identity,
        services: Sequence[Registration],
        traffic: Meter,
        policy: DoorPolicy | None = None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare a door.

        Args:
            identity: Whose door it is.
            services: What it serves, beside health.
            traffic: Counts every message.
            policy: Limits.
            leads: Whether this process leads; one that stands by refuses LEADER_SERVICES.
        """
        self._identity = identity
        self._policy = policy or DoorPolicy()
        self._services = services
        self.live = LiveCalls(self._policy.calls_per_member)
        self._health = health_aio.HealthServicer()
        gate = OutsideGate(identity, self._policy, self.live, leads)
        self._interceptor = DoorInterceptor(gate, log_incident, meter=traffic)
        self._server: grpc.aio.Server | None = None
        identity.subscribe(self._end_revoked)

    async def start(self, address: str) -> int:
        """Open the door.

        Args:
            address: ``host:port``; port 0 lets the system choose.

        Returns:
            The port.

        Raises:
            AddressError: The address cannot be listened on.
        """
        server = grpc.aio.server(
            interceptors=[self._interceptor],
            options=server_options(self._policy),
            maximum_concurrent_rpcs=self._policy.concurrent_calls,
        )
        for register, servicer in self._services:
            register(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        try:
            port = server.add_secure_port(address, self._identity.server_credentials())
        except RuntimeError as error:
            raise AddressError("the outside door's address cannot be listened on") from error
        await server.start()
        self._server = server
        get_log().info("door.opened", address=f"{address.rpartition(':')[0]}:{port}")
        return port

    async def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """Tell health checks, take no new calls, let those under way end, then close."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)
        self._server = None
        get_log().info("door.closed")

    def _end_revoked(self) -> None:
        charter, now = self._identity.charter, self._identity.now()
        for name in self.live.members():
            member = charter.find(name)
            if member is None or member.is_revoked(now):
                count = self.live.cancel_member(name)
                get_log().warning("door.member_revoked", member=name, count=count)
