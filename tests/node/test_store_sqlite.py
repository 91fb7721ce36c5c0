import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from federation.views import TABLES, Table
from node.store import database
from node.store.database import IDLE_READERS
from node.store.error import StoreError
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from tests.node.log_samples import MEMBERS, nominations, open_ledger, origin_of
from tests.node.store_contract import EMPTY_LOG, StoreContract


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node" / "public.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, busy_timeout_ms=50)
    yield store
    store.close()


class TestSqliteStore(StoreContract):
    pass


def filled(path: Path) -> None:
    store, ledger = open_ledger(path)
    ledger.append(nominations(MEMBERS[0], 0, 500))
    store.close()


def test_files_are_for_their_owner_alone(store: SqliteStore, path: Path) -> None:
    with store.write() as writer:
        writer.save_log(EMPTY_LOG)

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert len(list(path.parent.iterdir())) == 3


def test_what_is_acknowledged_is_synced(store: SqliteStore) -> None:
    with store.file.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_reader_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(StoreError), store.file.read() as connection:
        connection.execute("DELETE FROM log")


@pytest.mark.parametrize("damage", ["header", "text", "half"])
def test_a_damaged_file_gives_one_error_and_stays_as_it_is(path: Path, damage: str) -> None:
    filled(path)
    whole = path.read_bytes()
    broken = {
        "header": b"\0" * 100 + whole[100:],
        "text": b"this is no database at all, but it is long enough to look at" * 20,
        "half": whole[: len(whole) // 2],
    }[damage]
    path.write_bytes(broken)

    with pytest.raises(StoreError) as caught:
        SqliteStore(path)

    assert caught.value.reason == "STORE_CORRUPT"
    assert caught.value.hint is not None
    assert path.read_bytes() == broken


def test_a_page_damaged_in_use_gives_the_same_error(path: Path) -> None:
    filled(path)
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xa5" * (len(whole) - 4096)
    path.write_bytes(whole)

    with pytest.raises(StoreError) as caught:
        open_ledger(path)

    assert caught.value.reason == "STORE_CORRUPT"


def test_a_locked_database_gives_one_error_and_changes_nothing(
    store: SqliteStore, path: Path
) -> None:
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as caught, store.write() as writer:
        writer.save_log(EMPTY_LOG)
    other.rollback()
    other.close()

    assert caught.value.reason == "STORE_LOCKED"
    assert caught.value.hint is not None
    with store.read() as reader:
        assert reader.logs() == []


def test_a_full_disk_gives_one_error_and_changes_nothing(path: Path) -> None:
    store, ledger = open_ledger(path)
    ledger.append(nominations(MEMBERS[0], 0, 10))
    before = ledger.views_digest()
    with store.file.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    with store.file.write() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StoreError) as caught:
        ledger.append(nominations(MEMBERS[0], 10, 5_000))

    assert caught.value.reason == "STORE_FULL"
    assert caught.value.hint is not None
    assert ledger.size(origin_of(MEMBERS[0])) == 10
    assert ledger.views_digest() == before
    with store.file.write() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert ledger.append(nominations(MEMBERS[0], 10, 5_000)).first == 10
    store.close()


def test_a_directory_in_place_of_the_file_gives_one_error(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(StoreError) as caught:
        SqliteStore(path)

    assert caught.value.reason == "STORE_UNUSABLE"


def test_a_newer_schema_is_refused(path: Path) -> None:
    filled(path)
    with Database(path) as database:
        database.table("_sqlite_migrations").insert(
            {"migration_set": "tocsin-public", "name": "m999_future", "applied_at": ""}
        )

    with pytest.raises(StoreError, match="m999_future") as caught:
        SqliteStore(path)

    assert caught.value.reason == "STORE_TOO_NEW"


def test_a_database_of_another_purpose_is_refused(path: Path, tmp_path: Path) -> None:
    SqliteStore(path).close()
    foreign = tmp_path / "foreign.db"
    with Database(foreign) as database:
        database.table("thing").insert({"a": 1})
    for wrong in (lambda: PrivateStore(path), lambda: SqliteStore(foreign)):
        with pytest.raises(StoreError) as caught:
            wrong()

        assert caught.value.reason == "STORE_FOREIGN"


def test_opening_again_applies_no_migration_twice(path: Path) -> None:
    for _ in range(3):
        SqliteStore(path).close()
    with Database(path) as database:
        applied = [row["name"] for row in database.table("_sqlite_migrations").rows]

    assert applied == ["m001_logs"]


def test_views_of_another_shape_are_made_anew_and_folded_again(path: Path) -> None:
    filled(path)
    first = TABLES[0]
    changed = Table(first.name, first.columns, first.key, (*first.indexes, ("kind",)))
    store = SqliteStore(path, (changed, *TABLES[1:]))
    with store.read() as reader:
        stale, rows = reader.has_stale_views(), list(reader.rows(changed))
    store.close()
    store, ledger = open_ledger(path)
    with store.read() as reader:
        count = reader.token_count(first)

    assert stale
    assert rows == []
    assert count == 500
    rebuilt = ledger.rebuild_views()
    assert rebuilt.before == rebuilt.after
    store.close()


def test_readers_beyond_the_pool_are_closed_again(store: SqliteStore) -> None:
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(store.read()) for _ in range(IDLE_READERS + 4)]
        assert [reader.logs() for reader in readers] == [[]] * (IDLE_READERS + 4)

    assert len(store.file._idle) == IDLE_READERS


def test_a_reader_that_nobody_needed_for_a_while_is_closed(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(store.read())
    pooled = [reader for _, reader in store.file._idle]
    monkeypatch.setattr(database, "IDLE_SECONDS", 0.0)
    with store.read() as reader:
        assert reader.logs() == []

    assert [reader for _, reader in store.file._idle] == pooled[-1:]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        pooled[0].execute("SELECT 1")
