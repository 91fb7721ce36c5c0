"""Serve inspections of IoT cards over the inside door: keep, list, add up."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from federation.iot import Sheet
from federation.iot_sheet import LARGEST, month_of, month_start
from node.duties.inspections import WAIT_SECONDS, Inspections
from node.duties.sheet_table import SheetTable
from node.errors import PolicyError, RequestError
from tocsin.desk.v1 import iot_service_pb2 as wire
from tocsin.desk.v1 import iot_service_pb2_grpc as stubs

MOST_SECONDS: Final = 240
"""Seconds for a sum in one call, which a door lets take ten minutes."""
ABNORMAL_RATE: Final = "C-4"
"""Code of the indicator of the evaluation sheet that every inspection gives a figure for."""

_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_MONTHS: Final = 12


class IotService(stubs.IotServiceServicer):
    """What the member's own people may do about inspections of IoT cards."""

    def __init__(self, inspections: Inspections | None, figures: SheetTable) -> None:
        """Serve a node.

        Args:
            inspections: None on a node without a log.
            figures: Own figures for the evaluation sheet.
        """
        self._maybe_inspections = inspections
        self._figures = figures

    @property
    def _inspections(self) -> Inspections:
        if self._maybe_inspections is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_inspections

    async def KeepInspection(  # noqa: N802  # the contract's name
        self, request: wire.KeepInspectionRequest, context: Any
    ) -> wire.KeepInspectionResponse:
        """Keep what an inspection counted."""
        self._inspections.carriers.require_me("IoT cards")
        counts = request.sheet
        sheet = Sheet(counts.checked, counts.abnormal, counts.suspended, counts.restored)
        if not 0 < sheet.checked <= LARGEST or max(sheet) > sheet.checked:
            raise RequestError("these are no counts of an inspection", reason="IOT_SHEET_INVALID")
        month = await asyncio.to_thread(self._keep, sheet)
        return wire.KeepInspectionResponse(month=_text(month))

    async def ListInspections(  # noqa: N802  # the contract's name
        self, request: wire.ListInspectionsRequest, context: Any
    ) -> wire.ListInspectionsResponse:
        """List own inspections."""
        found = await asyncio.to_thread(self._inspections.table.all)
        return wire.ListInspectionsResponse(
            inspections=[
                wire.OwnInspection(month=_text(month), sheet=_message(sheet))
                for month, sheet in found
            ]
        )

    async def AddUpInspections(  # noqa: N802  # the contract's name
        self, request: wire.AddUpInspectionsRequest, context: Any
    ) -> wire.AddUpInspectionsResponse:
        """Add a month's inspections up with all carriers."""
        if request.seconds > MOST_SECONDS:
            message = f"carriers have at most {MOST_SECONDS} seconds in one call"
            raise RequestError(message, reason="SUM_DRAFT_INVALID")
        month = _month(request.month) if request.month else month_of(self._inspections.now())
        found = await self._inspections.add_up(month, request.seconds or WAIT_SECONDS)
        return wire.AddUpInspectionsResponse(
            month=_text(month),
            sheet=_message(found.sheet),
            contributors=found.contributors,
            sum_id=found.sum_id,
        )

    def _keep(self, sheet: Sheet) -> int:
        """Keep a sheet as this month's, and its rate as the month's figure."""
        month = month_of(self._inspections.now())
        self._inspections.table.put(month, sheet)
        figure = (sheet.abnormal, sheet.checked)
        self._figures.put([(ABNORMAL_RATE, month_start(month), figure)])
        return month


def _month(text: str) -> int:
    found = _MONTH.fullmatch(text)
    if found is None:
        raise RequestError("a month is YYYY-MM", reason="IOT_MONTH_INVALID")
    year, month = map(int, found.groups())
    return _MONTHS * year + month - 1


def _text(month: int) -> str:
    return f"{month // _MONTHS:04}-{month % _MONTHS + 1:02}"


def _message(sheet: Sheet) -> wire.InspectionSheet:
    return wire.InspectionSheet(**sheet._asdict())
