"""Act on what replication brings: look for own customers in it, and raise alarms."""

from __future__ import annotations

import asyncio

from federation.authorisation import may_say
from federation.fork import ForkEvidence
from federation.names import MemberId
from node.alarms import Alarms
from node.assembly import Core, LogSide
from node.desk.service import DeskService
from node.replication.follower import Listeners
from node.replication.replication import Hooks, Replication, Timing
from node.replication.roster import Roster
from node.speaker import name_bodies
from node.telemetry import get_log


class Hearing:
    """What becomes of what other members' logs say."""

    def __init__(self, core: Core, desk: DeskService, alarms: Alarms) -> None:
        self._core = core
        self._desk = desk
        self._alarms = alarms

    async def match(self, tokens: frozenset[bytes]) -> None:
        """Look which of the tokens own customers are watched by."""
        if self._desk.watch is not None and tokens:
            await asyncio.to_thread(self._desk.watch.matcher.match, tokens)

    async def refused(self, member: MemberId, count: int, reason: str) -> None:
        """Raise an alarm about entries that fold to nothing."""
        get_log().warning("entries.refused", member=member, count=count, reason=reason)
        await self._alarms.statement_refused(member, reason)

    async def judge_said(self, member: MemberId, said: frozenset[type]) -> None:
        """Raise an alarm about what a member may not say; it stands in the log but never counts."""
        found = self._core.now_charter().find(member)
        for body in name_bodies(said):
            if found is not None and not may_say(found.roles, body):
                await self._alarms.statement_refused(member, f"{body.upper()}_NOT_ALLOWED")

    async def forked(self, evidence: ForkEvidence) -> None:
        """Raise an alarm about a log with two histories."""
        await self._alarms.log_forked(evidence.origin.member, evidence)


def build_replication(core: Core, log: LogSide, hearing: Hearing) -> Replication:
    """Make what follows the other members' logs and serves the own one."""
    config = core.config
    listeners = Listeners(
        hearing.match, hearing.refused, hearing.judge_said, log.alarms.dated_ahead
    )
    return Replication(
        Roster(core.me, core.now_charter, core.clock),
        log.ledger,
        core.peers,
        Hooks(listeners=listeners, on_fork=hearing.forked, adopt=core.charter.adopt),
        Timing(
            poll_seconds=config.poll_seconds,
            gossip_seconds=config.gossip_seconds,
            charter_seconds=config.charter_seconds,
        ),
    )
