"""Several processes on one schema hear of each other; each store stands for one process."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from federation.views import EVIDENCE, Drop, Put
from node.log.ledger import Ledger
from node.store import postgresql
from node.store.order import Order
from node.store.postgresql import SCHEMA, PostgresqlStore
from node.store.postgresql_news import News, Run, Written, parse_news
from tests.node.log_samples import (
    FEDERATION,
    KEYS,
    MEMBERS,
    NOW,
    nomination,
    nominations,
    public_of,
    retraction,
)
from tests.postgresql import Server, running_server

pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")

SECONDS = 30.0


class Mirror:
    """The evidence as a follower knows it: read anew where told so, else changed as told."""

    def __init__(self, store: PostgresqlStore) -> None:
        self.store = store
        self.anew = 0
        self.rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._key = [[name for name, _ in EVIDENCE.columns].index(name) for name in EVIDENCE.key]
        store.follow(EVIDENCE, self.take)

    def take(self, changes: Sequence[Put | Drop] | None) -> None:
        if changes is None:
            self.anew += 1
            self.rows = {self.key(row): row for row in self.held()}
            return
        for change in changes:
            if isinstance(change, Put):
                self.rows[self.key(change.row)] = change.row
            else:
                self.rows.pop(tuple(change.key), None)

    def key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[place] for place in self._key)

    def held(self) -> list[tuple[Any, ...]]:
        with self.store.read() as reader:
            return list(reader.rows(EVIDENCE))

    def is_right(self) -> bool:
        return sorted(self.rows.values()) == sorted(self.held())


class Process:
    """What one process has on the shared schema."""

    def __init__(self, address: str) -> None:
        self.store = PostgresqlStore(address)
        clock = lambda: NOW  # noqa: E731
        self.ledger = Ledger(self.store, FEDERATION, MEMBERS[0], KEYS[MEMBERS[0]], public_of, clock)
        self.mirror = Mirror(self.store)
        self.grown: list[int] = []
        self.ledger.subscribe(lambda _, size: self.grown.append(size))
        self.ledger.listen()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> Iterator[list[Process]]:
    server.do(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    address = server.address(passfile=str(server.passfile(tmp_path / "passfile")))
    processes = [Process(address) for _ in range(2)]
    for process in processes:
        until(lambda process=process: process.store._newsroom._order.is_heard)
    yield processes
    for process in processes:
        process.store.close()


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end

        time.sleep(0.005)


def test_what_one_process_appends_the_other_hears_exactly(pair: list[Process]) -> None:
    first, second = pair
    first.ledger.append(nominations(MEMBERS[0], 0, 300))
    until(lambda: second.grown == [300])
    anew = second.mirror.anew
    second.ledger.append([nomination(MEMBERS[0], 300)])
    until(lambda: first.grown == [300, 301])

    assert first.mirror.anew == 0  # never read anew: told each row
    assert second.mirror.anew == anew
    assert len(first.mirror.rows) == 301
    assert first.mirror.is_right()
    assert second.mirror.is_right()


def test_what_many_threads_of_both_say_and_take_back_comes_in_one_order(
    pair: list[Process],
) -> None:
    def speak(process: Process, other: Process, start: int) -> None:
        for number in range(start, start + 40):
            process.ledger.append([nomination(MEMBERS[0], number)])
            other.ledger.append([retraction(MEMBERS[0], number)])

    turns = [(*pair, 0), (*reversed(pair), 1_000)]
    threads = [threading.Thread(target=speak, args=turn) for turn in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(max(process.grown) == 160 for process in pair))

    for process in pair:
        until(process.mirror.is_right)


def test_what_no_entry_explains_is_told_as_anything(
    pair: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    first.ledger.append(nominations(MEMBERS[0], 0, 10))
    until(lambda: second.grown)
    anew = second.mirror.anew
    first.ledger.rebuild_views()
    until(lambda: second.mirror.anew == anew + 1)
    monkeypatch.setattr(postgresql, "MAX_FOLDED_ENTRIES", 4)
    first.ledger.append(nominations(MEMBERS[0], 10, 5))
    until(lambda: second.mirror.anew == anew + 2)

    until(second.mirror.is_right)


def test_a_lost_connection_misses_nothing(pair: list[Process], server: Server) -> None:
    first, second = pair
    server.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT number%'"
        " OR query LIKE 'LISTEN%'"
    )
    first.ledger.append(nominations(MEMBERS[0], 0, 10))
    until(lambda: second.grown)
    first.ledger.append(nominations(MEMBERS[0], 10, 10))
    until(lambda: second.grown[-1] == 20)

    until(second.mirror.is_right)


def test_a_change_that_never_comes_holds_nobody_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.store.order.PATIENCE_SECONDS", 0.05)
    order = Order(4)
    order.is_heard = True
    with order.turn(5) as fifth:
        pass
    with order.turn(7) as seventh:
        pass
    with order.turn(6) as sixth:
        pass

    assert (fifth, seventh, sixth) == (True, False, False)
    assert order.catch_up(8)
    assert not order.catch_up(8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1 00 *",
        "x 0123456789abcdef *",
        "1 0123456789abcdef 1:2",
        "1 0123456789abcdef 1:5:2",
        f"{'9' * 5_000} 0123456789abcdef *",
        f"1 0123456789abcdef 1:0:{'9' * 5_000}",
        "\u0661 0123456789abcdef *",
    ],
)
def test_a_notification_of_somebody_else_is_no_news(text: str) -> None:
    assert parse_news(text) is None


def test_what_is_written_is_announced_by_its_entries() -> None:
    sender = "0123456789abcdef"
    grown, other, much = Written(), Written(), Written()
    grown.add(3, 10, 5)
    grown.changed()
    other.changed()
    for number in range(2_000):
        much.add(number, 0, 1)

    assert parse_news(f"7 {sender} {grown.encode()}") == News(7, sender, (Run(3, 10, 15),))
    assert parse_news(f"7 {sender} {other.encode()}") == News(7, sender, None)
    assert much.encode() == other.encode()
    assert Written().encode() == ""
