"""Put the parts of replication together for one node.

    replication = Replication(roster, ledger, links, listeners, timing)
    add_LogServiceServicer_to_server(replication.service, server)
    replication.start()
    ...
    await replication.close()

Make it on the event loop that runs the node.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from node.log.ledger import Ledger
from node.replication.board import PeerBoard, PeerState
from node.replication.charter_sync import ASK_SECONDS, Adopt, CharterSync
from node.replication.claims import Claims
from node.replication.examiner import Examiner, OnFork
from node.replication.follower import Equipment, Listeners
from node.replication.gossip import Gossip
from node.replication.growth import Growth
from node.replication.log_client import CallLimits, Links, LogClient
from node.replication.log_service import LogService
from node.replication.member_client import MemberClient
from node.replication.replicator import Pass, Replicator
from node.replication.roster import Roster

LOGS_AT_ONCE: Final = 8
"""Logs read at the same time: each may hold two runs in memory, of 4 MiB from an honest peer."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between what is done without being asked for, and limits of calls."""

    poll_seconds: float = 20.0
    gossip_seconds: float = 10.0
    charter_seconds: float = ASK_SECONDS
    limits: CallLimits = field(default_factory=CallLimits)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What replication tells the rest of the node.

    Attributes:
        listeners: Hear of new tokens and of refused entries.
        on_fork: Hears of each forked log once, after it was stopped.
        adopt: Verifies and follows a newer charter; call ``Replication.refresh`` afterwards.
    """

    listeners: Listeners
    on_fork: OnFork
    adopt: Adopt


class Replication:
    """All of replication: what is served, and what runs by itself."""

    def __init__(
        self,
        roster: Roster,
        ledger: Ledger,
        links: Links,
        hooks: Hooks,
        timing: Timing | None = None,
    ) -> None:
        timing = timing or Timing()
        client = LogClient(links, timing.limits)
        self.board = PeerBoard(roster.clock)
        self.examiner = Examiner(roster, ledger, client, self.board, hooks.on_fork)
        equipment = Equipment(
            roster,
            ledger,
            client,
            self.board,
            Claims(),
            hooks.listeners,
            self.examiner.examine,
            asyncio.Lock(),
            asyncio.Semaphore(LOGS_AT_ONCE),
        )
        self.replicator = Replicator(equipment, timing.poll_seconds)
        self.examiner.hint = self.replicator.hint
        self.gossip = Gossip(
            roster, ledger, client, self.board, self.examiner, timing.gossip_seconds
        )
        self.charter_sync = CharterSync(
            roster, MemberClient(links), self.board, hooks.adopt, timing.charter_seconds
        )
        self.service = LogService(ledger, Growth(ledger), self.examiner)
        self._started = False

    def start(self) -> None:
        """Start everything that runs by itself."""
        self._started = True
        self.replicator.start()
        self.refresh()

    def refresh(self) -> None:
        """Look at the charter again, after it changed."""
        self.replicator.refresh()
        if self._started:
            self.gossip.start()
            self.charter_sync.start()

    def end_watches(self) -> None:
        """End what peers watch here: a node that stops would wait for those streams for ever."""
        self.service.end_watches()

    async def close(self) -> None:
        """End everything that runs by itself."""
        self._started = False
        await asyncio.gather(
            self.replicator.close(), self.gossip.close(), self.charter_sync.close()
        )

    async def synchronise(self) -> Pass:
        """Make one pass over all logs now."""
        return await self.replicator.synchronise()

    def peers(self) -> list[PeerState]:
        """Return the state of each peer, by name."""
        return self.board.states()
