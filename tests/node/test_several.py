"""Several processes of one node: who leads, who takes which call, and what they need."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.names import MemberId
from federation.roles import Role
from node.config import SETTINGS, parse_config
from node.doors.outside import OutsideDoor
from node.doors.policy import DoorPolicy
from node.election import Election
from node.errors import ConfigError
from node.peer_error import PeerCallError
from node.peers import Peers
from node.several import require_sharable, share_workers
from node.store.error import StoreError
from node.store.postgresql import SCHEMA, PostgresqlStore
from node.store.postgresql_database import MOST_CONNECTIONS, MOST_READERS
from node.store.postgresql_leadership import _machine
from node.traffic import Traffic
from tests.end_to_end.members import eventually
from tests.node.federation_fixture import BANK, CARRIER, Federation, calling, make_federation
from tests.postgresql import Server, running_server
from tocsin.v1 import match_service_pb2 as wire
from tocsin.v1 import match_service_pb2_grpc as stubs

PLATFORM = MemberId("net-p")
ROLES = {CARRIER: Role.CARRIER, BANK: Role.BANK, PLATFORM: Role.INTERNET}
LOOK_SECONDS = 0.05
DATABASE = 'database = "postgresql://tocsin@db.example/tocsin"\n'


class Closing(stubs.MatchServiceServicer):
    """Answers one call, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    async def CloseMatch(  # noqa: N802 - the contract's name
        self, request: Any, context: Any
    ) -> wire.CloseMatchResponse:
        self.count += 1
        return wire.CloseMatchResponse(found_count=request.found_count)


class Process:
    """One of several doors on a port."""

    def __init__(self, federation: Federation) -> None:
        self.leads = False
        self.service = Closing()
        self.identity = federation.identity(BANK)
        services = [(stubs.add_MatchServiceServicer_to_server, self.service)]
        policy = DoorPolicy(shares_port=True)
        self.door = OutsideDoor(self.identity, services, Traffic(), policy, lambda: self.leads)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Federation, list[Process]]]:
    federation = make_federation(ROLES)
    processes = [Process(federation) for _ in range(2)]
    port = 0
    for process in processes:
        port = await process.door.start(f"127.0.0.1:{port}")
        process.identity.adopt(federation.at(BANK, port))
    yield federation, processes
    for process in processes:
        await process.door.stop(0)


async def close_match(peers: Peers, member: MemberId = BANK) -> int:
    answer = await peers.call(
        member,
        lambda channel: stubs.MatchServiceStub(channel).CloseMatch,
        wire.CloseMatchRequest(found_count=7),
        30.0,
    )
    return int(answer.found_count)


async def test_a_call_for_the_leader_finds_it_behind_the_shared_port(
    pair: tuple[Federation, list[Process]],
) -> None:
    federation, processes = pair
    for leader in (*processes, *processes):
        leader.leads = True
        async with calling(federation, PLATFORM) as peers:
            assert await close_match(peers) == 7
        leader.leads = False

    assert [process.service.count for process in processes] == [2, 2]


async def test_a_call_that_nobody_takes_ends_with_a_reason(
    pair: tuple[Federation, list[Process]], monkeypatch: pytest.MonkeyPatch
) -> None:
    federation, processes = pair
    monkeypatch.setattr("node.peers.PROCESS_PAUSE_SECONDS", 0.001)
    async with calling(federation, PLATFORM) as peers:
        with pytest.raises(PeerCallError) as caught:
            await close_match(peers)

    assert caught.value.reason == "STANDING_BY"
    assert [process.service.count for process in processes] == [0, 0]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
    with running_server() as server:
        yield server


