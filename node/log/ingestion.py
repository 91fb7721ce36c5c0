"""Take over what another member's log has more than is held of it, or refuse it as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from federation.checkpoint import SignedCheckpoint
from federation.names import Origin
from node.log.batch import fold_bodies
from node.log.error import LogError
from node.log.offered import is_newer, mismatch, refuse_other_past
from node.log.state import Batch, commit, extended, new_log, refuse_stopped
from node.store.protocol import PublicWriter


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of an ingest.

    Attributes:
        count: Entries that are new here.
        tokens: Tokens about which evidence came or went.
        refused: New entries that are no statement; kept, but folded to nothing.
        said: Types of the bodies of the new entries.
        latest: The latest time that one of them is dated, seconds since 1970; 0 for none.
    """

    count: int
    tokens: frozenset[bytes] = frozenset()
    refused: int = 0
    said: frozenset[type] = frozenset()
    latest: int = 0


@dataclass(frozen=True, slots=True)
class OfferedRun:
    """Entries of a log up to a checkpoint.

    Attributes:
        bodies: Exactly as they were written.
        compacted: Places in ``bodies`` that hold a leaf hash instead.
        signed: Its size is the position after the last entry.
        public: The key that it was verified under.
    """

    bodies: Sequence[bytes]
    compacted: Sequence[int]
    signed: SignedCheckpoint
    public: bytes

    def known(self, size: int) -> int:
        """Return how many of its entries are among the first so many of the log.

        Raises:
            LogError: RUN_INVALID.
        """
        known = size + len(self.bodies) - self.signed.checkpoint.size
        if known < 0 or self.signed.checkpoint.size < len(self.bodies):
            raise LogError("entries are missing before the run", reason="RUN_INVALID")
        return known

    def kept(self) -> list[bytes | None]:
        """Return the bodies with None where only the leaf hash is left."""
        kept: list[bytes | None] = list(self.bodies)
        for place in self.compacted:
            kept[place] = None
        return kept


def ingest_run(
    writer: PublicWriter, origin: Origin, run: OfferedRun, leaves: Sequence[bytes]
) -> Ingested:
    """Write what is new of a run; an older checkpoint that agrees with what is held is nothing new.

    Args:
        writer: The transaction.
        origin: The log.
        run: What a peer sent.
        leaves: Leaf hashes of its entries, worked out before the transaction began.

    Raises:
        RootMismatchError: ROOT_MISMATCH; carries both checkpoints.
        LogError: RUN_INVALID, ENTRY_INVALID or ORIGIN_STOPPED.
    """
    signed, public = run.signed, run.public
    state = writer.log(str(origin)) or new_log(origin)
    refuse_stopped(state)
    known = run.known(state.size)
    if signed.checkpoint.size < state.size:
        refuse_other_past(writer, state, signed)
        return Ingested(0)
    frontier = extended(state, leaves[known:])
    if frontier.root() != signed.checkpoint.root:
        raise mismatch(writer, state, signed)
    kept = run.kept()[known:]
    folded = fold_bodies(origin.member, state.size, kept)
    if kept or is_newer(state, signed, public):
        batch = Batch(leaves[known:], kept, folded.changes)
        commit(writer, state, frontier, signed, public, batch)
    tokens = frozenset(folded.tokens)
    return Ingested(len(kept), tokens, folded.refused, folded.said, folded.latest)
