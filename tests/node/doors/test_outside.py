"""The outside door, over real mTLS."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from federation.names import MemberId
from keys.authority import Leaf
from node import telemetry
from node.doors.policy import DoorPolicy
from node.traffic import Capture, Direction, read_capture
from tests.node.doors.four_kinds import (
    KINDS,
    MANY_MANY,
    ONE_MANY,
    ONE_ONE,
    FourKinds,
    add_four_kinds,
    call_kind,
)
from tests.node.federation_fixture import (
    BANK,
    CARRIER,
    PARTNER,
    Federation,
    RunningNode,
    calling,
    make_federation,
    running_node,
)

SECRET = "13800138000 belongs to somebody"


@pytest.fixture(scope="module")
def founded() -> Federation:
    return make_federation()


@pytest.fixture
def federation(founded: Federation) -> Federation:
    return replace(founded)


@pytest.fixture
def service() -> FourKinds:
    return FourKinds()


@pytest.fixture
async def node(federation: Federation, service: FourKinds) -> AsyncIterator[RunningNode]:
    async with running_node(federation, CARRIER, [(add_four_kinds, service)]) as running:
        yield running


def raw_channel(node: RunningNode, leaf: Leaf) -> grpc.aio.Channel:
    """A client that shows any leaf and adds nothing of our own client's."""
    credentials = grpc.ssl_channel_credentials(
        node.identity.authority_pem, leaf.key_pem.reveal(), leaf.certificate_pem
    )
    name = [("grpc.ssl_target_name_override", "carrier-a.harbour")]
    return grpc.aio.secure_channel(f"127.0.0.1:{node.port}", credentials, name)


async def refused(node: RunningNode, leaf: Leaf, method: str = ONE_ONE) -> grpc.aio.AioRpcError:
    async with raw_channel(node, leaf) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(channel, method, b"x")
    return caught.value


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert info.domain == "tocsin"
    return info.reason


@pytest.mark.parametrize("method", KINDS)
async def test_a_member_reaches_every_kind_of_method(
    federation: Federation, node: RunningNode, service: FourKinds, method: str
) -> None:
    async with calling(federation, BANK) as peers:
        answers = await call_kind(peers.channel(CARRIER), method, b"x")

    assert set(answers) == {b"echo x"}
    assert set(service.callers) == {"bank-x"}


