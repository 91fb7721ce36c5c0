"""A service with one method of each kind, under names that the charter's table knows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from node.doors.caller import current_caller

# The table of methods is closed, so the four kinds borrow the names of one service.
ONE_ONE = "/tocsin.v1.LogService/Gossip"
ONE_MANY = "/tocsin.v1.LogService/Read"
MANY_ONE = "/tocsin.v1.LogService/Prove"
MANY_MANY = "/tocsin.v1.LogService/Watch"
KINDS = (ONE_ONE, ONE_MANY, MANY_ONE, MANY_MANY)

OVERTAKEN = 5
"""Calls at most that a refusal may overtake in a row: more is no accident."""

Behaviour = Callable[[bytes], bytes]


def echo(value: bytes) -> bytes:
    return b"echo " + value


class FourKinds:
    """Answer with what a test wants; ``hang`` keeps a call open until it is cancelled."""

    def __init__(self, behaviour: Behaviour = echo) -> None:
        self.behaviour = behaviour
        self.callers: list[str] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = 0

    async def answer(self, message: BytesValue) -> BytesValue:
        self.callers.append(current_caller().member)
        if message.value == b"hang":
            self.entered.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return BytesValue(value=self.behaviour(message.value))

    async def one_one(self, request: BytesValue, context: Any) -> BytesValue:
        return await self.answer(request)

    async def one_many(self, request: BytesValue, context: Any) -> AsyncIterator[BytesValue]:
        yield await self.answer(request)
        while request.value == b"flood":
            yield BytesValue(value=bytes(65_536))
        yield await self.answer(request)

    async def many_one(self, requests: AsyncIterator[BytesValue], context: Any) -> BytesValue:
        received = [await self.answer(request) async for request in requests]
        return received[-1]

    async def many_many(
        self, requests: AsyncIterator[BytesValue], context: Any
    ) -> AsyncIterator[BytesValue]:
        async for request in requests:
            yield await self.answer(request)


def add_four_kinds(servicer: FourKinds, server: grpc.aio.Server) -> None:
    """Do what generated code does."""
    coding = {
        "request_deserializer": BytesValue.FromString,
        "response_serializer": BytesValue.SerializeToString,
    }
    handlers = {
        "Gossip": grpc.unary_unary_rpc_method_handler(servicer.one_one, **coding),
        "Read": grpc.unary_stream_rpc_method_handler(servicer.one_many, **coding),
        "Prove": grpc.stream_unary_rpc_method_handler(servicer.many_one, **coding),
        "Watch": grpc.stream_stream_rpc_method_handler(servicer.many_many, **coding),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tocsin.v1.LogService", handlers),)
    )


async def call_kind(
    channel: grpc.aio.Channel, method: str, value: bytes, seconds: float | None = 5.0
) -> list[bytes]:
    """Call one of the four with one request, or two where it takes a stream.

    The library puts an error of its own in the place of the server's, when a refusal overtakes
    the second request of a stream while that is being written: such a call is made again.
    """
    for _ in range(OVERTAKEN):
        try:
            return await _call(channel, method, BytesValue(value=value), seconds)
        except grpc.aio.AioRpcError as error:
            if error.details() != "Internal error from Core":
                raise
    pytest.fail("the library's own error came in the place of the server's every time")


async def _call(
    channel: grpc.aio.Channel, method: str, message: BytesValue, seconds: float | None
) -> list[bytes]:
    coding = (BytesValue.SerializeToString, BytesValue.FromString)

    async def messages() -> AsyncIterator[BytesValue]:
        for _ in range(2):
            yield message

    if method == ONE_ONE:
        answer = await channel.unary_unary(method, *coding)(message, timeout=seconds)
        return [answer.value]
    if method == MANY_ONE:
        answer = await channel.stream_unary(method, *coding)(messages(), timeout=seconds)
        return [answer.value]
    if method == ONE_MANY:
        stream = channel.unary_stream(method, *coding)(message, timeout=seconds)
        return [answer.value async for answer in stream]
    both = channel.stream_stream(method, *coding)(messages(), timeout=seconds)
    return [answer.value async for answer in both]
