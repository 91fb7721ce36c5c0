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
    source: PublicStore, writer: PublicWriter, advance: Callable[[int], None] = lambda _: None
) -> int:
    """Copy all logs in the transaction of the caller; return the number of entries.

    Where the same logs are there already, nothing is copied: a move that was cut off can be made
    again.

    Args:
        source: Stays as it is.
        writer: Of a store that holds no other logs.
        advance: Called with the number of entries after each part.

    Raises:
        StoreError: STORE_NOT_EMPTY, or a store cannot be used.
    """
    with source.read() as reader:
        states = reader.logs()
        count = sum(state.size for state in states)
        if held := writer.logs():
            if list(map(_unnumbered, held)) != list(map(_unnumbered, states)):
                raise StoreError(
                    "the database holds other logs already",
                    reason="STORE_NOT_EMPTY",
                    hint="name another database, or drop the schema tocsin_public in this one",
                )
            advance(count)
            return count
        for state in states:
            number = writer.save_log(_unnumbered(state))
            _copy_entries(reader, writer, state, number, advance)
            writer.save_tiles(number, _tiles(reader, state))
            for checkpoint in reader.checkpoints(state.number, 0, state.size):
                writer.save_checkpoint(number, checkpoint)
    return count


def _unnumbered(state: LogState) -> LogState:
    return replace(state, number=0)


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
