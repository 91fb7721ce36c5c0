"""Make a clue of each site of a SIM farm that this member told, once, whatever happens between.

An alert and its clue are two statements; a node that ends between them finds the alert in its own
log later, and no clue that refers to it.
"""

from __future__ import annotations

import asyncio

from federation.indicators.kind import Kind
from federation.matters import Kind as MatterKind
from federation.names import MemberId
from federation.statements import ClueSubject
from federation.statements.shape import IDENTIFIER_BYTES
from federation.vocabulary import ClueReason, ClueSource, FraudType
from node.duties.clues import Clues
from node.duties.farm_alerts import ToldSite
from node.matters.book import MatterBook


class FarmClues:
    """The clues of one node about sites that it told."""

    def __init__(self, me: MemberId, clues: Clues, book: MatterBook) -> None:
        self._me = me
        self._clues = clues
        self._book = book
        self._lock = asyncio.Lock()
        self._done: set[bytes] = set()

    async def open(self, told: ToldSite) -> None:
        """Open the clue of a site that this member told; where there is one, do nothing.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED.
            MatterError: The member may not open a clue.
        """
        async with self._lock:
            if told.statement not in self._done:
                self._done |= await asyncio.to_thread(self._referred)
            if told.statement in self._done:
                return
            await self._clues.open(
                [ClueSubject(told.token, Kind.SITE, told.epoch)],
                [],
                ClueSource.MATCH,
                [ClueReason.FARM_PATTERN],
                FraudType.BLACK_INDUSTRY,
                told.statement,
            )

    def _referred(self) -> set[bytes]:
        """Return the ids of all statements that own clues refer to."""
        found: set[bytes] = set()
        for one in self._book.all(MatterKind.CLUE):
            if one.matter.opener == self._me:
                packed = one.matter.facts.clue.references
                starts = range(0, len(packed), IDENTIFIER_BYTES)
                found.update(packed[at : at + IDENTIFIER_BYTES] for at in starts)
        return found