@pytest.fixture
def opened(server: Server, tmp_path: Path) -> Iterator[Callable[[], PostgresqlStore]]:
    server.do(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    stores = []

    def open_one() -> PostgresqlStore:
        passfile = str(server.passfile(tmp_path / "passfile"))
        stores.append(store := PostgresqlStore(server.address(passfile=passfile)))
        return store

    yield open_one
    for store in stores:
        store.close()


def end_leader(server: Server) -> None:
    server.do(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    )


def test_one_leads_until_its_session_ends(
    server: Server, opened: Callable[[], PostgresqlStore]
) -> None:
    first, second = (opened().leadership() for _ in range(2))

    assert first.claim()
    assert first.claim()
    assert not second.claim()
    assert first.holds()
    assert not second.holds()

    end_leader(server)
    eventually(second.claim)  # a server takes a moment to end a session

    assert not first.holds()
    assert not first.claim()

    second.close()
    eventually(first.claim)
    first.close()


def test_who_takes_part_is_told_with_the_leader_first_and_since_when(
    server: Server, opened: Callable[[], PostgresqlStore]
) -> None:
    begin = int(time.time()) - 1
    first, second, third = (opened().leadership() for _ in range(3))
    second.claim()
    first.claim()

    states = third.processes()

    assert [one.leads for one in states] == [True, False]
    assert {one.number for one in states} == {os.getpid()}
    assert {one.machine for one in states} == {_machine()}
    assert all(begin <= one.since <= time.time() + 1 for one in states)

    second.close()
    eventually(first.claim)

    assert [one.leads for one in first.processes()] == [True]
    assert first.processes()[0].since >= states[1].since

    first.close()
    eventually(lambda: third.processes() == [])


def test_a_session_with_another_name_is_no_process(
    server: Server, opened: Callable[[], PostgresqlStore]
) -> None:
    with server.connect() as other:
        for name in (
            "",
            "psql",
            "tocsin leads since x: 1@host",
            "tocsin leads since 1: 2@h" + 60 * "h",
        ):
            other.execute("SELECT set_config('application_name', %s, false)", (name,))
            other.commit()
            found = opened().leadership().processes()

            assert [one.machine for one in found] == (["h" * 39] if name.endswith("h") else [])


def test_a_lost_session_that_the_server_still_has_makes_nobody_else_the_leader(
    opened: Callable[[], PostgresqlStore],
) -> None:
    store, other = opened(), opened().leadership()
    leadership = store.leadership()
    assert leadership.claim()

    at_server = leadership._session
    leadership._session = store.database.connect()
    leadership._session.close()

    assert not leadership.holds()

    with pytest.raises(StoreError) as caught:
        leadership.claim()

    assert caught.value.reason == "STORE_LOCKED"
    assert not other.claim()

    at_server.close()
    eventually(leadership.claim)
    other.close()
    leadership.close()


async def test_who_loses_its_session_leads_on_unless_another_was_faster(
    server: Server, opened: Callable[[], PostgresqlStore]
) -> None:
    first, second = (Election(opened().leadership(), LOOK_SECONDS) for _ in range(2))
    await first.won()
    lost = asyncio.create_task(first.lost())
    await asyncio.to_thread(end_leader, server)
    await asyncio.sleep(10 * LOOK_SECONDS)

    assert not lost.done()

    won = asyncio.create_task(second.won())
    await asyncio.sleep(4 * LOOK_SECONDS)

    assert not won.done()

    first.close()
    await asyncio.wait_for(won, 30.0)
    await asyncio.wait_for(lost, 30.0)
    second.close()
    first.close()


async def test_a_node_without_others_leads_at_once_and_for_ever() -> None:
    election = Election(None, LOOK_SECONDS)

    assert election.processes() == []

    await asyncio.wait_for(election.won(), 30.0)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(election.lost(), 4 * LOOK_SECONDS)
    election.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("processes = 2", "PROCESSES_NEED_DATABASE"),
        (f'{DATABASE}processes = 2\nlisten = "0.0.0.0:0"', "PROCESSES_NEED_PORT"),
    ],
)
def test_settings_that_several_processes_cannot_share_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_sharable(parse_config(text))

    assert caught.value.reason == reason
    assert caught.value.hint


def test_processes_have_the_cores_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)

    assert share_workers(parse_config(f"{DATABASE}processes = 2")) == 4
    assert share_workers(parse_config(f"{DATABASE}processes = 16")) == 1
    assert share_workers(parse_config(f"{DATABASE}processes = 2\nworkers = 3")) == 3


def test_a_process_opens_a_bounded_number_of_connections(server, opened, monkeypatch):
    store = opened()
    monkeypatch.setattr(store.database, "_lock_timeout_ms", 100)
    with contextlib.ExitStack() as readers:
        for _ in range(MOST_READERS):
            readers.enter_context(store.read())
        sessions = server.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        )
        with pytest.raises(StoreError) as refused, store.read():
            pass

        assert sessions == [(MOST_READERS + 1,)]
        assert refused.value.reason == "STORE_LOCKED"
    with store.read() as reader:
        assert reader.logs() == []


def test_as_many_processes_as_documented_fit_into_a_server():
    default, reserved = 100, 3  # max_connections and superuser_reserved_connections
    (setting,) = (one for one in SETTINGS if one.name == "processes")

    assert (default - reserved) // MOST_CONNECTIONS == 2
    assert f"opens {MOST_CONNECTIONS} connections" in setting.sentence
