"""Keep own inspections of IoT cards, and add them up with all carriers without showing them.

A sum is about one month, and a carrier has one inspection in a month: the last. So nobody learns a
carrier's counts by adding up twice among others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.charter import Charter
from federation.iot import Sheet
from federation.iot_sheet import LARGEST, month_subject, read_month, sheet_labels
from federation.names import MemberId
from federation.roles import Role
from federation.vocabulary import Purpose
from node.duties.carriers import Carriers
from node.duties.inspection_table import InspectionTable
from node.errors import PolicyError, RequestError
from node.sums.carrier import Sums
from node.sums.opener import SumDraft
from node.sums.sources import Asked, Source

SOURCE: Final = "IOT_SHEET"
WAIT_SECONDS: Final = 60
"""Seconds that carriers have for a sum: their nodes answer by themselves."""
_MAY_ASK: Final = frozenset({Role.CARRIER, Role.COORDINATOR, Role.REGULATOR})


@dataclass(frozen=True, slots=True)
class AddedUp:
    """A month's inspections of all carriers.

    Attributes:
        contributors: Carriers in the sum.
        sum_id: 16 bytes.
    """

    sheet: Sheet
    contributors: int
    sum_id: bytes


class Inspections:
    """The inspections of one member, and its part in sums over them."""

    def __init__(self, table: InspectionTable, sums: Sums, charter: Callable[[], Charter]) -> None:
        """Count as the member whose sums these are."""
        self.table = table
        self._sums = sums
        self._charter = charter
        self.carriers = Carriers(sums.me, charter, sums.now)
        purposes = frozenset({Purpose.OPERATION})
        sentence = "own IoT cards checked, abnormal, suspended and restored in a month"
        sums.sources.register(Source(SOURCE, sentence, purposes, self._count, self._labels))

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._sums.now()

    async def add_up(self, month: int, seconds: int = WAIT_SECONDS) -> AddedUp:
        """Add a month's inspections up with all carriers.

        Raises:
            RequestError: IOT_MONTH_INVALID.
            PolicyError: ROLE_NOT_ALLOWED or IOT_CARRIERS_FEW.
            SumRefusedError: SUM_REPEATED, the month was added up among other carriers.
            UnavailableError: The sum came to nothing, or not in time.
        """
        subject = month_subject(month)
        if read_month(subject, self.now()) is None:
            message = "a month of the last two years is added up"
            raise RequestError(message, reason="IOT_MONTH_INVALID")
        if not self._may_ask(self._sums.me):
            message = "carriers and those who oversee them add inspections up"
            raise PolicyError(message, reason="ROLE_NOT_ALLOWED")
        carriers = self.carriers.require_enough("inspections are added up over", "IOT_CARRIERS_FEW")
        draft = SumDraft(
            SOURCE,
            tuple(sheet_labels()),
            Purpose.OPERATION,
            contributors=carriers,
            seconds=seconds,
            largest=LARGEST,
            subject=subject,
        )
        sum_id = await self._sums.open(draft)
        total = await self._sums.wait(sum_id, seconds + WAIT_SECONDS)
        return AddedUp(Sheet(*map(int, total.units)), len(total.contributors), sum_id)

    def _labels(self, subject: bytes) -> Mapping[bytes, str]:
        return sheet_labels() if read_month(subject, self.now()) is not None else {}

    def _count(self, asked: Asked) -> NDArray[np.int64] | None:
        month = read_month(asked.subject, asked.now)
        if month is None or asked.labels != tuple(sheet_labels()):
            return None
        among_all = set(asked.opening.contributors) == set(self.carriers.all())
        if not among_all or not self._may_ask(asked.opener):
            return None
        sheet = self.table.sheet(month)
        return None if sheet is None else np.array(sheet, dtype=np.int64)

    def _may_ask(self, member: MemberId) -> bool:
        known = self._charter().find(member)
        return known is not None and bool(known.roles & _MAY_ASK)
