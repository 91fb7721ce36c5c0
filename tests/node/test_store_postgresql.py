import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.views import TABLES, Table
from node.log.ledger import Ledger
from node.store.error import StoreError
from node.store.postgresql import SCHEMA, PostgresqlStore
from node.store.protocol import LogState
from node.store.sqlite import SqliteStore
from tests.node.log_samples import (
    FEDERATION,
    KEYS,
    MEMBERS,
    NOW,
    nominations,
    open_ledger,
    origin_of,
    public_of,
)
from tests.node.store_contract import EMPTY_LOG, StoreContract
from tests.postgresql import Server

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")


@pytest.fixture
def server(postgresql_server: Server) -> Server:
    return postgresql_server


@pytest.fixture
def address(server: Server, tmp_path: Path) -> str:
    """Give the address of the database, without a store in it."""
    server.do(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return server.address(passfile=str(server.passfile(tmp_path / "passfile")))


@pytest.fixture
def store(address: str) -> Iterator[PostgresqlStore]:
    store = PostgresqlStore(address, lock_timeout_ms=500)
    yield store
    store.close()


class TestPostgresqlStore(StoreContract):
    pass


def ledger_over(store: PostgresqlStore) -> Ledger:
    return Ledger(store, FEDERATION, MEMBERS[0], KEYS[MEMBERS[0]], public_of, lambda: NOW)


def test_both_stores_fold_the_same_logs_to_the_same_bytes(
    store: PostgresqlStore, tmp_path: Path
) -> None:
    small, sqlite_ledger = open_ledger(tmp_path / "public.db")
    ledger = ledger_over(store)
    for one in (ledger, sqlite_ledger):
        one.append(nominations(MEMBERS[0], 0, 2_000))

    assert isinstance(small, SqliteStore)
    assert ledger.views_digest() == sqlite_ledger.views_digest()
    rebuilt = ledger.rebuild_views()
    assert rebuilt.before == rebuilt.after == sqlite_ledger.views_digest()
    small.close()


def test_several_processes_append_to_one_log_in_turn(address: str) -> None:
    """Each thread has a store of its own, as another process would."""
    stores = [PostgresqlStore(address) for _ in range(3)]
    ledgers = [ledger_over(store) for store in stores]

    def add(number: int) -> None:
        for part in range(10):
            ledgers[number].append(nominations(MEMBERS[0], number * 1_000 + part * 10, 10))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [ledger.size(origin_of(MEMBERS[0])) for ledger in ledgers] == [300] * 3
    assert list(ledgers[0].verify(origin_of(MEMBERS[0])))[-1].checked == 300
    for store in stores:
        store.close()


def test_a_lock_that_another_process_holds_gives_one_error(
    store: PostgresqlStore, address: str
) -> None:
    other = PostgresqlStore(address)
    with other.write():
        with pytest.raises(StoreError) as caught, store.write() as writer:
            writer.save_log(EMPTY_LOG)

        assert caught.value.reason == "STORE_LOCKED"
        assert caught.value.hint is not None
    with store.write() as writer:
        assert writer.save_log(EMPTY_LOG) == 1
    other.close()


def test_lost_connections_are_made_again(store: PostgresqlStore, server: Server) -> None:
    with store.read() as reader:
        assert reader.logs() == []
    server.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name = 'tocsin'"
    )
    with store.write() as writer:
        writer.save_log(EMPTY_LOG)
    with store.read() as reader:
        assert len(reader.logs()) == 1


def test_a_writer_that_dies_leaves_nothing_half_written(
    store: PostgresqlStore, server: Server, address: str
) -> None:
    other = PostgresqlStore(address)

    def lose_the_server() -> None:
        with other.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            server.do(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction'"
            )
            writer.add_entries(number, 0, [b"a"])

    with pytest.raises(StoreError) as caught:
        lose_the_server()

    assert caught.value.reason == "STORE_UNUSABLE"
    with store.read() as reader:
        assert reader.logs() == []
    with other.write() as writer:
        writer.save_log(LogState(0, "night/bank-b/all", 0, b"", b"", b""))
    other.close()


def test_a_schema_of_another_program_is_refused(server: Server, address: str) -> None:
    store = PostgresqlStore(address)
    with store.database.write() as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute("CREATE TABLE theirs.thing (a INT)")
    store.close()

    with pytest.raises(StoreError) as caught:
        PostgresqlStore(address, schema="theirs")

    assert caught.value.reason == "STORE_FOREIGN"


def test_a_newer_schema_is_refused(address: str) -> None:
    store = PostgresqlStore(address)
    with store.database.write() as connection:
        connection.execute("INSERT INTO migration VALUES ('m999_future')")
    store.close()

    with pytest.raises(StoreError, match="m999_future") as caught:
        PostgresqlStore(address)

    assert caught.value.reason == "STORE_TOO_NEW"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql://me:hush@127.0.0.1/rows", "DATABASE_ADDRESS_INVALID"),
        ("postgresql://me@127.0.0.1:1/rows", "STORE_UNUSABLE"),
    ],
)
def test_an_address_that_cannot_be_used_gives_one_error(address: str, reason: str) -> None:
    with pytest.raises(StoreError) as caught:
        PostgresqlStore(address)

    assert caught.value.reason == reason
    assert "hush" not in str(caught.value)


def test_views_of_another_shape_are_made_anew_and_folded_again(address: str) -> None:
    store = PostgresqlStore(address)
    ledger_over(store).append(nominations(MEMBERS[0], 0, 500))
    store.close()
    first = TABLES[0]
    changed = Table(first.name, first.columns, first.key, (*first.indexes, ("kind",)))
    store = PostgresqlStore(address, (changed, *TABLES[1:]))
    with store.read() as reader:
        stale, rows = reader.has_stale_views(), list(reader.rows(changed))
    store.close()
    store = PostgresqlStore(address)
    ledger_over(store)
    with store.read() as reader:
        count = reader.token_count(first)
    store.close()

    assert stale
    assert rows == []
    assert count == 500


def test_an_error_repeats_no_value(store: PostgresqlStore) -> None:
    def add_twice() -> None:
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            writer.add_entries(number, 0, [b"\x07secret", b"b"])
            writer.add_entries(number, 0, [b"\x07secret"])

    with pytest.raises(StoreError) as caught:
        add_twice()

    assert caught.value.reason == "STORE_CORRUPT"
    assert "secret" not in str(caught.value)
