"""Use one schema of a PostgreSQL database safely: one writer among all processes, many readers.

All that is particular to PostgreSQL as a server is here; ``postgresql`` holds only tables. The same
schema may be used by several processes of one member: writers take turns by an advisory lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from federation.training.error import TableError
from federation.training.query import CONNECTION_SETTINGS, complete_address, load_driver
from node.store.database import IDLE_READERS
from node.store.error import FULL, LOCKED, StoreError

# Milliseconds: longer than any transaction of this program takes, shorter than a caller's patience.
LOCK_TIMEOUT_MS: Final = 10_000

# Readers of one database at a time: the threads of a process are fewer on most machines. Whoever
# comes then waits as for a lock.
MOST_READERS: Final = 16
# What a process has open at most: readers and a writer of the replicated tables and of the private
# ones, the session that leads or waits to, the one that hears of changes, and one that tidies up.
MOST_CONNECTIONS: Final = 2 * (MOST_READERS + 1) + 3

# A writer must see what the one before it wrote while this one waited for its turn. Both go to the
# server at once, and without parameters, which only a single statement could have.
_WRITING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({turn:d})"
_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_CORRUPT: Final = (
    "STORE_CORRUPT",
    "the tables are damaged",
    "restore the database from a backup, or drop the schema: replicas come back from the peers",
)
_FORBIDDEN: Final = (
    "STORE_UNUSABLE",
    "the database refuses it to this user",
    "let the node's user own the database: it makes schemas of its own",
)
_UNREACHABLE: Final = (
    "STORE_UNUSABLE",
    "the database server cannot be used",
    "look at the server, the address and the passfile",
)
_PASSWORD: Final = (
    "STORE_UNUSABLE",
    "the database server did not let the node in",
    "is its line in the passfile, of mode 0600? a relative path in node.toml starts at the home",
)
_NOT_THERE: Final = (
    "STORE_UNUSABLE",
    "the database server knows no such database, or no such user",
    "make them first: CREATE ROLE, then CREATE DATABASE with that owner",
)
_UNPROVED: Final = (
    "STORE_UNUSABLE",
    "the database server does not prove its name",
    "write sslrootcert=FILE in the address; sslmode=require trusts any server",
)
_SILENT: Final = (
    "STORE_UNUSABLE",
    "no database server answers there",
    "does it run, and listen at the host and port of the address?",
)
_REFUSED: Final = (
    "STORE_VALUE_REFUSED",
    "the database cannot hold a value",
    "look for a NUL character in a text",
)
# SQLSTATE classes and codes; the longer one counts.
_BY_STATE: Final = {
    "08": _UNREACHABLE,
    "22": _REFUSED,
    "23": _CORRUPT,  # a row stands where the log says there is none
    "28": _UNREACHABLE,
    "42": _CORRUPT,  # a table or column that the applied migrations made is gone
    "42501": _FORBIDDEN,
    "53": _UNREACHABLE,
    "53100": FULL,
    "54": FULL,
    "55P03": LOCKED,
    "57": _UNREACHABLE,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}
# While it connects libpq has words alone, in the language of the system.
_BY_WORD: Final = {
    "password": _PASSWORD,
    "authentication": _PASSWORD,
    "does not exist": _NOT_THERE,
    "certificate": _UNPROVED,
    "SSL": _UNPROVED,
    "refused": _SILENT,
    "timeout": _SILENT,
    "translate host": _SILENT,
    "resolve": _SILENT,
}


class Migration(NamedTuple):
    """One change of a schema: its name, and the statements that make it."""

    name: str
    statements: Sequence[str]


class PostgresqlDatabase:
    """One schema: a writer connection behind a lock of all processes, and read-only connections."""

    def __init__(
        self,
        address: str,
        schema: str,
        migrations: Sequence[Migration],
        *,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    ) -> None:
        """Open the schema, creating it where it is missing, and bring it up to date.

        Args:
            address: ``postgresql://USER@HOST/DATABASE?passfile=FILE``, never with a password.
            schema: Lower-case name; no other program's tables may be in it.
            migrations: All that the schema consists of, in order.
            lock_timeout_ms: How long to wait for another process.

        Raises:
            StoreError: Any of its reasons. The database is as it was.
        """
        self.schema = schema
        with _as_store_error():
            self._address = complete_address(address)
            self._driver = load_driver("psycopg", "a store on PostgreSQL")
        self._lock_timeout_ms = lock_timeout_ms
        self._turn = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], signed=True)
        self._lock = threading.Lock()
        self._closed = False
        self._idle: list[Any] = []
        self._readers = threading.BoundedSemaphore(MOST_READERS)
        self._writer: Any = None
        try:
            with self.write() as connection:
                _prepare(connection, schema, migrations)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def write(self) -> Iterator[Any]:
        """Give the writer inside a transaction, which commits when the block ends well."""
        with self._lock, self.translated():
            connection = self._begin()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[Any]:
        """Give a read-only connection that sees one moment of the database."""
        with self._place_to_read(), self.translated():
            connection = self._borrow()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise ``StoreError`` for every error of the driver inside the block."""
        try:
            yield
        except self._driver.Error as error:
            # The driver's error repeats the server's words, among them values of rows.
            raise _translate(error) from None

    def connect(self) -> Any:
        """Return a connection of one's own, outside any transaction."""
        connection = self._driver.connect(
            self._address, autocommit=True, prepare_threshold=2, **CONNECTION_SETTINGS
        )
        connection.execute(f"SET search_path TO {self.schema}")
        connection.execute("SET synchronous_commit TO on")
        return connection

    def close(self) -> None:
        """Close all connections; one that is in use closes when its user is done."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            if self._writer is not None:
                self._writer.close()

    @contextlib.contextmanager
    def _place_to_read(self) -> Iterator[None]:
        if not self._readers.acquire(timeout=self._lock_timeout_ms / 1_000):
            raise StoreError(
                f"{MOST_READERS} look into the database at once",
                reason=LOCKED[0],
                hint="try again; look at the database server if it lasts",
            )
        try:
            yield
        finally:
            self._readers.release()

    def _begin(self) -> Any:
        """Begin the one transaction that writes; a connection that was lost is made again."""
        for attempt in range(2):
            if self._writer is None or self._writer.closed:
                self._writer = self.connect()
                self._writer.execute(f"SET lock_timeout TO {self._lock_timeout_ms}")
            try:
                self._writer.execute(_WRITING.format(turn=self._turn))
                return self._writer
            except self._driver.OperationalError:
                if attempt or not self._writer.broken:
                    self._roll_back(self._writer)
                    raise
                self._writer.close()
        raise AssertionError("unreachable")

    def _roll_back(self, connection: Any) -> None:
        with contextlib.suppress(self._driver.Error):
            connection.execute("ROLLBACK")

    def _borrow(self) -> Any:
        """Begin to look; a pooled connection that was lost meanwhile is made again."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                try:
                    connection.execute(_READING)
                    return connection
                except self._driver.OperationalError:
                    connection.close()
        connection = self.connect()
        connection.execute(_READING)
        return connection

    def _give_back(self, connection: Any) -> None:
        self._roll_back(connection)
        if len(self._idle) < IDLE_READERS and not self._closed and not connection.closed:
            self._idle.append(connection)
        else:
            connection.close()


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    """Raise what the reader of a member's own tables refuses as an error of the store."""
    try:
        yield
    except TableError as error:
        raise StoreError(str(error), reason=error.reason, hint=error.hint) from error


