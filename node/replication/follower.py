"""Follow one log: read what is new from its member, or from whoever else has more of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from federation.names import MemberId, Origin
from node.errors import NodeError, UnavailableError
from node.log.error import LogError
from node.log.ingestion import Ingested
from node.log.ledger import Ledger
from node.replication.backoff import Backoff
from node.replication.board import PeerBoard, Topic
from node.replication.claims import Claims
from node.replication.error import TransferError
from node.replication.log_client import LogClient
from node.replication.roster import Roster
from node.replication.transfer import FetchedRun
from node.store.error import StoreError
from node.telemetry import describe_error, get_log

STOPPED = "ORIGIN_STOPPED"

# What a peer answers that has nothing of a log, or less of it than this node.
_NOTHING_THERE = frozenset({"ORIGIN_UNKNOWN", "POSITION_INVALID"})

# What the ledger says of a run for which the peer that sent it is to blame.
_PEER_AT_FAULT = frozenset({"ROOT_MISMATCH", "CHECKPOINT_INVALID", "RUN_INVALID", "ENTRY_INVALID"})


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears what replication brings; awaited, so a slow listener slows replication down.

    Attributes:
        on_new_tokens: Tokens about which evidence came or went, after each commit.
        on_refused: A log's member, how many new entries of its log fold to nothing, and why: its
            signature stands under them, whoever relayed them.
        on_said: A log's member and the types of the bodies among the new entries; whether the
            member may say them is the listener's to judge.
        on_dated: A log's member and the latest time that one of the new entries is dated.
    """

    on_new_tokens: Callable[[frozenset[bytes]], Awaitable[None]]
    on_refused: Callable[[MemberId, int, str], Awaitable[None]]
    on_said: Callable[[MemberId, frozenset[type]], Awaitable[None]]
    on_dated: Callable[[MemberId, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What all followers of a node share.

    Attributes:
        examine: Looks for a fork behind a checkpoint that a peer showed, and says whether there
            is one; then the log is stopped.
        ingesting: One at a time, as in the store, so that waiting writers hold no threads.
        slots: How many logs are read at once; bounds memory.
    """

    roster: Roster
    ledger: Ledger
    client: LogClient
    board: PeerBoard
    claims: Claims
    listeners: Listeners
    examine: Callable[[MemberId, bytes], Awaitable[bool]]
    ingesting: asyncio.Lock
    slots: asyncio.Semaphore


@dataclass(slots=True)
class LogPass:
    """What came of bringing one log up to date.

    Attributes:
        origin: The log.
        count: New entries.
        reason: Why the last peer asked did not help; empty if it did.
        unreachable: Peers that did not answer.
    """

    origin: Origin
    count: int = 0
    reason: str = ""
    unreachable: set[MemberId] = field(default_factory=set)


class _RefusedError(Exception):
    """A peer sent something that is not the log."""

    def __init__(self, reason: str, count: int = 0, note: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.count = count
        self.note = note


class LogFollower:
    """Brings one log up to date, again and again."""

    def __init__(self, origin: Origin, equipment: Equipment) -> None:
        self._origin = origin
        self._kit = equipment
        self._lock = asyncio.Lock()
        self._backoffs: dict[MemberId, Backoff] = {}
        self._held = -1
        self._reason = ""

    @property
    def held(self) -> int:
        """Entries held at the end of the last pass; -1 before the first."""
        return self._held

    @property
    def reason(self) -> str:
        """Why the log is not current, as far as known; empty if it is."""
        return self._reason

    @property
    def retry_seconds(self) -> float | None:
        """Seconds until the log's member is due again; None where it did not fail."""
        owner = self._origin.member
        failed = owner in self._backoffs and owner in self._kit.roster.peers()
        return self._backoffs[owner].remaining if failed else None

    def encourage(self, peer: MemberId) -> None:
        """Ask a peer without delay next time: it was just reached."""
        self._backoffs.pop(peer, None)

    def is_due(self, peer: MemberId) -> bool:
        """Say whether a peer may be asked: it did not fail, or long enough ago."""
        return peer not in self._backoffs or not self._backoffs[peer].remaining

    async def synchronise(self, *, insist: bool = False) -> LogPass:
        """Read the log from its member, then from peers that claim more of it.

        Args:
            insist: Ask also peers whose failure is too recent to ask them again.
        """
        async with self._lock, self._kit.slots:
            done = LogPass(self._origin)
            if await asyncio.to_thread(self._is_stopped):
                done.reason = STOPPED
            else:
                await self._ask_all(done, insist)
            self._held, self._reason = await self._size(), done.reason
            return done

    async def _ask_all(self, done: LogPass, insist: bool) -> None:
        peers, owner = self._kit.roster.peers(), self._origin.member
        if owner in peers and (insist or self.is_due(owner)):
            await self._try(owner, done)
        elif owner in peers:
            done.reason = self._reason
        for peer in self._kit.claims.holders(self._origin, await self._size()):
            if peer == owner or peer not in peers or not (insist or self.is_due(peer)):
                continue
            if done.reason != STOPPED and self._claims_more(peer, await self._size()):
                await self._try(peer, done)

    def _is_stopped(self) -> bool:
        return self._origin in self._kit.ledger.stopped()

    def _claims_more(self, peer: MemberId, size: int) -> bool:
        claim = self._kit.claims.size(peer, self._origin)
        return claim is not None and claim > size

    async def _size(self) -> int:
        return await asyncio.to_thread(self._kit.ledger.size, self._origin)

    async def _try(self, peer: MemberId, done: LogPass) -> None:
        """Read from one peer; what fails is noted where it belongs and not raised."""
        board = self._kit.board
        try:
            await self._follow(peer, done)
        except _RefusedError as error:
            board.reached(peer)
            done.reason = error.reason
            if await self._refuse(peer, error):
                done.reason = STOPPED
        except TransferError as error:
            board.reached(peer)
            done.reason = error.reason
            await self._refuse(peer, _RefusedError(error.reason))
        except (LogError, StoreError) as error:  # of this node: stopped, damaged, disk full
            done.reason = error.reason
            self._postpone(peer)
        except NodeError as error:
            self._note_failure(peer, error, done)
        else:
            board.reached(peer)
            board.remark(peer, Topic.LOG, "")
            done.reason = ""

    async def _follow(self, peer: MemberId, done: LogPass) -> None:
        """Read run after run to the peer's end; the next is on its way while one is ingested."""
        held = await self._size()
        reading = self._read(peer, held)
        try:
            while True:
                run = await reading
                end = held + len(run.bodies)
                claim = self._kit.claims.size(peer, self._origin)
                last = not run.bodies or end == claim
                if not last:
                    reading = self._read(peer, end)
                done.count += await self._ingest(peer, run)
                if last:
                    self._settle_claim(peer, end)
                    return
                held = end
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _settle_claim(self, peer: MemberId, end: int) -> None:
        """Note what a peer really had; one that claimed more is not believed for a while."""
        exaggerated = peer != self._origin.member and self._claims_more(peer, end)
        self._kit.claims.correct(peer, self._origin, end)
        if exaggerated:
            self._postpone(peer)
        else:
            self._backoffs.pop(peer, None)

    def _read(self, peer: MemberId, start: int) -> asyncio.Task[FetchedRun]:
        return asyncio.create_task(self._kit.client.read(peer, self._origin, start))

    async def _ingest(self, peer: MemberId, run: FetchedRun) -> int:
        kit = self._kit
        try:
            async with kit.ingesting:
                taken = await asyncio.to_thread(
                    kit.ledger.ingest, self._origin, run.bodies, run.compacted, run.checkpoint
                )
        except LogError as error:
            if error.reason not in _PEER_AT_FAULT:
                raise
            raise _RefusedError(error.reason, len(run.bodies), run.checkpoint) from error
        await self._tell(taken)
        return taken.count

    async def _tell(self, taken: Ingested) -> None:
        """Tell the listeners; the entries are on disk, so a failure there ends nothing here."""
        listeners, owner = self._kit.listeners, self._origin.member
        try:
            if taken.tokens:
                await listeners.on_new_tokens(taken.tokens)
            if taken.refused:
                await listeners.on_refused(owner, taken.refused, "STATEMENT_INVALID")
            if taken.said:
                await listeners.on_said(owner, taken.said)
                await listeners.on_dated(owner, taken.latest)
        except Exception as error:
            get_log().error("replication.listener_failed", **describe_error(error))

    async def _refuse(self, peer: MemberId, refused: _RefusedError) -> bool:
        """Note that a peer sent what is not the log, and say whether the log was forked."""
        get_log().warning(
            "replication.refused",
            peer=peer,
            origin=str(self._origin),
            reason=refused.reason,
            count=refused.count,
        )
        self._kit.board.remark(peer, Topic.LOG, refused.reason)
        self._postpone(peer)
        return bool(refused.note) and await self._kit.examine(peer, refused.note)

    def _note_failure(self, peer: MemberId, error: NodeError, done: LogPass) -> None:
        board = self._kit.board
        if error.reason in _NOTHING_THERE:
            board.reached(peer)
            self._settle_claim(peer, 0)
            # A member that shows less than it once signed lost its log, or hides it.
            shorter = error.reason == "POSITION_INVALID" and peer == self._origin.member
            done.reason = "LOG_SHORTENED" if shorter else ""
            board.remark(peer, Topic.LOG, done.reason)
            return
        done.reason = error.reason
        if isinstance(error, UnavailableError):
            done.unreachable.add(peer)
            board.failed(peer, error.reason)
        else:
            board.reached(peer)
            board.remark(peer, Topic.LOG, error.reason)
        self._postpone(peer)

    def _postpone(self, peer: MemberId) -> None:
        self._backoffs.setdefault(peer, Backoff()).fail()
