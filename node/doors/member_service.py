"""Answer who this node is and which charter it follows."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from node import __version__
from node.clock import Clock
from node.identity import Identity
from tocsin.v1 import member_service_pb2 as wire
from tocsin.v1 import member_service_pb2_grpc as stubs

Context = grpc.aio.ServicerContext[Any, Any]


class MemberService(stubs.MemberServiceServicer):
    """MemberService of the outside door."""

    def __init__(
        self,
        identity: Identity,
        clock: Clock,
        charter_note: Callable[[], bytes],
        catalogue_root: Callable[[], Awaitable[bytes]],
    ) -> None:
        """Answer from what the callables give at each call.

        Args:
            identity: This node.
            clock: The one by which it dates what it says.
            charter_note: The signed charter in force.
            catalogue_root: 32 bytes for the start of the current hour, or nothing.
        """
        self._identity = identity
        self._clock = clock
        self._charter_note = charter_note
        self._catalogue_root = catalogue_root

    async def GetCharter(  # noqa: N802 - the contract's name
        self, request: wire.GetCharterRequest, context: Context
    ) -> wire.GetCharterResponse:
        """Tell the charter."""
        return wire.GetCharterResponse(charter=self._charter_note())

    async def GetNode(  # noqa: N802 - the contract's name
        self, request: wire.GetNodeRequest, context: Context
    ) -> wire.GetNodeResponse:
        """Tell who answers, its version, clock and catalogue."""
        return wire.GetNodeResponse(
            member=self._identity.member,
            software_version=__version__,
            charter_version=self._identity.charter.version,
            now_time=Timestamp(seconds=self._clock()),
            catalogue_root=await self._catalogue_root(),
        )
