"""Keep the replicated tables in PostgreSQL: a ``PublicStore`` that several processes may share.

Rows go in as arrays, one statement a run, because a round trip costs more than the work. Text is
compared byte by byte (collation C), as SQLite does, so that every node folds in the same order.
"""

# ruff: noqa: S608 - names come from constants of the code, values only by parameter

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import Any, Final

from federation.tiles import Tile
from federation.views import TABLES, Drop, Put, Table
from node.store.leadership import Leadership
from node.store.notes import ChangeNotes, Followers, Noted
from node.store.postgresql_database import LOCK_TIMEOUT_MS, Migration, PostgresqlDatabase
from node.store.postgresql_leadership import PostgresqlLeadership
from node.store.postgresql_news import MAX_FOLDED_ENTRIES, Newsroom, Reading, Run, Written
from node.store.protocol import (
    Fold,
    Follower,
    LogState,
    PublicWriter,
    Row,
    StoredCheckpoint,
    StoredEntry,
)
from node.store.schema import column_names, view_name

SCHEMA: Final = "tocsin_public"

# Rows that stay at the server until they are asked for: some megabytes at a time.
CHUNK_ROWS: Final = 10_000
# Rows of one statement: its arrays stay a few megabytes.
RUN_ROWS: Final = 20_000
# Tiles of one statement, 8 KiB each.
TILES_AT_ONCE: Final = 512

_TYPES: Final = {"BLOB": "BYTEA", "INTEGER": "BIGINT", "TEXT": 'TEXT COLLATE "C"'}
_ARRAYS: Final = {"BLOB": "bytea[]", "INTEGER": "bigint[]", "TEXT": "text[]"}
_LOG_COLUMNS: Final = "number, origin, size, frontier, root, checkpoint, stopped"

MIGRATIONS: Final = (
    Migration(
        "m001_logs",
        (
            "CREATE TABLE log (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            ' origin TEXT COLLATE "C" NOT NULL UNIQUE, size BIGINT NOT NULL,'
            " frontier BYTEA NOT NULL, root BYTEA NOT NULL, checkpoint BYTEA NOT NULL,"
            " stopped BYTEA)",
            "CREATE TABLE entry (log BIGINT NOT NULL, position BIGINT NOT NULL, body BYTEA,"
            " PRIMARY KEY (log, position))",
            "CREATE TABLE tile (log BIGINT NOT NULL, level BIGINT NOT NULL,"
            ' "index" BIGINT NOT NULL, hashes BYTEA NOT NULL, PRIMARY KEY (log, level, "index"))',
            "CREATE TABLE checkpoint (log BIGINT NOT NULL, size BIGINT NOT NULL,"
            " note BYTEA NOT NULL, public BYTEA NOT NULL, PRIMARY KEY (log, size))",
            "CREATE TABLE setting (key TEXT PRIMARY KEY, value BYTEA NOT NULL)",
        ),
    ),
    Migration(
        "m002_news",
        (
            "CREATE TABLE news (number BIGINT NOT NULL)",  # one row: of the latest transaction
            "INSERT INTO news VALUES (0)",
        ),
    ),
)


