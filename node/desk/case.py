"""Serve designations, clues and case briefs over the inside door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from federation.briefs import BriefText
from federation.evidence_package import EvidenceFile
from federation.matters import ClueMatter
from federation.names import MemberId, NameFormatError
from federation.statements import ClueEdge, StatementError
from federation.vocabulary import (
    ClueMove,
    ClueReason,
    ClueRelation,
    ClueResult,
    ClueReturn,
    DesignationEnd,
    FraudStage,
    FraudType,
    LureClass,
    SupplyRole,
    TraceAnswer,
    TrafficLight,
)
from node.desk.intake import Refusal
from node.duties.briefs import Briefs, Draft, ReadBrief
from node.duties.clues import Clues, read_source
from node.duties.designations import Designations, Standing
from node.duties.traces import HopView, Traces
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import case_service_pb2 as wire
from tocsin.desk.v1 import case_service_pb2_grpc as stubs
from tocsin.desk.v1 import desk_service_pb2

MAX_ITEMS: Final = 1_000
"""Designations or clues in one answer: more than a person reads."""

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class CaseParts:
    """What only a node with a log has."""

    me: MemberId
    designations: Designations
    clues: Clues
    briefs: Briefs
    traces: Traces
    clock: Callable[[], int]


class CaseService(stubs.CaseServiceServicer):
    """What a member's people and those of the police do together."""

    def __init__(self, parts: CaseParts | None) -> None:
        self._maybe_parts = parts

    @property
    def _parts(self) -> CaseParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    async def Designate(  # noqa: N802  # the contract's name
        self, request: wire.DesignateRequest, context: Any
    ) -> wire.DesignateResponse:
        """Designate raw values."""
        results = await self._parts.designations.designate(
            request.values,
            _member_of(FraudType, request.fraud_type, "fraud_type"),
            request.case_reference,
            request.review_days,
        )
        return wire.DesignateResponse(results=_rows(results))

    async def LiftDesignation(  # noqa: N802  # the contract's name
        self, request: wire.LiftDesignationRequest, context: Any
    ) -> wire.LiftDesignationResponse:
        """Take own designations back."""
        reason = _member_of(DesignationEnd, request.reason, "reason")
        results = await self._parts.designations.lift(request.values, reason)
        return wire.LiftDesignationResponse(results=_rows(results))

    async def ListDesignations(  # noqa: N802  # the contract's name
        self, request: wire.ListDesignationsRequest, context: Any
    ) -> wire.ListDesignationsResponse:
        """List designations, by the time of review."""
        parts, now = self._parts, self._parts.clock()
        found = await asyncio.to_thread(parts.designations.all, MAX_ITEMS)
        return wire.ListDesignationsResponse(designations=[_designation(one, now) for one in found])

    async def CreateClue(  # noqa: N802  # the contract's name
        self, request: wire.CreateClueRequest, context: Any
    ) -> wire.CreateClueResponse:
        """Open a clue."""
        clues = self._parts.clues
        matter = await clues.create(
            request.values,
            [self._edge(one) for one in request.edges],
            read_source(request.source),
            _members_of(ClueReason, request.reasons, "reasons"),
            _member_of(FraudType, request.fraud_type, "fraud_type"),
        )
        return wire.CreateClueResponse(clue=await self._show(matter))

    async def MoveClue(self, request: wire.MoveClueRequest, context: Any) -> wire.MoveClueResponse:  # noqa: N802  # the contract's name
        """Take a clue on."""
        step = _member_of(ClueMove, request.step, "step")
        reason = _member_of(ClueReturn, request.reason, "reason")
        matter = await self._parts.clues.move(request.clue_id, step, reason)
        return wire.MoveClueResponse(clue=await self._show(matter))

    async def HandOverClue(  # noqa: N802  # the contract's name
        self, request: wire.HandOverClueRequest, context: Any
    ) -> wire.HandOverClueResponse:
        """Hand a clue over to the police."""
        files = [EvidenceFile(one.name, one.data) for one in request.files]
        matter = await self._parts.clues.hand_over(
            request.clue_id, request.receiver, files, request.remarks
        )
        return wire.HandOverClueResponse(clue=await self._show(matter))

    async def OpenPackage(  # noqa: N802  # the contract's name
        self, request: wire.OpenPackageRequest, context: Any
    ) -> wire.OpenPackageResponse:
        """Open a package with this member's key."""
        package = await self._parts.clues.unseal(request.clue_id)
        return wire.OpenPackageResponse(
            manifest=package.manifest,
            files=[wire.EvidenceFile(name=one.name, data=one.data) for one in package.files],
        )

    async def ReportClueOutcome(  # noqa: N802  # the contract's name
        self, request: wire.ReportClueOutcomeRequest, context: Any
    ) -> wire.ReportClueOutcomeResponse:
        """Report what came of a clue."""
        result = _member_of(ClueResult, request.result, "result")
        matter = await self._parts.clues.report(request.clue_id, result, request.places)
        return wire.ReportClueOutcomeResponse(clue=await self._show(matter))

    async def ListClues(  # noqa: N802  # the contract's name
        self, request: wire.ListCluesRequest, context: Any
    ) -> wire.ListCluesResponse:
        """List clues, newest first."""
        return await asyncio.to_thread(self._list_clues, request.clue_id)

    async def OpenTrace(  # noqa: N802  # the contract's name
        self, request: wire.OpenTraceRequest, context: Any
    ) -> wire.OpenTraceResponse:
        """Ask a holder where an object leads."""
        view = await self._parts.traces.open(request.value, request.order_id, request.holder)
        return wire.OpenTraceResponse(trace=_trace(view, self._parts.clock()))

    async def AnswerTrace(  # noqa: N802  # the contract's name
        self, request: wire.AnswerTraceRequest, context: Any
    ) -> wire.AnswerTraceResponse:
        """Answer for the own hop."""
        step = _member_of(TraceAnswer, request.step, "step")
        value = request.value if request.HasField("value") else None
        view = await self._parts.traces.answer(request.trace_id, step, value, request.holder)
        return wire.AnswerTraceResponse(trace=_trace(view, self._parts.clock()))

    async def ListTraces(  # noqa: N802  # the contract's name
        self, request: wire.ListTracesRequest, context: Any
    ) -> wire.ListTracesResponse:
        """List traces, newest first."""
        found = await asyncio.to_thread(self._parts.traces.all)
        now = self._parts.clock()
        return wire.ListTracesResponse(traces=[_trace(one, now) for one in found[:MAX_ITEMS]])

    async def PublishBrief(  # noqa: N802  # the contract's name
        self, request: wire.PublishBriefRequest, context: Any
    ) -> wire.PublishBriefResponse:
        """Publish a case brief."""
        draft = Draft(
            fraud_type=_member_of(FraudType, request.fraud_type, "fraud_type"),
            stages=_members_of(FraudStage, request.stages, "stages"),
            lures=_members_of(LureClass, request.lures, "lures"),
            supply_roles=_members_of(SupplyRole, request.supply_roles, "supply_roles"),
            values=request.values,
            texts=tuple(
                BriefText(one.language, one.title, one.text, one.lessons) for one in request.texts
            ),
            tlp=_member_of(TrafficLight, request.tlp or TrafficLight.AMBER_STRICT, "tlp"),
            readers=tuple(request.readers),
        )
        return wire.PublishBriefResponse(statement_id=await self._parts.briefs.publish(draft))

    async def ListBriefs(  # noqa: N802  # the contract's name
        self, request: wire.ListBriefsRequest, context: Any
    ) -> wire.ListBriefsResponse:
        """List case briefs, newest first."""
        found = await asyncio.to_thread(self._parts.briefs.all)
        return wire.ListBriefsResponse(briefs=[_brief(one) for one in found])

    def _edge(self, edge: Any) -> ClueEdge:
        relation = _member_of(ClueRelation, edge.relation, "relation")
        try:
            member = MemberId(edge.member) if edge.member else self._parts.me
            return ClueEdge(edge.first, edge.second, relation, member)
        except NameFormatError as error:
            raise RequestError("a member id is malformed", reason="MEMBER_INVALID") from error
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error

    async def _show(self, matter: ClueMatter) -> wire.ClueStatus:
        return await asyncio.to_thread(self._status, matter)

    def _list_clues(self, prefix: bytes) -> wire.ListCluesResponse:
        clues = self._parts.clues
        if prefix:
            return wire.ListCluesResponse(clues=[self._status(clues.find(prefix))])
        found = clues.all()[:MAX_ITEMS]
        return wire.ListCluesResponse(clues=[self._status(one.matter) for one in found])

    def _status(self, matter: ClueMatter) -> wire.ClueStatus:
        now, facts = self._parts.clock(), matter.facts
        clue = facts.clue
        values = self._parts.clues.values([one.token for one in clue.subjects])
        status = wire.ClueStatus(
            clue_id=matter.id,
            opener=matter.opener,
            state=matter.state_at(now),
            opened_time=Timestamp(seconds=matter.opened),
            is_overdue=matter.due is not None and matter.due < now,
            source=clue.source.value,  # type: ignore[arg-type]  # equal numbers, tested
            reasons=[one.value for one in clue.reasons],  # type: ignore[misc]  # equal numbers, tested
            fraud_type=clue.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
            receiver=facts.receiver or "",
            manifest_digest=facts.manifest_digest,
            return_reason=facts.returned.value,  # type: ignore[arg-type]  # equal numbers, tested
        )
        for one in clue.subjects:
            result = facts.results.get(one.token)
            status.subjects.add(
                kind=one.kind.name.lower(),
                token=one.token,
                value=values.get(one.token, ""),
                result=result.value if result else 0,
            )
        for edge in clue.edges:
            status.edges.add(
                first=edge.first,
                second=edge.second,
                relation=edge.relation.value,
                member=edge.member,
            )
        if matter.due is not None:
            status.due_time.seconds = matter.due
        return status


