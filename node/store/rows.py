"""Say what the private tables ask of a database, so that one text of SQL serves all of them.

The dialect is what SQLite and PostgreSQL share: ``?`` for each value, ``ON CONFLICT`` for rows that
are there already, the table's name before a column that ``DO UPDATE`` reads, no literal bytes.
Whoever writes is alone among all threads and processes until the block ends: what is read there
first still holds when it is written, and quotas, budgets and keys rely on that.
"""

# ruff: noqa: S608 - names come from constants of the code, values only by parameter

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from node.store.schema import column_names


class Found(Protocol):
    """What a statement found or changed."""

    @property
    def rowcount(self) -> int:
        """Return how many rows were changed; below zero where none could be."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""


class Connection(Protocol):
    """A transaction over the private tables."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Found:
        """Run one statement."""

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> Found:
        """Run a statement for each row, in order; the row count is that of all."""

    def changed(self, query: str, rows: Iterable[Sequence[Any]], /) -> list[bool]:
        """Run a statement for each row, in order; say of each whether it changed a row."""


class PrivateDatabase(Protocol):
    """One database that holds the private tables."""

    def read(self) -> AbstractContextManager[Connection]:
        """Open a look at one moment."""

    def write(self) -> AbstractContextManager[Connection]:
        """Open the one write transaction; it commits when the block ends well."""

    def close(self) -> None:
        """Close all connections."""


def insert_new(table: str, columns: Sequence[str]) -> str:
    """Return a statement that adds a row, and changes nothing where its key is there already."""
    return f"{_insert(table, columns)} ON CONFLICT DO NOTHING"


def put(table: str, columns: Sequence[str], key: int = 1) -> str:
    """Return a statement that adds a row, or replaces the one with its key.

    Args:
        table: Name of the table.
        columns: The key's first.
        key: How many columns the primary key has.
    """
    taken = ", ".join(f'"{name}" = excluded."{name}"' for name in columns[key:])
    same = column_names(columns[:key])
    return f"{_insert(table, columns)} ON CONFLICT ({same}) DO UPDATE SET {taken}"


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({column_names(columns)}) VALUES ({marks})"
