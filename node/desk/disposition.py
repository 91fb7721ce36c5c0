"""Serve measures over the inside door: order, decide, answer, and see what holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from federation.charter import Charter
from federation.indicators import Indicator, Kind, kind_by_name
from federation.matters import Kind as MatterKind
from federation.matters import State, handle_of
from federation.measures import can_act
from federation.names import MemberId, NameFormatError
from federation.roles import INDUSTRY, Role
from federation.statements import (
    DispositionDecision,
    DispositionOrder,
    DispositionReverify,
    StatementError,
)
from federation.vocabulary import (
    AmountBand,
    Authority,
    DispositionBasis,
    DispositionReason,
    DocumentsNeeded,
    Exemption,
    Measure,
    NoticeDuty,
    OrderDecision,
    Purpose,
    ReceiptStep,
    Remedy,
    ReverifyResult,
    SubjectRole,
)
from node.desk.disposition_status import describe_order
from node.desk.intake import Intake
from node.duties.dispositions import Dispositions, Standing
from node.errors import PolicyError, RequestError
from node.store.private import PrivateStore
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import disposition_service_pb2 as wire
from tocsin.desk.v1 import disposition_service_pb2_grpc as stubs

MAX_ORDERS: Final = 1_000
"""Orders in one answer: more than a person reads."""
NOTICE_SECONDS: Final = 86_400
"""Seconds to tell the person concerned where nobody says how many."""
MAX_REFERENCES: Final = 100
"""Own references of one subject that are shown: it has few."""

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class DispositionParts:
    """What the services of measures and appeals work with."""

    dispositions: Dispositions
    intake: Intake
    private: PrivateStore
    charter: Callable[[], Charter]
    pad: Callable[[], int]
    epoch: Callable[[], int]

    async def take_one(
        self, raw: desk_wire.RawIndicator, purpose: Purpose
    ) -> tuple[Indicator, bytes]:
        """Return a raw value as an indicator, and its token.

        Raises:
            RequestError: It is no indicator of its kind.
        """
        taken = await self.intake.take([raw], purpose, self.pad())
        for refused in taken.refused.values():
            raise RequestError(refused.message, reason=refused.reason)
        (known,) = taken.known
        return known.indicator, known.token

    def describe(self, standing: Standing) -> wire.DispositionStatus:
        """Return how an order stands, with own references; blocking."""
        token = standing.matter.facts.order.token
        references = self.private.references(token, MAX_REFERENCES)
        return describe_order(standing, references, self.dispositions.now())

    async def status(self, name: bytes) -> wire.DispositionStatus:
        """Return how the order stands now whose id or handle begins so."""
        standing = await asyncio.to_thread(self.dispositions.standing, name)
        return await asyncio.to_thread(self.describe, standing)


class DispositionService(stubs.DispositionServiceServicer):
    """What the member's own people may do about measures."""

    def __init__(self, parts: DispositionParts | None) -> None:
        self._maybe_parts = parts

    @property
    def _parts(self) -> DispositionParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    @property
    def _dispositions(self) -> Dispositions:
        return self._parts.dispositions

    async def OrderDisposition(  # noqa: N802  # the contract's name
        self, request: wire.OrderDispositionRequest, context: Any
    ) -> wire.OrderDispositionResponse:
        """Order a measure."""
        indicator, token, kind = await self._subject(request)
        order = self._order(request, token, kind)
        await asyncio.to_thread(self._require_orderable, order, indicator)
        statement = await self._dispositions.say(None, order)
        handle = handle_of(self._dispositions.me, statement.id)
        return wire.OrderDispositionResponse(status=await self._parts.status(handle))

    async def DecideDisposition(  # noqa: N802  # the contract's name
        self, request: wire.DecideDispositionRequest, context: Any
    ) -> wire.DecideDispositionResponse:
        """Authorise or reject an order, or lift its measure."""
        matter = (await self._find(request.matter_id)).matter
        decision = read_word(OrderDecision, request.decision, "decision")
        body = DispositionDecision(matter.id, matter.opener, decision)
        await self._dispositions.say(matter, body)
        return wire.DecideDispositionResponse(status=await self._parts.status(matter.handle))

    async def AnswerDisposition(  # noqa: N802  # the contract's name
        self, request: wire.AnswerDispositionRequest, context: Any
    ) -> wire.AnswerDispositionResponse:
        """Say what this member did."""
        standing = await self._find(request.matter_id)
        step = read_word(ReceiptStep, request.step, "step")
        exempt = step is ReceiptStep.EXEMPT
        why = read_word(Exemption, request.exemption, "exemption") if exempt else None
        band = read_word(AmountBand, request.amount_band, "amount") if request.amount_band else None
        await self._dispositions.record(standing, step, why, band)
        return wire.AnswerDispositionResponse(
            status=await self._parts.status(standing.matter.handle)
        )

    async def ReverifyDisposition(  # noqa: N802  # the contract's name
        self, request: wire.ReverifyDispositionRequest, context: Any
    ) -> wire.ReverifyDispositionResponse:
        """Say how a new verification of identity came out."""
        matter = (await self._find(request.matter_id)).matter
        result = read_word(ReverifyResult, request.result, "result")
        await self._dispositions.say(matter, DispositionReverify(matter.id, matter.opener, result))
        return wire.ReverifyDispositionResponse(status=await self._parts.status(matter.handle))

    async def ListDispositions(  # noqa: N802  # the contract's name
        self, request: wire.ListDispositionsRequest, context: Any
    ) -> wire.ListDispositionsResponse:
        """List orders, newest first."""
        if request.matter_id:
            return wire.ListDispositionsResponse(
                orders=[await self._parts.status(request.matter_id)]
            )
        token = request.token
        if request.subject.kind:
            _, token = await self._parts.take_one(request.subject, Purpose.VERIFICATION)
        return await asyncio.to_thread(self._list, request, token)

    def _list(
        self, request: wire.ListDispositionsRequest, token: bytes
    ) -> wire.ListDispositionsResponse:
        found = [
            one
            for one in self._dispositions.standings()
            if (not token or one.matter.subject == token)
            and (one.in_force or not request.in_force_only)
            and (one.owed or not request.own_queue)
        ]
        return wire.ListDispositionsResponse(
            orders=[self._parts.describe(one) for one in found[:MAX_ORDERS]]
        )

    async def _find(self, prefix: bytes) -> Standing:
        return await asyncio.to_thread(self._dispositions.standing, prefix)

    async def _subject(
        self, request: wire.OrderDispositionRequest
    ) -> tuple[Indicator | None, bytes, Kind]:
        if not request.token:
            indicator, token = await self._parts.take_one(request.subject, Purpose.VERIFICATION)
            return indicator, token, indicator.kind
        return None, request.token, kind_by_name(request.subject.kind)

    def _order(
        self, request: wire.OrderDispositionRequest, token: bytes, kind: Kind
    ) -> DispositionOrder:
        measure = read_word(Measure, request.measure, "measure")
        try:
            return DispositionOrder(
                token=token,
                kind=kind,
                epoch=self._parts.epoch(),
                subject_role=SubjectRole(request.subject_role),
                measure=measure,
                reason=read_word(DispositionReason, request.reason, "reason"),
                remedy=read_word(Remedy, request.remedy, "remedy"),
                documents=read_word(DocumentsNeeded, request.documents, "documents"),
                authority=_authority(self._dispositions.roles()),
                basis=read_word(DispositionBasis, request.basis, "basis"),
                basis_id=request.basis_id,
                members=self._addressed(request.members, measure),
                term_end_time=self._dispositions.now() + request.term_seconds,
                notice_duty=NoticeDuty.DEFERRED if request.secret else NoticeDuty.IN_TIME,
                notice_seconds=request.notice_seconds or NOTICE_SECONDS,
            )
        except (StatementError, ValueError) as error:
            reason = getattr(error, "reason", "FIELD_INVALID")
            raise RequestError(
                "a field of the order is missing or out of range", reason=reason
            ) from error

    def _addressed(self, names: Sequence[str], measure: Measure) -> tuple[MemberId, ...]:
        """Return who is to act: those named, or every member that can."""
        now = self._dispositions.now()
        able = [
            one.member for one in self._parts.charter().active(now) if can_act(one.roles, measure)
        ]
        try:
            wanted = [MemberId(name) for name in names] or able
        except NameFormatError as error:
            raise RequestError("a member is unknown", reason="MEMBER_UNKNOWN") from error
        if not wanted or set(wanted) - set(able):
            raise RequestError(
                "the measure is not one that these members can carry out",
                reason="MEASURE_NOT_ITS_OWN",
                hint=f"members that can: {', '.join(able) or 'none'}",
            )
        return tuple(wanted)

    def _require_orderable(self, order: DispositionOrder, indicator: Indicator | None) -> None:
        """Refuse what must be left alone, and what rests on nothing; blocking."""
        refused = self._dispositions.guard.refusal(order.token, order.measure, indicator)
        if refused is not None:
            raise PolicyError(_REFUSALS[refused], reason=refused.name)
        if order.basis is DispositionBasis.VERIFICATION:
            self._require_confirmed(order)
        for one in self._dispositions.standings():
            facts = one.matter.facts
            again = facts.order.token == order.token and facts.order.basis_id == order.basis_id
            if order.basis_id and again and one.lift is not None:
                raise PolicyError("what it rests on was lifted", reason="BASIS_LIFTED")

    def _require_confirmed(self, order: DispositionOrder) -> None:
        for one in self._dispositions.book.all(MatterKind.VERIFICATION):
            matter = one.matter
            is_about = (matter.id, matter.subject) == (order.basis_id, order.token)
            if is_about and matter.state is State.CONFIRMED:
                return
        raise PolicyError(
            "the verification that it rests on did not confirm this subject",
            reason="BASIS_NOT_CONFIRMED",
            hint="tocsin matter show ID",
        )


_REFUSALS: Final = {
    Exemption.PROTECTED_OBJECT: "this object is protected: it must not be acted on",
    Exemption.SHARED_INFRASTRUCTURE: "innocent users share this object: it must not be acted on",
    Exemption.SPOOFED_NUMBER: "somebody else shows this number falsely: trace the route instead",
}


def read_word(enumeration: type[E], number: int, what: str) -> E:
    """Return the value of a code list.

    Raises:
        RequestError: ENUM_UNKNOWN.
    """
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"{what} is missing or unknown", reason="ENUM_UNKNOWN") from error


def _authority(roles: frozenset[Role]) -> Authority:
    if Role.POLICE in roles:
        return Authority.POLICE
    return Authority.MEMBER if roles & INDUSTRY else Authority.FEDERATION