def _designation(one: Standing, now: int) -> wire.DesignationStatus:
    body = one.body
    return wire.DesignationStatus(
        token=body.token,
        kind=body.kind.name.lower(),
        value=one.value,
        member=one.member,
        statement_id=one.statement.id,
        fraud_type=body.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
        case_digest=body.case_digest,
        issued_time=Timestamp(seconds=one.statement.issued_time),
        review_time=Timestamp(seconds=body.review_time),
        is_due=body.review_time <= now,
    )


def _trace(view: HopView, now: int) -> wire.TraceStatus:
    matter, facts = view.matter, view.matter.facts
    holders = [facts.opening.holder, *(one.holder for one in facts.hops if one.sealed_next)]
    status = wire.TraceStatus(
        trace_id=matter.id,
        opener=matter.opener,
        state=matter.state_at(now),
        opened_time=Timestamp(seconds=matter.opened),
        order_id=facts.opening.order_id,
        holders=holders,
        last_answer=facts.hops[-1].step.value if facts.hops else 0,  # type: ignore[arg-type]  # equal numbers, tested
        kind=view.kind,
        value=view.value,
    )
    if matter.due is not None:
        status.due_time.seconds = matter.due
    return status


def _brief(one: ReadBrief) -> wire.Brief:
    body = one.body
    return wire.Brief(
        statement_id=one.statement.id,
        member=one.member,
        issued_time=Timestamp(seconds=one.statement.issued_time),
        tlp=one.statement.tlp.value,  # type: ignore[arg-type]  # equal numbers, tested
        fraud_type=body.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
        stages=[item.value for item in body.stages],  # type: ignore[misc]  # equal numbers, tested
        lures=[item.value for item in body.lures],  # type: ignore[misc]  # equal numbers, tested
        supply_roles=[item.value for item in body.supply_roles],  # type: ignore[misc]  # equal numbers, tested
        subject_count=len(body.subjects),
        texts=[
            wire.BriefText(
                language=text.language, title=text.title, text=text.text, lessons=text.lessons
            )
            for text in one.texts
        ],
        withheld=one.withheld,
    )


def _rows(results: Mapping[int, bytes | Refusal]) -> list[desk_service_pb2.RowResult]:
    return [_row(results[place]) for place in sorted(results)]


def _row(result: bytes | Refusal) -> desk_service_pb2.RowResult:
    if isinstance(result, Refusal):
        return desk_service_pb2.RowResult(
            outcome=desk_service_pb2.ROW_OUTCOME_REFUSED, error=result.wire()
        )
    return desk_service_pb2.RowResult(
        outcome=desk_service_pb2.ROW_OUTCOME_ADDED, statement_id=result
    )


def _member_of(enumeration: type[E], number: int, field: str) -> E:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"{field} is missing or unknown", reason="ENUM_UNKNOWN") from error


def _members_of(enumeration: type[E], numbers: Any, field: str) -> tuple[E, ...]:
    return tuple(_member_of(enumeration, number, field) for number in numbers)
