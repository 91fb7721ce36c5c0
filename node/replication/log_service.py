"""Serve logs to other members: entries, news, checkpoints, proofs.

A replica is served as well as the own log; the reader verifies everything. A forked log that this
node no longer ingests is still served as far as it is held: others need it to prove the fork.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Any, Final, Protocol

from federation.checkpoint import MAX_CHECKPOINT_BYTES
from federation.merkle import MAX_TREE_SIZE
from federation.names import MemberId, NameFormatError, Origin
from node.doors.caller import current_caller
from node.errors import RequestError
from node.log.error import LogError
from node.log.ledger import Ledger
from node.log.proof import Proof
from node.log.run import Run
from node.replication.audience import may_read
from node.replication.growth import Feed, Growth
from tocsin.v1 import log_service_pb2 as wire
from tocsin.v1 import log_service_pb2_grpc as stubs

READ_BYTES: Final = 4 * 1024 * 1024
"""Bytes of entries in one stream: about 30,000 statements, which a reader ingests in a second."""

RUN_BYTES: Final = 1024 * 1024
"""Bytes of one message with more than one entry; a quarter of what a message may have."""

BODY_OVERHEAD: Final = 5
"""Bytes that protobuf puts before an entry: a tag, and a length below 2**28."""

MAX_CHECKPOINTS: Final = 1_000
"""Checkpoints in one exchange: many times the members of a charter."""


class CheckpointReceiver(Protocol):
    """Whoever judges the checkpoints that peers show."""

    def receive(self, peer: MemberId, notes: Sequence[bytes]) -> Awaitable[None]:
        """Take the checkpoints that a peer shows; none of them is verified yet."""


class LogService(stubs.LogServiceServicer):
    """What other members may ask this node about logs."""

    def __init__(self, ledger: Ledger, growth: Growth, receiver: CheckpointReceiver) -> None:
        self._ledger = ledger
        self._growth = growth
        self._receiver = receiver

    async def Read(  # noqa: N802 - the contract's name
        self, request: wire.ReadRequest, context: Any
    ) -> AsyncIterator[wire.ReadResponse]:
        """Stream entries from a position, then the checkpoint that covers them."""
        origin = _readable(request.origin)
        _check_position(request.start)
        run = await asyncio.to_thread(self._ledger.read, origin, request.start, READ_BYTES)
        for entries in split_run(run):
            yield wire.ReadResponse(entries=entries)
        yield wire.ReadResponse(checkpoint=run.checkpoint)

    async def Watch(  # noqa: N802 - the contract's name
        self, request: wire.WatchRequest, context: Any
    ) -> AsyncIterator[wire.WatchResponse]:
        """Stream the sizes of all logs as they are, then as they grow."""
        reader = current_caller().member
        with self._growth.feed() as feed:
            await self._fill(feed)
            while (news := await feed.next()) is not None:
                origin, size = news
                if may_read(reader, origin):
                    yield wire.WatchResponse(origin=str(origin), size=size)

    def end_watches(self) -> None:
        """End every stream of sizes, so that a node that stops need not wait for its readers."""
        self._growth.close()

    async def Gossip(  # noqa: N802 - the contract's name
        self, request: wire.GossipRequest, context: Any
    ) -> wire.GossipResponse:
        """Take the caller's checkpoints and answer with this node's."""
        notes = list(request.checkpoints)
        if len(notes) > MAX_CHECKPOINTS or any(len(n) > MAX_CHECKPOINT_BYTES for n in notes):
            raise RequestError(
                f"at most {MAX_CHECKPOINTS} checkpoints of at most 16 KiB",
                reason="CHECKPOINT_INVALID",
            )
        await self._receiver.receive(current_caller().member, notes)
        held = await asyncio.to_thread(self._ledger.checkpoints)
        return wire.GossipResponse(checkpoints=held[:MAX_CHECKPOINTS])

    async def Prove(  # noqa: N802 - the contract's name
        self, request: wire.ProveRequest, context: Any
    ) -> wire.ProveResponse:
        """Prove that an entry is in a log, or that a log only grew."""
        origin = _readable(request.origin)
        proof = await asyncio.to_thread(self._prove, origin, request)
        return wire.ProveResponse(
            hashes=proof.hashes, leaf_hash=proof.leaf, checkpoint=proof.checkpoint
        )

    def _prove(self, origin: Origin, request: wire.ProveRequest) -> Proof:
        if request.HasField("inclusion"):
            return self._ledger.prove_inclusion(
                origin,
                _check_position(request.inclusion.index),
                _check_position(request.inclusion.size),
            )
        if request.HasField("consistency"):
            return self._ledger.prove_consistency(
                origin,
                _check_position(request.consistency.first_size),
                _check_position(request.consistency.second_size),
            )
        raise LogError("nothing to prove was asked", reason="POSITION_INVALID")

    async def _fill(self, feed: Feed) -> None:
        for origin, size in await asyncio.to_thread(self._sizes):
            feed.put(origin, size)

    def _sizes(self) -> list[tuple[Origin, int]]:
        return [(origin, self._ledger.size(origin)) for origin in self._ledger.origins()]


def split_run(run: Run) -> Iterator[wire.EntryRun]:
    """Cut entries into messages of at most ``RUN_BYTES``, or of one larger entry."""
    removed = frozenset(run.compacted)
    entries, size = wire.EntryRun(), 0
    for place, body in enumerate(run.bodies):
        cost = len(body) + BODY_OVERHEAD
        if entries.bodies and size + cost > RUN_BYTES:
            yield entries
            entries, size = wire.EntryRun(), 0
        if place in removed:
            entries.compacted.append(len(entries.bodies))
        entries.bodies.append(body)
        size += cost
    if entries.bodies:
        yield entries


def _readable(text: str) -> Origin:
    """Return a log that the caller may read; a log that it may not looks like none."""
    try:
        origin = Origin.parse(text)
    except NameFormatError as error:
        raise LogError("this names no log", reason="ORIGIN_UNKNOWN") from error
    if not may_read(current_caller().member, origin):
        raise LogError("nothing of this log is held", reason="ORIGIN_UNKNOWN")
    return origin


def _check_position(position: int) -> int:
    if position > MAX_TREE_SIZE:
        raise LogError("the position is beyond any log", reason="POSITION_INVALID")
    return position
