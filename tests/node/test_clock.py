"""The clock of a rehearsal: it moves with its file, and only where no other machine takes part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.keystore import Cost
from node.charter_book import CharterBook
from node.clock import (
    MAX_OFFSET_SECONDS,
    RehearsalClock,
    RehearsalError,
    open_clock,
    require_local,
    system_clock,
    write_clock,
)
from node.config import parse_config
from node.sandbox import Sandbox
from tocsin.desk.v1 import operation_service_pb2 as operation

DAY = 86_400
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    write_clock(path, 0)
    return path


def test_a_node_without_a_rehearsal_reads_the_system_s_clock() -> None:
    assert open_clock(parse_config("")) is system_clock


def test_a_clock_moves_when_its_file_does(file: Path) -> None:
    clock = open_clock(parse_config(f'rehearsal_clock = "{file}"'))
    before = clock()
    write_clock(file, 14 * DAY)

    assert before + 14 * DAY <= clock() <= time.time() + 14 * DAY


def test_all_clocks_of_one_file_move_together(file: Path) -> None:
    clocks = [RehearsalClock(file) for _ in range(3)]
    write_clock(file, DAY)

    assert [clock.offset() for clock in clocks] == [DAY] * 3


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 8])
def test_a_file_that_is_no_clock_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clock"
    path.write_bytes(content)

    with pytest.raises(RehearsalError) as refused:
        open_clock(parse_config(f'rehearsal_clock = "{path}"'))

    assert refused.value.reason == "REHEARSAL_CLOCK_INVALID"


def test_a_missing_file_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="is not a clock file"):
        open_clock(parse_config(f'rehearsal_clock = "{tmp_path / "none"}"'))


@pytest.mark.parametrize("seconds", [-1, MAX_OFFSET_SECONDS + 1])
def test_nobody_writes_an_offset_that_no_node_would_read(file: Path, seconds: int) -> None:
    with pytest.raises(ValueError, match="no offset"):
        write_clock(file, seconds)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    directory = tmp_path_factory.mktemp("r")
    clock = directory / "clock"
    write_clock(clock, 0)
    settings = {"rehearsal_clock": str(clock)}
    made = Sandbox(directory / "f", ("carrier-a", "bank-x"), cost=CHEAP, settings=settings)
    made.build()
    yield made
    made.down()


def test_a_charter_of_this_machine_alone_is_admitted(sandbox: Sandbox) -> None:
    book = CharterBook(sandbox.home("bank-x").charter, require_local)

    assert {member.member for member in book.charter.members} == {"carrier-a", "bank-x"}


def test_a_charter_that_names_another_machine_is_refused(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "f", ("bank-x",), cost=CHEAP)
    sandbox.build()
    charter = sandbox.home("bank-x").charter
    note = charter.read_text().replace("127.0.0.1", "192.0.2.1")
    charter.write_text(note)

    with pytest.raises(RehearsalError) as refused:
        CharterBook(charter, require_local)

    assert refused.value.reason == "REHEARSAL_NOT_LOCAL"


@pytest.mark.parametrize("listen", ["0.0.0.0:20000", "[2001:db8::1]:20000", "localhost:20000"])
def test_a_door_open_to_other_machines_is_refused(sandbox: Sandbox, listen: str) -> None:
    charter = CharterBook(sandbox.home("bank-x").charter).charter

    with pytest.raises(RehearsalError):
        require_local(charter, listen)


def test_a_node_moves_on_without_a_new_start_and_says_so(sandbox: Sandbox) -> None:
    sandbox.up()

    def shown(member: str) -> operation.GetStatusResponse:
        with sandbox.door(member) as door:
            return door.call(door.operation.GetStatus, operation.GetStatusRequest(), 60.0)

    write_clock(sandbox.directory.parent / "clock", 2 * DAY)
    status = shown("bank-x")
    output = (sandbox.home("bank-x").root / "node.out").read_text()

    assert abs(status.rehearsal_time.seconds - time.time() - 2 * DAY) < 60
    assert status.as_of_time.seconds > time.time() + DAY
    assert "node.rehearsal" in output
