"""The Merkle tree of a log: hashing, growing, proving, verifying.

- A leaf and an inner node never hash alike (prefix 0x00 and 0x01).
- ``CompactRange`` knows the root of a growing tree in O(log n) memory.
- Proofs are made over a *node reader*, ``hashes(level, index)``: the root of the perfect subtree
  over leaves ``index << level`` up to ``(index + 1) << level``. It is asked only for subtrees that
  are complete at the size in question.
- A failed verification raises an error that carries what was claimed: it is the evidence.

Source: RFC 9162 section 2.1 (the same tree as RFC 6962 section 2.1).
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final, Self

from federation.errors import ConfigError, PeerError

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of the tree without leaves."""

# Leaves: the largest count that a signed 64-bit column of a database holds.
MAX_TREE_SIZE: Final = 2**63 - 1

NodeReader = Callable[[int, int], bytes]

_SIZE = struct.Struct(">Q")


class InclusionError(PeerError):
    """The proof does not show that the leaf is in the tree."""

    reason = "INCLUSION_PROOF_INVALID"
    public = "An inclusion proof does not hold."

    def __init__(
        self,
        message: str,
        *,
        leaf: bytes,
        index: int,
        size: int,
        root: bytes,
        path: Sequence[bytes],
    ) -> None:
        super().__init__(message)
        self.leaf = leaf
        self.index = index
        self.size = size
        self.root = root
        self.path = tuple(path)


class ConsistencyError(PeerError):
    """The proof does not show that the older tree is a prefix of the newer one."""

    reason = "CONSISTENCY_PROOF_INVALID"
    public = "A consistency proof does not hold."

    def __init__(
        self,
        message: str,
        *,
        old_size: int,
        old_root: bytes,
        new_size: int,
        new_root: bytes,
        path: Sequence[bytes],
    ) -> None:
        super().__init__(message)
        self.old_size = old_size
        self.old_root = old_root
        self.new_size = new_size
        self.new_root = new_root
        self.path = tuple(path)


class CompactRangeError(ConfigError):
    """Stored bytes are not an encoded compact range."""

    reason = "COMPACT_RANGE_INVALID"
    public = "The stored state of a log is not valid."


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry exactly as it was written. Source: RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two child nodes of 32 bytes each. Source: RFC 9162 section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def pair_nodes(nodes: Sequence[bytes]) -> list[bytes]:
    """Hash neighbours together, one level up; an odd last node is left out."""
    pairs = zip(nodes[0::2], nodes[1::2], strict=False)
    # Spelled out rather than by node_hash: this is the inner loop of replication.
    return [sha256(b"\x01" + left + right).digest() for left, right in pairs]


class CompactRange:
    """The frontier of a tree: the roots of its perfect subtrees, one for each set bit of its size.

    Enough to append and to compute the root. Mutable; ``copy`` before a trial that may be
    given up.
    """

    __slots__ = ("_levels", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._levels: list[bytes | None] = []

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash (32 bytes, not the entry)."""
        self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes (32 bytes each, not the entries) in order; about one hash a leaf."""
        if set(map(len, leaves)) - {HASH_BYTES}:
            raise ValueError("a leaf hash has 32 bytes")
        if self._size + len(leaves) > MAX_TREE_SIZE:
            raise ValueError("the tree is full")
        self._size += len(leaves)
        nodes, level = list(leaves), 0
        while nodes:
            nodes = self._carry(level, nodes)
            level += 1

    def _carry(self, level: int, nodes: list[bytes]) -> list[bytes]:
        """Put ``nodes`` on a level, keep the odd one, return the parents of the others."""
        if level == len(self._levels):
            self._levels.append(None)
        waiting = self._levels[level]
        if waiting is not None:
            nodes.insert(0, waiting)
        self._levels[level] = nodes[-1] if len(nodes) % 2 else None
        return pair_nodes(nodes)

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        present = [node for node in self._levels if node is not None]
        return _fold_right(present[::-1])

    def copy(self) -> Self:
        """Return an independent range of the same tree."""
        twin = type(self)()
        twin._size = self._size  # noqa: SLF001 - the same class
        twin._levels = list(self._levels)  # noqa: SLF001 - the same class
        return twin

    def encode(self) -> bytes:
        """Return the size (8 bytes, big-endian) and the subtree roots, largest first."""
        present = (node for node in reversed(self._levels) if node is not None)
        return _SIZE.pack(self._size) + b"".join(present)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read what ``encode`` wrote.

        Raises:
            CompactRangeError: The length does not fit the size, or the size is beyond 2**63 - 1.
        """
        if len(encoded) < _SIZE.size:
            raise CompactRangeError("a compact range has at least 8 bytes")
        (size,) = _SIZE.unpack_from(encoded)
        if size > MAX_TREE_SIZE:
            raise CompactRangeError("a compact range is too large")
        if len(encoded) != _SIZE.size + HASH_BYTES * size.bit_count():
            raise CompactRangeError("a compact range has one hash for each set bit of its size")
        decoded = cls()
        decoded._size = size
        decoded._levels = [None] * size.bit_length()
        position = _SIZE.size
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                decoded._levels[level] = encoded[position : position + HASH_BYTES]
                position += HASH_BYTES
        return decoded


def root_at(size: int, hashes: NodeReader) -> bytes:
    """Return the root of the first ``size`` leaves, from O(log n) nodes."""
    return _range_root(0, size, hashes)


def inclusion_path(index: int, size: int, hashes: NodeReader) -> list[bytes]:
    """Return the sibling hashes from leaf ``index`` up to the root of ``size`` leaves.

    Raises:
        IndexError: Not ``0 <= index < size``.

    Source: RFC 9162 section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise IndexError("the leaf is not in the tree")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_root(middle, end, hashes))
            end = middle
        else:
            path.append(_range_root(begin, middle, hashes))
            begin = middle
    path.reverse()
    return path


