"""Open one SQLite file safely: modes, pragmas, migrations, one writer, a pool of readers.

All that is particular to SQLite as a file is here; ``sqlite`` and ``private`` hold only tables.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database, Migrations

from node.store.error import StoreError, translated

# Milliseconds: longer than any transaction of this program takes, shorter than a caller's patience.
BUSY_TIMEOUT_MS: Final = 10_000
# KiB of page cache: a few batches' pages, and the inner pages of what is looked up. The system has
# the file in memory anyway: four times as much made ingesting 2 % faster.
WRITER_CACHE_KIB: Final = 16_384
READER_CACHE_KIB: Final = 2_048
# Pages of 4 KiB: a bulk batch is copied into the main file once, not four times on its way.
CHECKPOINT_PAGES: Final = 4_000
# Bytes: what a burst leaves behind as an empty journal.
JOURNAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
# Connections: as many as threads usually read at a time; more are opened and closed again.
IDLE_READERS: Final = 8
# Seconds after which a connection that nobody needed is closed, with its page cache.
IDLE_SECONDS: Final = 30.0

_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class FileConnection(sqlite3.Connection):
    """A connection to a file, as the private tables ask for one (``node.store.rows``)."""

    def changed(self, query: str, rows: Iterable[Sequence[Any]], /) -> list[bool]:
        """Run a statement for each row, in order; say of each whether it changed a row."""
        return [self.execute(query, row).rowcount == 1 for row in rows]


class DatabaseFile:
    """One SQLite database: a writer connection behind a lock, and read-only connections."""

    def __init__(
        self,
        path: Path,
        migrations: Migrations,
        application_id: int,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        """Open the file, creating it where it is missing, and bring its schema up to date.

        Args:
            path: The file, 0600; its directory is created 0700 where it is missing.
            migrations: All that the schema consists of, in order.
            application_id: Marks the file as this database (32-bit, not 0).
            busy_timeout_ms: How long to wait for another process.

        Raises:
            StoreError: Any of its reasons. The file is as it was.
        """
        self.path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._lock = threading.Lock()
        self._closed = False
        # Each with when it was last used; the latest, which is taken first, at the end.
        self._idle: deque[tuple[float, FileConnection]] = deque()
        _create_file(path)
        with translated():
            self._writer = self._connect()
        try:
            with translated():
                self._prepare(migrations, application_id)
        except BaseException:
            self._writer.close()
            raise

    @contextlib.contextmanager
    def write(self) -> Iterator[FileConnection]:
        """Give the writer inside a transaction, which commits when the block ends well."""
        with self._lock, translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[FileConnection]:
        """Give a read-only connection that sees one moment of the database."""
        with translated():
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._give_back(connection)

    def truncate_journal(self) -> None:
        """Move everything into the main file and empty the journal, which may hold old content."""
        with self._lock, translated():
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections; one that is in use closes when its user is done."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop()[1].close()
            self._writer.close()

    def _connect(self, *, read_only: bool = False) -> FileConnection:
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=self._busy_timeout_ms / 1000,
            # Each connection has one user at a time: the lock or the pool sees to it.
            check_same_thread=False,
            factory=FileConnection,
        )
        cache = READER_CACHE_KIB if read_only else WRITER_CACHE_KIB
        connection.execute(f"PRAGMA cache_size = -{cache}")
        return connection

    def _prepare(self, migrations: Migrations, application_id: int) -> None:
        _check_identity(self._writer, application_id)
        for pragma in (
            f"application_id = {application_id}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
        ):
            self._writer.execute(f"PRAGMA {pragma}")
        _migrate(Database(self._writer), migrations)

    def _borrow(self) -> FileConnection:
        with contextlib.suppress(IndexError):
            return self._idle.pop()[1]
        return self._connect(read_only=True)

    def _give_back(self, connection: FileConnection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        now = time.monotonic()
        if len(self._idle) < IDLE_READERS and not self._closed:
            self._idle.append((now, connection))
        else:
            connection.close()
        # Another thread may take one between look and close: it is in use then, not idle.
        with contextlib.suppress(IndexError):
            while self._idle[0][0] < now - IDLE_SECONDS:
                self._idle.popleft()[1].close()


def _create_file(path: Path) -> None:
    """Make an empty file that only its owner can read, unless there is one."""
    try:
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _FILE_MODE))
    except OSError as error:
        raise StoreError(
            f"the database file cannot be opened: {error.strerror}",
            hint="look at the file's owner, mode and disk",
        ) from error


def _check_identity(connection: sqlite3.Connection, application_id: int) -> None:
    """Refuse a database of another program, or of another purpose, before it is touched."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if found != application_id and (found or tables):
        raise StoreError(
            "the file is a database of another kind",
            reason="STORE_FOREIGN",
            hint="give this database a path of its own",
        )


def _migrate(database: Database, migrations: Migrations) -> None:
    with Database(memory=True) as empty:
        known = {migration.name for migration in migrations.pending(empty)}
    newer = {migration.name for migration in migrations.applied(database)} - known
    if newer:
        raise StoreError(
            f"the database has changes of a newer version: {', '.join(sorted(newer))}",
            reason="STORE_TOO_NEW",
            hint="run the newer version of the program, or restore a backup of before",
        )
    if migrations.pending(database):
        migrations.apply(database)
