"""Notice that a peer follows a newer charter, and that a peer's clock is wrong."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from federation.errors import FederationError
from federation.names import MemberId
from node.errors import NodeError, UnavailableError
from node.replication.board import PeerBoard, Topic
from node.replication.member_client import MemberClient
from node.replication.roster import Roster
from node.replication.supervision import TaskSet
from node.telemetry import get_log

ASK_SECONDS: Final = 30.0
"""Seconds between questions to one peer: a revocation is known everywhere within a minute."""

SKEW_SECONDS: Final = 300
"""Seconds by which clocks may differ: certificates and checkpoints tolerate as much."""

Adopt = Callable[[bytes], object]
"""Verifies a signed charter against the one in force and follows it; FederationError if not."""


class CharterSync:
    """Asks every peer now and then; used from the event loop alone."""

    def __init__(
        self,
        roster: Roster,
        client: MemberClient,
        board: PeerBoard,
        adopt: Adopt,
        seconds: float = ASK_SECONDS,
    ) -> None:
        self._roster = roster
        self._client = client
        self._board = board
        self._adopt = adopt
        self._seconds = seconds
        self._tasks = TaskSet[MemberId](self._keep_asking)

    def start(self) -> None:
        """Start asking, and look at the charter again when called again."""
        self._tasks.keep(self._roster.peers())

    async def close(self) -> None:
        """Ask no more."""
        await self._tasks.close()

    async def ask(self, peer: MemberId) -> None:
        """Ask one peer now and adopt its charter if that is newer and valid.

        Raises:
            NodeError: The peer does not answer as it should.
        """
        before = self._roster.clock()
        node = await self._client.get_node(peer)
        self._board.reached(peer)
        self._note_clock(peer, node.now, before, self._roster.clock())
        reason = ""
        if node.charter_version > self._roster.charter().version:
            reason = self._take(peer, await self._client.get_charter(peer))
        self._board.remark(peer, Topic.CHARTER, reason)

    def _note_clock(self, peer: MemberId, theirs: int, before: int, after: int) -> None:
        """Note the offset: none while the peer's time lies within the call."""
        offset = theirs - min(max(theirs, before), after)
        self._board.set_clock_offset(peer, offset)
        skewed = abs(offset) > SKEW_SECONDS
        self._board.remark(peer, Topic.CLOCK, "CLOCK_SKEW" if skewed else "")

    def _take(self, peer: MemberId, note: bytes) -> str:
        """Adopt a charter, or return why not."""
        try:
            self._adopt(note)
        except (FederationError, NodeError) as error:
            get_log().warning("charter.refused", peer=peer, reason=error.reason)
            return error.reason
        version = self._roster.charter().version
        get_log().info("charter.adopted", peer=peer, charter_version=version)
        return ""

    async def _keep_asking(self, peer: MemberId) -> None:
        while True:
            try:
                await self.ask(peer)
            except UnavailableError as error:
                self._board.failed(peer, error.reason)
            except NodeError as error:
                self._board.remark(peer, Topic.CHARTER, error.reason)
            await asyncio.sleep(self._seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
