"""Say the smaller things about values: seen again, agree, take back, reassigned, protected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TypeVar

from federation.statements import (
    Body,
    Opinion,
    ProtectedObject,
    Reassigned,
    Retraction,
    Sighting,
    Statement,
    StatementError,
)
from federation.vocabulary import (
    LegalBasis,
    OpinionBasis,
    OpinionValue,
    ProtectionGround,
    Purpose,
    RetractionReason,
    SightingKind,
)
from node.desk.intake import Known, Refusal, Taken
from node.desk.voice import Voice
from node.errors import RequestError
from tocsin.desk.v1 import desk_service_pb2 as wire

UNKNOWN_HERE = Refusal("NOTHING_TO_RETRACT", "this member has no nomination of this value")

E = TypeVar("E", bound=IntEnum)
BodyOf = Callable[[Known], Body]


class Sayings:
    """Turns raw values and one fact about all of them into statements."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    async def sight(self, request: wire.SightRequest) -> list[wire.RowResult]:
        """Say that values were seen again or found false."""
        kind = _member_of(SightingKind, request.sighting_kind, "sighting_kind")
        now = self._voice.clock()

        def body(one: Known) -> Body:
            return Sighting(
                token=one.token,
                kind=one.indicator.kind,
                epoch=self._voice.epoch(),
                sighting_kind=kind,
                count=max(1, request.count),
                seen_time=now,
            )

        return await self._say_each(request.values, Purpose.VERIFICATION, body)

    async def opine(self, request: wire.OpineRequest) -> list[wire.RowResult]:
        """Agree or disagree with what is known about values."""
        value = _member_of(OpinionValue, request.value, "value")
        basis = _member_of(OpinionBasis, request.basis, "basis")

        def body(one: Known) -> Body:
            return Opinion(
                token=one.token,
                kind=one.indicator.kind,
                epoch=self._voice.epoch(),
                value=value,
                basis=basis,
                confidence=request.confidence,
            )

        return await self._say_each(request.values, Purpose.VERIFICATION, body)

    async def reassign(self, request: wire.ReassignRequest) -> list[wire.RowResult]:
        """Say that numbers have a new owner (R68)."""
        since = request.effective_time.seconds or self._voice.clock()

        def body(one: Known) -> Body:
            return Reassigned(
                token=one.token,
                kind=one.indicator.kind,
                epoch=self._voice.epoch(),
                effective_time=since,
            )

        return await self._say_each(request.values, Purpose.PROTECTION, body)

    async def protect(self, request: wire.ProtectRequest) -> list[wire.RowResult]:
        """Guard values at this desk, and unless it is local only, in the whole federation (R69)."""
        if request.local_only:
            return await self._protect_locally(request.values)
        ground = _member_of(ProtectionGround, request.ground, "ground")

        def body(one: Known) -> Body:
            return ProtectedObject(
                token=one.token, kind=one.indicator.kind, epoch=self._voice.epoch(), ground=ground
            )

        return await self._say_each(request.values, Purpose.PROTECTION, body)

    async def retract(self, request: wire.RetractRequest) -> list[wire.RowResult]:
        """Take every own nomination of the values back."""
        reason = _member_of(RetractionReason, request.reason, "reason")
        taken = await self._voice.intake.take(request.values, Purpose.PROTECTION, self._voice.pad())
        async with self._voice.speaker.lock:
            tokens = [one.token for one in taken.known]
            own = await asyncio.to_thread(
                self._voice.stores.catalogue.nominations_by_token, self._voice.member, tokens
            )
            statements = [
                self._statement(
                    Retraction(target_id=target, token=token, reason=reason), Purpose.PROTECTION
                )
                for token in dict.fromkeys(tokens)
                for target in own.get(token, ())
            ]
            await self._voice.speaker.say(statements)
        return _results(taken, {one.place: own.get(one.token, ()) for one in taken.known})

    async def _protect_locally(self, values: Sequence[wire.RawIndicator]) -> list[wire.RowResult]:
        indicators, refused = await self._voice.intake.parse(values)
        rows = [(one.kind.value, one.value) for one in indicators.values()]
        await asyncio.to_thread(self._voice.stores.private.add_protected, rows)
        done = dict.fromkeys(indicators, _ADDED)
        return _ordered(done, refused)

    async def _say_each(
        self, values: Sequence[wire.RawIndicator], purpose: Purpose, body: BodyOf
    ) -> list[wire.RowResult]:
        taken = await self._voice.intake.take(values, purpose, self._voice.pad())
        try:
            statements = {one.place: self._statement(body(one), purpose) for one in taken.known}
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        async with self._voice.speaker.lock:
            await self._voice.speaker.say(list(statements.values()))
        return _results(taken, {place: (one.id,) for place, one in statements.items()})

    def _statement(self, body: Body, purpose: Purpose) -> Statement:
        return self._voice.speaker.statement(body, purpose, legal_basis=LegalBasis.ATNFL_32)


_ADDED = wire.RowResult(outcome=wire.ROW_OUTCOME_ADDED)


def _member_of(enumeration: type[E], number: int, field: str) -> E:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"{field} is missing or unknown", reason="ENUM_UNKNOWN") from error


def _results(taken: Taken, ids: dict[int, Sequence[bytes]]) -> list[wire.RowResult]:
    done = {}
    refused = dict(taken.refused)
    for place, said in ids.items():
        if said:
            done[place] = wire.RowResult(outcome=wire.ROW_OUTCOME_ADDED, statement_id=said[0])
        else:
            refused[place] = UNKNOWN_HERE
    return _ordered(done, refused)


def _ordered(done: dict[int, wire.RowResult], refused: dict[int, Refusal]) -> list[wire.RowResult]:
    for place, why in refused.items():
        done[place] = wire.RowResult(outcome=wire.ROW_OUTCOME_REFUSED, error=why.wire())
    return [done[place] for place in sorted(done)]
