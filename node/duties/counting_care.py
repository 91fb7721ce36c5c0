"""Look after what counts with other members: at the node's start, and then every few minutes.

What ran out is deleted, and what a node that ended too early left undone is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from federation.errors import FederationError
from node.duties.farm import Farms
from node.duties.farm_table import KEPT_SECONDS
from node.duties.match_offering import Offering
from node.duties.match_table import MatchTable
from node.errors import NodeError
from node.telemetry import get_log

LOOK_SECONDS: Final = 600.0
"""Seconds between two looks: as long as a session of a match stands, so that its key ends too."""


class CountingCare:
    """Keeps the tables of one node clean, and its clues complete."""

    def __init__(
        self, farms: Farms, matches: MatchTable, offering: Offering, clock: Callable[[], int]
    ) -> None:
        self._farms = farms
        self._matches = matches
        self._offering = offering
        self._clock = clock

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Delete what ran out, and do what is left to be done."""
        self._offering.end_expired()
        await asyncio.to_thread(self._forget)
        try:
            await self._farms.tell_again()
        except (FederationError, NodeError) as error:
            get_log().warning("farm.clue_not_opened", reason=error.reason)

    def _forget(self) -> None:
        now = self._clock()
        self._matches.forget_offers(now)
        self._farms.table.forget(now - KEPT_SECONDS)
