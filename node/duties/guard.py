"""Say what must never be acted on: what the federation protects, and this member's own list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from federation.indicators import Indicator, Kind
from federation.measures import restricts
from federation.vocabulary import Exemption, Measure, ProtectionGround, Purpose
from node.desk.intake import MAX_ROWS, Intake
from node.errors import NodeError
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.telemetry import get_log
from node.verdicts import Verdicts

MAX_LOCAL: Final = 100_000
"""Values of the own list: more than a member has hotlines, sites and neighbours' networks."""


class Guard:
    """Knows protected objects by token, and by value where somebody gives it."""

    def __init__(
        self,
        verdicts: Verdicts,
        catalogue: Catalogue,
        private: PrivateStore,
        intake: Intake,
        pad: Callable[[], int],
        epoch: Callable[[], int],
    ) -> None:
        self._verdicts = verdicts
        self._catalogue = catalogue
        self._private = private
        self._intake = intake
        self._pad = pad
        self._epoch = epoch
        self._local: dict[tuple[int, str], bytes] = {}
        self._local_epoch = 0
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole own list is known by token: until then nothing is done by itself."""
        return self._is_complete

    async def refresh(self) -> None:
        """Make tokens of what came to the own list: orders of others name nothing else."""
        listed = await asyncio.to_thread(self._private.list_protected, MAX_LOCAL)
        if not listed:
            self._local, self._is_complete = {}, True
            return
        try:
            await self._learn_all(listed)
        except NodeError as error:  # the holders cannot be reached now
            self._is_complete = False
            get_log().warning("guard.not_refreshed", reason=error.reason)
        else:
            self._is_complete = True

    async def _learn_all(self, listed: list[tuple[int, str]]) -> None:
        if self._epoch() != self._local_epoch:  # the same values have other tokens
            self._local, self._local_epoch = {}, self._epoch()
        self._local = {value: self._local[value] for value in listed if value in self._local}
        new = [value for value in listed if value not in self._local]
        for start in range(0, len(new), MAX_ROWS):
            await self._learn(new[start : start + MAX_ROWS])

    def refusal(
        self, token: bytes, measure: Measure, indicator: Indicator | None = None
    ) -> Exemption | None:
        """Return why an object must be left alone; None: it need not be. Blocking.

        Args:
            token: Of the object.
            measure: What would be done; only what restricts somebody is kept from a number that
                somebody else shows falsely.
            indicator: Its value, where somebody gave it.
        """
        if self._verdicts.protected([token]):
            return self._ground(token)
        if restricts(measure) and self._verdicts.spoofed([token]):
            return Exemption.SPOOFED_NUMBER
        value = None if indicator is None else (indicator.kind.value, indicator.value)
        if value is not None and self._private.protected_values([value]):
            return Exemption.PROTECTED_OBJECT
        return Exemption.PROTECTED_OBJECT if token in self._local.values() else None

    async def _learn(self, values: list[tuple[int, str]]) -> None:
        rows = {place: Indicator(Kind(kind), text) for place, (kind, text) in enumerate(values)}
        for one in await self._intake.tokenise(rows, Purpose.PROTECTION, self._pad()):
            self._local[values[one.place]] = one.token

    def _ground(self, token: bytes) -> Exemption:
        rows = self._catalogue.protections([token]).get(token, ())
        grounds = {row[4] for row in rows}
        if ProtectionGround.SHARED_INFRASTRUCTURE in grounds:
            return Exemption.SHARED_INFRASTRUCTURE
        return Exemption.PROTECTED_OBJECT
