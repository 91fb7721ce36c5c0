"""Serve duties over the inside door: list them, adopt, attest, withdraw, prove an adoption."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from federation.matters.responsibility import DutyMatter
from federation.names import MemberId, NameFormatError
from federation.statements import DutyItem, StatementError
from federation.vocabulary import DutyEvidence, Sector
from node.duties.duties import Duties, Proved, Standing
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import duty_service_pb2 as wire
from tocsin.desk.v1 import duty_service_pb2_grpc as stubs


class DutyService(stubs.DutyServiceServicer):
    """What the member's own people may do about duties."""

    def __init__(self, duties: Duties | None) -> None:
        self._maybe_duties = duties

    @property
    def _duties(self) -> Duties:
        if self._maybe_duties is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_duties

    async def PublishDuty(  # noqa: N802  # the contract's name
        self, request: wire.PublishDutyRequest, context: Any
    ) -> wire.PublishDutyResponse:
        """List a duty."""
        item = _item(request, self._duties.now())
        return wire.PublishDutyResponse(matter_id=await self._duties.publish(item))

    async def ListDuties(  # noqa: N802  # the contract's name
        self, request: wire.ListDutiesRequest, context: Any
    ) -> wire.ListDutiesResponse:
        """Tell all duties, and how each member keeps them."""
        now = request.at_time.seconds or self._duties.now()
        return await asyncio.to_thread(self._list, now, own=request.own)

    def _list(self, now: int, *, own: bool) -> wire.ListDutiesResponse:
        duties = self._duties
        found = []
        for matter in duties.all():
            standings = [
                one for one in duties.standings(matter, now) if not own or one.member == duties.me
            ]
            if standings or not own:
                found.append(_duty(matter, standings))
        return wire.ListDutiesResponse(duties=found, at_time=Timestamp(seconds=now))

    async def AdoptDuty(  # noqa: N802  # the contract's name
        self, request: wire.AdoptDutyRequest, context: Any
    ) -> wire.AdoptDutyResponse:
        """Adopt a duty."""
        statement_id = await self._duties.adopt(request.matter_id)
        return wire.AdoptDutyResponse(statement_id=statement_id)

    async def AttestDuty(  # noqa: N802  # the contract's name
        self, request: wire.AttestDutyRequest, context: Any
    ) -> wire.AttestDutyResponse:
        """Attest a duty for a period."""
        try:
            statement_id, period = await self._duties.attest(
                request.matter_id, request.period, request.evidence_digest
            )
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        return wire.AttestDutyResponse(statement_id=statement_id, period=period)

    async def WithdrawDuty(  # noqa: N802  # the contract's name
        self, request: wire.WithdrawDutyRequest, context: Any
    ) -> wire.WithdrawDutyResponse:
        """Take an own duty off the list."""
        await self._duties.withdraw(request.matter_id)
        return wire.WithdrawDutyResponse()

    async def ProveAdoption(  # noqa: N802  # the contract's name
        self, request: wire.ProveAdoptionRequest, context: Any
    ) -> wire.ProveAdoptionResponse:
        """Prove that a member has adopted a duty."""
        member = _member(request.member) if request.member else self._duties.me
        duty, adoption = await asyncio.to_thread(self._duties.prove, request.matter_id, member)
        return wire.ProveAdoptionResponse(duty=_proof(duty), adoption=_proof(adoption))


def _item(request: wire.PublishDutyRequest, now: int) -> DutyItem:
    first = request.first_due_time.seconds or now + request.period_seconds
    try:
        return DutyItem(
            code=request.code,
            sectors=tuple(Sector(number) for number in request.sectors),
            evidence=DutyEvidence(request.evidence),
            period_seconds=request.period_seconds,
            grace_seconds=request.grace_seconds,
            first_due_time=first,
            wording_digest=request.wording_digest,
        )
    except StatementError as error:
        raise RequestError(str(error), reason=error.reason) from error
    except ValueError as error:
        raise RequestError("a sector or evidence is unknown", reason="ENUM_UNKNOWN") from error


def _duty(matter: DutyMatter, standings: list[Standing]) -> wire.Duty:
    item = matter.facts.item
    return wire.Duty(
        matter_id=matter.id,
        opener=matter.opener,
        code=item.code,
        sectors=[sector.value for sector in item.sectors],  # type: ignore[misc]  # equal numbers, tested
        evidence=item.evidence.value,  # type: ignore[arg-type]  # equal numbers, tested
        period_seconds=item.period_seconds,
        grace_seconds=item.grace_seconds,
        first_due_time=Timestamp(seconds=item.first_due_time),
        wording_digest=item.wording_digest,
        state=matter.state,
        members=[_member_standing(one) for one in standings],
    )


def _member_standing(one: Standing) -> wire.DutyStanding:
    return wire.DutyStanding(
        member=one.member,
        state=one.state,
        adopted_time=None if one.adopted is None else Timestamp(seconds=one.adopted),
        period=one.period,
        due_time=None if one.due is None else Timestamp(seconds=one.due),
        attested_count=one.attested,
    )


def _proof(proved: Proved) -> wire.LogProof:
    return wire.LogProof(
        origin=str(proved.origin),
        index=proved.index,
        body=proved.body,
        hashes=proved.hashes,
        checkpoint=proved.checkpoint,
    )


def _member(text: str) -> MemberId:
    try:
        return MemberId(text)
    except NameFormatError as error:
        raise RequestError("this is no member id", reason="MEMBER_UNKNOWN") from error
