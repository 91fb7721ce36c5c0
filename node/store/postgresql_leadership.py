"""Lead by an advisory lock of a session with PostgreSQL.

The lock ends with its session, so a process that is killed is replaced as soon as another asks.
A session is named after its process and what that does, for ``tocsin status`` and for whoever
looks into pg_stat_activity.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from typing import Any, Final

from node.store.error import StoreError
from node.store.leadership import ProcessState
from node.store.postgresql_database import PostgresqlDatabase

# Seconds of silence, seconds between probes, and probes, after which the server gives up a machine
# that vanished; the end of a process it notices at once.
_SERVER_KEEPALIVE: Final = {
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
}

_LEADS: Final = "leads"
_STANDS_BY: Final = "stands by"
_MACHINE_CHARACTERS: Final = 20  # PostgreSQL keeps 63 of the whole name
_NAME: Final = re.compile(rf"tocsin ({_LEADS}|{_STANDS_BY}) since (\d+): (\d+)@(\S*)", re.ASCII)
_SET_NAME: Final = (
    "SELECT set_config('application_name', 'tocsin ' || %s || ' since '"
    " || extract(epoch FROM clock_timestamp())::bigint || ': ' || %s, false)"
)


class PostgresqlLeadership:
    """A lock that the schema of the replicated tables names."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database
        name = f"{database.schema}/leader".encode()
        self._lock = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        self._session: Any = None
        self._leads = False
        self._number: int | None = None  # of the session that led, at the server

    def claim(self) -> bool:
        """Take the lock if it is free.

        Raises:
            StoreError: The server cannot be asked; or STORE_LOCKED, it has not noticed yet that
                this process lost the session which has the lock: nobody else leads.
        """
        if self._leads and self.holds():
            return True
        try:
            with self._database.translated():
                self._leads = self._try()
        except StoreError:
            self.close()
            raise
        return self._leads

    def holds(self) -> bool:
        """Ask over the session that has the lock: while it lives, so does the lock."""
        if not self._leads:
            return False
        try:
            with self._database.translated():
                self._session.execute("SELECT 1")
        except StoreError:
            self.close()
        return self._leads

    def processes(self) -> list[ProcessState]:
        """Read the names of all sessions like this one."""
        query = (
            "SELECT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user"
        )
        with self._database.read() as connection:
            names = [name for (name,) in connection.execute(query).fetchall()]
        found = [_read_name(match) for match in map(_NAME.fullmatch, names) if match is not None]
        return sorted(found, key=lambda one: (not one.leads, one.since, one.number))

    def close(self) -> None:
        """End the session, and with it the lock."""
        self._leads = False
        if self._session is not None:
            self._session.close()
            self._session = None

    def _try(self) -> bool:
        if self._session is None:
            self._session = self._database.connect()
            for name, value in _SERVER_KEEPALIVE.items():
                self._session.execute(f"SET {name} TO {value}")
            self._name_session(_STANDS_BY)
        query = "SELECT pg_try_advisory_lock(%s), pg_backend_pid()"
        leads, number = self._session.execute(query, (self._lock,)).fetchone()
        if leads:
            self._number = number
            self._name_session(_LEADS)
        elif self._number is not None and self._holder() == self._number:
            raise StoreError("a lost session still has the lock", reason="STORE_LOCKED")
        else:
            self._number = None
        return bool(leads)

    def _name_session(self, doing: str) -> None:
        self._session.execute(_SET_NAME, (doing, f"{os.getpid()}@{_machine()}"))

    def _holder(self) -> int | None:
        """Return the number of the session that has the lock; PostgreSQL shows a key in halves."""
        high, low = divmod(self._lock % 2**64, 2**32)
        query = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND classid::bigint = %s AND objid::bigint = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        found = self._session.execute(query, (high, low)).fetchone()
        return int(found[0]) if found else None


def _machine() -> str:
    """Return the name of this machine, in letters that every session's name may have."""
    return re.sub(r"[^A-Za-z0-9.-]", "", socket.gethostname())[:_MACHINE_CHARACTERS]


def _read_name(match: re.Match[str]) -> ProcessState:
    doing, since, number, machine = match.groups()
    return ProcessState(int(number), machine, doing == _LEADS, int(since))
