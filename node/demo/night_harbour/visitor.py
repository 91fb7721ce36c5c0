"""Call nodes from outside of any node, with the certificate of somebody: a stranger, an auditor.

with visiting(keys, charter) as visitor:
    visitor.reason_of(visitor.ask("carrier-a"))     # why it was refused, or nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from federation.charter import Charter
from federation.names import MemberId
from node.clock import system_clock
from node.errors import NodeError
from node.identity import Identity
from node.member import MemberKeys
from node.peers import Peers
from node.traffic import Traffic
from tocsin.v1 import member_service_pb2
from tocsin.v1.member_service_pb2_grpc import MemberServiceStub

VISIT_SECONDS = 30.0
"""Seconds for one call of a visitor."""

_Found = TypeVar("_Found")


def visit(keys: MemberKeys, charter: Charter, work: Callable[[Peers], Awaitable[_Found]]) -> _Found:
    """Do something as the member whose keys these are, in a charter that lists it.

    Raises:
        NodeError: What the other side answered.
    """

    async def run() -> _Found:
        member = keys.card.member.member
        peers = Peers(Identity(keys.authority, charter, member, system_clock), Traffic())
        try:
            return await work(peers)
        finally:
            await peers.close()

    return asyncio.run(run())


def refusal_of(keys: MemberKeys, charter: Charter, called: str) -> str:
    """Ask a node who it is, and return the reason for which it does not answer, or nothing."""

    async def ask(peers: Peers) -> None:
        request = member_service_pb2.GetNodeRequest()
        await peers.call(
            MemberId(called),
            lambda channel: MemberServiceStub(channel).GetNode,
            request,
            VISIT_SECONDS,
        )

    try:
        visit(keys, charter, ask)
    except NodeError as error:
        return error.reason
    return ""
