"""Serve matches over the outside door: role, purpose and quota first, then the session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.vocabulary import Purpose
from node.doors.caller import current_caller
from node.duties.match_offering import Offering
from node.errors import RequestError
from tocsin.v1 import match_service_pb2 as wire
from tocsin.v1 import match_service_pb2_grpc as stubs

Meter = Callable[[MemberId, str, Purpose, int], Awaitable[None]]
"""Charges elements to a member, or raises PolicyError."""


class MatchService(stubs.MatchServiceServicer):
    """What other members may ask about values that are offered to them."""

    def __init__(self, offering: Offering, meter: Meter) -> None:
        self._offering = offering
        self._meter = meter

    async def OpenMatch(  # noqa: N802  # the contract's name
        self, request: wire.OpenMatchRequest, context: Any
    ) -> wire.OpenMatchResponse:
        """Open a session."""
        member, kind = current_caller().member, _kind(request.kind)
        charge = partial(self._meter, member, "MatchService.OpenMatch", _purpose(request.purpose))
        opened = await self._offering.open(member, kind, request.element_count, charge)
        return wire.OpenMatchResponse(
            session_id=opened.session, offered_count=opened.count, coded=opened.coded
        )

    async def ReadOffered(  # noqa: N802  # the contract's name
        self, request: wire.ReadOfferedRequest, context: Any
    ) -> wire.ReadOfferedResponse:
        """Give more of what is offered."""
        member = current_caller().member
        coded = self._offering.read(member, request.session_id, request.offset)
        return wire.ReadOfferedResponse(coded=coded)

    async def EvaluateMatch(  # noqa: N802  # the contract's name
        self, request: wire.EvaluateMatchRequest, context: Any
    ) -> wire.EvaluateMatchResponse:
        """Blind the caller's elements."""
        member = current_caller().member
        reblinded = await self._offering.evaluate(member, request.session_id, request.blinded)
        return wire.EvaluateMatchResponse(reblinded=reblinded)

    async def CloseMatch(  # noqa: N802  # the contract's name
        self, request: wire.CloseMatchRequest, context: Any
    ) -> wire.CloseMatchResponse:
        """Take the number, and end the session."""
        member, found = current_caller().member, request.found_count
        await self._offering.close(member, request.session_id, found)
        return wire.CloseMatchResponse(found_count=found)


def _purpose(number: int) -> Purpose:
    try:
        return Purpose(number)
    except ValueError as error:
        raise RequestError("the purpose is missing", reason="PURPOSE_MISSING") from error


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise RequestError("the kind is missing", reason="ENUM_UNKNOWN") from error
