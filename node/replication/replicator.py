"""Keep every log of the federation current here: hints from peers, polls where none come.

One task watches each peer, one follows each log. Peers and logs come and go with the charter.

    replicator = Replicator(equipment, poll_seconds=20)
    replicator.start()
    ...
    await replicator.close()
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from federation.names import MemberId, NameFormatError, Origin
from node.errors import NodeError, UnavailableError
from node.replication.backoff import Backoff
from node.replication.board import PeerState, Topic
from node.replication.follower import Equipment, LogFollower, LogPass
from node.replication.supervision import TaskSet

SPACING_SECONDS: Final = 0.1
"""Seconds between two passes over one log: hints in between are answered by one pass, and a peer
that sends hints without end costs ten reads a second."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What came of one pass over all logs.

    Attributes:
        count: New entries.
        logs: Each log that was looked at.
        unreachable: Peers that did not answer.
    """

    count: int
    logs: tuple[LogPass, ...]
    unreachable: tuple[MemberId, ...]


@dataclass(frozen=True, slots=True)
class LogProgress:
    """How current a log is: what is held, what peers claim, and why there is a difference."""

    origin: Origin
    size: int
    claimed: int
    reason: str


class Replicator:
    """The reading side of replication; used from the event loop alone."""

    def __init__(self, equipment: Equipment, poll_seconds: float) -> None:
        self._kit = equipment
        self._poll_seconds = poll_seconds
        self._followers: dict[Origin, LogFollower] = {}
        self._wakes: dict[Origin, asyncio.Event] = {}
        self._watching = TaskSet[MemberId](self._watch)
        self._following = TaskSet[Origin](self._keep_current)
        self._started = False

    def start(self) -> None:
        """Start watching peers and following logs."""
        self._started = True
        self.refresh()

    def refresh(self) -> None:
        """Look at the charter again: begin with new members, end with those that are out."""
        origins, peers = self._kit.roster.origins(), self._kit.roster.peers()
        for origin in origins - self._followers.keys():
            self._followers[origin] = LogFollower(origin, self._kit)
            self._wakes[origin] = asyncio.Event()
        self._kit.board.keep(peers)
        if self._started:
            self._watching.keep(peers)
            self._following.keep(origins)

    async def close(self) -> None:
        """End all tasks."""
        self._started = False
        await asyncio.gather(self._watching.close(), self._following.close())

    async def synchronise(self) -> Pass:
        """Make one pass over all logs now, asking also peers that failed a moment ago."""
        self.refresh()
        wanted = [self._followers[origin] for origin in sorted(self._kit.roster.origins())]
        logs = await asyncio.gather(*(one.synchronise(insist=True) for one in wanted))
        unreachable = sorted(set[MemberId]().union(*(log.unreachable for log in logs)))
        return Pass(sum(log.count for log in logs), tuple(logs), tuple(unreachable))

    def hint(self, peer: MemberId, origin: Origin, size: int) -> None:
        """Take note of how large a peer says that a log is; a log of no member is ignored."""
        follower = self._followers.get(origin)
        if follower is None or not follower.is_due(peer):
            return
        self._kit.claims.note(peer, origin, size)
        if size > follower.held:
            self._wakes[origin].set()

    def peers(self) -> list[PeerState]:
        """Return the state of each peer, by name."""
        return self._kit.board.states()

    def progress(self) -> list[LogProgress]:
        """Return how current each log is; blocking."""
        return [
            LogProgress(
                origin,
                self._kit.ledger.size(origin),
                self._kit.claims.largest(origin),
                follower.reason,
            )
            for origin, follower in sorted(self._followers.items())
        ]

    async def _watch(self, peer: MemberId) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._take_hints(peer, backoff)
            except NodeError as error:
                self._note_failure(peer, error)
            await asyncio.sleep(backoff.fail())

    def _note_failure(self, peer: MemberId, error: NodeError) -> None:
        if isinstance(error, UnavailableError):
            self._kit.board.failed(peer, error.reason)
        else:
            self._kit.board.remark(peer, Topic.LOG, error.reason)

    async def _take_hints(self, peer: MemberId, backoff: Backoff) -> None:
        known = False
        async with contextlib.aclosing(self._kit.client.watch(peer)) as news:
            async for text, size in news:
                if not known:
                    known = True
                    self._encourage(peer, backoff)
                with contextlib.suppress(NameFormatError):
                    self.hint(peer, Origin.parse(text), size)

    def _encourage(self, peer: MemberId, backoff: Backoff) -> None:
        """Use a peer again that has just been reached."""
        backoff.reset()
        self._kit.board.reached(peer)
        for origin, follower in self._followers.items():
            follower.encourage(peer)
            if origin.member == peer:
                self._wakes[origin].set()

    async def _keep_current(self, origin: Origin) -> None:
        follower, wake = self._followers[origin], self._wakes[origin]
        while True:
            wake.clear()
            await follower.synchronise()
            await asyncio.sleep(SPACING_SECONDS)
            retry = follower.retry_seconds
            wait = self._poll_seconds if retry is None else min(retry, self._poll_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await wake.wait()
