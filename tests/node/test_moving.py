"""The logs of one store, copied to another: the same bytes, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
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
from node.store.opening import open_database
from node.store.postgresql import SCHEMA
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
from tests.postgresql import Server, running_server

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def address(server: Server, tmp_path: Path) -> str:
    server.do(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return server.address(passfile=str(server.passfile(tmp_path / "passfile")))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home with 700 entries in the own log; of the first ones only the hashes are left."""
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
    return home


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
        with pytest.raises(KeyboardInterrupt):
            copy_logs(source, target, stop)

        assert count_entries(target) == 0
        assert copy_logs(source, target) == 700


def test_a_running_node_and_a_second_move_are_refused(home: Home, address: str) -> None:
    with hold_directory(home.run), pytest.raises(SocketError) as running:
        move_store(home, address)
    home.config.write_text(encode_config({"database": address}))
    with pytest.raises(ConfigError) as moved:
        move_store(home, address)

    assert running.value.reason == "NODE_RUNNING"
    assert moved.value.reason == "STORE_MOVED"
