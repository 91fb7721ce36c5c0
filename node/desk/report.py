"""Serve citizens' reports and marks of numbers over the inside door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import kind_name
from federation.matters.report import ReportMatter
from federation.vocabulary import CorrectionReason, ReportAction, ReportReason
from node.desk.intake import MAX_ROWS
from node.duties.marks import Marks
from node.duties.reports import Reports
from node.errors import PolicyError, RequestError
from node.matters.book import BookedMatter
from tocsin.desk.v1 import report_service_pb2 as wire
from tocsin.desk.v1 import report_service_pb2_grpc as stubs

MAX_REPORTS: Final = 1_000
"""Reports in one answer: more than a person reads."""
MAX_SHARE_SECONDS: Final = 86_400
"""Seconds that members may have to contribute: the day that the sum is about."""

_Word = TypeVar("_Word", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What works on reports and marks; only a node with a log has it."""

    reports: Reports
    marks: Marks


class ReportService(stubs.ReportServiceServicer):
    """What the member's own people may do about reports and marks."""

    def __init__(self, parts: ReportParts | None, clock: Callable[[], int]) -> None:
        self._maybe_parts = parts
        self._clock = clock

    @property
    def _parts(self) -> ReportParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    async def SubmitReports(  # noqa: N802  # the contract's name
        self, request: wire.SubmitReportsRequest, context: Any
    ) -> wire.SubmitReportsResponse:
        """Take reports in."""
        return wire.SubmitReportsResponse(
            results=await self._parts.reports.intake.submit(request.rows)
        )

    async def ListReports(  # noqa: N802  # the contract's name
        self, request: wire.ListReportsRequest, context: Any
    ) -> wire.ListReportsResponse:
        """List reports, what is due first in front."""
        return await asyncio.to_thread(self._list, request)

    async def GetReport(  # noqa: N802  # the contract's name
        self, request: wire.GetReportRequest, context: Any
    ) -> wire.GetReportResponse:
        """Tell everything about one report."""
        reports = self._parts.reports
        booked = await asyncio.to_thread(reports.find, request.matter_id)
        value = request.value if request.HasField("value") else None
        text = await reports.open_text(booked.matter, value)
        return await asyncio.to_thread(self._describe, booked, text)

    async def StepReport(  # noqa: N802  # the contract's name
        self, request: wire.StepReportRequest, context: Any
    ) -> wire.StepReportResponse:
        """Take a report one step on."""
        reports = self._parts.reports
        step = _word(ReportAction, request.step, "step")
        reason = _word(ReportReason, request.reason, "reason")
        booked = await reports.step(request.matter_id, step, reason, request.basis_id)
        contacts: list[str] = []
        if step is ReportAction.FEED_BACK:
            contacts = await asyncio.to_thread(reports.filings.contacts, booked.matter.id)
        status = await asyncio.to_thread(self._status, booked)
        return wire.StepReportResponse(status=status, contacts=contacts)

    async def ListReporters(  # noqa: N802  # the contract's name
        self, request: wire.ListReportersRequest, context: Any
    ) -> wire.ListReportersResponse:
        """Tell how reporters have fared here."""
        found = await asyncio.to_thread(self._parts.reports.filings.reporters)
        return wire.ListReportersResponse(
            reporters=[
                wire.Reporter(
                    pseudonym=who,
                    upheld=record.upheld,
                    unfounded=record.unfounded,
                    reliability=record.reliability,
                )
                for who, record in found
            ]
        )

    async def AddMarks(self, request: wire.AddMarksRequest, context: Any) -> wire.AddMarksResponse:  # noqa: N802  # the contract's name
        """Count customers' marks."""
        return wire.AddMarksResponse(results=await self._parts.marks.add(request.rows))

    async def CorrectMarks(  # noqa: N802  # the contract's name
        self, request: wire.CorrectMarksRequest, context: Any
    ) -> wire.CorrectMarksResponse:
        """Take marks of numbers back."""
        reason = _word(CorrectionReason, request.reason, "reason")
        if len(request.values) > MAX_ROWS:
            raise RequestError(f"at most {MAX_ROWS} rows in one call", reason="BATCH_TOO_LARGE")
        results = await self._parts.marks.correct(request.values, reason)
        return wire.CorrectMarksResponse(results=results)

    async def ShareMarks(  # noqa: N802  # the contract's name
        self, request: wire.ShareMarksRequest, context: Any
    ) -> wire.ShareMarksResponse:
        """Open the sum over a number's marks."""
        seconds = min(request.seconds, MAX_SHARE_SECONDS)
        sum_id = await self._parts.marks.share(request.value, seconds)
        return wire.ShareMarksResponse(sum_id=sum_id)

    async def ShowMarks(  # noqa: N802  # the contract's name
        self, request: wire.ShowMarksRequest, context: Any
    ) -> wire.ShowMarksResponse:
        """Show how a number is marked."""
        found = await self._parts.marks.show(request.value)
        return wire.ShowMarksResponse(
            marks=[
                wire.NumberMarkState(
                    label=one.label.value,  # type: ignore[arg-type]  # equal numbers, tested
                    reporters=one.reporters.value,  # type: ignore[arg-type]  # equal numbers, tested
                    freshness=one.freshness,
                    counted_time=Timestamp(seconds=one.counted_time),
                    member=one.member,
                )
                for one in found.shown
            ],
            own=[
                wire.OwnMark(label=label.value, count=count)  # type: ignore[arg-type]  # equal numbers, tested
                for label, count in sorted(found.own.items())
            ],
            since_time=Timestamp(seconds=found.since) if found.since else None,
        )

    def _list(self, request: wire.ListReportsRequest) -> wire.ListReportsResponse:
        found = self._parts.reports.queue(
            self._clock(), MAX_REPORTS, mine=request.mine, closed=request.closed
        )
        return wire.ListReportsResponse(reports=[self._status(one) for one in found])

    def _describe(self, booked: BookedMatter, text: str) -> wire.GetReportResponse:
        reports, matter = self._parts.reports, booked.matter
        found = reports.weight(matter)
        response = wire.GetReportResponse(
            status=self._status(booked), text=text, references=reports.references(matter)
        )
        if found is not None:
            response.reporters = found.weight.reporters
            response.burst = found.weight.burst
            response.confidence = found.confidence
            response.contacts.extend(reports.filings.contacts(matter.id))
        return response

    def _status(self, booked: BookedMatter) -> wire.ReportStatus:
        matter: ReportMatter = booked.matter
        reports, now = self._parts.reports, self._clock()
        facts, report = matter.facts, matter.facts.report
        return wire.ReportStatus(
            matter_id=matter.id,
            opener=matter.opener,
            state=matter.state,
            opened_time=Timestamp(seconds=matter.opened),
            due_time=None if matter.due is None else Timestamp(seconds=matter.due),
            overdue=matter.due is not None and matter.due < now,
            kind=kind_name(report.kind),
            token=report.token,
            fraud_type=report.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
            channel=report.channel.value,  # type: ignore[arg-type]  # equal numbers, tested
            reporters=facts.reporters.value,  # type: ignore[arg-type]  # equal numbers, tested
            actors=report.actors,
            handler=facts.handler or "",
            reason=facts.reason.value,  # type: ignore[arg-type]  # equal numbers, tested
            basis_id=facts.basis_id,
            watched=bool(reports.references(matter)),
            next_steps=[step.value for step in reports.next_steps(matter)],  # type: ignore[misc]  # equal numbers, tested
        )


def _word(enumeration: type[_Word], number: int, field: str) -> _Word:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"the {field} is missing or unknown", reason="ENUM_UNKNOWN") from error
