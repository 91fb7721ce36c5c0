"""The Merkle tree written straight from the definitions of RFC 9162, slow and independent.

Nothing of the product is imported: this is what the fast code is held against.
"""

import hashlib
from functools import cache

Leaves = tuple[bytes, ...]


def entries(count: int) -> Leaves:
    """Return distinct entries of varying length, the first of them empty."""
    return tuple(bytes([index % 256]) * index for index in range(count))


def _largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


@cache
def tree_head(data: Leaves) -> bytes:
    """Return MTH(D_n), section 2.1.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = _largest_power_below(len(data))
    return hashlib.sha256(b"\x01" + tree_head(data[:k]) + tree_head(data[k:])).digest()


def inclusion(m: int, data: Leaves) -> list[bytes]:
    """Return PATH(m, D_n), section 2.1.3.1."""
    if len(data) == 1:
        return []
    k = _largest_power_below(len(data))
    if m < k:
        return [*inclusion(m, data[:k]), tree_head(data[k:])]
    return [*inclusion(m - k, data[k:]), tree_head(data[:k])]


def consistency(m: int, data: Leaves) -> list[bytes]:
    """Return PROOF(m, D_n), section 2.1.4.1."""
    return _subproof(m, data, known=True)


def _subproof(m: int, data: Leaves, *, known: bool) -> list[bytes]:
    if m == len(data):
        return [] if known else [tree_head(data)]
    k = _largest_power_below(len(data))
    if m <= k:
        return [*_subproof(m, data[:k], known=known), tree_head(data[k:])]
    return [*_subproof(m - k, data[k:], known=False), tree_head(data[:k])]


def node_reader(data: Leaves):
    """Return hashes(level, index) over the perfect subtrees of ``data``; others are refused."""

    def hashes(level: int, index: int) -> bytes:
        begin, end = index << level, (index + 1) << level
        if not 0 <= begin < end <= len(data):
            raise LookupError(f"no perfect subtree at level {level} index {index}")
        return tree_head(data[begin:end])

    return hashes
