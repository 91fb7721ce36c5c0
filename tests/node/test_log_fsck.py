"""Each test edits the file behind the node's back, then asks where it was edited."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.merkle import CompactRange, leaf_hash
from federation.tiles import append_leaves
from node.log.error import DamageError, LogError, Part
from node.log.ledger import Ledger
from node.store.sqlite import SqliteStore
from tests.node.log_samples import (
    MEMBERS,
    in_batches,
    nomination,
    nominations,
    open_ledger,
    origin_of,
)

A = MEMBERS[0]
ORIGIN = origin_of(A)
SIZE, BATCH = 1_000, 150
BODIES = nominations(A, 0, SIZE)
OTHER = nomination(A, 4_711)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[SqliteStore, Ledger]]:
    store, ledger = open_ledger(tmp_path / "public.db")
    for batch in in_batches(BODIES, BATCH):
        ledger.append(batch)
    yield store, ledger
    store.close()


@pytest.fixture
def damage(opened: tuple[SqliteStore, Ledger]) -> Callable[..., DamageError]:
    """Run statements on the file, each with its values, and return what verify says."""

    def run(*edits: tuple[str, tuple[object, ...]]) -> DamageError:
        connection = sqlite3.connect(opened[0].file.path)
        for query, values in edits:
            assert connection.execute(query, values).rowcount > 0
        connection.commit()
        connection.close()
        with pytest.raises(DamageError) as caught:
            list(opened[1].verify(ORIGIN))
        return caught.value

    return run


def edit_body(position: int) -> tuple[str, tuple[object, ...]]:
    return "UPDATE entry SET body = ? WHERE position = ?", (OTHER, position)


def edit_leaf(position: int, leaf: bytes = leaf_hash(OTHER)) -> tuple[str, tuple[object, ...]]:
    index, place = divmod(position, 256)
    tile = [leaf_hash(body) for body in BODIES[index * 256 : (index + 1) * 256]]
    tile[place] = leaf
    query = 'UPDATE tile SET hashes = ? WHERE level = 0 AND "index" = ?'
    return query, (b"".join(tile), index)


def rewritten(position: int) -> list[tuple[str, tuple[object, ...]]]:
    """Return the edits that make bodies, all tiles and the state agree on another entry."""
    bodies = [*BODIES[:position], OTHER, *BODIES[position + 1 :]]
    leaves = [leaf_hash(body) for body in bodies]
    frontier = CompactRange()
    frontier.extend(leaves)
    tiles = append_leaves(0, leaves, lambda level, index: b"")
    query = 'UPDATE tile SET hashes = ? WHERE level = ? AND "index" = ?'
    state = "UPDATE log SET frontier = ?, root = ?", (frontier.encode(), frontier.root())
    return [
        edit_body(position),
        *((query, (tile.hashes, tile.level, tile.index)) for tile in tiles),
        state,
    ]


def test_a_sound_log_is_checked_to_its_end(opened: tuple[SqliteStore, Ledger]) -> None:
    steps = list(opened[1].verify(ORIGIN))

    assert steps[-1].checked == steps[-1].size == SIZE
    assert [step.checked for step in steps] == sorted(step.checked for step in steps)


def test_a_log_that_is_not_held_is_not_sound(opened: tuple[SqliteStore, Ledger]) -> None:
    with pytest.raises(LogError) as caught:
        list(opened[1].verify(origin_of(MEMBERS[1])))

    assert caught.value.reason == "ORIGIN_UNKNOWN"


@pytest.mark.parametrize("position", [0, 149, 150, 255, 256, 700, SIZE - 1])
def test_an_edited_body_is_named(damage: Callable[..., DamageError], position: int) -> None:
    found = damage(edit_body(position))

    assert (found.part, found.first, found.last) == (Part.BODY, position, position)
    assert found.reason == "LOG_DAMAGED"
    assert found.hint is not None


@pytest.mark.parametrize("position", [0, 149, 256, 700, SIZE - 1])
def test_an_edited_leaf_tile_is_named(damage: Callable[..., DamageError], position: int) -> None:
    found = damage(edit_leaf(position))

    assert (found.part, found.first, found.last) == (Part.TILE, position, position)


@pytest.mark.parametrize(
    ("position", "first", "last"),
    [
        (0, 0, 149),  # batch 0..149 lies inside tile 0
        (200, 150, 255),  # batch 150..299, tile 0
        (257, 256, 299),  # batch 150..299, tile 1
        (700, 600, 749),  # batch 600..749, tile 2
        (767, 750, 767),  # batch 750..899, tile 2
        (800, 750, 899),  # the last, partial tile: no signature vouches for the tiles above
        (SIZE - 1, 900, SIZE - 1),
    ],
)
def test_body_and_leaf_both_edited_are_narrowed_to_batch_and_tile(
    damage: Callable[..., DamageError], position: int, first: int, last: int
) -> None:
    found = damage(edit_body(position), edit_leaf(position))

    assert found.part is Part.BODY_AND_TILE
    assert (found.first, found.last) == (first, last)
    assert first <= position <= last


@pytest.mark.parametrize("position", [0, 320, SIZE - 1])
def test_a_whole_rewritten_history_is_bounded_by_its_first_signed_checkpoint(
    damage: Callable[..., DamageError], position: int
) -> None:
    found = damage(*rewritten(position))
    begin = position // BATCH * BATCH

    assert found.part is Part.BODY_AND_TILE
    assert (found.first, found.last) == (begin, min(begin + BATCH, SIZE) - 1)


def test_two_edited_bodies_and_one_leaf_name_the_first(damage: Callable[..., DamageError]) -> None:
    found = damage(edit_body(520), edit_leaf(520), edit_body(310))

    assert (found.part, found.first) == (Part.BODY, 310)


@pytest.mark.parametrize("position", [0, 300, 301, SIZE - 1])
def test_a_missing_entry_is_named(damage: Callable[..., DamageError], position: int) -> None:
    found = damage(("DELETE FROM entry WHERE position = ?", (position,)))

    assert (found.part, found.first, found.last) == (Part.MISSING, position, position)


def test_a_log_cut_short_names_the_first_missing_entry(damage: Callable[..., DamageError]) -> None:
    found = damage(
        ("DELETE FROM entry WHERE position >= ?", (613,)),
        ('DELETE FROM tile WHERE level = 0 AND "index" >= ?', (3,)),
    )

    assert (found.part, found.first) == (Part.MISSING, 613)


def test_a_log_cut_short_with_its_state_is_shown_by_its_history(
    damage: Callable[..., DamageError],
) -> None:
    frontier = CompactRange()
    frontier.extend([leaf_hash(body) for body in BODIES[:600]])
    state = (600, frontier.encode(), frontier.root())
    found = damage(
        ("DELETE FROM entry WHERE position >= ?", (600,)),
        ("UPDATE log SET size = ?, frontier = ?, root = ?", state),
    )

    assert (found.part, found.first) == (Part.MISSING, 600)


def test_a_missing_tile_is_named_by_its_first_entry(damage: Callable[..., DamageError]) -> None:
    found = damage(('DELETE FROM tile WHERE level = 0 AND "index" = ?', (2,)))

    assert (found.part, found.first) == (Part.TILE, 512)


def test_an_edited_upper_tile_is_named(damage: Callable[..., DamageError]) -> None:
    found = damage(("UPDATE tile SET hashes = zeroblob(96) WHERE level = ?", (1,)))

    assert (found.part, found.first, found.last) == (Part.UPPER_TILE, 0, 255)


def test_an_edited_body_is_named_even_if_the_upper_tile_is_edited_too(
    damage: Callable[..., DamageError],
) -> None:
    upper = ("UPDATE tile SET hashes = zeroblob(96) WHERE level = ?", (1,))
    found = damage(upper, edit_body(400))

    assert (found.part, found.first) == (Part.BODY, 400)


def test_an_edited_checkpoint_of_the_history_is_named(damage: Callable[..., DamageError]) -> None:
    note = b"replace(CAST(note AS TEXT), 'time 2', 'time 3')".decode()
    query = f"UPDATE checkpoint SET note = CAST({note} AS BLOB) WHERE size = ?"
    found = damage((query, (300,)))

    assert (found.part, found.first) == (Part.CHECKPOINT, 300)


def test_a_checkpoint_of_another_size_under_a_valid_signature_is_named(
    damage: Callable[..., DamageError],
) -> None:
    query = "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 150)"
    found = damage((f"{query} WHERE size = ?", (300,)))

    assert (found.part, found.first) == (Part.CHECKPOINT, 300)


def test_a_replaced_latest_checkpoint_is_named(damage: Callable[..., DamageError]) -> None:
    query = "UPDATE log SET checkpoint = (SELECT note FROM checkpoint WHERE size = ?)"
    found = damage((query, (300,)))

    assert (found.part, found.first) == (Part.CHECKPOINT, SIZE)


def test_an_edited_state_is_named(damage: Callable[..., DamageError]) -> None:
    found = damage(("UPDATE log SET root = ?", (bytes(32),)))

    assert (found.part, found.first) == (Part.STATE, SIZE)


def test_an_entry_beyond_the_checkpoint_is_named(damage: Callable[..., DamageError]) -> None:
    query = "INSERT INTO entry SELECT log, ?, body FROM entry WHERE position = 0"
    found = damage((query, (SIZE,)))

    assert (found.part, found.first) == (Part.SURPLUS, SIZE)


def test_a_history_signed_by_a_stranger_is_no_anchor(
    opened: tuple[SqliteStore, Ledger], damage: Callable[..., DamageError], tmp_path: Path
) -> None:
    forger, ledger = open_ledger(tmp_path / "forged" / "public.db", MEMBERS[1])
    forger.close()
    stranger = ledger.latest_checkpoint(origin_of(MEMBERS[1]))
    found = damage(
        edit_body(10), ("UPDATE checkpoint SET note = ? WHERE size < ?", (stranger, SIZE))
    )

    assert (found.part, found.first) == (Part.BODY, 10)
