"""Lead by an advisory lock of a session with PostgreSQL.

The lock ends with its session, so a process that is killed is replaced as soon as another asks.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from node.store.error import StoreError
from node.store.postgresql_database import PostgresqlDatabase

# Seconds of silence, seconds between probes, and probes, after which the server gives up a machine
# that vanished; the end of a process it notices at once.
_SERVER_KEEPALIVE: Final = {
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
}


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
        query = "SELECT pg_try_advisory_lock(%s), pg_backend_pid()"
        leads, number = self._session.execute(query, (self._lock,)).fetchone()
        if leads:
            self._number = number
        elif self._number is not None and self._holder() == self._number:
            raise StoreError("a lost session still has the lock", reason="STORE_LOCKED")
        else:
            self._number = None
        return bool(leads)

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
