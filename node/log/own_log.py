"""Append to the own log: entries, and the checkpoints over them, in a transaction of the caller."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from federation.checkpoint import (
    Checkpoint,
    CheckpointError,
    SignedCheckpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from federation.names import Origin
from keys.signing import SigningKey
from node.log.batch import fold_bodies, hash_bodies, split_bodies
from node.log.error import LogError
from node.log.state import (
    Batch,
    commit,
    extended,
    grown,
    held_log,
    new_log,
    refuse_damaged,
    refuse_stopped,
)
from node.store.protocol import LogState, PublicWriter


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of an append: place of the first entry, the checkpoint, tokens it is about."""

    first: int
    checkpoint: bytes
    tokens: frozenset[bytes] = frozenset()


class OwnLog:
    """The one log that this node signs."""

    def __init__(self, origin: Origin, key: SigningKey | None, clock: Callable[[], int]) -> None:
        """Sign with a key; with None the log is only read."""
        self.origin = origin
        self._key = key
        self._clock = clock

    def sign(self, writer: PublicWriter) -> None:
        """Sign the log as it stands, if it is not."""
        state = writer.log(str(self.origin)) or new_log(self.origin)
        if self._key is not None and not _is_signed(state, self._key.public):
            signed, frontier = self._checkpoint(state, self._key), extended(state, ())
            commit(writer, state, frontier, signed, self._key.public, Batch())

    def append(self, writer: PublicWriter, bodies: Sequence[bytes]) -> Appended:
        """Append statements under one new checkpoint, or more than one for very many.

        Raises:
            LogError: ENTRY_INVALID, ORIGIN_STOPPED or KEY_MISSING.
        """
        if self._key is None:
            raise LogError("this node has no signing key", reason="KEY_MISSING")
        tokens: set[bytes] = set()
        state = first = held_log(writer, self.origin)
        refuse_stopped(state)
        if not bodies:
            return Appended(state.size, state.checkpoint)
        # Never sign on top of a state that the last checkpoint does not vouch for.
        refuse_damaged(writer, state)
        for part in split_bodies(bodies):
            state, spoken = self._append_part(writer, state, part, self._key)
            tokens |= spoken
        return Appended(first.size, state.checkpoint, frozenset(tokens))

    def _append_part(
        self, writer: PublicWriter, state: LogState, bodies: Sequence[bytes], key: SigningKey
    ) -> tuple[LogState, set[bytes]]:
        leaves = hash_bodies(bodies, ())
        folded = fold_bodies(self.origin.member, state.size, bodies)
        if folded.refused:
            raise LogError("an own entry is no statement", reason="ENTRY_INVALID")
        frontier = extended(state, leaves)
        signed = self._checkpoint(grown(state, frontier), key)
        commit(writer, state, frontier, signed, key.public, Batch(leaves, bodies, folded.changes))
        return replace(grown(state, frontier), checkpoint=signed.note), folded.tokens

    def _checkpoint(self, state: LogState, key: SigningKey) -> SignedCheckpoint:
        time = datetime.fromtimestamp(self._clock(), UTC)
        return sign_checkpoint(Checkpoint(self.origin, state.size, state.root, time), key)


def _is_signed(state: LogState, public: bytes) -> bool:
    """Say whether the latest checkpoint is there and signed by this key."""
    try:
        verify_checkpoint(state.checkpoint, Origin.parse(state.origin), public)
    except CheckpointError:
        return False
    return True
