"""Prove to others what a log holds."""

from dataclasses import dataclass

from federation.merkle import consistency_path, inclusion_path
from federation.names import Origin
from node.log.error import LogError
from node.log.state import held_log, node_reader, note_at
from node.store.protocol import PublicReader


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of RFC 9162 and, where one is held, the checkpoint of the larger size.

    Attributes:
        hashes: From the leaf upward.
        leaf: Leaf hash, for an inclusion proof.
        checkpoint: Empty where none of that size is held.
    """

    hashes: tuple[bytes, ...]
    leaf: bytes
    checkpoint: bytes


def prove_inclusion(reader: PublicReader, origin: Origin, index: int, size: int) -> Proof:
    """Prove that an entry is in the log of a size.

    Raises:
        LogError: ORIGIN_UNKNOWN, or POSITION_INVALID unless ``index < size <= held``.
    """
    state = held_log(reader, origin)
    if not 0 <= index < size <= state.size:
        raise LogError("no such entry in that size", reason="POSITION_INVALID")
    hashes = node_reader(reader, state)
    path = inclusion_path(index, size, hashes)
    return Proof(tuple(path), hashes(0, index), note_at(reader, state, size))


def prove_consistency(reader: PublicReader, origin: Origin, first: int, second: int) -> Proof:
    """Prove that the first size is a prefix of the second.

    Raises:
        LogError: ORIGIN_UNKNOWN, or POSITION_INVALID unless ``1 <= first <= second <= held``.
    """
    state = held_log(reader, origin)
    if not 1 <= first <= second <= state.size:
        raise LogError("no proof exists between these sizes", reason="POSITION_INVALID")
    path = consistency_path(first, second, node_reader(reader, state))
    return Proof(tuple(path), b"", note_at(reader, state, second))
