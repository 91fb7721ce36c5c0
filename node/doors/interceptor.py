"""Stand between gRPC and the services of a door, so that both sides only see what they may.

Each call runs through the same steps, for all four kinds of method:

1. a check says who calls and whether it may (``Gate``), before its message is even parsed;
2. the request is parsed and the service runs, with ``caller`` set;
3. the answer is serialised, counted and sent;
4. whatever is raised on the way ends the call with a reason (``node.doors.catalog``); an error
   that is not ours is logged under an incident number, and only that number is sent.

gRPC is given handlers over raw bytes, because an exception in a handler, a parser or a
serialiser that gRPC itself meets is sent to the peer with its text.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from node.doors.catalog import is_declared, new_incident, refusal_for
from node.doors.errors import CallError
from node.traffic import Direction, Meter

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
IncidentLog = Callable[[str, str, Exception], None]
"""Called with the incident number, the method and what was raised."""


class Gate(Protocol):
    """Decide about a call before the service sees it."""

    def enter(self, method: str, context: Context) -> AbstractContextManager[str]:
        """Check a call and hold it open; yields the peer's name, or raises one of our errors."""


class DoorInterceptor(grpc.aio.ServerInterceptor):
    """Lead every call of a server through a gate and keep its errors in."""

    def __init__(
        self,
        gate: Gate,
        log_incident: IncidentLog,
        *,
        meter: Meter | None = None,
        show_private: bool = False,
    ) -> None:
        self._gate = gate
        self._log_incident = log_incident
        self._meter = meter
        self._show_private = show_private

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap the method's handler; an unknown method is left to gRPC, which refuses it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return _Wrapped(self, handler_call_details.method, handler).handler()

    def record(self, direction: Direction, peer: str, method: str, payload: bytes) -> None:
        """Count one message."""
        if self._meter is not None:
            self._meter.record(direction, peer, method, payload)

    def enter(self, method: str, context: Context) -> AbstractContextManager[str]:
        """Pass the gate."""
        return self._gate.enter(method, context)

    async def refuse(self, method: str, context: Context, error: Exception) -> NoReturn:
        """End the call with what the caller may know of an error."""
        incident = new_incident()
        if not is_declared(error):
            self._log_incident(incident, method, error)
        refusal = refusal_for(error, incident, show_private=self._show_private)
        await context.abort_with_status(rpc_status.to_status(refusal.status()))
        raise AssertionError("an abort always raises")


class _Wrapped:
    """One call of one method."""

    def __init__(self, door: DoorInterceptor, method: str, handler: Handler) -> None:
        self._door = door
        self._method = method
        self._handler = handler
        self._peer = ""

    def handler(self) -> Handler:
        """Return a handler of the same kind that works on bytes."""
        inner = self._handler
        if inner.response_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if inner.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            # The serialiser is for services that write to the context themselves.
            return make(self._answer_with_stream, None, self._serialise)
        make_unary = (
            grpc.stream_unary_rpc_method_handler
            if inner.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make_unary(self._answer_with_one, None, None)

    async def _answer_with_one(
        self, request: bytes | AsyncIterator[bytes], context: Context
    ) -> bytes:
        try:
            with self._door.enter(self._method, context) as self._peer:
                answer = self._behaviour()(self._parsed(request), context)
                return self._serialise(await answer if inspect.isawaitable(answer) else answer)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            return await self._door.refuse(self._method, context, error)

    async def _answer_with_stream(
        self, request: bytes | AsyncIterator[bytes], context: Context
    ) -> None:
        # Written here and not yielded to gRPC, so that ending the call always ends it in here.
        try:
            with self._door.enter(self._method, context) as self._peer:
                answer = self._behaviour()(self._parsed(request), context)
                if inspect.isasyncgen(answer):
                    try:
                        async for message in answer:
                            await context.write(self._serialise(message))
                    finally:
                        await answer.aclose()
                else:
                    await answer
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await self._door.refuse(self._method, context, error)

    def _behaviour(self) -> Callable[[Any, Context], Any]:
        handler = self._handler
        behaviour: Callable[[Any, Any], Any] | None = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        if behaviour is None:
            raise RuntimeError("a handler without behaviour was registered")
        return behaviour

    def _parsed(self, request: bytes | AsyncIterator[bytes]) -> Any:
        return self._parse(request) if isinstance(request, bytes) else self._parse_each(request)

    async def _parse_each(self, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._parse(request)

    def _parse(self, payload: bytes) -> Any:
        self._door.record(Direction.RECEIVED, self._peer, self._method, payload)
        parse = self._handler.request_deserializer
        try:
            return payload if parse is None else parse(payload)
        except DecodeError as error:
            raise CallError(
                "the bytes are not the method's request", reason="MESSAGE_INVALID"
            ) from error

    def _serialise(self, message: Any) -> bytes:
        if isinstance(message, bytes):
            return message  # on its second way through, from a stream
        serialise = self._handler.response_serializer
        payload = bytes(message) if serialise is None else serialise(message)
        self._door.record(Direction.SENT, self._peer, self._method, payload)
        return payload
