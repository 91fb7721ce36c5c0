"""The logs of one store, copied to another: the same bytes, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from federation.merkle import leaf_hash
from node.cli.move_store import move_store
from node.config import encode_config, load_config
from node.doors.errors import SocketError
from node.doors.inside import hold_directory
from node.errors import ConfigError
from node.home import Home
from node.log.ledger import Ledger
from node.store.error import StoreError
from node.store.moving import copy_logs, count_entries
from node.store.moving_private import copy_private
from node.store.opening import open_database, open_private
from node.store.postgresql import SCHEMA
from node.store.postgresql_private import PRIVATE_SCHEMA, PostgresqlPrivate
from node.store.private import PrivateStore, open_private_file
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
from tests.postgresql import Server

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")


@pytest.fixture
def address(postgresql_server: Server, tmp_path: Path) -> str:
    for schema in (SCHEMA, PRIVATE_SCHEMA):
        postgresql_server.do(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    return postgresql_server.address(
        passfile=str(postgresql_server.passfile(tmp_path / "passfile"))
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home with private rows and 700 own entries; of the first ones only the hashes."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.card.write_text("{}")
    home.config.write_text("workers = 1\ndatabase = ''  # none\ncountry = ''\n")
    store, ledger = open_ledger(home.data / "public.db")
    ledger.append(nominations(MEMBERS[0], 0, 300))
    ledger.append(nominations(MEMBERS[0], 300, 400))
    with store.write() as writer:
        (state,) = writer.logs()
        writer.drop_bodies(state.number, range(5))
    ledger.rebuild_views()
    store.close()
    with closing(PrivateStore(home.data / "private.db")) as private:
        fill(private)
    return home


def fill(private: PrivateStore) -> None:
    """Put rows into every private table, in no order, with values that are hard to carry over."""
    texts = ("+8613800000000", "小心 'x'", "a\tb\\N\n", "", "Ω", "%s?")
    with private.database.write() as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 1) <> '_'"
        ).fetchall()
        for (name,) in tables:
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            for place, text in enumerate(texts):
                by_kind = {
                    "BLOB": bytes([place * 50, 0, 92]) + text.encode(),
                    "INTEGER": (-1) ** place * place * 2**60,
                    "TEXT": text,
                }
                row = [by_kind[kind] for _, _, kind, *_ in columns]
                query = f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})"
                connection.execute(query, row)


def test_a_moved_log_proves_the_same_and_grows_on(home: Home, address: str) -> None:
    store, before = open_ledger(home.data / "public.db")
    wanted = before.prove_inclusion(origin_of(MEMBERS[0]), 3, 700)
    digest = before.views_digest()
    store.close()

    moved = move_store(home, address)

    assert (moved.log_count, moved.entry_count, moved.views_digest) == (1, 700, digest)
    assert load_config(home.config).database == address
    assert load_config(home.config).workers == 1
    with closing(open_database(address)) as target:
        ledger = Ledger(
            target, FEDERATION, MEMBERS[0], KEYS[MEMBERS[0]], public_of, lambda: NOW + 1
        )
        proof = ledger.prove_inclusion(origin_of(MEMBERS[0]), 3, 700)
        entry = nominations(MEMBERS[0], 700, 1)
        assert (proof.hashes, proof.leaf) == (wanted.hashes, wanted.leaf)
        assert ledger.append(entry).first == 700
        assert list(ledger.verify(origin_of(MEMBERS[0])))[-1].checked == 701
        assert ledger.prove_inclusion(origin_of(MEMBERS[0]), 700, 701).leaf == leaf_hash(entry[0])


def test_a_database_with_logs_is_refused_and_the_node_keeps_its_file(
    home: Home, address: str
) -> None:
    with closing(open_database(address)) as target:
        Ledger(target, FEDERATION, MEMBERS[0], KEYS[MEMBERS[0]], public_of, lambda: NOW)
    with pytest.raises(StoreError) as caught:
        move_store(home, address)

    assert caught.value.reason == "STORE_NOT_EMPTY"
    assert load_config(home.config).database == ""


def test_a_copy_that_cannot_end_leaves_nothing(home: Home, address: str) -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with (
        closing(SqliteStore(home.data / "public.db")) as source,
        closing(open_database(address)) as target,
    ):
        with pytest.raises(KeyboardInterrupt), target.write() as writer:
            copy_logs(source, writer, stop)

        assert count_entries(target) == 0
        for _ in range(2):  # the second time it is there
            with target.write() as writer:
                assert copy_logs(source, writer) == 700


def test_a_running_node_and_a_second_move_are_refused(home: Home, address: str) -> None:
    with hold_directory(home.run), pytest.raises(SocketError) as running:
        move_store(home, address)
    move_store(home, address)
    with pytest.raises(ConfigError) as moved:
        move_store(home, address)

    assert running.value.reason == "NODE_RUNNING"
    assert moved.value.reason == "STORE_MOVED"


def test_a_passfile_is_found_wherever_the_node_is_started(
    home: Home, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)

    move_store(home, address.replace(str(tmp_path / "passfile"), "passfile"))
    monkeypatch.chdir(elsewhere)
    with closing(open_private(load_config(home.config), home.data)) as private:
        assert len(private.list_watch("", 100)) == 6

    (tmp_path / "passfile").rename(home.root / "own")
    home.config.write_text(encode_config({"database": address.split("?")[0] + "?passfile=own"}))
    with closing(open_private(load_config(home.config), home.data)) as private:
        assert len(private.list_watch("", 100)) == 6


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("passfile=", "passfile=/none"), "did not let the node in"),
        (lambda text: text.replace("/postgres?", "/nobody?"), "knows no such database"),
        (lambda text: re.sub(r"127\.0\.0\.1:[0-9]+", "127.0.0.1:1", text), "no database server"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_apart(
    home: Home, address: str, change: Callable[[str], str], told: str
) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        move_store(home, change(address))

    assert caught.value.reason == "STORE_UNUSABLE"
    assert load_config(home.config).database == ""


def test_private_rows_move_along_and_the_file_is_kept_under_another_name(
    home: Home, address: str, postgresql_server: Server
) -> None:
    moved = move_store(home, address)
    counted = (
        "SELECT sum((xpath('/row/n/text()', query_to_xml(format("
        f"'SELECT count(*) AS n FROM {PRIVATE_SCHEMA}.%I', tablename), true, true, '')))[1]::text"
        f"::int) FROM pg_tables WHERE schemaname = '{PRIVATE_SCHEMA}' AND tablename <> 'migration'"
    )

    assert moved.kept == home.data / "private.db.moved"
    assert moved.kept.exists()
    assert not (home.data / "private.db").exists()
    assert postgresql_server.ask(counted) == [(moved.private_count,)]
    assert moved.private_count > 100
    with closing(open_private(load_config(home.config), home.data)) as private:
        assert len(private.list_watch("", 100)) == 6
        assert private.add_watch([(b"new", 1, "line-7")]) == [True]


def test_a_setting_that_was_written_by_hand_is_no_move(home: Home, address: str) -> None:
    home.config.write_text(encode_config({"database": address}))

    with pytest.raises(StoreError) as caught:
        open_private(load_config(home.config), home.data)
    assert caught.value.reason == "PRIVATE_LEFT_BEHIND"
    assert move_store(home, address).entry_count == 700


def test_a_node_that_was_moved_does_not_begin_over_its_old_files(home: Home, address: str) -> None:
    """Its own log would go on where it stood then: to its peers that is a fork."""
    move_store(home, address)
    home.config.write_text("workers = 1\n")

    with pytest.raises(StoreError) as caught:
        open_private(load_config(home.config), home.data)
    assert caught.value.reason == "PRIVATE_MOVED"
    assert not (home.data / "private.db").exists()


def test_private_rows_that_stayed_behind_are_asked_for_and_move_alone(
    home: Home, address: str
) -> None:
    """So it was with a node that was moved before its private tables could be."""
    move_store(home, address)
    (home.data / "private.db.moved").rename(home.data / "private.db")
    config = load_config(home.config)
    with pytest.raises(StoreError) as caught:
        open_private(config, home.data)
    again = move_store(home, address)

    assert caught.value.reason == "PRIVATE_LEFT_BEHIND"
    assert (again.entry_count, again.kept) == (700, home.data / "private.db.moved")
    with closing(open_private(config, home.data)) as private:
        assert len(private.list_watch("", 100)) == 6


def test_other_private_rows_in_the_database_are_refused_and_nothing_moves(
    home: Home, address: str, postgresql_server: Server
) -> None:
    with closing(PrivateStore(PostgresqlPrivate(address))) as other:
        other.put("a", b"1")
    with pytest.raises(StoreError) as caught:
        move_store(home, address)

    assert caught.value.reason == "STORE_NOT_EMPTY"
    assert load_config(home.config).database == ""
    assert postgresql_server.ask(f"SELECT count(*) FROM {SCHEMA}.log") == [(0,)]
    with closing(PrivateStore(home.data / "private.db")) as private:
        assert len(private.list_watch("", 100)) == 6


def test_private_rows_that_cannot_be_copied_whole_leave_nothing(home: Home, address: str) -> None:
    with closing(open_private_file(home.data / "private.db")) as source:
        with source.write() as connection:
            connection.execute("INSERT INTO setting VALUES ('a' || char(0), X'00')")
        with closing(PostgresqlPrivate(address)) as target:
            with pytest.raises(StoreError) as caught, target.tables.write() as connection:
                copy_private(source, connection, lambda _: None)

            assert PrivateStore(target).list_watch("", 100) == []
    assert caught.value.reason == "STORE_VALUE_REFUSED"
    assert "8613800000000" not in str(caught.value)
