"""Step a log's stored state forward, and read its tree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from federation.checkpoint import CheckpointError, SignedCheckpoint, verify_checkpoint
from federation.merkle import EMPTY_ROOT, CompactRange
from federation.names import Origin
from federation.tiles import ReadTile, TileReader, append_leaves
from federation.views import Drop, Put
from node.log.error import LogError
from node.store.protocol import LogState, PublicReader, PublicWriter, StoredCheckpoint


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction adds to a log.

    Attributes:
        leaves: Leaf hashes of the entries.
        bodies: The entries; None for one whose content is gone.
        changes: Of the views.
    """

    leaves: Sequence[bytes] = ()
    bodies: Sequence[bytes | None] = ()
    changes: Sequence[Put | Drop] = ()


def new_log(origin: Origin) -> LogState:
    """Return the state of a log of which nothing is held, not even a checkpoint."""
    return LogState(0, str(origin), 0, CompactRange().encode(), EMPTY_ROOT, b"")


def extended(state: LogState, leaves: Sequence[bytes]) -> CompactRange:
    """Return the tree's frontier after more leaves."""
    frontier = CompactRange.decode(state.frontier)
    frontier.extend(leaves)
    return frontier


def grown(state: LogState, frontier: CompactRange) -> LogState:
    """Return the state with another frontier, still under the old checkpoint."""
    return replace(state, size=frontier.size, frontier=frontier.encode(), root=frontier.root())


def commit(
    writer: PublicWriter,
    state: LogState,
    frontier: CompactRange,
    signed: SignedCheckpoint,
    public: bytes,
    batch: Batch,
) -> None:
    """Write a batch and the checkpoint over it.

    Args:
        writer: The transaction.
        state: The log as it was.
        frontier: Of the log with the batch.
        signed: The checkpoint of that frontier.
        public: The key it was verified under.
        batch: What is new; empty where only the checkpoint is.
    """
    number = writer.save_log(replace(grown(state, frontier), checkpoint=signed.note))
    writer.add_entries(number, state.size, batch.bodies)
    writer.save_tiles(number, append_leaves(state.size, batch.leaves, read_tile(writer, number)))
    writer.save_checkpoint(number, StoredCheckpoint(frontier.size, signed.note, public))
    writer.apply(batch.changes)


def held_log(reader: PublicReader, origin: Origin) -> LogState:
    """Return a log's state.

    Raises:
        LogError: ORIGIN_UNKNOWN.
    """
    state = reader.log(str(origin))
    if state is None:
        raise LogError("nothing of this log is held", reason="ORIGIN_UNKNOWN")
    return state


def refuse_stopped(state: LogState) -> None:
    """Refuse to change a log that was forked.

    Raises:
        LogError: ORIGIN_STOPPED.
    """
    if state.stopped is not None:
        raise LogError(
            "the log was forked and is no longer replicated",
            reason="ORIGIN_STOPPED",
            hint="look at the evidence; an operator may resume the log",
        )


def latest_of(reader: PublicReader, state: LogState) -> SignedCheckpoint:
    """Return the latest checkpoint as verified, under the key that it was stored with.

    Raises:
        LogError: LOG_DAMAGED.
    """
    for stored in reader.checkpoints(state.number, state.size, state.size):
        try:
            return verify_checkpoint(stored.note, Origin.parse(state.origin), stored.public)
        except CheckpointError as error:
            raise damaged_log() from error
    raise damaged_log()


def refuse_damaged(reader: PublicReader, state: LogState) -> None:
    """Refuse a state that its own latest checkpoint contradicts.

    Raises:
        LogError: LOG_DAMAGED.
    """
    if not state.checkpoint and not state.size:
        return
    if latest_of(reader, state).checkpoint.root != extended(state, ()).root():
        raise damaged_log()


def node_reader(reader: PublicReader, state: LogState) -> TileReader:
    """Return a reader of the tree's nodes."""
    return TileReader(state.size, read_tile(reader, state.number))


def read_tile(reader: PublicReader, number: int) -> ReadTile:
    """Return a function that reads tiles of a log; a missing tile is empty."""
    return lambda level, index: reader.tile(number, level, index) or b""


def note_at(reader: PublicReader, state: LogState, size: int) -> bytes:
    """Return the checkpoint held of a size, or nothing."""
    for stored in reader.checkpoints(state.number, size, size):
        return stored.note
    return b""


def damaged_log() -> LogError:
    """Return the error for a log that contradicts itself on disk."""
    return LogError(
        "the stored log contradicts itself",
        reason="LOG_DAMAGED",
        hint="run tocsin log verify, which names the damage",
    )
