"""Serve figures over the inside door: feed and show own ones, add all up, report a year."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from federation.annual import Format
from federation.figures import Period, fits_role
from federation.sheet import INDICATOR, LARGEST, LEAST_MEMBERS, SHEET, Figure, Form, duration_figure
from node.desk.intake import MAX_ROWS, Refusal
from node.duties.annual import AnnualReports
from node.duties.sheet import WAIT_SECONDS, Sheets, check_period
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import sheet_service_pb2 as wire
from tocsin.desk.v1 import sheet_service_pb2_grpc as stubs

MOST_SECONDS: Final = 240
"""Seconds for each sum in one call, which a door lets take ten minutes."""
MOST_DURATIONS: Final = 10_000
"""Durations in one row: those of a day."""
PIECE_BYTES: Final = 1024 * 1024
"""Bytes of a document in one message: a quarter of what a door lets through."""

_UNKNOWN: Final = Refusal("INDICATOR_UNKNOWN", "the sheet has no indicator of this code")
_NOT_OURS: Final = Refusal("INDICATOR_NOT_OURS", "the indicator is about members of another sector")
_NO_FIGURE: Final = Refusal(
    "FIGURE_INVALID",
    "a rate has a numerator and a denominator, a duration has seconds, and nothing else",
)
_NO_TIME: Final = Refusal("TIME_INVALID", "a figure was counted at some time up to now")


class SheetService(stubs.SheetServiceServicer):
    """What the member's own people may do about the evaluation sheet."""

    def __init__(self, sheets: Sheets | None, annual: AnnualReports | None) -> None:
        self._maybe_sheets = sheets
        self._maybe_annual = annual

    @property
    def _sheets(self) -> Sheets:
        if self._maybe_sheets is None:
            raise _no_log()
        return self._maybe_sheets

    @property
    def _annual(self) -> AnnualReports:
        if self._maybe_annual is None:
            raise _no_log()
        return self._maybe_annual

    async def AddFigures(  # noqa: N802  # the contract's name
        self, request: wire.AddFiguresRequest, context: Any
    ) -> wire.AddFiguresResponse:
        """Keep own figures that the logs do not hold."""
        sheets = self._sheets
        if len(request.rows) > MAX_ROWS:
            raise RequestError(f"at most {MAX_ROWS} rows in one call", reason="BATCH_TOO_LARGE")
        read = [self._read(row) for row in request.rows]
        good = [one for one in read if not isinstance(one, Refusal)]
        changed = iter(await asyncio.to_thread(sheets.own.table.put, good))
        results = [
            _refused(one) if isinstance(one, Refusal) else _kept(is_new=next(changed))
            for one in read
        ]
        return wire.AddFiguresResponse(results=results)

    async def ListFigures(  # noqa: N802  # the contract's name
        self, request: wire.ListFiguresRequest, context: Any
    ) -> wire.ListFiguresResponse:
        """Tell own figures."""
        period = Period(request.from_time.seconds, request.to_time.seconds)
        check_period(period, self._sheets.now())
        figures = await asyncio.to_thread(self._sheets.own.of, period)
        return wire.ListFiguresResponse(
            cells=[_cell(one.code, figures, 1) for one in SHEET if one.code in figures]
        )

    async def MakeSheet(  # noqa: N802  # the contract's name
        self, request: wire.MakeSheetRequest, context: Any
    ) -> wire.MakeSheetResponse:
        """Add up the figures of all members."""
        if request.seconds > MOST_SECONDS:
            message = f"members have at most {MOST_SECONDS} seconds in one call"
            raise RequestError(message, reason="SUM_DRAFT_INVALID")
        period = Period(request.from_time.seconds, request.to_time.seconds)
        found = await self._sheets.make(period, request.seconds or WAIT_SECONDS)
        return wire.MakeSheetResponse(
            cells=[_cell(one.code, found.figures, found.counts[one.code]) for one in SHEET],
            contributors=found.contributors,
            count_sum_id=found.count_sum,
            sum_id=found.figure_sum,
        )

    async def MakeAnnualReport(  # noqa: N802  # the contract's name
        self, request: wire.MakeAnnualReportRequest, context: Any
    ) -> AsyncIterator[wire.MakeAnnualReportResponse]:
        """Make the report of a member's year."""
        at = request.at_time.seconds if request.HasField("at_time") else None
        try:
            form = Format(request.format)
        except ValueError as error:
            raise RequestError("a report is md, json or html", reason="ENUM_UNKNOWN") from error
        make = self._annual.make
        written = await asyncio.to_thread(make, request.year, request.member, at, form)
        found = written.document
        yield wire.MakeAnnualReportResponse(
            piece=found[:PIECE_BYTES], open_members=written.open_members
        )
        for start in range(PIECE_BYTES, len(found), PIECE_BYTES):
            yield wire.MakeAnnualReportResponse(piece=found[start : start + PIECE_BYTES])

    def _read(self, row: wire.FigureRow) -> tuple[str, int, Figure] | Refusal:
        indicator = INDICATOR.get(row.code.upper())
        if indicator is None:
            return _UNKNOWN
        if not fits_role(indicator.code, self._sheets.own.roles()):
            return _NOT_OURS
        counted = row.counted_time.seconds
        if not 0 < counted <= self._sheets.now():
            return _NO_TIME
        if indicator.form is Form.DURATION:
            is_well = 0 < len(row.seconds) <= MOST_DURATIONS
            is_well = is_well and not row.numerator and not row.denominator
            figure = duration_figure(row.seconds)
        else:
            figure = (row.numerator, row.denominator)
            is_well = not row.seconds and row.numerator <= row.denominator <= LARGEST
            is_well = is_well and row.denominator > 0
        return (indicator.code, counted, figure) if is_well else _NO_FIGURE


def _no_log() -> PolicyError:
    return PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")


def _cell(code: str, figures: Mapping[str, Figure], contributors: int) -> wire.SheetCell:
    """Write one indicator; where it was not added up, how many contribute is not told either."""
    figure = figures.get(code)
    if figure is None:
        return wire.SheetCell(code=code, suppressed=contributors < LEAST_MEMBERS)
    if INDICATOR[code].form is Form.DURATION:
        return wire.SheetCell(code=code, contributors=contributors, durations=figure)
    numerator, denominator = figure
    return wire.SheetCell(
        code=code, contributors=contributors, numerator=numerator, denominator=denominator
    )


def _refused(why: Refusal) -> desk_service_pb2.RowResult:
    return desk_service_pb2.RowResult(
        outcome=desk_service_pb2.ROW_OUTCOME_REFUSED, error=why.wire()
    )


def _kept(*, is_new: bool) -> desk_service_pb2.RowResult:
    if is_new:
        return desk_service_pb2.RowResult(outcome=desk_service_pb2.ROW_OUTCOME_ADDED)
    return desk_service_pb2.RowResult(outcome=desk_service_pb2.ROW_OUTCOME_UNCHANGED)
