"""The inside door on a real socket."""

# ruff: noqa: N802, ASYNC240 - the contract's names; a look at a path takes microseconds

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from node import telemetry
from node.doors.caller import current_caller
from node.doors.errors import SocketError
from node.doors.inside import InsideDoor
from node.doors.outside import Registration
from node.errors import RequestError
from node.socket_path import SOCKET_PATH_BYTES, short_path
from tocsin.desk.v1 import operation_service_pb2 as wire
from tocsin.desk.v1 import operation_service_pb2_grpc as stubs


class Operation(stubs.OperationServiceServicer):
    async def GetStatus(self, request: Any, context: Any) -> wire.GetStatusResponse:
        return wire.GetStatusResponse(member="carrier-a")

    async def ListKeys(self, request: Any, context: Any) -> wire.ListKeysResponse:
        raise RequestError("row 3 has no kind", reason="BATCH_INVALID", hint="look at row 3")

    async def Synchronise(self, request: Any, context: Any) -> wire.SynchroniseResponse:
        return wire.SynchroniseResponse(unreachable=[current_caller().member])


SERVICES: list[Registration] = [(stubs.add_OperationServiceServicer_to_server, Operation())]
NAMES = ["tocsin.desk.v1.OperationService"]


@pytest.fixture(autouse=True)
def _log_to_stderr() -> None:
    telemetry.stop_telemetry()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "desk.sock"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[grpc.aio.Channel]:
    door = InsideDoor(path, SERVICES, NAMES)
    await door.start()
    try:
        with short_path(path) as short:
            options = [("grpc.default_authority", "localhost")]
            async with grpc.aio.insecure_channel(f"unix:{short}", options) as channel:
                yield channel
    finally:
        await door.stop(0)


async def status_of(channel: grpc.aio.Channel) -> wire.GetStatusResponse:
    request = wire.GetStatusRequest()
    return await stubs.OperationServiceStub(channel).GetStatus(request, timeout=5.0)


async def test_own_systems_call_over_a_private_socket(path: Path) -> None:
    async with opened(path) as channel:
        answer = await status_of(channel)
        mode = path.parent.stat().st_mode & 0o777

    assert answer.member == "carrier-a"
    assert mode == 0o700
    assert not path.exists()


async def test_a_path_too_long_for_an_address_works_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "run" / "desk.sock"
    async with opened(path) as channel:
        answer = await status_of(channel)
        stands = path.is_socket()

    assert len(bytes(path)) > SOCKET_PATH_BYTES
    assert answer.member == "carrier-a"
    assert stands


async def test_a_second_node_on_the_same_directory_is_refused(path: Path) -> None:
    async with opened(path) as channel:
        with pytest.raises(SocketError) as caught:
            await InsideDoor(path, SERVICES).start()
        still = await status_of(channel)

    assert caught.value.reason == "NODE_RUNNING"
    assert still.member == "carrier-a"


async def test_what_a_dead_node_left_is_cleaned_away(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead, short_path(path) as short:
        dead.bind(short)
    left = path.is_socket()
    async with opened(path) as channel:
        answer = await status_of(channel)

    assert left
    assert answer.member == "carrier-a"


async def test_something_else_at_the_path_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("keep me")
    with pytest.raises(SocketError) as caught:
        await InsideDoor(path, SERVICES).start()

    assert caught.value.reason == "SOCKET_PATH_TAKEN"
    assert path.read_text() == "keep me"


async def test_a_directory_that_others_may_enter_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o755)
    with pytest.raises(SocketError) as caught:
        await InsideDoor(path, SERVICES).start()

    assert caught.value.reason == "SOCKET_DIRECTORY_OPEN"
    assert "chmod 700" in caught.value.hint


async def test_an_error_tells_the_operator_what_to_do(path: Path) -> None:
    async with opened(path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stubs.OperationServiceStub(channel).ListKeys(wire.ListKeysRequest(), timeout=5.0)
    status = rpc_status.from_call(caught.value)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "row 3 has no kind"
    assert b"look at row 3" in status.details[0].value


async def test_nobody_is_a_member_inside(path: Path) -> None:
    async with opened(path) as channel:
        stub = stubs.OperationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Synchronise(wire.SynchroniseRequest(), timeout=5.0)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_health_and_reflection_answer_inside(path: Path) -> None:
    async with opened(path) as channel:
        healthy = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=5.0
        )
        questions = [reflection_pb2.ServerReflectionRequest(list_services="")]
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed = [
            service.name
            async for answer in stub.ServerReflectionInfo(iter(questions), timeout=5.0)
            for service in answer.list_services_response.service
        ]

    assert healthy.status == health_pb2.HealthCheckResponse.SERVING
    assert "tocsin.desk.v1.OperationService" in listed


async def test_readiness_is_told_to_health_checks(path: Path) -> None:
    door = InsideDoor(path, SERVICES)
    await door.start()
    await door.set_ready(ready=False)
    with short_path(path) as short:
        async with grpc.aio.insecure_channel(f"unix:{short}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=5.0
            )
    await asyncio.wait_for(door.stop(), 5.0)

    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
