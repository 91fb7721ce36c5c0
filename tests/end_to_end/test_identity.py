"""Who may call a node, and what a caller learns who may not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from tests.end_to_end.members import INDUSTRY, Federation, eventually, running_federation
from tocsin.v1 import log_service_pb2, member_service_pb2
from tocsin.v1.log_service_pb2_grpc import LogServiceStub
from tocsin.v1.member_service_pb2_grpc import MemberServiceStub

A, B, CALLED = MemberId("carrier-b"), MemberId("bank-x"), MemberId("carrier-a")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("identity") / "f") as found:
        yield found


def charter_of(federation: Federation) -> Charter:
    return parse_charter(federation.home(CALLED).charter.read_bytes()).charter


def authority_of(federation: Federation, member: MemberId) -> Authority:
    home = federation.home(member)
    return MemberKeys.open(home, passphrase_from_file(passphrase_file(home))).authority


@asynccontextmanager
async def calling(
    federation: Federation, leaf: Callable[[Identity], Leaf] | None = None
) -> AsyncIterator[Peers]:
    """Call as A, with another leaf than A's own where a test wants to cheat."""
    identity = Identity(
        authority_of(federation, A), charter_of(federation), A, lambda: int(time.time())
    )
    if leaf is not None:
        identity._leaf = leaf(identity)
    peers = Peers(identity, Traffic())
    try:
        yield peers
    finally:
        await peers.close()


async def ask(peers: Peers) -> member_service_pb2.GetNodeResponse:
    request = member_service_pb2.GetNodeRequest()
    return await peers.call(
        CALLED, lambda channel: MemberServiceStub(channel).GetNode, request, 20.0
    )


async def refusal(federation: Federation, leaf: Callable[[Identity], Leaf]) -> str:
    async with calling(federation, leaf) as peers:
        with pytest.raises(PeerCallError) as refused:
            await ask(peers)
    return refused.value.reason


async def test_a_member_with_its_own_leaf_is_answered(federation: Federation) -> None:
    async with calling(federation) as peers:
        assert (await ask(peers)).member == CALLED


async def test_three_kinds_of_wrong_leaf_are_refused_for_three_reasons(
    federation: Federation,
) -> None:
    name, now = charter_of(federation).federation, datetime.now(UTC)
    other, own = authority_of(federation, B), authority_of(federation, A)
    unknown = Authority.create(name, A, now)
    one_hour = timedelta(hours=1)

    def from_other(_: Identity) -> Leaf:
        return other.issue_leaf(name, A, now, one_hour)

    def expired(_: Identity) -> Leaf:
        return own.issue_leaf(name, A, now - timedelta(days=2), timedelta(days=1))

    def of_stranger(identity: Identity) -> Leaf:
        identity._authority = unknown
        return unknown.issue_leaf(name, A, now, one_hour)

    assert await refusal(federation, from_other) == "AUTHORITY_MISMATCH"
    assert await refusal(federation, of_stranger) == "UNKNOWN_AUTHORITY"
    assert await refusal(federation, expired) == "CERTIFICATE_EXPIRED"


async def test_a_revoked_member_is_cut_off_at_once_and_its_evidence_counts_no_more(
    federation: Federation, tmp_path: Path
) -> None:
    federation.nominate(A, "domain", "said-by-the-revoked.example")
    eventually(lambda: federation.band(B, "domain", "said-by-the-revoked.example") != "NONE")
    note = tmp_path / "revoked.note"
    federation.do(B, "charter", "revoke", str(note), A)
    signers = (CALLED, B, "net-p")
    for member in signers:
        federation.unlocked(member, "charter", "sign", str(note))

    async with calling(federation) as peers:
        watch = peers.stream(
            CALLED,
            lambda channel: LogServiceStub(channel).Watch,
            log_service_pb2.WatchRequest(),
            None,
        )
        await anext(watch)
        federation.do(CALLED, "charter", "adopt", str(note))
        with pytest.raises(PeerCallError) as closed:
            await _read_to_end(watch)
        with pytest.raises(PeerCallError) as refused:
            await ask(peers)

    assert closed.value.reason == "MEMBER_REVOKED"
    assert refused.value.reason == "MEMBER_REVOKED"

    others = [member for member in INDUSTRY if member != A]
    for member in others:
        eventually(lambda member=member: federation.status(member)["charter_version"] == 2)
    for member in others:
        assert federation.band(member, "domain", "said-by-the-revoked.example") == "NONE"


async def _read_to_end(watch: AsyncIterator[object]) -> None:
    async for _ in watch:
        pass
