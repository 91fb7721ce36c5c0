"""Serve matching over the inside door: offer own values, find own hits, list matches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.charter import Charter
from federation.indicators import Indicator
from federation.indicators.kind import Kind
from federation.names import MemberId, NameFormatError
from federation.roles import Role
from keys.psi import MOST_ELEMENTS
from node.desk.intake import MAX_ROWS, Intake, Refusal
from node.duties.match_asking import Asking
from node.duties.match_table import MAX_OFFERED, MatchTable, PastMatch
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import match_service_pb2 as wire
from tocsin.desk.v1 import match_service_pb2_grpc as stubs

SECONDS_A_DAY: Final = 86_400
DEFAULT_DAYS: Final = 7
"""Days that an offer stands: a week's re-verification."""
MOST_DAYS: Final = 31
"""Days that an offer may stand: what is high-risk now is looked at again by then."""


@dataclass(frozen=True, slots=True)
class MatchDesk:
    """What only a node with a log can do.

    Attributes:
        now: The node's clock, seconds since 1970.
    """

    me: MemberId
    table: MatchTable
    asking: Asking
    intake: Intake
    charter: Callable[[], Charter]
    now: Callable[[], int]


class MatchService(stubs.MatchServiceServicer):
    """What the member's own people may do about matching."""

    def __init__(self, desk: MatchDesk | None) -> None:
        self._maybe_desk = desk

    @property
    def _desk(self) -> MatchDesk:
        if self._maybe_desk is None:
            raise PolicyError("a query partner matches nothing", reason="ROLE_NOT_ALLOWED")
        return self._maybe_desk

    async def OfferValues(  # noqa: N802  # the contract's name
        self, request: wire.OfferValuesRequest, context: Any
    ) -> wire.OfferValuesResponse:
        """Offer own values to internet firms."""
        desk = self._desk
        self._require(desk.me, Role.CARRIER, "only carriers offer numbers")
        members = [self._internet_firm(name) for name in request.members]
        if not members:
            raise RequestError("say to whom", reason="MEMBER_UNKNOWN")
        if request.days > MOST_DAYS:
            message = f"an offer stands at most {MOST_DAYS} days"
            raise RequestError(message, reason="TERM_INVALID")
        parsed, refused = await self._parse(request.values, MAX_OFFERED)
        values = {one.value for one in parsed.values()}
        expires = desk.now() + (request.days or DEFAULT_DAYS) * SECONDS_A_DAY
        await asyncio.to_thread(desk.table.offer, members, _kind_of(parsed), values, expires)
        return wire.OfferValuesResponse(offered_count=len(values), refused=_wire(refused))

    async def RunMatch(  # noqa: N802  # the contract's name
        self, request: wire.RunMatchRequest, context: Any
    ) -> wire.RunMatchResponse:
        """Find which own values another member offers."""
        desk = self._desk
        self._require(desk.me, Role.INTERNET, "only internet firms look for offered numbers")
        member = self._require(_member(request.member), Role.CARRIER, "only carriers offer numbers")
        parsed, refused = await self._parse(request.values)
        if not parsed:
            raise RequestError("there is no value to match", reason="BATCH_INVALID")
        places: dict[str, list[int]] = {}
        for place, one in parsed.items():
            places.setdefault(one.value, []).append(place)
        values = list(places)
        found = await desk.asking.match(member, _kind_of(parsed), values)
        return wire.RunMatchResponse(
            session_id=found.session,
            hits=sorted(place for hit in found.hits for place in places[values[hit]]),
            own_count=len(values),
            offered_elements=found.offered_elements,
            refused=_wire(refused),
        )

    async def ListMatches(  # noqa: N802  # the contract's name
        self, request: wire.ListMatchesRequest, context: Any
    ) -> wire.ListMatchesResponse:
        """List the matches that this node took part in."""
        found = await asyncio.to_thread(self._desk.table.past)
        return wire.ListMatchesResponse(matches=[_record(one) for one in found])

    async def _parse(
        self, rows: Sequence[desk_service_pb2.RawIndicator], most: int = MOST_ELEMENTS
    ) -> tuple[dict[int, Indicator], dict[int, Refusal]]:
        """Parse any number of rows that a match takes, in the batches of the intake."""
        if len(rows) > most:
            raise RequestError(
                f"at most {most} values in one match",
                reason="MATCH_SIZE_INVALID",
                hint="match in several runs",
            )
        parsed: dict[int, Indicator] = {}
        refused: dict[int, Refusal] = {}
        for start in range(0, len(rows), MAX_ROWS):
            good, bad = await self._desk.intake.parse(rows[start : start + MAX_ROWS])
            parsed.update((start + place, one) for place, one in good.items())
            refused.update((start + place, why) for place, why in bad.items())
        return parsed, refused

    def _internet_firm(self, name: str) -> MemberId:
        return self._require(_member(name), Role.INTERNET, "numbers are offered to internet firms")

    def _require(self, member: MemberId, role: Role, otherwise: str) -> MemberId:
        """Return a member in a role.

        Raises:
            CharterError: MEMBER_UNKNOWN.
            PolicyError: ROLE_NOT_ALLOWED.
        """
        if role not in self._desk.charter().member(member).roles:
            raise PolicyError(otherwise, reason="ROLE_NOT_ALLOWED")
        return member


def _kind_of(parsed: dict[int, Indicator]) -> Kind:
    kinds = {one.kind for one in parsed.values()}
    if len(kinds) > 1:
        raise RequestError("a match is about values of one kind", reason="KIND_NOT_ALLOWED")
    return kinds.pop() if kinds else Kind.PHONE


def _member(name: str) -> MemberId:
    try:
        return MemberId(name)
    except NameFormatError as error:
        raise RequestError("this is no member id", reason="MEMBER_UNKNOWN") from error


def _wire(refused: dict[int, Refusal]) -> list[wire.RefusedRow]:
    return [
        wire.RefusedRow(place=place, error=why.wire()) for place, why in sorted(refused.items())
    ]


def _record(match: PastMatch) -> wire.MatchRecord:
    return wire.MatchRecord(
        session_id=match.session,
        member=match.member,
        offered=match.is_offered,
        end_time=Timestamp(seconds=match.time),
        own_count=match.own,
        other_elements=match.other,
        found_count=match.found,
        uncounted=match.uncounted,
    )
