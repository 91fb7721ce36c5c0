"""Copy the logs of one store into another, empty one; the views are folded again from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from federation.tiles import TILE_HEIGHT, TILE_WIDTH, Tile
from node.store.error import StoreError
from node.store.protocol import LogState, PublicReader, PublicStore, PublicWriter

# Entries copied at once: a few megabytes.
ENTRIES_AT_ONCE: Final = 4_096


def count_entries(store: PublicStore) -> int:
    """Return how many entries there are in all logs."""
    with store.read() as reader:
        return sum(state.size for state in reader.logs())


def copy_logs(
    source: PublicStore, target: PublicStore, advance: Callable[[int], None] = lambda _: None
) -> int:
    """Copy all logs, in one transaction of the target; return the number of entries.

    Args:
        source: Stays as it is.
        target: Holds no log yet.
        advance: Called with the number of entries after each part.

    Raises:
        StoreError: STORE_NOT_EMPTY, or a store cannot be used; then nothing was copied.
    """
    count = 0
    with source.read() as reader, target.write() as writer:
        if writer.logs():
            raise StoreError(
                "the database holds logs already",
                reason="STORE_NOT_EMPTY",
                hint="name another database, or drop the schema tocsin_public in this one",
            )
        for state in reader.logs():
            number = writer.save_log(replace(state, number=0))
            _copy_entries(reader, writer, state, number, advance)
            writer.save_tiles(number, _tiles(reader, state))
            for checkpoint in reader.checkpoints(state.number, 0, state.size):
                writer.save_checkpoint(number, checkpoint)
            count += state.size
    return count


def _copy_entries(
    reader: PublicReader,
    writer: PublicWriter,
    state: LogState,
    number: int,
    advance: Callable[[int], None],
) -> None:
    for start in range(0, state.size, ENTRIES_AT_ONCE):
        stop = min(start + ENTRIES_AT_ONCE, state.size)
        found = list(reader.entries(state.number, start, stop))
        if len(found) != stop - start:
            raise StoreError(
                "entries of a log are missing",
                reason="STORE_CORRUPT",
                hint="run tocsin log verify, which names the damage",
            )
        writer.add_entries(number, start, [entry.body for entry in found])
        advance(len(found))


def _tiles(reader: PublicReader, state: LogState) -> Iterator[Tile]:
    """Yield every tile of a log, the lowest level first; a body that is gone leaves its hash."""
    level = 0
    while nodes := state.size >> (TILE_HEIGHT * level):
        for index in range(-(-nodes // TILE_WIDTH)):
            yield Tile(level, index, reader.tile(state.number, level, index) or b"")
        level += 1
