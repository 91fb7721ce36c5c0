"""Calls between members, and the reasons that are told when one fails."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest

from keys.authority import Authority
from node import __version__, telemetry
from node.doors.member_service import MemberService
from node.doors.outside import Registration
from node.errors import PolicyError, UnavailableError
from node.identity import Identity, IdentityError
from node.peer_error import PeerCallError
from node.peers import Peers
from node.traffic import Traffic
from tests.node.doors.four_kinds import ONE_ONE, FourKinds, add_four_kinds, call_kind
from tests.node.federation_fixture import (
    BANK,
    CARRIER,
    FEDERATION,
    Federation,
    RunningNode,
    calling,
    make_federation,
    running_node,
)
from tocsin.v1 import member_service_pb2 as wire
from tocsin.v1 import member_service_pb2_grpc as stubs


@pytest.fixture(scope="module")
def founded() -> Federation:
    return make_federation()


@pytest.fixture
def federation(founded: Federation) -> Federation:
    return replace(founded)


@pytest.fixture(autouse=True)
def _log_to_stderr() -> None:
    telemetry.stop_telemetry()


def member_service(identity: Identity) -> Registration:
    async def root() -> bytes:
        return bytes(32)

    service = MemberService(identity, identity.now, lambda: b"the note", root)
    return (stubs.add_MemberServiceServicer_to_server, service)


@pytest.fixture
async def node(federation: Federation) -> AsyncIterator[RunningNode]:
    service = member_service(federation.identity(CARRIER))
    async with running_node(federation, CARRIER, [service]) as running:
        yield running


async def get_node(peers: Peers, *, seconds: float = 8.0) -> wire.GetNodeResponse:
    return await peers.call(
        CARRIER, lambda channel: stubs.MemberServiceStub(channel).GetNode, wire.GetNodeRequest(),
        seconds,
    )  # fmt: skip


async def failure(peers: Peers) -> PeerCallError:
    with pytest.raises(PeerCallError) as caught:
        await get_node(peers)
    return caught.value


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_a_member_asks_another_who_it_is(federation: Federation, node: RunningNode) -> None:
    async with calling(federation, BANK) as peers:
        answer = await get_node(peers)
        note = await peers.call(
            CARRIER, lambda channel: stubs.MemberServiceStub(channel).GetCharter,
            wire.GetCharterRequest(), 5.0,
        )  # fmt: skip

    assert (answer.member, answer.software_version) == ("carrier-a", __version__)
    assert answer.charter_version == 1
    assert len(answer.catalogue_root) == 32
    assert abs(answer.now_time.seconds - federation.clock()) <= 5
    assert note.charter == b"the note"


async def test_one_channel_serves_until_the_leaf_is_renewed(
    federation: Federation, node: RunningNode
) -> None:
    identity = federation.identity(BANK)
    async with calling(federation, BANK, identity) as peers:
        first = peers.channel(CARRIER)
        same = peers.channel(CARRIER)
        identity.renew()
        second = peers.channel(CARRIER)
        answer = await get_node(peers)

    assert first is same
    assert second is not first
    assert answer.member == "carrier-a"


async def test_a_new_address_in_the_charter_is_followed(federation: Federation) -> None:
    identity = federation.identity(BANK)
    async with calling(federation, BANK, identity) as peers:
        before = await failure(peers)
        service = member_service(federation.identity(CARRIER))
        async with running_node(federation, CARRIER, [service]):
            identity.adopt(federation.charter)
            answer = await get_node(peers)

    assert before.reason == "CONNECTION_REFUSED"
    assert before.is_retryable
    assert isinstance(before, UnavailableError)
    assert answer.member == "carrier-a"


async def test_an_own_leaf_that_expired_is_named(federation: Federation, node: RunningNode) -> None:
    identity = federation.identity(BANK, timedelta(seconds=1))
    await asyncio.sleep(2.1)
    async with calling(federation, BANK, identity) as peers:
        error = await failure(peers)

    assert error.reason == "CERTIFICATE_EXPIRED"
    assert not error.is_retryable
    assert error.hint


async def test_a_root_that_the_peer_does_not_know_is_named(
    federation: Federation, node: RunningNode
) -> None:
    stranger = Authority.create(FEDERATION, BANK, datetime.now(UTC))
    claimed = tuple(
        replace(one, authority=stranger.certificate_pem) if one.member == BANK else one
        for one in federation.charter.members
    )
    charter = replace(federation.charter, members=claimed)
    identity = Identity(stranger, charter, BANK, federation.clock)
    async with calling(federation, BANK, identity) as peers:
        error = await failure(peers)

    assert error.reason == "UNKNOWN_AUTHORITY"
    assert "root" in str(error)


async def test_a_leaf_out_of_time_by_the_peers_clock_is_told_from_an_unknown_root(
    federation: Federation, node: RunningNode
) -> None:
    identity = federation.identity(BANK, timedelta(seconds=1))
    await asyncio.sleep(2.1)
    federation.clock.offset = -10  # this node's clock is behind, so its leaf looks fresh to it
    try:
        async with calling(federation, BANK, identity) as peers:
            error = await failure(peers)
    finally:
        federation.clock.offset = 0

    assert error.reason == "CLOCKS_DISAGREE"


async def test_a_server_with_another_members_certificate_is_refused(
    federation: Federation,
) -> None:
    service = member_service(federation.identity(BANK))
    async with running_node(federation, BANK, [service]) as impostor:
        federation.at(CARRIER, impostor.port)
        async with calling(federation, BANK) as peers:
            error = await failure(peers)

    assert error.reason == "PEER_AUTHORITY_MISMATCH"


async def test_a_peer_that_stays_silent_is_named(federation: Federation, silent_port: int) -> None:
    federation.at(CARRIER, silent_port)
    async with calling(federation, BANK) as peers:
        with pytest.raises(PeerCallError) as caught:
            await get_node(peers, seconds=0.5)
        found = await peers.diagnose(CARRIER)

    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert found == "CONNECTION_TIMEOUT"


async def test_a_peers_own_reason_arrives(federation: Federation, node: RunningNode) -> None:
    node.identity.adopt(federation.without(BANK))
    async with calling(federation, BANK) as peers:
        error = await failure(peers)

    assert error.reason == "MEMBER_REVOKED"
    assert error.code is grpc.StatusCode.PERMISSION_DENIED
    assert isinstance(error, PolicyError)


async def test_a_revoked_peer_is_not_called(federation: Federation, node: RunningNode) -> None:
    identity = federation.identity(CARRIER)
    async with calling(federation, CARRIER, identity) as peers:
        peers.channel(BANK)
        identity.adopt(federation.without(BANK))
        with pytest.raises(PeerCallError) as caught:
            peers.channel(BANK)

    assert caught.value.reason == "MEMBER_REVOKED"


async def test_only_an_idempotent_call_is_made_again(federation: Federation) -> None:
    attempts: list[float] = []

    def counted(channel: grpc.aio.Channel):  # type: ignore[no-untyped-def] # what a stub gives
        attempts.append(0)
        return stubs.MemberServiceStub(channel).GetNode

    async with calling(federation, BANK) as peers:
        with pytest.raises(PeerCallError):
            await peers.call(CARRIER, counted, wire.GetNodeRequest(), 5.0)
        once = len(attempts)
        with pytest.raises(PeerCallError):
            await peers.call(CARRIER, counted, wire.GetNodeRequest(), 5.0, idempotent=True)

    assert (once, len(attempts)) == (1, 4)


async def test_the_client_counts_the_same_messages_as_the_server(federation: Federation) -> None:
    async with running_node(federation, CARRIER, [(add_four_kinds, FourKinds())]) as node:
        traffic = Traffic()
        peers = Peers(federation.identity(BANK), traffic)
        await call_kind(peers.channel(CARRIER), ONE_ONE, b"x", seconds=None)
        await peers.close()
        here, there = traffic.snapshot()[0], node.traffic.snapshot()[0]

    assert (here.sent_bytes, here.received_bytes) == (there.received_bytes, there.sent_bytes)
    assert (here.sent_count, here.received_count) == (1, 1)


def test_an_identity_refuses_a_charter_that_does_not_list_its_root(
    federation: Federation,
) -> None:
    other = Authority.create(FEDERATION, BANK, datetime.now(UTC))

    with pytest.raises(IdentityError):
        Identity(other, federation.charter, BANK, federation.clock)


def test_an_identity_says_when_its_root_has_ended(federation: Federation) -> None:
    identity = federation.identity(BANK)
    federation.clock.offset = 12 * 365 * 24 * 3600
    try:
        with pytest.raises(IdentityError) as caught:
            identity.renew()
    finally:
        federation.clock.offset = 0

    assert caught.value.reason == "AUTHORITY_EXPIRED"
