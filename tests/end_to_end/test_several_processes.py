"""A member's node is two processes on PostgreSQL; killing one after the other loses nothing."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from federation.charter import parse_charter
from federation.names import MemberId
from keys.secret import Secret
from node.cli.outside import OutsideDoor
from node.errors import NodeError
from node.home import Home
from node.member import MemberKeys
from node.sandbox.build import passphrase_file
from node.sandbox.process import running_process
from tests.end_to_end.members import (
    COMMAND_SECONDS,
    Federation,
    eventually,
    running_federation,
)
from tests.postgresql import Server, running_server
from tocsin.v1 import log_service_pb2 as log
from tocsin.v1 import member_service_pb2 as member_wire

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")

MEMBERS = ("carrier-a", "bank-x", "net-p")
SHARED = "bank-x"
FACTS = ("--fraud-type", "investment", "--confidence", "90")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def federation(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    directory = tmp_path_factory.mktemp("several")
    with running_federation(directory / "f", MEMBERS) as federation:
        address = server.address(passfile=str(server.passfile(directory / "passfile")))
        federation.sandbox.stop(SHARED)
        federation.do(SHARED, "node", "move-store", address)
        config = federation.home(SHARED).config
        config.write_text(f"processes = 2\n{config.read_text()}")
        federation.sandbox.start(SHARED)
        yield federation


def processes(home: Home) -> set[int]:
    """Return the processes of a node; not the one that started them."""
    parent = running_process(home)
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status = place.joinpath("stat").read_text().rpartition(")")[2].split()
            line = place.joinpath("cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(status[1]) == parent and b"--one-of-several" in line:
            found.add(int(place.name))
    return found


def leader(home: Home) -> int | None:
    """Return the process that holds the desk."""
    lock = home.run / "desk.lock"
    inode = str(lock.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return int(fields[4])
    return None


def is_complete(home: Home) -> bool:
    return len(processes(home)) == 2 and leader(home) in processes(home)


def told_processes(federation: Federation) -> dict[int | None, bool]:
    """Return which processes ``tocsin status`` names, and of each whether it leads."""
    found = federation.status(SHARED)["processes"]
    return {one["number"]: one["leads"] for one in found}


class Reader:
    """A peer that asks at the one address again and again, over a new connection each time."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self.answers = 0
        self.longest = 0.0
        self.sizes: list[int] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        home = self._federation.home("net-p")
        charter = parse_charter(home.charter.read_bytes()).charter
        secret = Secret(passphrase_file(home).read_bytes().strip())
        keys = MemberKeys.open(home, secret)
        origin = f"{charter.federation}/{SHARED}/all"
        last = time.monotonic()
        while not self._ending.is_set():
            try:
                with OutsideDoor(keys, charter, MemberId(SHARED)) as door:
                    door.call(door.member.GetNode, member_wire.GetNodeRequest())
                    start = self.sizes[-1] if self.sizes else 0
                    self.sizes.append(start + read_count(door, origin, start))
            except NodeError:
                continue
            self.answers += 1
            self.longest = max(self.longest, time.monotonic() - last)
            last = time.monotonic()
            self._ending.wait(0.05)


def read_count(door: OutsideDoor, origin: str, start: int) -> int:
    """Read what a log has from a position on; a process that lost entries would refuse it."""
    answers = door.log.Read(log.ReadRequest(origin=origin, start=start), timeout=COMMAND_SECONDS)
    try:
        return sum(len(answer.entries.bodies) for answer in answers)
    except Exception as error:  # a call that a killed process leaves behind
        raise NodeError from error


def say_through(federation: Federation, name: str, victim: int) -> list[str]:
    """Kill a process while statements are made, and return those that were acknowledged."""
    home = federation.home(SHARED)
    threading.Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
    said: list[str] = []
    after = 0
    for number in range(1_000):
        for member in (SHARED, "net-p"):
            domain = f"{name}-{number}-{member}.example"
            if federation.look(member, "nominate", "domain", domain, *FACTS).code == 0:
                said.append(domain)
                after += member == SHARED and victim not in processes(home)
        if after >= 3:
            return said
    raise AssertionError("nobody took over")


def knows(federation: Federation, member: str, domain: str) -> bool:
    return federation.band(member, "domain", domain) != "NONE"


def test_killing_one_process_after_the_other_loses_nothing(federation: Federation) -> None:
    home = federation.home(SHARED)
    said: list[str] = []
    leaders = []
    with Reader(federation) as reader:
        for turn in range(3):
            eventually(partial(is_complete, home))
            leaders.append(victim := leader(home))
            assert victim is not None
            said += say_through(federation, f"turn-{turn}", victim)
    for domain in said:
        for member in MEMBERS:
            eventually(partial(knows, federation, member, domain))
    as_of = int(time.time()) + 1
    eventually(lambda: len(federation.roots(MEMBERS, as_of)) == 1)
    state = federation.catalogue(SHARED, as_of)

    assert len(set(leaders)) == 3
    assert len(said) >= 18
    assert reader.answers > 10
    assert reader.sizes == sorted(reader.sizes)
    assert not state.alarms
    assert federation.do(SHARED, "log", "rebuild", "--json").document["agree"]
    assert federation.do(SHARED, "log", "verify").code == 0


def test_status_tells_the_processes_and_which_of_them_leads(federation: Federation) -> None:
    home = federation.home(SHARED)
    eventually(partial(is_complete, home))
    eventually(
        lambda: (
            told_processes(federation)
            == dict.fromkeys(processes(home), False) | {leader(home): True}
        )
    )
    text = federation.do(SHARED, "status").out

    assert re.search(rf"\n{leader(home)} +\S+ +leads +20", text)
    assert text.count("stands by") == 1
    assert federation.status("net-p")["processes"] == []


def test_a_node_that_is_told_to_stop_leaves_no_process(federation: Federation) -> None:
    home = federation.home(SHARED)
    eventually(partial(is_complete, home))
    before = processes(home)
    federation.sandbox.stop(SHARED)

    assert not any(Path(f"/proc/{one}").exists() for one in before)
    assert not home.socket.exists()

    federation.sandbox.start(SHARED)


def test_processes_end_with_the_one_that_started_them(federation: Federation) -> None:
    home = federation.home(SHARED)
    eventually(partial(is_complete, home))
    before = processes(home)
    parent = running_process(home)
    assert parent is not None
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{one}").exists() for one in before))
    federation.sandbox.start(SHARED)

    eventually(partial(is_complete, home))
