"""Trace a source from holder to holder; what each holds travels sealed to the next alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.charter import Charter
from federation.matters import Kind, State, TraceMatter, advance
from federation.names import MemberId, NameFormatError
from federation.roles import INDUSTRY, Role
from federation.statements import (
    BODY_NUMBERS,
    Body,
    Designation,
    Statement,
    TraceHop,
    TraceOpen,
)
from federation.statements.shape import IDENTIFIER_BYTES
from federation.statements.traces import SEALED_HOP_BYTES
from federation.vocabulary import LegalBasis, Purpose, TraceAnswer
from keys.errors import SealError
from keys.sealing import MEMBER_OVERHEAD_BYTES, SealingKey, seal_to_member
from node.desk.intake import Known
from node.desk.voice import Voice
from node.errors import PolicyError, RequestError
from node.matters.book import MatterBook
from node.telemetry import get_log
from tocsin.desk.v1 import desk_service_pb2

_CONTEXT: Final = b"tocsin/trace-hop/v1\0"
_PLAIN_BYTES: Final = SEALED_HOP_BYTES - MEMBER_OVERHEAD_BYTES
_MEMBER, _STATEMENT, _BODY = 1, 2, 4  # places in a row of evidence


@dataclass(frozen=True, slots=True)
class HopView:
    """A trace as this member sees it: kind and value only of the hop that is its own."""

    matter: TraceMatter
    kind: str
    value: str


class Traces:
    """The traces of one node."""

    def __init__(
        self, voice: Voice, book: MatterBook, charter: Callable[[], Charter], sealing: SealingKey
    ) -> None:
        """Prepare.

        Args:
            voice: What the member speaks with.
            book: The matters of the logs.
            charter: The one in force.
            sealing: The member's key, for hops that are sealed to it.
        """
        self._voice = voice
        self._book = book
        self._charter = charter
        self._sealing = sealing
        self._me = MemberId(voice.member)

    async def open(
        self, value: desk_service_pb2.RawIndicator, order_id: bytes, holder: str
    ) -> HopView:
        """Open a trace, as a member of the police.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED; ORDER_MISSING or ORDER_UNKNOWN without an order about
                this object; HOLDER_UNKNOWN.
            RequestError: The value is malformed.
        """
        self._voice.speaker.require_may_say(TraceOpen)
        if not order_id:
            raise self._refused("ORDER_MISSING", "a trace needs a designation or an order")
        to = self._holder(holder)
        one = await self._token(value)
        order = await asyncio.to_thread(self._order, one.token, order_id)
        sealed = await asyncio.to_thread(self._seal, one, to, order, 0)
        body = TraceOpen(one.token, one.indicator.kind, self._voice.epoch(), order, to, sealed)
        matter = await self._say(None, body)
        return await asyncio.to_thread(self._view, matter)

    async def answer(
        self,
        prefix: bytes,
        step: TraceAnswer,
        value: desk_service_pb2.RawIndicator | None,
        holder: str,
    ) -> HopView:
        """Answer for the own hop of a trace.

        Raises:
            PolicyError: ORDER_UNKNOWN, what allows the trace does not stand here;
                HOLDER_UNKNOWN.
            RequestError: There is no such trace, or the value is malformed or missing.
            MatterError: NOT_A_PARTY, it is another member's hop, or another rule.
        """
        matter = await asyncio.to_thread(self.find, prefix)
        facts = matter.facts
        opening = facts.opening
        await asyncio.to_thread(self._order, opening.token, opening.order_id)
        hop, to, sealed = len(facts.hops) + 1, self._me, b""
        if step is TraceAnswer.NEXT:
            if value is None:
                raise RequestError("say what comes next", reason="NEXT_MISSING")
            to = self._holder(holder)
            sealed = await asyncio.to_thread(
                self._seal, await self._token(value), to, matter.id, hop
            )
        body = TraceHop(matter.id, matter.opener, step, hop, to, sealed)
        after = await self._say(matter, body)
        return await asyncio.to_thread(self._view, after)

    def all(self) -> list[HopView]:
        """Return every trace, newest first; blocking."""
        return [self._view(one.matter) for one in self._book.all(Kind.TRACE)]

    def find(self, prefix: bytes) -> TraceMatter:
        """Return the trace whose id begins so; blocking.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        return self._book.find(prefix, Kind.TRACE).matter

    async def _token(self, value: desk_service_pb2.RawIndicator) -> Known:
        taken = await self._voice.intake.take([value], Purpose.VERIFICATION, self._voice.pad())
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        return taken.known[0]

    async def _say(self, matter: TraceMatter | None, body: Body) -> TraceMatter:
        speaker = self._voice.speaker
        speaker.require_may_say(type(body))
        statement = speaker.statement(body, Purpose.VERIFICATION, legal_basis=LegalBasis.ATNFL_32)
        async with speaker.lock:
            after = await asyncio.to_thread(self._try, matter, statement)
            await speaker.say([statement])
        return after

    def _try(self, matter: TraceMatter | None, statement: Statement) -> TraceMatter:
        if matter is not None:  # as it stands now, under the lock
            matter = self.find(matter.handle)
        roles = self._book.roles(self._me, self._voice.clock())
        return advance(matter, self._me, roles, statement)

    def _order(self, token: bytes, order_id: bytes) -> bytes:
        """Return the id of what allows a trace of a token: a designation, or an order.

        Raises:
            PolicyError: ORDER_UNKNOWN.
        """
        found = self._voice.stores.catalogue.evidence([token]).get(token)
        ids: set[bytes] = {
            row[_STATEMENT]
            for row in (found.evidence if found else ())
            if row[_BODY] == BODY_NUMBERS[Designation] and self._is_police(row[_MEMBER])
        }
        ids |= {
            one.matter.id
            for one in self._book.all(Kind.DISPOSITION)
            if one.matter.subject == token and not one.matter.is_over
        }
        fitting = [one for one in ids if one.startswith(order_id)]
        if len(fitting) != 1 or len(order_id) < IDENTIFIER_BYTES // 4:
            raise self._refused("ORDER_UNKNOWN", "no designation or order allows this trace")
        return fitting[0]

    def _refused(self, reason: str, message: str) -> PolicyError:
        get_log().warning("trace.refused", reason=reason)
        return PolicyError(message, reason=reason, hint="tocsin designation list")

    def _is_police(self, member: str) -> bool:
        return Role.POLICE in self._book.roles(MemberId(member), self._voice.clock())

    def _holder(self, name: str) -> MemberId:
        try:
            member = MemberId(name)
        except NameFormatError:
            member = None
        if member is None or not self._book.roles(member, self._voice.clock()) & INDUSTRY:
            raise PolicyError(
                "what comes next is held by a member with customers", reason="HOLDER_UNKNOWN"
            )
        return member

    def _seal(self, one: Known, to: MemberId, trace: bytes, hop: int) -> bytes:
        """Seal a value to a holder, for one hop of a trace; hop 0 is bound to the order."""
        hop_value = {"kind": one.indicator.kind.name.lower(), "value": one.indicator.value}
        plain = json.dumps({**hop_value, "token": one.token.hex()}).encode()
        if len(plain) > _PLAIN_BYTES:
            raise RequestError("the value is too long for a hop", reason="VALUE_TOO_LONG")
        public = self._charter().member(to).sealing_key
        return seal_to_member(public, plain.ljust(_PLAIN_BYTES), self._context(to, trace, hop))

    def _view(self, matter: TraceMatter) -> HopView:
        facts = matter.facts
        if matter.state is not State.TRACING or facts.holder != self._me:
            return HopView(matter, "", "")
        if facts.hops:
            last = facts.hops[-1]
            sealed, context = last.sealed_next, self._context(self._me, matter.id, last.hop)
        else:
            sealed = facts.opening.sealed_first
            context = self._context(self._me, facts.opening.order_id, 0)
        try:
            found = json.loads(self._sealing.open(sealed, context))
            return HopView(matter, str(found["kind"]), str(found["value"]))
        except (SealError, ValueError, KeyError, TypeError):
            return HopView(matter, "", "")  # sealed wrongly: the hop can only be NOT_HELD

    def _context(self, to: MemberId, trace: bytes, hop: int) -> bytes:
        names = f"{self._charter().federation}\0{to}\0{hop}\0".encode()
        return _CONTEXT + names + trace
