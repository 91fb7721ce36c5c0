"""Collect one run of entries from a peer's stream, and refuse what no honest peer sends."""

from dataclasses import dataclass
from typing import Final

from federation.checkpoint import MAX_CHECKPOINT_BYTES
from node.replication.error import TransferError
from tocsin.v1 import log_service_pb2 as wire

MAX_RUN_BYTES: Final = 32 * 1024 * 1024
"""Bytes of entries up to one checkpoint: eight times what a server sends where it can choose, and
more than the largest batch that a desk appends at once. Bounds what a lying peer can make this
node keep in memory."""

MAX_RUN_ENTRIES: Final = 1_000_000
"""Entries up to one checkpoint: those that are empty or removed cost memory too."""


@dataclass(frozen=True, slots=True)
class FetchedRun:
    """Entries as a peer sent them, and the checkpoint that it closed with; not verified.

    Attributes:
        bodies: In order; a removed one is its leaf hash.
        compacted: Places in ``bodies`` of the removed ones.
        checkpoint: Signed note.
    """

    bodies: tuple[bytes, ...]
    compacted: tuple[int, ...]
    checkpoint: bytes


class RunCollector:
    """Takes the parts of one stream in order."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._compacted: list[int] = []
        self._checkpoint = b""
        self._bytes = 0

    def add(self, part: wire.ReadResponse) -> None:
        """Take the next part.

        Raises:
            TransferError: TRANSFER_MALFORMED or TRANSFER_TOO_LARGE.
        """
        if self._checkpoint:
            raise TransferError("something follows the checkpoint that ends a run")
        if part.HasField("entries"):
            self._add_entries(part.entries)
        elif 0 < len(part.checkpoint) <= MAX_CHECKPOINT_BYTES:
            self._checkpoint = part.checkpoint
        else:
            raise TransferError("a part holds neither entries nor a checkpoint")

    def finish(self) -> FetchedRun:
        """Return the run after the stream's end.

        Raises:
            TransferError: TRANSFER_CUT_SHORT.
        """
        if not self._checkpoint:
            raise TransferError(
                "the stream ended without a checkpoint", reason="TRANSFER_CUT_SHORT"
            )
        return FetchedRun(tuple(self._bodies), tuple(self._compacted), self._checkpoint)

    def _add_entries(self, entries: wire.EntryRun) -> None:
        first, count = len(self._bodies), len(entries.bodies)
        if not count:
            raise TransferError("a part holds no entry")
        self._bytes += sum(map(len, entries.bodies))
        if self._bytes > MAX_RUN_BYTES or first + count > MAX_RUN_ENTRIES:
            raise TransferError("the run is larger than any", reason="TRANSFER_TOO_LARGE")
        places = list(entries.compacted)
        if places != sorted(set(places)) or (places and places[-1] >= count):
            raise TransferError("the places of removed entries are not places")
        self._bodies.extend(entries.bodies)
        self._compacted.extend(first + place for place in places)
