"""Cut runs of entries that end at a checkpoint, so that the reader can verify each alone."""

from dataclasses import dataclass
from typing import Final

from federation.merkle import MAX_TREE_SIZE
from node.log.error import LogError
from node.log.state import damaged_log, node_reader
from node.store.protocol import LogState, PublicReader, StoredCheckpoint, StoredEntry

# Bytes of entries in one run: as many as one message of LogService.Read holds.
RUN_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """Entries in order, up to a checkpoint.

    Attributes:
        start: Position of the first.
        bodies: As they were written; a removed one is its leaf hash.
        compacted: Places in ``bodies`` of the removed ones.
        checkpoint: Its size is the position after the last entry.
    """

    start: int
    bodies: tuple[bytes, ...]
    compacted: tuple[int, ...]
    checkpoint: bytes


def read_run(reader: PublicReader, state: LogState, start: int, max_bytes: int) -> Run:
    """Return the longest run that fits, or the shortest where none does.

    Raises:
        LogError: POSITION_INVALID, or LOG_DAMAGED where entries or the checkpoint are missing.
    """
    if not 0 <= start <= state.size:
        raise LogError("the position is beyond the log", reason="POSITION_INVALID")
    if start == state.size:
        return Run(start, (), (), state.checkpoint)
    end = _boundary(reader, state, start, max_bytes)
    entries = list(reader.entries(state.number, start, end.size))
    if len(entries) != end.size - start:
        raise damaged_log()
    compacted = tuple(place for place, entry in enumerate(entries) if entry.body is None)
    if not compacted:
        return Run(start, tuple(entry.body or b"" for entry in entries), (), end.note)
    return Run(start, _with_hashes(reader, state, entries), compacted, end.note)


def _with_hashes(
    reader: PublicReader, state: LogState, entries: list[StoredEntry]
) -> tuple[bytes, ...]:
    """Return the bodies, and the leaf hash where there is none."""
    hashes = node_reader(reader, state)
    return tuple(hashes(0, at) if body is None else body for at, body in entries)


def _boundary(
    reader: PublicReader, state: LogState, start: int, max_bytes: int
) -> StoredCheckpoint:
    """Return the last checkpoint whose run fits, else the first after ``start``."""
    fitting = _count_fitting(reader, state, start, max_bytes)
    number = state.number
    for stored in reader.checkpoints(number, start + 1, start + fitting, newest_first=True):
        return stored
    for stored in reader.checkpoints(number, start + 1, MAX_TREE_SIZE):
        return stored
    raise damaged_log()


def _count_fitting(reader: PublicReader, state: LogState, start: int, max_bytes: int) -> int:
    """Return how many entries from ``start`` on are no larger together than ``max_bytes``."""
    count = 0
    for entry in reader.entries(state.number, start, state.size):
        max_bytes -= len(entry.body or b"")
        if max_bytes < 0:
            break
        count += 1
    return count
