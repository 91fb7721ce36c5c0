"""Forks: two checkpoints of one log that cannot both be true, proved to anybody.

What proves a fork to a third party that holds neither log, given that SHA-256 has no collisions:

- *Equal sizes, different roots.* A root determines the entries, so the member signed two
  histories of one length. Both notes suffice.
- *Different sizes.* The larger checkpoint's root determines its entries, so also the root of its
  first m entries, for m the smaller size. A valid consistency path from some root ``prefix_root``
  at size m to the larger root shows that ``prefix_root`` *is* that root: the sizes fix the shape
  of the path, so each hash on it is the one true node at its place (RFC 9162 section 2.1.4.2
  computes the larger root from them). The member signed another root for size m: a fork.

So honest growth cannot be turned into evidence: for it ``prefix_root`` could only be the root
that the smaller checkpoint has, and then the evidence is refused. Two things are no forks: the
same size and root signed at two times, and an older, smaller checkpoint shown after a larger one.
A checkpoint of size 0 contradicts none, since only the empty root can stand in it.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from federation.checkpoint import (
    MAX_CHECKPOINT_BYTES,
    CheckpointError,
    CheckpointSignatureError,
    SignedCheckpoint,
    verify_checkpoint,
)
from federation.errors import FederationError, PeerError
from federation.merkle import (
    HASH_BYTES,
    ConsistencyError,
    NodeReader,
    consistency_path,
    root_at,
    verify_consistency,
)
from federation.names import NameFormatError, Origin

# Hashes: one for each level of a tree of 2**63 entries, and the seed.
MAX_PATH_HASHES: Final = 64

_MAGIC = b"tocsin/fork/v1\n"
_LENGTH = struct.Struct(">I")


class ForkEvidenceError(PeerError):
    """What is called evidence of a fork proves none."""

    reason = "FORK_EVIDENCE_INVALID"
    public = "The evidence does not prove a fork."


class UndecidedError(FederationError):
    """The tree at hand is not the larger checkpoint's, so nothing can be said about the two."""

    reason = "FORK_UNDECIDED"
    public = "Two checkpoints cannot be compared without the entries of the larger one."
    hint = "replicate the log up to the larger checkpoint, or ask the member that showed it"


