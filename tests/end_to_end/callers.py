"""Call nodes as a member does, with its own leaf or with one that must be refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from federation.charter import Charter, parse_charter
from federation.names import MemberId
from keys.authority import Authority, Leaf
from node.identity import Identity
from node.member import MemberKeys
from node.passphrase import passphrase_from_file
from node.peer_error import PeerCallError
from node.peers import Peers
from node.sandbox.build import passphrase_file
from node.traffic import Traffic
from tests.end_to_end.members import Federation
from tocsin.v1 import member_service_pb2
from tocsin.v1.member_service_pb2_grpc import MemberServiceStub

IssueLeaf = Callable[[Identity], Leaf]


def charter_of(federation: Federation, member: str) -> Charter:
    """Return the charter as a member's node has it."""
    return parse_charter(federation.home(member).charter.read_bytes()).charter


def authority_of(federation: Federation, member: str) -> Authority:
    """Return what a member issues its leaves with."""
    home = federation.home(member)
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home))).authority


def expired_leaf(federation: Federation, member: str) -> IssueLeaf:
    """Issue a leaf that was good until yesterday."""
    name, now = charter_of(federation, member).federation, datetime.now(UTC)

    def issue(_: Identity) -> Leaf:
        start, term = now - timedelta(days=2), timedelta(days=1)
        return authority_of(federation, member).issue_leaf(name, MemberId(member), start, term)

    return issue


@asynccontextmanager
async def calling(
    federation: Federation, member: str, leaf: IssueLeaf | None = None
) -> AsyncIterator[Peers]:
    """Call as a member, with another leaf than its own where a test wants to cheat."""
    charter = charter_of(federation, member)
    authority = authority_of(federation, member)
    identity = Identity(authority, charter, MemberId(member), lambda: int(time.time()))
    if leaf is not None:
        identity._leaf = leaf(identity)
    peers = Peers(identity, Traffic())
    try:
        yield peers
    finally:
        await peers.close()


async def ask(peers: Peers, called: str) -> member_service_pb2.GetNodeResponse:
    """Ask a node who it is."""
    request = member_service_pb2.GetNodeRequest()
    return await peers.call(
        MemberId(called), lambda channel: MemberServiceStub(channel).GetNode, request, 20.0
    )


async def refusal(
    federation: Federation, member: str, called: str, leaf: IssueLeaf | None = None
) -> str:
    """Return the reason for which a node does not answer a member."""
    async with calling(federation, member, leaf) as peers:
        with pytest.raises(PeerCallError) as refused:
            await ask(peers, called)
    return refused.value.reason
