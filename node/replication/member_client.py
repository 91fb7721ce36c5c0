"""Ask peers who they are and which charter they follow."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from federation.names import MemberId
from node.replication.error import TransferError
from node.replication.log_client import CALL_SECONDS, Links
from tocsin.v1 import member_service_pb2 as wire
from tocsin.v1 import member_service_pb2_grpc as stubs

MAX_NAME_CHARACTERS = 64  # of a version or a member; what is longer is no name


@dataclass(frozen=True, slots=True)
class PeerNode:
    """Who answered, by its own word.

    Attributes:
        charter_version: That it follows.
        now: Its clock, seconds since 1970.
    """

    member: str
    software_version: str
    charter_version: int
    now: int


class MemberClient:
    """MemberService at any peer; every method raises what ``Links.explain`` returns."""

    def __init__(self, links: Links, seconds: float = CALL_SECONDS) -> None:
        self._links = links
        self._seconds = seconds

    async def get_node(self, member: MemberId) -> PeerNode:
        """Ask who answers, and what time it is there."""
        stub: stubs.MemberServiceAsyncStub = stubs.MemberServiceStub(self._links.channel(member))
        try:
            answer = await stub.GetNode(wire.GetNodeRequest(), timeout=self._seconds)
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        if max(len(answer.member), len(answer.software_version)) > MAX_NAME_CHARACTERS:
            raise TransferError("a name is too long")
        return PeerNode(
            answer.member,
            answer.software_version,
            answer.charter_version,
            answer.now_time.seconds,
        )

    async def get_charter(self, member: MemberId) -> bytes:
        """Ask for the signed charter; nothing in it is verified."""
        stub: stubs.MemberServiceAsyncStub = stubs.MemberServiceStub(self._links.channel(member))
        try:
            answer = await stub.GetCharter(wire.GetCharterRequest(), timeout=self._seconds)
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        return answer.charter
