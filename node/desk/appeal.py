"""Serve appeals over the inside door: file them for persons concerned, decide them, list them."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import Indicator, IndicatorError, kind_name, parse_indicator
from federation.matters import MatterError
from federation.matters.disposition_facts import APPEAL_SECONDS
from federation.measures import restricts
from federation.statements import Appeal, AppealDecision, Opinion
from federation.vocabulary import (
    AppealGround,
    AppealResult,
    LegalBasis,
    OpinionBasis,
    OpinionValue,
    Purpose,
)
from node.desk.disposition import MAX_ORDERS, DispositionParts, read_word
from node.duties.appeal_table import AppealTable
from node.duties.dispositions import Standing
from node.errors import PolicyError, RequestError
from node.speaker import Speaker
from tocsin.desk.v1 import appeal_service_pb2 as wire
from tocsin.desk.v1 import appeal_service_pb2_grpc as stubs
from tocsin.desk.v1 import desk_service_pb2 as desk_wire

EXAMINED_CONFIDENCE = 90
"""Percent: whoever lifts a measure has looked at the case, and has no doubt that harms anybody."""


class AppealService(stubs.AppealServiceServicer):
    """What the member's own people may do about appeals."""

    def __init__(
        self,
        parts: DispositionParts | None,
        table: AppealTable | None = None,
        speaker: Speaker | None = None,
        country: str = "",
    ) -> None:
        self._maybe = None if None in (parts, table, speaker) else (parts, table, speaker)
        self._country = country

    @property
    def _parts(self) -> DispositionParts:
        return self._all[0]

    @property
    def _all(self) -> tuple[DispositionParts, AppealTable, Speaker]:
        if self._maybe is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe  # type: ignore[return-value]  # all three, or none

    async def FileAppeal(  # noqa: N802  # the contract's name
        self, request: wire.FileAppealRequest, context: Any
    ) -> wire.FileAppealResponse:
        """File an appeal against every order in force on a subject, or against one.

        Where an own appeal still waits, nothing more is said, and the new contact stands. An order
        that refuses it keeps it from no other.
        """
        parts, table, _ = self._all
        ground = read_word(AppealGround, request.ground, "ground")
        # No token is made of the contact: it is nobody's but this member's.
        contact = self._contact(request.contact)
        found = await self._appealable(request)
        refused: list[MatterError] = []
        for standing in found:
            matter = standing.matter
            try:
                if parts.dispositions.me not in matter.facts.appellants:
                    await parts.dispositions.say(matter, Appeal(matter.id, matter.opener, ground))
            except MatterError as error:
                refused.append(error)
                continue
            if contact is not None:
                now = parts.dispositions.now()
                await asyncio.to_thread(table.keep, matter.id, contact, now)
        if len(refused) == len(found):
            raise refused[0]
        return wire.FileAppealResponse(
            orders=[await parts.status(standing.matter.handle) for standing in found]
        )

    async def DecideAppeal(  # noqa: N802  # the contract's name
        self, request: wire.DecideAppealRequest, context: Any
    ) -> wire.DecideAppealResponse:
        """Decide an appeal; who lifts also says that the subject is harmless."""
        parts = self._parts
        standing = await asyncio.to_thread(parts.dispositions.standing, request.matter_id)
        matter = standing.matter
        decision = read_word(AppealResult, request.decision, "decision")
        body = AppealDecision(matter.id, matter.opener, decision)
        await parts.dispositions.say(matter, body)
        if decision is AppealResult.LIFTED:
            await self._attest(standing)
        return wire.DecideAppealResponse(order=await parts.status(matter.handle))

    async def ListAppeals(  # noqa: N802  # the contract's name
        self, request: wire.ListAppealsRequest, context: Any
    ) -> wire.ListAppealsResponse:
        """List orders that were appealed against, newest first."""
        return await asyncio.to_thread(self._list, open_only=request.open_only)

    def _list(self, *, open_only: bool) -> wire.ListAppealsResponse:
        found = [
            one
            for one in self._parts.dispositions.standings()
            if one.matter.facts.appeals
            and (not open_only or (one.matter.facts.appealed_time and one.in_force))
        ]
        return wire.ListAppealsResponse(appeals=[self._describe(one) for one in found[:MAX_ORDERS]])

    def _describe(self, standing: Standing) -> wire.AppealStatus:
        parts, table, _ = self._all
        facts, contact = standing.matter.facts, table.contact(standing.matter.id)
        due = facts.appealed_time + APPEAL_SECONDS if facts.appealed_time else 0
        return wire.AppealStatus(
            order=parts.describe(standing),
            intakes=[
                wire.AppealIntake(member=member, filed_time=Timestamp(seconds=time))
                for member, time in facts.appeals
            ],
            due_time=Timestamp(seconds=due) if due else None,
            contact=desk_wire.RawIndicator(kind=kind_name(contact.kind), value=contact.value)
            if contact
            else None,
        )

    async def _appealable(self, request: wire.FileAppealRequest) -> list[Standing]:
        dispositions = self._parts.dispositions
        if request.matter_id:
            return [await asyncio.to_thread(dispositions.standing, request.matter_id)]
        _, token = await self._parts.take_one(request.subject, Purpose.PROTECTION)
        found = [
            one
            for one in await asyncio.to_thread(dispositions.standings)
            if one.matter.subject == token
            and one.in_force
            and restricts(one.matter.facts.order.measure)
        ]
        if not found:
            raise RequestError(
                "no measure that restricts this subject stands in the logs",
                reason="NO_RESTRICTION",
                hint="tocsin dispose list",
            )
        return found

    def _contact(self, raw: desk_wire.RawIndicator) -> Indicator | None:
        if not raw.kind:
            return None
        try:
            return parse_indicator(raw.kind, raw.value, region=raw.region or self._country or None)
        except IndicatorError as error:
            reason = f"INDICATOR_{str(error.rule).upper()}"
            raise RequestError("the contact is not one of its kind", reason=reason) from error

    async def _attest(self, standing: Standing) -> None:
        """Disagree with what is said about the subject: a person who was cleared stays cleared."""
        speaker, order = self._all[2], standing.matter.facts.order
        opinion = Opinion(
            token=order.token,
            kind=order.kind,
            epoch=order.epoch,
            value=OpinionValue.STRONGLY_DISAGREE,
            basis=OpinionBasis.EXAMINED,
            confidence=EXAMINED_CONFIDENCE,
        )
        statement = speaker.statement(
            opinion, Purpose.VERIFICATION, legal_basis=LegalBasis.ATNFL_32
        )
        async with speaker.lock:
            await speaker.say([statement])