def consistency_path(old_size: int, new_size: int, hashes: NodeReader) -> list[bytes]:
    """Return the hashes that show the first ``old_size`` leaves to be a prefix of ``new_size``.

    Raises:
        IndexError: Not ``1 <= old_size <= new_size``; nothing can be shown of an empty tree.

    Source: RFC 9162 section 2.1.4.1.
    """
    if not 1 <= old_size <= new_size:
        raise IndexError("no consistency proof exists between these sizes")
    path: list[bytes] = []
    begin, end = 0, new_size
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            path.append(_range_root(middle, end, hashes))
            end = middle
        else:
            path.append(_range_root(begin, middle, hashes))
            begin = middle
    if begin:
        path.append(_range_root(begin, end, hashes))
    path.reverse()
    return path


def verify_inclusion(
    leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Prove that the leaf hash ``leaf`` is number ``index`` of the tree with ``size`` and ``root``.

    Raises:
        InclusionError: The path does not lead from the leaf to the root. Carries the arguments.

    Source: RFC 9162 section 2.1.3.2.
    """

    def refuse(message: str) -> InclusionError:
        return InclusionError(message, leaf=leaf, index=index, size=size, root=root, path=path)

    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise refuse("the leaf is outside the tree")
    if not _all_hashes(leaf, root, *path):
        raise refuse("a hash does not have 32 bytes")
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise refuse("the inclusion path is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            position, last = _skip_left_edges(position, last)
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise refuse("the inclusion path is too short")
    if node != root:
        raise refuse("the inclusion path does not lead to the root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Prove that the tree of ``old_size`` leaves is a prefix of the tree of ``new_size`` leaves.

    Raises:
        ConsistencyError: It is not shown, or the old tree is empty, of which nothing can be
            shown. Carries the arguments.

    Source: RFC 9162 section 2.1.4.2.
    """

    def refuse(message: str) -> ConsistencyError:
        return ConsistencyError(
            message,
            old_size=old_size,
            old_root=old_root,
            new_size=new_size,
            new_root=new_root,
            path=path,
        )

    if not 1 <= old_size <= new_size <= MAX_TREE_SIZE:
        raise refuse("the sizes are not those of a consistency proof")
    if not _all_hashes(old_root, new_root, *path):
        raise refuse("a hash does not have 32 bytes")
    if old_size == new_size:
        if path:
            raise refuse("the consistency path is too long")
        if old_root != new_root:
            raise refuse("two trees of one size have different roots")
        return
    # The old tree is itself a node of the new one when its size is a power of two.
    nodes = iter((old_root, *path) if old_size.bit_count() == 1 else path)
    old_node, new_node = _climb(old_size, new_size, nodes, refuse)
    if old_node != old_root:
        raise refuse("the consistency path does not lead to the old root")
    if new_node != new_root:
        raise refuse("the consistency path does not lead to the new root")


def _climb(
    old_size: int, new_size: int, nodes: Iterator[bytes], refuse: Callable[[str], ConsistencyError]
) -> tuple[bytes, bytes]:
    """Compute the old and the new root that a consistency path leads to."""
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    seed = next(nodes, None)
    if seed is None:
        raise refuse("the consistency path is too short")
    old_node = new_node = seed
    for sibling in nodes:
        if last == 0:
            raise refuse("the consistency path is too long")
        if position & 1 or position == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            position, last = _skip_left_edges(position, last)
        else:
            new_node = node_hash(new_node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise refuse("the consistency path is too short")
    return old_node, new_node


def _skip_left_edges(position: int, last: int) -> tuple[int, int]:
    """Go up past the levels at which the rightmost node has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _split(count: int) -> int:
    """Return the largest power of two below ``count``, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(begin: int, end: int, hashes: NodeReader) -> bytes:
    """Return the root of leaves begin up to end; begin is a multiple of the largest subtree."""
    nodes: list[bytes] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(hashes(level, begin >> level))
        begin += 1 << level
    return _fold_right(nodes)


def _fold_right(nodes: Sequence[bytes]) -> bytes:
    """Join subtree roots, largest first, into one root."""
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root)
    return root


def _all_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