def _prepare(connection: Any, schema: str, migrations: Sequence[Migration]) -> None:
    """Make the schema ours and apply what it lacks, in the transaction of the caller."""
    if not _exists(connection, schema):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"CREATE TABLE {schema}.migration (name TEXT PRIMARY KEY)")
    known = [migration.name for migration in migrations]
    found = connection.execute("SELECT name FROM migration").fetchall()
    applied = {name for (name,) in found}
    if newer := applied.difference(known):
        raise StoreError(
            f"the database has changes of a newer version: {', '.join(sorted(newer))}",
            reason="STORE_TOO_NEW",
            hint="run the newer version of the program, or restore a backup of before",
        )
    for migration in migrations:
        if migration.name not in applied:
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute("INSERT INTO migration VALUES (%s)", (migration.name,))


def _exists(connection: Any, schema: str) -> bool:
    """Say whether the schema is there; refuse one that another program has filled."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    tables = {name for (name,) in connection.execute(query, (schema,)).fetchall()}
    if tables and "migration" not in tables:
        raise StoreError(
            f"the schema {schema} has tables of another program",
            reason="STORE_FOREIGN",
            hint="give the node a database of its own",
        )
    return bool(tables)


def _translate(error: Any) -> StoreError:
    if not error.sqlstate and type(error).__name__ == "OperationalError":
        words = str(error)
        reason, message, hint = next(
            (found for word, found in _BY_WORD.items() if word in words), _UNREACHABLE
        )
        return StoreError(message, reason=reason, hint=hint)
    # The driver itself refuses a value before the server has a word for it.
    state = error.sqlstate or ("22" if type(error).__name__ == "DataError" else "08")
    reason, message, hint = _BY_STATE.get(state) or _BY_STATE.get(state[:2], _UNREACHABLE)
    return StoreError(f"{message} ({state})", reason=reason, hint=hint)
