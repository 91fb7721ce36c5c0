"""Serve the one question of a bank before a payment: quota and limit first, then the own calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from federation.call_context import FRESH_SECONDS
from federation.roles import Role
from federation.vocabulary import CallContext, Purpose
from node.doors.caller import current_caller
from node.duties.call_limit import CallLimit
from node.duties.calls import Calls
from node.errors import RequestError
from node.lookup.service import TOKEN_BYTES, Meter
from tocsin.v1 import call_context_service_pb2 as wire
from tocsin.v1 import call_context_service_pb2_grpc as stubs

_METHOD = "CallContextService.GetCallContext"


class CallContextService(stubs.CallContextServiceServicer):
    """What a bank may ask this node about calls."""

    def __init__(
        self,
        calls: Calls,
        meter: Meter,
        limit: CallLimit,
        roles: Callable[[], frozenset[Role]],
        clock: Callable[[], int],
    ) -> None:
        """Answer from own calls, if this member's roles make it a carrier; else UNKNOWN."""
        self._calls = calls
        self._meter = meter
        self._limit = limit
        self._roles = roles
        self._clock = clock

    async def GetCallContext(  # noqa: N802  # the contract's name
        self, request: wire.GetCallContextRequest, context: Any
    ) -> wire.GetCallContextResponse:
        """Answer about one token."""
        caller = current_caller().member
        await self._meter(caller, _METHOD, _purpose(request.purpose), 1)
        if len(request.token) != TOKEN_BYTES:
            raise RequestError("a token is 16 bytes", reason="TOKEN_INVALID")
        await self._limit.charge(caller, request.token)
        answer = CallContext.UNKNOWN
        if Role.CARRIER in self._roles():
            answer = await self._calls.context(request.token)
        return wire.GetCallContextResponse(
            call_context=answer.value,  # type: ignore[arg-type]  # equal numbers, tested
            expires_time=Timestamp(seconds=self._clock() + FRESH_SECONDS),
        )


def _purpose(number: int) -> Purpose:
    try:
        return Purpose(number)
    except ValueError as error:
        raise RequestError("the purpose is missing", reason="PURPOSE_MISSING") from error
