"""Judge a checkpoint that somebody offers by what is held of its log."""

from federation.checkpoint import (
    CheckpointError,
    SignedCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from federation.fork import ForkEvidence, UndecidedError, compare_checkpoints
from federation.merkle import root_at
from federation.names import Origin
from keys.errors import NoteError
from keys.note import parse_note
from node.log.error import LogError, RootMismatchError
from node.log.state import damaged_log, latest_of, node_reader, refuse_damaged
from node.store.protocol import LogState, PublicReader


def claimed_origin(checkpoint: bytes) -> Origin:
    """Return the log that a checkpoint claims to be of; nothing is verified.

    Raises:
        LogError: CHECKPOINT_INVALID.
    """
    try:
        return parse_checkpoint(parse_note(checkpoint).text).origin
    except (NoteError, CheckpointError) as error:
        raise LogError("the bytes are no checkpoint", reason="CHECKPOINT_INVALID") from error


def require_signed(origin: Origin, checkpoint: bytes, public: bytes) -> SignedCheckpoint:
    """Return a checkpoint of a log that its member signed.

    Raises:
        LogError: CHECKPOINT_INVALID.
    """
    try:
        return verify_checkpoint(checkpoint, origin, public)
    except CheckpointError as error:
        raise LogError(
            "the checkpoint is not one of this log, signed by its member",
            reason="CHECKPOINT_INVALID",
        ) from error


def is_newer(state: LogState, offered: SignedCheckpoint, public: bytes) -> bool:
    """Say whether a checkpoint of the held size was signed later, or by a newer key."""
    try:
        held = verify_checkpoint(state.checkpoint, Origin.parse(state.origin), public)
    except CheckpointError:
        return True
    return held.checkpoint.time < offered.checkpoint.time


def compare_with_held(
    reader: PublicReader, state: LogState, offered: SignedCheckpoint
) -> ForkEvidence | None:
    """Return proof that the log was forked; None where both can be true.

    Args:
        reader: Of the store.
        state: The log as it is held, at least as long as the checkpoint says.
        offered: Of a log of the same member.

    Raises:
        LogError: LOG_DAMAGED where what is held contradicts itself.
    """
    try:
        return compare_checkpoints(latest_of(reader, state), offered, node_reader(reader, state))
    except UndecidedError as error:
        raise damaged_log() from error


def refuse_other_past(reader: PublicReader, state: LogState, offered: SignedCheckpoint) -> None:
    """Refuse an older checkpoint that is not of a prefix of what is held.

    Raises:
        RootMismatchError: ROOT_MISMATCH; carries both checkpoints.
    """
    if root_at(offered.checkpoint.size, node_reader(reader, state)) != offered.checkpoint.root:
        raise mismatch(reader, state, offered)


def mismatch(reader: PublicReader, state: LogState, offered: SignedCheckpoint) -> RootMismatchError:
    """Return the error that what was offered does not lead from what is held to its root.

    Raises:
        LogError: LOG_DAMAGED; damage of the own disk is no fault of the peer.
    """
    refuse_damaged(reader, state)
    evidence = None
    if state.checkpoint and offered.checkpoint.size <= state.size:
        evidence = compare_with_held(reader, state, offered)
    return RootMismatchError(state.checkpoint, offered.note, evidence)