class PostgresqlStore:
    """The replicated tables of one member in one schema of a PostgreSQL database."""

    def __init__(
        self,
        address: str,
        tables: Sequence[Table] = TABLES,
        *,
        schema: str = SCHEMA,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    ) -> None:
        """Open the schema, creating it where it is missing.

        Raises:
            StoreError: Any of its reasons.
        """
        self.tables = tables
        self._followers = Followers()
        self.database = PostgresqlDatabase(
            address, schema, MIGRATIONS, lock_timeout_ms=lock_timeout_ms
        )
        try:
            with self.database.write() as connection:
                _prepare_views(connection, schema, tables)
            self._newsroom = Newsroom(self.database, self._followers)
        except BaseException:
            self.database.close()
            raise

    @contextmanager
    def read(self) -> Iterator["PostgresqlReader"]:
        """Open a look at the store."""
        with self.database.read() as connection:
            yield PostgresqlReader(connection)

    @contextmanager
    def write(self) -> Iterator[PublicWriter]:
        """Open the one write transaction."""
        with self.database.write() as connection:
            writer = PostgresqlWriter(connection, self.tables, self._followers.followed)
            yield writer
            number = self._newsroom.announce(connection, writer.written)
        self._newsroom.tell(number, writer.notes.noted)

    def follow(self, table: Table, follower: Follower) -> None:
        """Tell a follower what each transaction changed in a view."""
        self._followers.add(table, follower)

    def listen(self, fold: Fold, grown: Callable[[str, int], None]) -> None:
        """Hear what other processes write: followers get the changes, as of own transactions."""
        self._newsroom.listen(Reading(partial(self._refold, fold), self._sizes, grown))

    def leadership(self) -> Leadership:
        """Return how the processes on this schema agree on the one that leads."""
        return PostgresqlLeadership(self.database)

    def tidy(self) -> None:
        """Take out rows that were deleted; the server's own files are its operator's."""
        with self.database.translated():
            connection = self.database.connect()
            try:
                connection.execute("VACUUM entry")
            finally:
                connection.close()

    def close(self) -> None:
        """Close all connections."""
        self._newsroom.close()
        self.database.close()

    def _sizes(self) -> list[tuple[int, str, int]]:
        with self.read() as reader:
            return [(state.number, state.origin, state.size) for state in reader.logs()]

    def _refold(self, fold: Fold, runs: Sequence[Run]) -> Noted | None:
        """Return what runs of entries changed in the followed tables; None where it is too much."""
        if sum(run.stop - run.first for run in runs) > MAX_FOLDED_ENTRIES:
            return None
        notes = ChangeNotes(self._followers.followed)
        with self.read() as reader:
            origins = {state.number: state.origin for state in reader.logs()}
            for run in runs:
                bodies = [entry.body for entry in reader.entries(*run)]
                for change in fold(origins[run.log], run.first, bodies):
                    notes.note(change.table, (change,))
        return notes.noted


class PostgresqlReader:
    """One consistent look at the store."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def logs(self) -> list[LogState]:
        """Return all logs, by origin."""
        return [
            LogState(*row) for row in self._all(f"SELECT {_LOG_COLUMNS} FROM log ORDER BY origin")
        ]

    def log(self, origin: str) -> LogState | None:
        """Return one log, or None when nothing of it is held."""
        found = self._all(f"SELECT {_LOG_COLUMNS} FROM log WHERE origin = %b", (origin,))
        return LogState(*found[0]) if found else None

    def entries(self, number: int, start: int, stop: int) -> Iterator[StoredEntry]:
        """Yield the entries from ``start`` up to, not including, ``stop``, in order."""
        query = (
            "SELECT position, body FROM entry"
            " WHERE log = %b AND position >= %b AND position < %b ORDER BY position"
        )
        return map(StoredEntry._make, self._stream(query, (number, start, stop)))

    def tile(self, number: int, level: int, index: int) -> bytes | None:
        """Return the hashes of a tile, or None where there is none."""
        query = 'SELECT hashes FROM tile WHERE log = %b AND level = %b AND "index" = %b'
        found = self._all(query, (number, level, index))
        return found[0][0] if found else None

    def checkpoints(
        self, number: int, first: int, last: int, *, newest_first: bool = False
    ) -> Iterator[StoredCheckpoint]:
        """Yield the history's checkpoints with ``first <= size <= last``, by size."""
        query = (
            "SELECT size, note, public FROM checkpoint WHERE log = %b AND size BETWEEN %b AND %b"
            f" ORDER BY size {'DESC' if newest_first else 'ASC'}"
        )
        return map(StoredCheckpoint._make, self._stream(query, (number, first, last)))

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield all rows of a view table, sorted by its key."""
        return self._stream(f"SELECT * FROM {view_name(table)} ORDER BY {column_names(table.key)}")

    def rows_of(self, table: Table, tokens: Sequence[bytes]) -> Iterator[Row]:
        """Yield the rows of these tokens, sorted by the key."""
        query = (
            f"SELECT * FROM {view_name(table)} WHERE token = ANY(%b)"
            f" ORDER BY {column_names(table.key)}"
        )
        return iter(self._all(query, (sorted(set(tokens)),)) if tokens else ())

    def find(
        self, table: Table, equal: Mapping[str, Any], *, newest: str | None = None, limit: int = -1
    ) -> list[Row]:
        """Return rows whose columns equal the given values, newest first by a column if named."""
        query = f"SELECT * FROM {view_name(table)}"
        if equal:
            query += " WHERE " + " AND ".join(f'"{name}" = %b' for name in equal)
        order = column_names(table.key)
        query += f' ORDER BY "{newest}" DESC, {order}' if newest else f" ORDER BY {order}"
        if limit >= 0:
            query += f" LIMIT {int(limit)}"
        return self._all(query, tuple(equal.values()))

    def count(self, table: Table, columns: Sequence[str]) -> list[Row]:
        """Return each combination of values of these columns and how many rows have it."""
        names = column_names(columns)
        query = f"SELECT {names}, COUNT(*) FROM {view_name(table)} GROUP BY {names}"
        return self._all(f"{query} ORDER BY {names}")

    def tokens(self, table: Table, low: bytes, high: bytes) -> Iterator[bytes]:
        """Yield the distinct tokens t of a table with ``low <= t <= high``, sorted."""
        query = (
            f"SELECT DISTINCT token FROM {view_name(table)}"
            " WHERE token BETWEEN %b AND %b ORDER BY token"
        )
        return map(itemgetter(0), self._stream(query, (low, high)))

    def token_count(self, table: Table) -> int:
        """Return how many distinct tokens a table holds."""
        ((count,),) = self._all(f"SELECT COUNT(DISTINCT token) FROM {view_name(table)}")
        return int(count)

    def has_stale_views(self) -> bool:
        """Say whether the view tables were made anew and wait to be folded again."""
        return _setting(self._connection, _STALE) == b"1"

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        rows: list[Any] = self._connection.execute(query, values, binary=True).fetchall()
        return rows

    def _stream(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield rows that stay at the server until they are asked for."""
        name = f"rows_{next(_NUMBERS)}"
        with self._connection.cursor(name=name, binary=True) as cursor:
            cursor.itersize = CHUNK_ROWS
            cursor.execute(query, values)
            yield from cursor


