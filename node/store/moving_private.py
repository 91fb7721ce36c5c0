"""Copy the private tables from their file to PostgreSQL, and compare every row on either side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

from node.store.database import DatabaseFile
from node.store.error import StoreError
from node.store.postgresql_private import PRIVATE_SCHEMA
from node.store.private_schema import PRIVATE_MIGRATIONS
from node.store.schema import column_names

# Rows fetched at once: some hundred kilobytes.
ROWS_AT_ONCE: Final = 5_000

_NAMES: Final = (
    "SELECT name FROM sqlite_master"
    " WHERE type = 'table' AND substr(name, 1, 1) <> '_' AND name NOT LIKE 'sqlite%' ORDER BY name"
)


class _Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def reading(self) -> str:
        """Return the query of all rows; both databases sort bytes, numbers and texts alike."""
        names, order = column_names(self.columns), column_names(self.key)
        return f'SELECT {names} FROM "{self.name}" ORDER BY {order}'  # noqa: S608  # our own schema's names

    @property
    def copying(self) -> str:
        """Return the statement that takes rows in, in PostgreSQL."""
        return f'COPY "{self.name}" ({column_names(self.columns)}) FROM STDIN'


def count_private(source: DatabaseFile) -> int:
    """Return how many rows there are in all private tables."""
    with source.read() as connection:
        queries = [f'SELECT COUNT(*) FROM "{one.name}"' for one in _tables(connection)]  # noqa: S608  # our own schema's names
        return sum(connection.execute(query).fetchone()[0] for query in queries)


def copy_private(source: DatabaseFile, connection: Any, advance: Callable[[int], None]) -> int:
    """Copy all private rows in the transaction of the caller; return their number.

    Where the same rows are there already, nothing is copied: a move that was cut off can be
    made again.

    Args:
        source: Stays as it is.
        connection: The driver's own, of a transaction over the private schema.
        advance: Called with a number of rows as they are taken in.

    Raises:
        StoreError: STORE_NOT_EMPTY, STORE_DIFFERS, or the file cannot be read.
    """
    with source.read() as reader:
        tables = _tables(reader)
        wanted, count = _digest((one, reader.execute(one.reading)) for one in tables)
        found, _ = _digest(_held(connection, tables))
        if found == wanted:
            advance(count)
            return count
        if found != _digest_unused():
            raise StoreError(
                "the database holds other private rows already",
                reason="STORE_NOT_EMPTY",
                hint=f"name another database, or drop the schema {PRIVATE_SCHEMA} in this one",
            )
        for table in tables:
            connection.execute(f'DELETE FROM "{table.name}"')  # noqa: S608  # what migrations put in
            _copy(table, reader.execute(table.reading), connection, advance)
    if _digest(_held(connection, tables)) != (wanted, count):
        raise StoreError(
            "the private rows of the copy are not those of the file",
            reason="STORE_DIFFERS",
            hint="the node still uses its file; please report this",
        )
    return count


def _copy(
    table: _Table, rows: Iterable[tuple[Any, ...]], connection: Any, advance: Callable[[int], None]
) -> None:
    waiting = 0
    with connection.cursor() as cursor, cursor.copy(table.copying) as copy:
        for row in rows:
            copy.write_row(row)
            waiting += 1
            if waiting == ROWS_AT_ONCE:
                advance(waiting)
                waiting = 0
    advance(waiting)


def _tables(connection: Any) -> list[_Table]:
    tables = []
    for (name,) in connection.execute(_NAMES).fetchall():
        described = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
        keyed = sorted((place, column) for _, column, _, _, _, place in described if place)
        columns = tuple(column for _, column, *_ in described)
        tables.append(_Table(name, columns, tuple(column for _, column in keyed)))
    return tables


def _held(
    connection: Any, tables: Iterable[_Table]
) -> Iterator[tuple[_Table, Iterable[tuple[Any, ...]]]]:
    """Yield each table's rows at the server, fetched as they are asked for."""
    for table in tables:
        with connection.cursor(name="private_rows", binary=True) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(table.reading)
            yield table, cursor


def _digest(tables: Iterable[tuple[_Table, Iterable[tuple[Any, ...]]]]) -> tuple[bytes, int]:
    """Return a digest of all rows by table and key, and how many there are."""
    digest, count = hashlib.sha256(), 0
    for table, rows in tables:
        digest.update(repr((table.name, table.columns)).encode())
        for row in rows:
            digest.update(repr(tuple(row)).encode())
            count += 1
    return digest.digest(), count


def _digest_unused() -> bytes:
    """Return the digest of a schema that nobody has written to."""
    with Database(memory=True) as fresh:
        PRIVATE_MIGRATIONS.apply(fresh)
        return _digest((one, fresh.execute(one.reading)) for one in _tables(fresh))[0]
