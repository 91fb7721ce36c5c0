"""Wrap a channel so that every message is counted and no call waits for ever."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import grpc
import grpc.aio

from node.doors.policy import UNBOUNDED_METHODS
from node.traffic import Direction, Meter

DEFAULT_SECONDS: Final = 30.0
"""Seconds for a call that names no deadline; callers know better, and servers refuse none."""

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_Callable = TypeVar("_Callable", bound=Callable[..., Any])


class MeteredChannel(grpc.aio.Channel):
    """A channel to one peer; stubs take it like any other."""

    def __init__(self, channel: grpc.aio.Channel, peer: str, meter: Meter) -> None:
        self._channel = channel
        self._peer = peer
        self._meter = meter

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[_Request], bytes] | None = None,
        response_deserializer: Callable[[bytes], _Answer] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryUnaryMultiCallable[_Request, _Answer]:
        """Return a method with one request and one answer."""
        wrapped = self._wrap(method, request_serializer, response_deserializer)
        return _bounded(method, self._channel.unary_unary(method, *wrapped))

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[_Request], bytes] | None = None,
        response_deserializer: Callable[[bytes], _Answer] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryStreamMultiCallable[_Request, _Answer]:
        """Return a method with one request and a stream of answers."""
        wrapped = self._wrap(method, request_serializer, response_deserializer)
        return _bounded(method, self._channel.unary_stream(method, *wrapped))

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[_Request], bytes] | None = None,
        response_deserializer: Callable[[bytes], _Answer] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamUnaryMultiCallable[_Request, _Answer]:
        """Return a method with a stream of requests and one answer."""
        wrapped = self._wrap(method, request_serializer, response_deserializer)
        return _bounded(method, self._channel.stream_unary(method, *wrapped))

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[_Request], bytes] | None = None,
        response_deserializer: Callable[[bytes], _Answer] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamStreamMultiCallable[_Request, _Answer]:
        """Return a method with two streams."""
        wrapped = self._wrap(method, request_serializer, response_deserializer)
        return _bounded(method, self._channel.stream_stream(method, *wrapped))

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; calls get ``grace`` seconds to end."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return whether the channel is connected."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the state is another."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the channel is connected."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    def _wrap(
        self,
        method: str,
        serialise: Callable[[_Request], bytes] | None,
        parse: Callable[[bytes], _Answer] | None,
    ) -> tuple[Callable[[_Request], bytes], Callable[[bytes], _Answer]]:
        def send(message: _Request) -> bytes:
            payload = cast("bytes", message) if serialise is None else serialise(message)
            self._meter.record(Direction.SENT, self._peer, method, payload)
            return payload

        def receive(payload: bytes) -> _Answer:
            self._meter.record(Direction.RECEIVED, self._peer, method, payload)
            return cast("_Answer", payload) if parse is None else parse(payload)

        return send, receive


def _bounded(method: str, call: _Callable) -> _Callable:
    """Give every call a deadline, except those that wait for news."""
    if method in UNBOUNDED_METHODS:
        return call

    def bounded(*requests: Any, timeout: float | None = None, **options: Any) -> Any:
        seconds = DEFAULT_SECONDS if timeout is None else timeout
        return call(*requests, timeout=seconds, **options)

    return cast("_Callable", bounded)
