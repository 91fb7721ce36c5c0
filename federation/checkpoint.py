"""Checkpoints: a member's signature under the size and root of one of its logs.

A checkpoint is a C2SP tlog-checkpoint, a signed note; ``proto/README.md`` gives the format. One
signature stands for every entry below it, so a replica verifies with hashing alone::

    signed = verify_checkpoint(note, origin, public)
    if frontier.root() == signed.checkpoint.root: ...   # commit entries and note together
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from federation.errors import PeerError
from federation.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE
from federation.names import NameFormatError, Origin
from keys.errors import NoteError
from keys.note import parse_note, sign_note, verify_note
from keys.signing import SigningKey

# Bytes: four short lines, and room for the extension lines and co-signatures of a later day.
MAX_CHECKPOINT_BYTES: Final = 16 * 1024

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME = re.compile(r"time ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})Z")


class CheckpointError(PeerError):
    """The bytes are no checkpoint."""

    reason = "CHECKPOINT_MALFORMED"
    public = "A checkpoint is not well formed."


class OriginMismatchError(CheckpointError):
    """The checkpoint is of another log than the one asked for."""

    reason = "CHECKPOINT_ORIGIN_MISMATCH"
    public = "A checkpoint is of another log."


class CheckpointSignatureError(CheckpointError):
    """The member whose log it is did not sign the checkpoint."""

    reason = "CHECKPOINT_SIGNATURE_INVALID"
    public = "A checkpoint is not signed by its member."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says.

    Attributes:
        origin: The log.
        size: Number of entries.
        root: Root of their tree, 32 bytes; of no entries it is ``EMPTY_ROOT``.
        time: When it was made: aware, UTC, whole seconds.
        extensions: Further lines, kept as they are; none are defined yet.

    Raises:
        CheckpointError: A field cannot stand in a checkpoint.
    """

    origin: Origin
    size: int
    root: bytes
    time: datetime
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_TREE_SIZE:
            raise CheckpointError("the size is not between 0 and 2**63 - 1")
        if len(self.root) != HASH_BYTES:
            raise CheckpointError("the root does not have 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError("the root of an empty log is not that of the empty tree")
        if self.time.utcoffset() != timedelta(0) or self.time.microsecond:
            raise CheckpointError("the time is not in whole seconds of UTC")
        for line in self.extensions:
            if not line or not line.isprintable():
                raise CheckpointError("an extension line is empty or not printable")


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that its member signed; only ``sign`` and ``verify_checkpoint`` make one.

    Attributes:
        note: The signed note, byte for byte; what is stored, served and kept as evidence.
        checkpoint: What it says.
    """

    note: bytes
    checkpoint: Checkpoint


def encode_checkpoint(checkpoint: Checkpoint) -> str:
    """Write the text that is signed."""
    root = base64.b64encode(checkpoint.root).decode("ascii")
    time = checkpoint.time.replace(tzinfo=None).isoformat()
    lines = (str(checkpoint.origin), str(checkpoint.size), root, f"time {time}Z")
    return "\n".join((*lines, *checkpoint.extensions, ""))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, without its signatures.

    Raises:
        CheckpointError: The text is not exactly what ``encode_checkpoint`` writes.
    """
    lines = text.split("\n")
    if len(lines) < 5 or lines[-1]:
        raise CheckpointError("a checkpoint has four lines or more, each with its line end")
    return Checkpoint(
        origin=_parse_origin(lines[0]),
        size=_parse_size(lines[1]),
        root=_parse_root(lines[2]),
        time=_parse_time(lines[3]),
        extensions=tuple(lines[4:-1]),
    )


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """Sign a checkpoint with its member's key, under the name ``<federation>/<member>``.

    Sign only what is on disk for good: a member that signs, loses the entries in a crash and
    writes others has forked its log.

    Raises:
        CheckpointError: Its extension lines make it too long.
    """
    text = encode_checkpoint(checkpoint)
    note = sign_note(text, [(checkpoint.origin.key_name, key)]).encode()
    _check_length(note)
    return SignedCheckpoint(note, checkpoint)


def verify_checkpoint(note: bytes, origin: Origin, public: bytes) -> SignedCheckpoint:
    """Read a checkpoint that came from outside.

    Args:
        note: The bytes as received.
        origin: The log it must be of.
        public: The member's signing key as the charter names it, 32 bytes.

    Raises:
        OriginMismatchError: It is of another log.
        CheckpointSignatureError: The member's signature is missing or wrong.
        CheckpointError: It is not a checkpoint at all.
    """
    _check_length(note)
    try:
        parsed = parse_note(note)
    except NoteError as error:
        raise CheckpointError("a checkpoint is a signed note") from error
    checkpoint = parse_checkpoint(parsed.text)
    if checkpoint.origin != origin:
        raise OriginMismatchError("the checkpoint is of another log")
    try:
        verify_note(parsed, {origin.key_name: public})
    except NoteError as error:
        raise CheckpointSignatureError("the member did not sign the checkpoint") from error
    return SignedCheckpoint(note, checkpoint)


def _check_length(note: bytes) -> None:
    if len(note) > MAX_CHECKPOINT_BYTES:
        raise CheckpointError("a checkpoint has at most 16 KiB")


def _parse_origin(line: str) -> Origin:
    try:
        return Origin.parse(line)
    except NameFormatError as error:
        raise CheckpointError("the first line is not an origin") from error


def _parse_size(line: str) -> int:
    if not _SIZE.fullmatch(line):
        raise CheckpointError("the second line is not a decimal size without leading zeros")
    return int(line)


def _parse_root(line: str) -> bytes:
    try:
        root = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("the third line is not base64") from error
    # Loose trailing bits would give one root two spellings.
    if base64.b64encode(root).decode("ascii") != line:
        raise CheckpointError("the third line is not canonical base64")
    return root


def _parse_time(line: str) -> datetime:
    found = _TIME.fullmatch(line)
    if not found:
        raise CheckpointError("the fourth line is not a time in UTC")
    try:
        time = datetime.fromisoformat(found[1])
    except ValueError as error:
        raise CheckpointError("the fourth line names no moment") from error
    # Newer Pythons read 24:00:00 as the next day.
    if time.isoformat() != found[1]:
        raise CheckpointError("the fourth line names no moment")
    return time.replace(tzinfo=UTC)