@pytest.mark.parametrize("method", KINDS)
async def test_an_exception_nobody_caught_shows_an_incident_number_alone(
    federation: Federation,
    node: RunningNode,
    service: FourKinds,
    method: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(value: bytes) -> bytes:
        raise RuntimeError(SECRET)

    service.behaviour = fail
    error = await refused(node, federation.leaf(BANK), method)

    logged = capsys.readouterr().err
    *_, line = (json.loads(one) for one in logged.splitlines() if "door.incident" in one)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason_of(error) == "INTERNAL"
    assert "13800" not in repr(error) + str(error.trailing_metadata()) + logged
    assert line["incident"] in (error.details() or "")
    assert line["error_class"] == "RuntimeError"


async def test_bytes_that_are_no_request_are_refused_before_the_service(
    federation: Federation, node: RunningNode, service: FourKinds
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(ONE_ONE)(b"\xff\xff", timeout=5.0)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == "MESSAGE_INVALID"
    assert service.callers == []


@pytest.mark.parametrize(
    ("seconds", "reason"), [(None, "DEADLINE_MISSING"), (601.0, "DEADLINE_TOO_LONG")]
)
async def test_a_call_that_may_never_end_is_refused(
    federation: Federation, node: RunningNode, seconds: float | None, reason: str
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(channel, ONE_ONE, b"x", seconds=seconds)
        watched = await call_kind(channel, MANY_MANY, b"x", seconds=None)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == reason
    assert len(watched) == 2


async def test_a_name_under_another_members_root_is_refused(
    federation: Federation, node: RunningNode, service: FourKinds
) -> None:
    error = await refused(node, federation.leaf(PARTNER, issuer=BANK))

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(error) == "AUTHORITY_MISMATCH"
    assert service.callers == []


async def test_a_name_that_the_charter_does_not_list_is_refused(
    federation: Federation, node: RunningNode
) -> None:
    error = await refused(node, federation.leaf(MemberId("nobody"), issuer=BANK))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(error) == "MEMBER_UNKNOWN"


async def test_a_revoked_member_is_told_so(federation: Federation, node: RunningNode) -> None:
    node.identity.adopt(federation.without(PARTNER))
    error = await refused(node, federation.leaf(PARTNER))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(error) == "MEMBER_REVOKED"


async def test_a_role_that_may_not_call_a_method_is_refused(
    federation: Federation, node: RunningNode, service: FourKinds
) -> None:
    error = await refused(node, federation.leaf(PARTNER))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(error) == "ROLE_NOT_ALLOWED"
    assert service.callers == []


async def test_a_leaf_that_ends_while_connected_is_refused_at_the_next_call(
    federation: Federation, node: RunningNode
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        await call_kind(channel, ONE_ONE, b"x")
        federation.clock.offset = 2 * 24 * 3600
        try:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call_kind(channel, ONE_ONE, b"x")
        finally:
            federation.clock.offset = 0

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(caught.value) == "CERTIFICATE_EXPIRED"


@pytest.mark.parametrize("method", KINDS)
async def test_revocation_ends_open_calls_at_once(
    federation: Federation, node: RunningNode, service: FourKinds, method: str
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        call = asyncio.create_task(call_kind(channel, method, b"hang", seconds=60.0))
        await service.entered.wait()
        node.identity.adopt(federation.without(BANK))
        async with asyncio.timeout(1.0):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call

    assert reason_of(caught.value) == "MEMBER_REVOKED"
    assert service.cancelled == 1
    assert node.door.live.count("bank-x") == 0


async def test_revocation_ends_a_stream_that_nobody_reads(
    federation: Federation, node: RunningNode
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        call = channel.unary_stream(ONE_MANY)(b"\x0a\x05flood", timeout=60.0)
        await call.read()
        await asyncio.sleep(0.1)
        node.identity.adopt(federation.without(BANK))
        async with asyncio.timeout(1.0):
            while node.door.live.count("bank-x"):  # noqa: ASYNC110 - counts, signals nothing
                await asyncio.sleep(0.01)
        call.cancel()

    assert node.door.live.members() == frozenset()


async def test_a_message_over_the_limit_is_refused(
    federation: Federation, service: FourKinds
) -> None:
    policy = DoorPolicy(message_bytes=1_000)
    async with (
        running_node(federation, CARRIER, [(add_four_kinds, service)], policy) as node,
        calling(federation, BANK) as peers,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(peers.channel(CARRIER), ONE_ONE, bytes(2_000))
        explained = await peers.explain(CARRIER, caught.value)

        assert node.traffic.snapshot() == ()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert explained.reason == "MESSAGE_TOO_LONG"
    assert service.callers == []


async def test_one_member_cannot_take_all_places(federation: Federation) -> None:
    service = FourKinds()
    policy = DoorPolicy(calls_per_member=1)
    async with (
        running_node(federation, CARRIER, [(add_four_kinds, service)], policy) as node,
        raw_channel(node, federation.leaf(BANK)) as channel,
        raw_channel(node, federation.leaf(CARRIER)) as other,
    ):
        held = asyncio.create_task(call_kind(channel, ONE_ONE, b"hang"))
        await service.entered.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(channel, ONE_ONE, b"x")
        elsewhere = await call_kind(other, ONE_ONE, b"x")
        service.release.set()
        await held

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "TOO_MANY_CALLS"
    assert elsewhere == [b"echo x"]


async def test_calls_over_the_nodes_limit_are_refused(federation: Federation) -> None:
    service = FourKinds()
    policy = DoorPolicy(concurrent_calls=1)
    async with (
        running_node(federation, CARRIER, [(add_four_kinds, service)], policy),
        calling(federation, BANK) as peers,
    ):
        held = asyncio.create_task(call_kind(peers.channel(CARRIER), ONE_ONE, b"hang"))
        await service.entered.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(peers.channel(CARRIER), ONE_ONE, b"x")
        explained = await peers.explain(CARRIER, caught.value)
        service.release.set()
        await held

    assert (explained.reason, explained.is_retryable) == ("TOO_MANY_CALLS", True)


async def test_a_stop_lets_the_call_under_way_end_and_takes_no_other(
    federation: Federation,
) -> None:
    service = FourKinds()
    async with (
        running_node(federation, CARRIER, [(add_four_kinds, service)]) as node,
        raw_channel(node, federation.leaf(BANK)) as channel,
    ):
        held = asyncio.create_task(call_kind(channel, ONE_ONE, b"hang"))
        await service.entered.wait()
        stopping = asyncio.create_task(node.door.stop(5.0))
        await asyncio.sleep(0.05)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_kind(channel, ONE_ONE, b"x", seconds=1.0)
        service.release.set()
        answer = await held
        await stopping

    assert answer == [b"echo hang"]
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_health_is_told_to_members_alone(federation: Federation, node: RunningNode) -> None:
    async with raw_channel(node, federation.leaf(PARTNER)) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=5.0
        )
    plain = grpc.aio.insecure_channel(f"127.0.0.1:{node.port}")
    with pytest.raises(grpc.aio.AioRpcError):
        await health_pb2_grpc.HealthStub(plain).Check(health_pb2.HealthCheckRequest(), timeout=1.0)
    await plain.close()

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_ends_its_watch_when_the_node_stops(
    federation: Federation, node: RunningNode
) -> None:
    async with raw_channel(node, federation.leaf(BANK)) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        first = await watch.read()
        stopping = asyncio.create_task(node.door.stop(0.2))
        second = await watch.read()
        await stopping

    assert first.status == health_pb2.HealthCheckResponse.SERVING
    assert second.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_counters_and_capture_hold_exactly_what_passed(
    federation: Federation, tmp_path: Path
) -> None:
    path = tmp_path / "capture"
    with Capture(path) as capture:
        async with (
            running_node(
                federation, CARRIER, [(add_four_kinds, FourKinds())], capture=capture
            ) as node,
            raw_channel(node, federation.leaf(BANK)) as channel,
        ):
            for method in KINDS:
                await call_kind(channel, method, b"x")
            counted = {one.method: one for one in node.traffic.snapshot()}
        records = list(read_capture(path))

    request, answer = b"\x0a\x01x", b"\x0a\x06echo x"
    one = counted[ONE_ONE]
    assert (one.received_count, one.received_bytes) == (1, len(request))
    assert (one.sent_count, one.sent_bytes) == (1, len(answer))
    assert [counted[kind].received_count for kind in KINDS] == [1, 1, 2, 2]
    assert [counted[kind].sent_count for kind in KINDS] == [1, 2, 1, 2]
    assert {record.peer for record in records} == {"bank-x"}
    assert {(r.direction, r.payload) for r in records} == {
        (Direction.RECEIVED, request),
        (Direction.SENT, answer),
    }
    assert len(records) == 12
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_new_leaf_is_shown_at_the_next_handshake(federation: Federation) -> None:
    service = FourKinds()
    async with running_node(
        federation, CARRIER, [(add_four_kinds, service)], lifetime=timedelta(seconds=3)
    ) as node:
        first = node.identity.leaf.certificate_pem
        keeping = asyncio.create_task(node.identity.keep_fresh())
        async with raw_channel(node, federation.leaf(BANK)) as channel:
            await call_kind(channel, ONE_ONE, b"x")
        shown_first = await asyncio.to_thread(_shown_leaf, node.port)
        async with asyncio.timeout(5.0):
            while node.identity.leaf.certificate_pem == first:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        shown_second = await asyncio.to_thread(_shown_leaf, node.port)
        async with raw_channel(node, federation.leaf(BANK)) as channel:
            again = await call_kind(channel, ONE_ONE, b"x")
        keeping.cancel()

    assert shown_first == first.decode()
    assert shown_second == node.identity.leaf.certificate_pem.decode()
    assert shown_second != shown_first
    assert again == [b"echo x"]


def _shown_leaf(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=3)


@pytest.fixture(autouse=True)
def _log_to_stderr() -> None:
    telemetry.stop_telemetry()


async def test_a_member_that_joins_is_let_in_without_a_restart(
    federation: Federation, service: FourKinds
) -> None:
    grown = federation.charter
    few = replace(grown, members=tuple(one for one in grown.members if one.member != PARTNER))
    federation.charter = few
    async with running_node(federation, CARRIER, [(add_four_kinds, service)]) as node:
        before = await refused(node, federation.leaf(PARTNER))
        node.identity.adopt(grown)
        after = await refused(node, federation.leaf(PARTNER))

    assert before.code() is grpc.StatusCode.UNAVAILABLE  # an unknown root ends in the handshake
    assert reason_of(after) == "ROLE_NOT_ALLOWED"  # known now, and a partner reads no logs
