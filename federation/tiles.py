"""Tiles: the hashes of a log's tree, stored 256 at a time.

Tile (level, index) holds the nodes ``256 * index`` up to ``256 * index + 255`` of tree level
``8 * level``, 32 bytes each, left to right: at level 0 leaf hashes, above it the roots of the full
tiles below. Only perfect subtrees have a node, so the last tile of a level may be partial. Nodes
never change; a tile only grows until it is full. From the tiles every node that a proof needs is
at most 255 hashes away.

Source: C2SP tlog-tiles (the layout); ``proto/README.md`` (the rules).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import ConfigError
from federation.merkle import HASH_BYTES, pair_nodes

TILE_HEIGHT: Final = 8
"""Levels of the tree that one tile spans."""

TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""Hashes in a full tile."""

# Tiles: a proof in a log of 2**32 entries touches eight, 8 KiB each.
_CACHED_TILES: Final = 32


class TileError(ConfigError):
    """The tile storage does not hold what the tree's size says it holds."""

    reason = "TILE_INVALID"
    public = "The stored hashes of a log are damaged."
    hint = "run tocsin log verify, which recomputes the log from its entries"

    def __init__(self, message: str, *, level: int, index: int) -> None:
        super().__init__(message)
        self.level = level
        self.index = index


ReadTile = Callable[[int, int], bytes]
"""Give the stored bytes of tile (level, index); more hashes than are asked for do no harm."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile to be written, in place of an earlier one of the same level and index."""

    level: int
    index: int
    hashes: bytes


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many hashes a tile of a tree of ``size`` leaves holds, 0 to 256."""
    nodes = size >> (TILE_HEIGHT * level)
    return max(0, min(TILE_WIDTH, nodes - index * TILE_WIDTH))


def append_leaves(old_size: int, leaves: Sequence[bytes], read_tile: ReadTile) -> list[Tile]:
    """Return the tiles that change when leaf hashes are appended, lower levels first.

    Only the last partial tile of each level that grows is read.

    Args:
        old_size: Leaves in the tree before.
        leaves: Leaf hashes, 32 bytes each, in order.
        read_tile: Reads the tiles as they were.

    Raises:
        TileError: A tile that is read is too short.
    """
    written: list[Tile] = []
    level, new_nodes = 0, list(leaves)
    while new_nodes:
        old_count = old_size >> (TILE_HEIGHT * level)
        first = old_count // TILE_WIDTH
        nodes = _read_nodes(level, first, old_count % TILE_WIDTH, read_tile) + new_nodes
        new_nodes = []
        for begin in range(0, len(nodes), TILE_WIDTH):
            filling = nodes[begin : begin + TILE_WIDTH]
            written.append(Tile(level, first + begin // TILE_WIDTH, b"".join(filling)))
            if len(filling) == TILE_WIDTH:
                new_nodes.append(_perfect_root(filling))
        level += 1
    return written


class TileReader:
    """A node reader (see ``federation.merkle``) over the tiles of a tree of one size."""

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self._size = size
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree over ``2**level`` leaves, number ``index``.

        Raises:
            IndexError: That subtree is not complete at this size.
            TileError: The storage has no such hashes.
        """
        if level < 0 or not 0 <= index < self._size >> level:
            raise IndexError("the subtree is not complete at this size")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << height, TILE_WIDTH)
        nodes = self._tile(tile_level, tile_index)
        return _perfect_root(nodes[offset : offset + (1 << height)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        key = (level, index)
        if key not in self._tiles:
            if len(self._tiles) == _CACHED_TILES:
                self._tiles.pop(next(iter(self._tiles)))
            width = tile_width(level, index, self._size)
            self._tiles[key] = _read_nodes(level, index, width, self._read_tile)
        return self._tiles[key]


def _read_nodes(level: int, index: int, width: int, read_tile: ReadTile) -> list[bytes]:
    """Return the first ``width`` hashes of a tile."""
    if not width:
        return []
    stored = read_tile(level, index)
    if len(stored) < width * HASH_BYTES or len(stored) % HASH_BYTES:
        raise TileError("a tile is too short", level=level, index=index)
    return [stored[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)]


def _perfect_root(nodes: list[bytes]) -> bytes:
    """Return the root over a power of two of nodes."""
    while len(nodes) > 1:
        nodes = pair_nodes(nodes)
    return nodes[0]
