"""Hold the checkpoints that peers show against what is held, and prove a fork where there is one.

A checkpoint of at most the held size is decided here, by the held tree. For a larger one the peer
that shows it is asked for two proofs from its own tree: the root that the log had at the held
size, and that it grew from there. Together with both signed checkpoints they convince anybody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from hashlib import sha256
from typing import Final

from federation.checkpoint import (
    CheckpointError,
    SignedCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from federation.fork import ForkEvidence, ForkEvidenceError, verify_fork_evidence
from federation.merkle import node_hash
from federation.names import MemberId, Origin
from keys.errors import NoteError
from keys.note import parse_note
from node.errors import NodeError
from node.log.error import LogError
from node.log.ledger import Ledger
from node.replication.board import PeerBoard, Topic
from node.replication.log_client import FetchedProof, LogClient
from node.replication.roster import Roster
from node.telemetry import get_log

AHEAD_SECONDS: Final = 300
"""Seconds by which a checkpoint may be ahead of this node's clock: the limit for clock skew."""

SETTLED_NOTES: Final = 4_096
"""Digests of checkpoints found to agree: some for each log, so that showing one again costs
neither a signature check nor a read."""

_PEER_AT_FAULT = frozenset({"CHECKPOINT_INVALID", "CHECKPOINT_FROM_FUTURE"})

Hint = Callable[[MemberId, Origin, int], None]
"""Told that a peer holds a log of some size, by a checkpoint that its member signed."""

OnFork = Callable[[ForkEvidence], Awaitable[None]]


class Examiner:
    """The judge of checkpoints; used from the event loop alone.

    ``on_fork`` is told of each fork after the log was stopped: once in the life of the process,
    and perhaps again in the next, since a crash may have kept it from being told.
    """

    def __init__(
        self,
        roster: Roster,
        ledger: Ledger,
        client: LogClient,
        board: PeerBoard,
        on_fork: OnFork,
    ) -> None:
        self._roster = roster
        self._ledger = ledger
        self._client = client
        self._board = board
        self._on_fork = on_fork
        self._settled: OrderedDict[bytes, None] = OrderedDict()
        self._told: set[Origin] = set()
        self._reporting = asyncio.Lock()
        self.hint: Hint | None = None

    async def receive(self, peer: MemberId, notes: Sequence[bytes]) -> None:
        """Take the checkpoints that a peer shows.

        Those of unknown logs are passed over. One that is not what it claims to be is remarked
        at the peer and does not keep the others from being looked at.
        """
        reason = ""
        for origin, note in self._pick(notes).items():
            try:
                await self._compare(peer, origin, note)
            except LogError as error:
                if error.reason not in _PEER_AT_FAULT:
                    raise
                reason = error.reason
        self._board.remark(peer, Topic.CHECKPOINT, reason)

    async def examine(self, peer: MemberId, note: bytes) -> bool:
        """Look for a fork behind a checkpoint whose entries did not fit.

        Args:
            peer: Who showed it, and is asked for proofs if it is of a larger log.
            note: As received.

        Returns:
            Whether a fork was proved; then the log is stopped.
        """
        origin = _claimed_origin(note)
        if origin is None or origin not in self._roster.origins():
            return False
        try:
            evidence = await asyncio.to_thread(self._ledger.compare, note)
            evidence = evidence or await self._prove(peer, self._verified(origin, note))
        except LogError:
            return False
        if evidence is not None:
            await self._report(evidence)
        return evidence is not None

    def _pick(self, notes: Sequence[bytes]) -> dict[Origin, bytes]:
        """Return one checkpoint for each log of the charter, those settled left out."""
        known = self._roster.origins()
        open_notes = (note for note in notes if sha256(note).digest() not in self._settled)
        claimed = {_claimed_origin(note): note for note in open_notes}
        return {origin: note for origin, note in claimed.items() if origin in known}

    async def _compare(self, peer: MemberId, origin: Origin, note: bytes) -> None:
        shown = self._verified(origin, note).checkpoint
        if shown.time.timestamp() > self._roster.clock() + AHEAD_SECONDS:
            raise LogError("the checkpoint is from the future", reason="CHECKPOINT_FROM_FUTURE")
        evidence, held = await asyncio.to_thread(self._look, origin, note)
        if evidence is not None:
            await self._report(evidence)
        elif shown.size <= held:
            self._settle(note)
        elif self.hint is not None:
            self.hint(peer, origin, shown.size)

    def _look(self, origin: Origin, note: bytes) -> tuple[ForkEvidence | None, int]:
        held = self._ledger.size(origin)
        return self._ledger.compare(note), held

    def _verified(self, origin: Origin, note: bytes) -> SignedCheckpoint:
        """Return a checkpoint of a log of the charter.

        Raises:
            LogError: CHECKPOINT_INVALID.
        """
        public = self._roster.charter().member(origin.member).signing_key
        try:
            return verify_checkpoint(note, origin, public)
        except CheckpointError as error:
            raise LogError(
                "the checkpoint is not signed by its member", reason="CHECKPOINT_INVALID"
            ) from error

    def _settle(self, note: bytes) -> None:
        self._settled[sha256(note).digest()] = None
        if len(self._settled) > SETTLED_NOTES:
            self._settled.popitem(last=False)

    async def _prove(self, peer: MemberId, shown: SignedCheckpoint) -> ForkEvidence | None:
        """Ask the peer that shows a larger log how it looked at the held size."""
        origin, size = shown.checkpoint.origin, shown.checkpoint.size
        note = await asyncio.to_thread(self._ledger.latest_checkpoint, origin)
        held = None if note is None else self._verified(origin, note).checkpoint
        if note is None or held is None or not 0 < held.size < size:
            return None
        try:
            first = await self._client.prove_first(peer, origin, held.size)
            growth = await self._client.prove_growth(peer, origin, held.size, size)
        except NodeError as error:
            get_log().info("gossip.unproved", peer=peer, origin=str(origin), reason=error.reason)
            return None
        return self._convicted(note, shown, first, growth)

    def _convicted(
        self, note: bytes, shown: SignedCheckpoint, first: FetchedProof, growth: FetchedProof
    ) -> ForkEvidence | None:
        """Return the evidence if it convinces; a peer may have proved nothing."""
        origin = shown.checkpoint.origin
        public = self._roster.charter().member(origin.member).signing_key
        # The first leaf is always a left child, so its path leads up by joining on the right.
        prefix_root = reduce(node_hash, first.hashes, first.leaf)
        try:
            evidence = ForkEvidence(origin, note, shown.note, prefix_root, growth.hashes)
            verify_fork_evidence(evidence, public)
        except ForkEvidenceError:
            return None
        return evidence

    async def _report(self, evidence: ForkEvidence) -> None:
        """Stop a forked log and tell; a failure to tell is made up for when it shows again."""
        origin = evidence.origin
        async with self._reporting:
            if origin in self._told:
                return
            if origin not in await asyncio.to_thread(self._ledger.stopped):
                await asyncio.to_thread(self._ledger.stop, origin, evidence)
                get_log().error("replication.fork_found", member=origin.member, origin=str(origin))
            await self._on_fork(evidence)
            self._told.add(origin)


def _claimed_origin(note: bytes) -> Origin | None:
    """Return the log that a note says it is about, or None where it says nothing."""
    try:
        return parse_checkpoint(parse_note(note).text).origin
    except (NoteError, CheckpointError):
        return None