@dataclass(frozen=True, slots=True)
class ForkEvidence:
    """A claim that a member forked a log, in a form that anybody can check.

    Attributes:
        origin: The log.
        first: The signed note of the checkpoint with the smaller size.
        second: The other signed note.
        prefix_root: Root that the second log has at the first one's size; None for equal sizes.
        path: Consistency path from ``prefix_root`` to the second root; empty for equal sizes.

    Raises:
        ForkEvidenceError: A field is too long, or a hash does not have 32 bytes.
    """

    origin: Origin
    first: bytes
    second: bytes
    prefix_root: bytes | None = None
    path: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if max(len(self.first), len(self.second)) > MAX_CHECKPOINT_BYTES:
            raise ForkEvidenceError("a checkpoint is too long")
        if len(self.path) > MAX_PATH_HASHES:
            raise ForkEvidenceError("the consistency path is too long")
        if any(len(value) != HASH_BYTES for value in self._hashes()):
            raise ForkEvidenceError("a hash does not have 32 bytes")
        if self.prefix_root is None and self.path:
            raise ForkEvidenceError("a consistency path needs the root that it starts from")

    def _hashes(self) -> tuple[bytes, ...]:
        return self.path if self.prefix_root is None else (self.prefix_root, *self.path)

    def encode(self) -> bytes:
        """Write the evidence as bytes. Source: proto/README.md, "Fork evidence"."""
        parts = (str(self.origin).encode(), self.first, self.second, b"".join(self._hashes()))
        return _MAGIC + b"".join(_LENGTH.pack(len(part)) + part for part in parts)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read what ``encode`` wrote; it is still only a claim.

        Raises:
            ForkEvidenceError: The bytes are not in the format.
        """
        origin, first, second, packed = _split_parts(encoded)
        if len(packed) % HASH_BYTES:
            raise ForkEvidenceError("a hash does not have 32 bytes")
        hashes = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
        prefix_root = hashes[0] if hashes else None
        return cls(_parse_origin(origin), first, second, prefix_root, tuple(hashes[1:]))


def compare_checkpoints(
    one: SignedCheckpoint, other: SignedCheckpoint, hashes: NodeReader | None = None
) -> ForkEvidence | None:
    """Say whether two verified checkpoints of one log contradict each other.

    Args:
        one: A checkpoint.
        other: A checkpoint of the same origin, in any order.
        hashes: Nodes of the larger checkpoint's tree; needed only when the sizes differ.

    Returns:
        Evidence that any third party accepts, or None when both can be true.

    Raises:
        ValueError: The origins differ.
        UndecidedError: The sizes differ and ``hashes`` is missing or leads to another root than
            the larger checkpoint's. Says nothing about the member.
    """
    origin = one.checkpoint.origin
    if origin != other.checkpoint.origin:
        raise ValueError("the checkpoints are of different logs")
    # The note breaks ties, so that the same fork gives the same evidence everywhere.
    first, second = sorted((one, other), key=lambda signed: (signed.checkpoint.size, signed.note))
    if first.checkpoint.size == second.checkpoint.size:
        if first.checkpoint.root == second.checkpoint.root:
            return None
        return ForkEvidence(origin, first.note, second.note)
    if first.checkpoint.size == 0:
        return None
    prefix_root, path = _history(first, second, hashes)
    if prefix_root == first.checkpoint.root:
        return None
    return ForkEvidence(origin, first.note, second.note, prefix_root, path)


def verify_fork_evidence(
    evidence: ForkEvidence, *publics: bytes
) -> tuple[SignedCheckpoint, SignedCheckpoint]:
    """Check that a member forked its log, trusting nobody but its signatures.

    Args:
        evidence: The claim, from anybody.
        publics: The signing keys, 32 bytes each, that the charter names or ever named for the
            member; usually one.

    Returns:
        The two contradictory checkpoints, the smaller first.

    Raises:
        ForkEvidenceError: A signature does not hold, or both checkpoints can be true.
    """
    first = _verify_note(evidence.first, evidence.origin, publics)
    second = _verify_note(evidence.second, evidence.origin, publics)
    if first.checkpoint.size == second.checkpoint.size:
        if evidence.prefix_root is not None:
            raise ForkEvidenceError("no consistency path belongs to equal sizes")
        if first.checkpoint.root == second.checkpoint.root:
            raise ForkEvidenceError("the two checkpoints agree")
        return first, second
    if evidence.prefix_root is None:
        raise ForkEvidenceError("the sizes differ and there is no consistency path")
    if evidence.prefix_root == first.checkpoint.root:
        raise ForkEvidenceError("the second log begins as the first one says")
    try:
        _verify_path(first, second, evidence.prefix_root, evidence.path)
    except ConsistencyError as error:
        raise ForkEvidenceError("the consistency path does not hold") from error
    return first, second


def _history(
    first: SignedCheckpoint, second: SignedCheckpoint, hashes: NodeReader | None
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the root at the first size in the second's tree, and the path between them."""
    if hashes is None:
        raise UndecidedError
    size = first.checkpoint.size
    prefix_root = root_at(size, hashes)
    path = tuple(consistency_path(size, second.checkpoint.size, hashes))
    try:
        # A damaged store or another branch must never become an accusation.
        _verify_path(first, second, prefix_root, path)
    except ConsistencyError as error:
        raise UndecidedError from error
    return prefix_root, path


def _verify_path(
    first: SignedCheckpoint, second: SignedCheckpoint, prefix_root: bytes, path: Sequence[bytes]
) -> None:
    verify_consistency(
        first.checkpoint.size, prefix_root, second.checkpoint.size, second.checkpoint.root, path
    )


def _verify_note(note: bytes, origin: Origin, publics: Sequence[bytes]) -> SignedCheckpoint:
    for public in publics:
        try:
            return verify_checkpoint(note, origin, public)
        except CheckpointSignatureError:
            continue  # Perhaps it was signed with another of the member's keys.
        except CheckpointError as error:
            raise ForkEvidenceError("a note is no checkpoint of this log") from error
    raise ForkEvidenceError("a checkpoint is not signed by the member")


def _split_parts(encoded: bytes) -> list[bytes]:
    """Return the four length-prefixed parts of encoded evidence."""
    if not encoded.startswith(_MAGIC):
        raise ForkEvidenceError("the bytes are not fork evidence")
    parts: list[bytes] = []
    position = len(_MAGIC)
    for _ in range(4):
        begin = position + _LENGTH.size
        if begin > len(encoded):
            raise ForkEvidenceError("the evidence is cut short")
        (length,) = _LENGTH.unpack_from(encoded, position)
        position = begin + length
        parts.append(encoded[begin:position])
    if position != len(encoded):
        raise ForkEvidenceError("the evidence has not the length that it says")
    return parts


def _parse_origin(part: bytes) -> Origin:
    try:
        return Origin.parse(part.decode("ascii"))
    except (UnicodeDecodeError, NameFormatError) as error:
        raise ForkEvidenceError("the evidence names no log") from error
