"""Serve calls over the inside door: a carrier's network feeds them, a bank asks all carriers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.call_context import advise, combine, usable_until
from federation.indicators import Kind
from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import CallContext, Purpose
from node.desk.intake import Intake, Refusal
from node.duties.calls import Calls, FedCall
from node.errors import NodeError, PolicyError, RequestError
from tocsin.desk.v1 import call_service_pb2 as wire
from tocsin.desk.v1 import call_service_pb2_grpc as stubs
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.v1 import call_context_service_pb2 as outside

Ask = Callable[[MemberId, outside.GetCallContextRequest], Awaitable[outside.GetCallContextResponse]]
"""Asks one carrier, or raises a ``NodeError``."""


class CallDesk:
    """A member's part in call context: as a carrier it feeds, as a bank it asks."""

    def __init__(
        self,
        calls: Calls,
        intake: Intake,
        ask: Ask,
        carriers: Callable[[], Sequence[MemberId]],
        roles: Callable[[], frozenset[Role]],
        pad: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        self.calls = calls
        self.roles = roles
        self._intake = intake
        self._ask = ask
        self._carriers = carriers
        self._pad = pad
        self._clock = clock

    async def context(self, request: wire.GetContextRequest) -> wire.GetContextResponse:
        """Ask the carriers at once and join their answers; the graver counts.

        Raises:
            RequestError: PURPOSE_MISSING, INDICATOR_... or CARRIER_UNKNOWN.
            PolicyError: ROLE_NOT_ALLOWED here; or what every carrier refused with.
        """
        purpose = _purpose(request.purpose)
        if Role.BANK not in self.roles():
            raise PolicyError("only a bank asks before a payment", reason="ROLE_NOT_ALLOWED")
        carriers = self._chosen(request.carriers)
        token = await self._token(request.value, purpose)
        question = outside.GetCallContextRequest(token=token, purpose=purpose.value)  # type: ignore[arg-type]  # equal numbers, tested
        answers = await asyncio.gather(
            *(self._ask(one, question) for one in carriers), return_exceptions=True
        )
        return self._joined(answers)

    def _chosen(self, names: Sequence[str]) -> list[MemberId]:
        known = list(self._carriers())
        if not names:
            return known
        if not set(names) <= set(known):
            raise RequestError(
                "the charter has no such carrier", reason="CARRIER_UNKNOWN", hint="tocsin status"
            )
        return [one for one in known if one in names]

    async def _token(self, value: desk_wire.RawIndicator, purpose: Purpose) -> bytes:
        indicators, refused = await self._intake.parse([value])
        if 0 in refused:
            raise RequestError(refused[0].message, reason=refused[0].reason)
        if indicators[0].kind is not Kind.PHONE:
            raise RequestError("a payer is asked about by telephone number", reason="NOT_PHONE")
        (known,) = await self._intake.tokenise(indicators, purpose, self._pad())
        return known.token

    def _joined(
        self, answers: Sequence[outside.GetCallContextResponse | BaseException]
    ) -> wire.GetContextResponse:
        refusals = [one for one in answers if isinstance(one, PolicyError)]
        if refusals and len(refusals) == len(answers):
            raise refusals[0]
        contexts: list[CallContext] = []
        said: list[int] = []
        for one in answers:
            if isinstance(one, BaseException):
                if not isinstance(one, NodeError):
                    raise one
                contexts.append(CallContext.UNKNOWN)  # it may be the customer's carrier
                continue
            contexts.append(_context(one.call_context))
            said.append(one.expires_time.seconds)
        joined = combine(contexts)
        return wire.GetContextResponse(
            call_context=joined.value,  # type: ignore[arg-type]  # equal numbers, tested
            advice=advise(joined).value,
            expires_time=Timestamp(seconds=usable_until(said, self._clock())),
            asked=len(contexts),
            answered=sum(one is not CallContext.UNKNOWN for one in contexts),
        )


class CallService(stubs.CallServiceServicer):
    """What the member's own systems may do about calls."""

    def __init__(self, desk: CallDesk | None) -> None:
        self._maybe_desk = desk

    @property
    def _desk(self) -> CallDesk:
        if self._maybe_desk is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_desk

    async def FeedCalls(  # noqa: N802  # the contract's name
        self, request: wire.FeedCallsRequest, context: Any
    ) -> wire.FeedCallsResponse:
        """Take calls from the network."""
        desk = self._desk
        if Role.CARRIER not in desk.roles():
            raise PolicyError("only a carrier sees calls", reason="ROLE_NOT_ALLOWED")
        results = await desk.calls.feed([_fed(one) for one in request.calls])
        return wire.FeedCallsResponse(results=[_result(one) for one in results])

    async def GetContext(  # noqa: N802  # the contract's name
        self, request: wire.GetContextRequest, context: Any
    ) -> wire.GetContextResponse:
        """Ask the carriers before a payment."""
        return await self._desk.context(request)


_PHONE: Final = "phone"


def _fed(call: wire.Call) -> FedCall:
    def number(text: str) -> desk_wire.RawIndicator:
        return desk_wire.RawIndicator(kind=_PHONE, value=text, region=call.region)

    began, ended = call.began_time.seconds, call.ended_time.seconds
    return FedCall(number(call.subscriber), number(call.other), began, ended, call.first_contact)


def _result(found: Refusal | bool) -> desk_wire.RowResult:
    if isinstance(found, Refusal):
        return desk_wire.RowResult(outcome=desk_wire.ROW_OUTCOME_REFUSED, error=found.wire())
    news = desk_wire.ROW_OUTCOME_ADDED if found else desk_wire.ROW_OUTCOME_UNCHANGED
    return desk_wire.RowResult(outcome=news)


def _context(number: int) -> CallContext:
    try:
        return CallContext(number)
    except ValueError:  # from a newer node
        return CallContext.UNKNOWN


def _purpose(number: int) -> Purpose:
    try:
        return Purpose(number)
    except ValueError as error:
        raise RequestError(
            "the purpose is missing",
            reason="PURPOSE_MISSING",
            hint="a bank asks for PAYMENT_HOLD",
        ) from error
