"""Keep the replicated tables in one SQLite file: the embedded default of ``PublicStore``."""

# ruff: noqa: S608 - names come from constants of the code, values only by parameter

import itertools
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database

from federation.tiles import Tile
from federation.views import TABLES, Drop, Put, Table
from node.store.database import BUSY_TIMEOUT_MS, DatabaseFile
from node.store.notes import ChangeNotes, Followers
from node.store.protocol import (
    Fold,
    Follower,
    LogState,
    PublicWriter,
    Row,
    StoredCheckpoint,
    StoredEntry,
)
from node.store.schema import (
    PUBLIC_APPLICATION_ID,
    PUBLIC_MIGRATIONS,
    column_names,
    has_stale_views,
    mark_views_fresh,
    prepare_views,
    view_name,
)

# Parameters of one IN list: large enough to spread the cost of a statement, and one text only, so
# that it is compiled once; SQLite allows 32,766.
TOKENS_PER_QUERY: Final = 512
# The same for a look-up of few: filling up a long list costs more than such a look-up.
FEW_TOKENS: Final = 16

_LOG_COLUMNS = "number, origin, size, frontier, root, checkpoint, stopped"


class SqliteStore:
    """The replicated tables of one node in one file."""

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table] = TABLES,
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        """Open the file, creating it where it is missing.

        Raises:
            StoreError: Any of its reasons.
        """
        self.tables = tables
        self._followers = Followers()
        self.file = DatabaseFile(path, PUBLIC_MIGRATIONS, PUBLIC_APPLICATION_ID, busy_timeout_ms)
        try:
            with self.file.write() as connection:
                prepare_views(Database(connection), tables)
        except BaseException:
            self.file.close()
            raise

    @contextmanager
    def read(self) -> Iterator["SqliteReader"]:
        """Open a look at the store."""
        with self.file.read() as connection:
            yield SqliteReader(connection)

    @contextmanager
    def write(self) -> Iterator[PublicWriter]:
        """Open the one write transaction."""
        with self.file.write() as connection:
            writer = SqliteWriter(connection, self.tables, self._followers.followed)
            yield writer
        self._followers.tell(writer.notes.noted)

    def follow(self, table: Table, follower: Follower) -> None:
        """Tell a follower what each transaction changed in a view."""
        self._followers.add(table, follower)

    def listen(self, fold: Fold, grown: Callable[[str, int], None]) -> None:
        """Do nothing: a file has one node."""

    def leadership(self) -> None:
        """Return None: a file has one node."""

    def tidy(self) -> None:
        """Empty the journal, which still holds what was deleted."""
        self.file.truncate_journal()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class SqliteReader:
    """One consistent look at the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def logs(self) -> list[LogState]:
        """Return all logs, by origin."""
        found = self._connection.execute(f"SELECT {_LOG_COLUMNS} FROM log ORDER BY origin")
        return [LogState(*row) for row in found]

    def log(self, origin: str) -> LogState | None:
        """Return one log, or None when nothing of it is held."""
        query = f"SELECT {_LOG_COLUMNS} FROM log WHERE origin = ?"
        row = self._connection.execute(query, (origin,)).fetchone()
        return None if row is None else LogState(*row)

    def entries(self, number: int, start: int, stop: int) -> Iterator[StoredEntry]:
        """Yield the entries from ``start`` up to, not including, ``stop``, in order."""
        query = (
            "SELECT position, body FROM entry"
            " WHERE log = ? AND position >= ? AND position < ? ORDER BY position"
        )
        return map(StoredEntry._make, self._connection.execute(query, (number, start, stop)))

    def tile(self, number: int, level: int, index: int) -> bytes | None:
        """Return the hashes of a tile, or None where there is none."""
        query = 'SELECT hashes FROM tile WHERE log = ? AND level = ? AND "index" = ?'
        row = self._connection.execute(query, (number, level, index)).fetchone()
        return None if row is None else row[0]

    def checkpoints(
        self, number: int, first: int, last: int, *, newest_first: bool = False
    ) -> Iterator[StoredCheckpoint]:
        """Yield the history's checkpoints with ``first <= size <= last``, by size."""
        query = (
            "SELECT size, note, public FROM checkpoint WHERE log = ? AND size BETWEEN ? AND ?"
            f" ORDER BY size {'DESC' if newest_first else 'ASC'}"
        )
        return map(StoredCheckpoint._make, self._connection.execute(query, (number, first, last)))

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield all rows of a view table, sorted by its key."""
        query = f"SELECT * FROM {view_name(table)} ORDER BY {column_names(table.key)}"
        return iter(self._connection.execute(query))

    def rows_of(self, table: Table, tokens: Sequence[bytes]) -> Iterator[Row]:
        """Yield the rows of these tokens, sorted by the key."""
        if not self._connection.execute(f"SELECT 1 FROM {view_name(table)} LIMIT 1").fetchone():
            return  # most often nothing is protected and no number has changed hands
        wanted = sorted(set(tokens))
        size = FEW_TOKENS if len(wanted) <= FEW_TOKENS else TOKENS_PER_QUERY
        query = (
            f"SELECT * FROM {view_name(table)} WHERE token IN ({', '.join('?' * size)})"
            f" ORDER BY {column_names(table.key)}"
        )
        for begin in range(0, len(wanted), size):
            part = wanted[begin : begin + size]
            # A list is a set to SQLite: repeating a token fills it up without another text.
            part += part[-1:] * (size - len(part))
            yield from self._connection.execute(query, part)

    def find(
        self, table: Table, equal: Mapping[str, Any], *, newest: str | None = None, limit: int = -1
    ) -> list[Row]:
        """Return rows whose columns equal the given values, newest first by a column if named."""
        query = f"SELECT * FROM {view_name(table)}"
        if equal:
            query += " WHERE " + " AND ".join(f'"{name}" = ?' for name in equal)
        order = column_names(table.key)
        query += f' ORDER BY "{newest}" DESC, {order}' if newest else f" ORDER BY {order}"
        query += " LIMIT ?"
        return self._connection.execute(query, (*equal.values(), limit)).fetchall()

    def count(self, table: Table, columns: Sequence[str]) -> list[Row]:
        """Return each combination of values of these columns and how many rows have it."""
        names = column_names(columns)
        query = f"SELECT {names}, COUNT(*) FROM {view_name(table)} GROUP BY {names}"
        return self._connection.execute(f"{query} ORDER BY {names}").fetchall()

    def tokens(self, table: Table, low: bytes, high: bytes) -> Iterator[bytes]:
        """Yield the distinct tokens t of a table with ``low <= t <= high``, sorted."""
        query = (
            f"SELECT DISTINCT token FROM {view_name(table)}"
            " WHERE token BETWEEN ? AND ? ORDER BY token"
        )
        return map(itemgetter(0), self._connection.execute(query, (low, high)))

    def token_count(self, table: Table) -> int:
        """Return how many distinct tokens a table holds."""
        query = f"SELECT COUNT(DISTINCT token) FROM {view_name(table)}"
        (count,) = self._connection.execute(query).fetchone()
        return int(count)

    def has_stale_views(self) -> bool:
        """Say whether the view tables were made anew and wait to be folded again."""
        return has_stale_views(Database(self._connection))


class SqliteWriter(SqliteReader):
    """One transaction; reads see its own changes."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        tables: Sequence[Table],
        followed: Collection[str] = (),
    ) -> None:
        super().__init__(connection)
        self._tables = {table.name: table for table in tables}
        self.notes = ChangeNotes(followed)

    def save_log(self, state: LogState) -> int:
        """Insert or update a log and return its number."""
        values = (state.origin, state.size, state.frontier, state.root, state.checkpoint)
        query = (
            "INSERT INTO log (origin, size, frontier, root, checkpoint, stopped)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size,"
            " frontier = excluded.frontier, root = excluded.root,"
            " checkpoint = excluded.checkpoint, stopped = excluded.stopped RETURNING number"
        )
        ((number,),) = self._connection.execute(query, (*values, state.stopped)).fetchall()
        return int(number)

    def add_entries(self, number: int, first: int, bodies: Iterable[bytes | None]) -> None:
        """Add entries from position ``first``; None stands for a body that is gone."""
        rows = zip(itertools.repeat(number), itertools.count(first), bodies, strict=False)
        self._connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)

    def save_tiles(self, number: int, tiles: Iterable[Tile]) -> None:
        """Insert tiles or replace earlier ones."""
        rows = ((number, tile.level, tile.index, tile.hashes) for tile in tiles)
        self._connection.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?)", rows)

    def save_checkpoint(self, number: int, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint to the history; a newer one of the same size replaces the older."""
        query = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (number, *checkpoint))

    def apply(self, changes: Iterable[Put | Drop]) -> None:
        """Change view rows, as if one after the other; runs of one table go in one statement."""
        for (kind, name), grouped in itertools.groupby(changes, _target):
            table, run = self._tables[name], self.notes.note(name, grouped)
            if kind is Put:
                marks = ", ".join("?" * len(table.columns))
                query = f"INSERT OR REPLACE INTO {view_name(table)} VALUES ({marks})"
            else:
                key = " AND ".join(f'"{column}" = ?' for column in table.key)
                query = f"DELETE FROM {view_name(table)} WHERE {key}"
            # Item 1 is a Put's row and a Drop's key.
            self._connection.executemany(query, map(itemgetter(1), run))

    def drop_bodies(self, number: int, positions: Iterable[int]) -> None:
        """Forget the bodies of entries."""
        rows = ((number, position) for position in positions)
        query = "UPDATE entry SET body = NULL WHERE log = ? AND position = ?"
        self._connection.executemany(query, rows)

    def clear_views(self) -> None:
        """Delete all rows of all view tables; they no longer count as stale."""
        for table in self._tables.values():
            self._connection.execute(f"DELETE FROM {view_name(table)}")
        self.notes.note_all()
        mark_views_fresh(Database(self._connection))


def _target(change: Put | Drop) -> tuple[type[Put] | type[Drop], str]:
    return type(change), change.table
