"""Keep the private tables in PostgreSQL, in a schema of their own that processes share.

The statements are those of ``node.store.private`` and the duties, translated here and nowhere else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from node.store.postgresql_database import LOCK_TIMEOUT_MS, Migration, PostgresqlDatabase
from node.store.private_schema import PRIVATE_CHANGES
from node.store.rows import Connection, Found

PRIVATE_SCHEMA: Final = "tocsin_private"

# Statements sent before their answers are read: one round trip for all of them.
STATEMENTS_AT_ONCE: Final = 1_000
# Texts of statements that are kept translated: more than the program has.
_TEXTS: Final = 512

# Text is compared byte by byte, as SQLite does: pages begin where the last one ended.
_WORDS: Final = {"BLOB": "BYTEA", "INTEGER": "BIGINT", "TEXT": 'TEXT COLLATE "C"'}


def define_in_postgresql(statement: str) -> str:
    """Return a statement of the private schema in PostgreSQL's words."""
    plain = statement.removesuffix(" WITHOUT ROWID")
    return re.sub(r"\b(BLOB|INTEGER|TEXT)\b", lambda found: _WORDS[found[0]], plain)


PRIVATE_TABLES: Final = tuple(
    Migration(change.name, tuple(map(define_in_postgresql, change.statements)))
    for change in PRIVATE_CHANGES
)


class PostgresqlPrivate:
    """The private tables of one member in one schema of a PostgreSQL database."""

    def __init__(self, address: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> None:
        """Open the schema, creating it where it is missing.

        Raises:
            StoreError: Any of its reasons.
        """
        self.tables = PostgresqlDatabase(
            address, PRIVATE_SCHEMA, PRIVATE_TABLES, lock_timeout_ms=lock_timeout_ms
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a look at one moment."""
        with self.tables.read() as connection:
            yield PostgresqlConnection(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the one write transaction among all processes."""
        with self.tables.write() as connection:
            yield PostgresqlConnection(connection)

    def close(self) -> None:
        """Close all connections."""
        self.tables.close()


class PostgresqlConnection:
    """A transaction over the private tables, in the words of ``node.store.rows``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Found:
        """Run one statement."""
        found: Found = self._connection.execute(_translated(query), values, binary=True)
        return found

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> Found:
        """Run a statement for each row, in order; the row count is that of all."""
        cursor = self._connection.cursor()
        cursor.executemany(_translated(query), rows)
        found: Found = cursor
        return found

    def changed(self, query: str, rows: Iterable[Sequence[Any]], /) -> list[bool]:
        """Run a statement for each row, in order; say of each whether it changed a row."""
        changed: list[bool] = []
        given = iter(rows)
        while part := list(itertools.islice(given, STATEMENTS_AT_ONCE)):
            with self._connection.pipeline():
                done = [self.execute(query, row) for row in part]
            changed += [one.rowcount == 1 for one in done]
        return changed


@lru_cache(maxsize=_TEXTS)
def _translated(query: str) -> str:
    """Return a statement with the driver's marks for values."""
    return query.replace("%", "%%").replace("?", "%b")
