"""Tiles give back every node of the tree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.merkle import (
    HASH_BYTES,
    CompactRange,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from federation.tiles import (
    TILE_WIDTH,
    TileError,
    TileReader,
    append_leaves,
    tile_width,
)
from tests.federation import naive_tree

LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(70_000)]
LARGE = 65_536 + 256 * 3 + 5  # leaves: three levels of tiles, partial at each


class Shelf:
    """Tiles kept in memory, with a record of what was read."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []
        self.size = 0

    def read(self, level: int, index: int) -> bytes:
        self.reads.append((level, index))
        return self.tiles.get((level, index), b"")

    def append(self, leaves: list[bytes]) -> None:
        written = append_leaves(self.size, leaves, self.read)
        self.tiles.update({(tile.level, tile.index): tile.hashes for tile in written})
        self.size += len(leaves)

    def reader(self) -> TileReader:
        return TileReader(self.size, self.read)


@pytest.fixture(scope="module")
def large() -> Shelf:
    shelf = Shelf()
    shelf.append(LEAVES[:LARGE])
    return shelf


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=8))
def test_the_root_from_tiles_is_the_root_of_the_range_whatever_the_batches(cuts):
    shelf, grown = Shelf(), CompactRange()
    for cut in cuts:
        batch = LEAVES[shelf.size : shelf.size + cut]
        shelf.append(batch)
        grown.extend(batch)

        assert root_at(shelf.size, shelf.reader()) == grown.root()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=6))
def test_batches_do_not_change_the_tiles(cuts):
    whole, parts = Shelf(), Shelf()
    whole.append(LEAVES[: sum(cuts)])
    for cut in cuts:
        parts.append(LEAVES[parts.size : parts.size + cut])

    assert parts.tiles == whole.tiles


def test_leaves_one_by_one_across_tile_boundaries_make_the_same_tiles():
    whole, single = Shelf(), Shelf()
    whole.append(LEAVES[:600])
    for leaf in LEAVES[:600]:
        single.append([leaf])

    assert single.tiles == whole.tiles


def test_every_tile_has_the_width_its_level_and_the_size_demand(large):
    widths = {key: len(hashes) // HASH_BYTES for key, hashes in large.tiles.items()}

    assert widths == {key: tile_width(*key, LARGE) for key in widths}
    assert sum(width for (level, _), width in widths.items() if level == 0) == LARGE
    assert (widths[0, 259], widths[1, 1], widths[2, 0]) == (5, 3, 1)
    assert tile_width(0, 260, LARGE) == tile_width(3, 0, LARGE) == 0


def test_every_node_of_a_small_tree_is_the_naive_one():
    data = tuple(number.to_bytes(4) for number in range(600))
    shelf = Shelf()
    shelf.append(LEAVES[:600])
    reader, naive = shelf.reader(), naive_tree.node_reader(data)
    for level in range(10):
        for index in range(600 >> level):
            assert reader(level, index) == naive(level, index)


def test_proofs_from_the_tiles_of_a_large_tree_verify(large):
    reader, root = large.reader(), root_at(LARGE, large.reader())
    for index in (0, 1, 255, 256, 32_768, 65_535, 65_536, LARGE - 1):
        verify_inclusion(LEAVES[index], index, LARGE, root, inclusion_path(index, LARGE, reader))
    for old_size in (1, 255, 256, 257, 40_000, 65_536, 65_537, LARGE):
        old = CompactRange()
        old.extend(LEAVES[:old_size])
        path = consistency_path(old_size, LARGE, reader)
        verify_consistency(old_size, old.root(), LARGE, root, path)

        assert root_at(old_size, reader) == old.root()


def test_a_reader_of_an_earlier_size_ignores_what_was_added_later(large):
    earlier, grown = TileReader(65_600, large.read), CompactRange()
    grown.extend(LEAVES[:65_600])

    assert root_at(65_600, earlier) == grown.root()


def test_an_append_reads_only_the_last_partial_tiles_that_grow(large):
    shelf = Shelf()
    shelf.tiles, shelf.size = dict(large.tiles), LARGE
    shelf.append(LEAVES[LARGE : LARGE + 10])
    few = list(shelf.reads)
    shelf.append(LEAVES[LARGE + 10 : LARGE + 300])

    assert few == [(0, 259)]
    assert shelf.reads[1:] == [(0, 259), (1, 1)]


def test_nothing_is_read_at_a_tile_boundary_and_nothing_written_for_nothing():
    shelf = Shelf()
    shelf.append(LEAVES[:TILE_WIDTH])
    shelf.append([])
    shelf.append(LEAVES[TILE_WIDTH : TILE_WIDTH + 1])

    assert shelf.reads == []
    assert append_leaves(7, [], shelf.read) == []


@pytest.mark.parametrize(("level", "index"), [(0, 300), (0, -1), (-1, 0), (8, 1), (9, 0), (64, 0)])
def test_an_incomplete_subtree_has_no_node(level, index):
    shelf = Shelf()
    shelf.append(LEAVES[:300])

    with pytest.raises(IndexError):
        shelf.reader()(level, index)


@pytest.mark.parametrize(
    "stored", [b"", b"\x00" * 32 * 299, b"\x00" * (32 * 44 - 1), b"\x00" * (32 * 44 + 1)]
)
def test_a_short_or_ragged_tile_is_reported_by_place(stored):
    shelf = Shelf()
    shelf.append(LEAVES[:300])
    shelf.tiles[0, 1] = stored[: 32 * 43] if len(stored) > 32 * 256 else stored
    with pytest.raises(TileError) as reading:
        shelf.reader()(0, 299)
    with pytest.raises(TileError) as writing:
        shelf.append(LEAVES[300:301])

    assert (reading.value.level, reading.value.index) == (0, 1)
    assert (writing.value.level, writing.value.index) == (0, 1)
    assert reading.value.reason == "TILE_INVALID"


def test_a_changed_tile_changes_the_root():
    shelf = Shelf()
    shelf.append(LEAVES[:1_000])
    honest = root_at(1_000, shelf.reader())
    tile = shelf.tiles[0, 3]
    shelf.tiles[0, 3] = tile[:100] + bytes([tile[100] ^ 1]) + tile[101:]

    assert root_at(1_000, shelf.reader()) != honest


def test_a_reader_holds_few_tiles_and_still_answers(large):
    reader = large.reader()
    for index in range(0, LARGE, TILE_WIDTH):
        assert reader(0, index) == LEAVES[index]
    large.reads.clear()
    reader(0, 0)
    reader(0, 1)

    assert large.reads == [(0, 0)]