class PostgresqlWriter(PostgresqlReader):
    """One transaction; reads see its own changes."""

    def __init__(
        self, connection: Any, tables: Sequence[Table], followed: Collection[str] = ()
    ) -> None:
        super().__init__(connection)
        self._tables = {table.name: table for table in tables}
        self.notes = ChangeNotes(followed)
        self.written = Written()

    def save_log(self, state: LogState) -> int:
        """Insert or update a log and return its number."""
        values = (state.origin, state.size, state.frontier, state.root, state.checkpoint)
        query = (
            "INSERT INTO log (origin, size, frontier, root, checkpoint, stopped)"
            " VALUES (%b, %b, %b, %b, %b, %b) ON CONFLICT (origin) DO UPDATE SET"
            " size = excluded.size, frontier = excluded.frontier, root = excluded.root,"
            " checkpoint = excluded.checkpoint, stopped = excluded.stopped RETURNING number"
        )
        ((number,),) = self._all(query, (*values, state.stopped))
        return int(number)

    def add_entries(self, number: int, first: int, bodies: Iterable[bytes | None]) -> None:
        """Add entries from position ``first``; None stands for a body that is gone."""
        query = (
            "INSERT INTO entry SELECT %b, %b + place - 1, body"
            " FROM unnest(%b::bytea[]) WITH ORDINALITY AS given (body, place)"
        )
        for part in _parts(bodies):
            self._connection.execute(query, (number, first, part))
            self.written.add(number, first, len(part))
            first += len(part)

    def save_tiles(self, number: int, tiles: Iterable[Tile]) -> None:
        """Insert tiles or replace earlier ones."""
        for part in _parts(tiles, TILES_AT_ONCE):
            latest = {(t.level, t.index): (number, t.level, t.index, t.hashes) for t in part}
            self._put("tile", _TILE_COLUMNS, ("log", "level", "index"), list(latest.values()))

    def save_checkpoint(self, number: int, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint to the history; a newer one of the same size replaces the older."""
        query = (
            "INSERT INTO checkpoint VALUES (%b, %b, %b, %b) ON CONFLICT (log, size)"
            " DO UPDATE SET note = excluded.note, public = excluded.public"
        )
        self._connection.execute(query, (number, *checkpoint))

    def apply(self, changes: Iterable[Put | Drop]) -> None:
        """Change view rows, as if one after the other; runs of one table go in one statement."""
        for (kind, name), grouped in itertools.groupby(changes, _target):
            table, run = self._tables[name], self.notes.note(name, grouped)
            self.written.changed()
            for part in _parts(map(itemgetter(1), run)):
                if kind is Put:
                    self._put_rows(table, part)
                else:
                    self._drop_rows(table, part)

    def drop_bodies(self, number: int, positions: Iterable[int]) -> None:
        """Forget the bodies of entries."""
        query = "UPDATE entry SET body = NULL WHERE log = %b AND position = ANY(%b::bigint[])"
        self._connection.execute(query, (number, list(positions)))

    def clear_views(self) -> None:
        """Delete all rows of all view tables; they no longer count as stale."""
        for table in self._tables.values():
            self._connection.execute(f"DELETE FROM {view_name(table)}")
        self.notes.note_all()
        self.written.changed_all()
        _save_setting(self._connection, _STALE, b"0")

    def _put_rows(self, table: Table, rows: Sequence[Row]) -> None:
        # One statement may not touch a row twice: of equal keys the last one counts.
        places = [[name for name, _ in table.columns].index(name) for name in table.key]
        latest = {tuple(row[place] for place in places): row for row in rows}
        self._put(view_name(table), table.columns, table.key, list(latest.values()))

    def _put(
        self,
        name: str,
        columns: Sequence[tuple[str, str]],
        key: Sequence[str],
        rows: Sequence[Row],
    ) -> None:
        others = [column for column, _ in columns if column not in key]
        taken = ", ".join(f'"{column}" = excluded."{column}"' for column in others)
        query = (
            f"INSERT INTO {name} SELECT * FROM {_unnested([kind for _, kind in columns])}"
            f" ON CONFLICT ({column_names(key)}) DO {f'UPDATE SET {taken}' if taken else 'NOTHING'}"
        )
        if rows:
            self._connection.execute(query, _columns(rows))

    def _drop_rows(self, table: Table, keys: Sequence[Row]) -> None:
        kinds = dict(table.columns)
        names = [f'"k{place}"' for place in range(len(table.key))]
        same = " AND ".join(
            f'held."{column}" = given.{name}' for column, name in zip(table.key, names, strict=True)
        )
        query = (
            f"DELETE FROM {view_name(table)} AS held USING"
            f" {_unnested([kinds[column] for column in table.key])} AS given ({', '.join(names)})"
            f" WHERE {same}"
        )
        self._connection.execute(query, _columns(keys))


_NUMBERS = itertools.count()
_VIEWS: Final = "views"
_STALE: Final = "views_stale"
_TILE_COLUMNS: Final = (
    ("log", "INTEGER"),
    ("level", "INTEGER"),
    ("index", "INTEGER"),
    ("hashes", "BLOB"),
)


def _target(change: Put | Drop) -> tuple[type[Put] | type[Drop], str]:
    return type(change), change.table


def _parts(rows: Iterable[Any], length: int = RUN_ROWS) -> Iterator[list[Any]]:
    run = iter(rows)
    while part := list(itertools.islice(run, length)):
        yield part


def _unnested(kinds: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%b::{_ARRAYS[kind]}' for kind in kinds)})"


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _prepare_views(connection: Any, schema: str, tables: Sequence[Table]) -> None:
    """Make the view tables if they are not there as described, in the caller's transaction."""
    wanted = [line for table in tables for line in _definition(table)]
    digest = hashlib.sha256("\n".join(wanted).encode()).digest()
    if _setting(connection, _VIEWS) == digest:
        return
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'view\\_%%'"
    for (name,) in connection.execute(query, (schema,)).fetchall():
        connection.execute(f'DROP TABLE "{name}"')
    for line in wanted:
        connection.execute(line)
    _save_setting(connection, _VIEWS, digest)
    _save_setting(connection, _STALE, b"1")


def _definition(table: Table) -> list[str]:
    columns = ", ".join(f'"{name}" {_TYPES[kind]} NOT NULL' for name, kind in table.columns)
    name = view_name(table)
    lines = [f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({column_names(table.key)}))"]
    for index in table.indexes:
        index_name = f'"view_{table.name}_{"_".join(index)}"'
        lines.append(f"CREATE INDEX {index_name} ON {name} ({column_names(index)})")
    return lines


def _setting(connection: Any, key: str) -> bytes | None:
    found = connection.execute("SELECT value FROM setting WHERE key = %s", (key,)).fetchall()
    return bytes(found[0][0]) if found else None


def _save_setting(connection: Any, key: str, value: bytes) -> None:
    query = "INSERT INTO setting VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = %s"
    connection.execute(query, (key, value, value))
