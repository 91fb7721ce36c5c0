"""Exchange the latest checkpoints with every peer, so that nobody can tell two stories for long.

Both sides of an exchange compare. Whoever holds the larger tree decides alone; the other asks it
for proofs once the entries do not fit.
"""

import asyncio
import random

from federation.names import MemberId
from node.errors import NodeError, UnavailableError
from node.log.error import LogError
from node.log.ledger import Ledger
from node.replication.board import PeerBoard, Topic
from node.replication.examiner import Examiner
from node.replication.log_client import LogClient
from node.replication.log_service import MAX_CHECKPOINTS
from node.replication.roster import Roster
from node.replication.supervision import TaskSet
from node.store.error import StoreError
from node.telemetry import get_log


class Gossip:
    """Talks about checkpoints with each peer in turn; used from the event loop alone."""

    def __init__(
        self,
        roster: Roster,
        ledger: Ledger,
        client: LogClient,
        board: PeerBoard,
        examiner: Examiner,
        seconds: float,
    ) -> None:
        self._roster = roster
        self._ledger = ledger
        self._client = client
        self._board = board
        self._examiner = examiner
        self._seconds = seconds
        self._tasks = TaskSet[MemberId](self._talk)

    def start(self) -> None:
        """Start talking, and look at the charter again when called again."""
        self._tasks.keep(self._roster.peers())

    async def close(self) -> None:
        """End all talks."""
        await self._tasks.close()

    async def exchange(self, peer: MemberId) -> None:
        """Exchange checkpoints with one peer now.

        Raises:
            NodeError: The peer does not answer as it should.
        """
        held = await asyncio.to_thread(self._ledger.checkpoints)
        shown = await self._client.gossip(peer, held[:MAX_CHECKPOINTS])
        self._board.reached(peer)
        await self._examiner.receive(peer, shown)

    async def _talk(self, peer: MemberId) -> None:
        while True:
            try:
                await self.exchange(peer)
            except (LogError, StoreError) as error:  # of this node
                get_log().error("gossip.failed", peer=peer, reason=error.reason)
            except UnavailableError as error:
                self._board.failed(peer, error.reason)
            except NodeError as error:
                self._board.remark(peer, Topic.CHECKPOINT, error.reason)
            # Jitter, so that nodes started together do not talk in the same moment for ever.
            await asyncio.sleep(self._seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
