"""Hear through PostgreSQL what other processes of the same member write (LISTEN and NOTIFY).

A notification has no room for rows, so it names the entries that were added, and the listener
reads and folds them again: the same entries give the same changes. What does not come from new
entries (views folded anew, content that was removed) is told as "any row may be another".
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from node.store.notes import Followers, Noted
from node.store.order import Order
from node.store.postgresql_database import PostgresqlDatabase
from node.telemetry import describe_error, get_log

# Entries of one transaction that are folded again here; above, reading the views anew is cheaper.
MAX_FOLDED_ENTRIES: Final = 50_000
# Bytes of one notification; PostgreSQL takes less than 8,000.
MAX_TEXT: Final = 7_000
# Seconds until a lost connection is made again.
RETRY_SECONDS: Final = 1.0

_SENDER_BYTES: Final = 8
_ANY: Final = "*"
_NUMBER: Final = "[0-9]{1,18}"  # fits into a column; int() refuses much longer ones by itself
_RUN: Final = f"{_NUMBER}:{_NUMBER}:{_NUMBER}"
_TEXT: Final = re.compile(rf"({_NUMBER}) ([0-9a-f]{{16}}) (\*|{_RUN}(?:,{_RUN})*)")


class Run(NamedTuple):
    """Entries that a transaction added to a log, by the log's number: ``first <= p < stop``."""

    log: int
    first: int
    stop: int


class News(NamedTuple):
    """One transaction: its number, and the runs it added; None where other rows changed, too."""

    number: int
    sender: str
    runs: tuple[Run, ...] | None


class Written:
    """What one transaction does that other processes have to hear of."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._others = False

    def add(self, log: int, first: int, count: int) -> None:
        """Note that entries were added."""
        if count:
            self._runs.append(Run(log, first, first + count))

    def changed(self) -> None:
        """Note that rows changed, and whether new entries can be the reason."""
        self._others = self._others or not self._runs

    def changed_all(self) -> None:
        """Note that any row may be another."""
        self._others = True

    def encode(self) -> str:
        """Return what to tell; empty where nothing changed."""
        runs = ",".join(f"{run.log}:{run.first}:{run.stop}" for run in self._runs)
        return _ANY if self._others or len(runs) > MAX_TEXT else runs


def parse_news(text: str) -> News | None:
    """Parse a notification; None for one that this program did not write."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    number, sender, what = found.groups()
    if what == _ANY:
        return News(int(number), sender, None)
    runs = tuple(Run(*map(int, run.split(":"))) for run in what.split(","))
    if any(run.stop < run.first for run in runs):
        return None
    return News(int(number), sender, runs)


class Reading(NamedTuple):
    """How a listener gets at what was added.

    Attributes:
        noted: Runs to the changes of followed tables; None where they are too many or gone.
        sizes: Origin and size of each log.
        grown: Hears of a log that grew.
    """

    noted: Callable[[Sequence[Run]], Noted | None]
    sizes: Callable[[], list[tuple[int, str, int]]]
    grown: Callable[[str, int], None]


class Newsroom:
    """Announces own transactions, tells followers of all, and listens for those of others."""

    def __init__(self, database: PostgresqlDatabase, followers: Followers) -> None:
        self._database = database
        self._followers = followers
        self._sender = secrets.token_hex(_SENDER_BYTES)
        with database.read() as connection:
            self._order = Order(_latest(connection))
        self._listener: threading.Thread | None = None
        self._closing = threading.Event()
        self._wake: tuple[int, int] | None = None

    def announce(self, connection: Any, written: Written) -> int | None:
        """Number a transaction and announce it; to be done last in it. None: nothing changed."""
        what = written.encode()
        if not what:
            return None
        query = (
            "WITH next AS (UPDATE news SET number = number + 1 RETURNING number)"
            " SELECT number, pg_notify(%s, number || ' ' || %s) FROM next"
        )
        row = connection.execute(query, (self._database.schema, f"{self._sender} {what}"))
        return int(row.fetchone()[0])

    def tell(self, number: int | None, noted: Noted) -> None:
        """Tell the followers what an own transaction changed, in its turn."""
        if number is None:
            return
        with self._order.turn(number) as is_next:
            self._followers.tell(noted if is_next else self._anything())

    def listen(self, reading: Reading) -> None:
        """Hear from now on what other processes write, on a thread of its own."""
        if self._listener is not None:
            raise RuntimeError("the store listens already")
        self._wake = os.pipe()
        arguments = (reading, self._wake[0])
        self._listener = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._listener.start()

    def close(self) -> None:
        """End the listener."""
        self._closing.set()
        if self._listener is not None and self._wake is not None:
            os.write(self._wake[1], b"x")
            self._listener.join()
            for descriptor in self._wake:
                os.close(descriptor)
            self._listener = self._wake = None

    def _run(self, reading: Reading, wake: int) -> None:
        while not self._closing.is_set():
            try:
                with self._database.translated(), self._connected() as connection:
                    self._hear(connection, reading, wake)
            except Exception as error:  # the supervisor: the node outlives its listener
                self._order.is_heard = False
                get_log().warning("store.listening_again", **describe_error(error))
                self._closing.wait(RETRY_SECONDS)

    def _connected(self) -> contextlib.closing[Any]:
        return contextlib.closing(self._database.connect())

    def _hear(self, connection: Any, reading: Reading, wake: int) -> None:
        connection.execute(f"LISTEN {self._database.schema}")
        self._order.is_heard = True
        if self._order.catch_up(_latest(connection)):
            self._followers.tell(self._anything())
            for _, origin, size in reading.sizes():
                reading.grown(origin, size)
        while not self._closing.is_set():
            for notification in connection.notifies(timeout=0):
                news = parse_news(notification.payload)
                if news is not None and news.sender != self._sender:
                    self._pass_on(news, reading)
            select.select([connection.fileno(), wake], [], [])

    def _pass_on(self, news: News, reading: Reading) -> None:
        noted = None if news.runs is None else reading.noted(news.runs)
        with self._order.turn(news.number) as is_next:
            self._followers.tell(noted if is_next and noted is not None else self._anything())
        names = {number: origin for number, origin, _ in reading.sizes()}
        for run in news.runs or ():
            if run.log in names:
                reading.grown(names[run.log], run.stop)

    def _anything(self) -> Noted:
        return dict.fromkeys(self._followers.followed)


def _latest(connection: Any) -> int:
    return int(connection.execute("SELECT number FROM news").fetchone()[0])
