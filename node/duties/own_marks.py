"""Keep which customer marked which number as what: pseudonyms in the private store, never shared.

Every method blocks on the database and is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from federation.vocabulary import MarkLabel
from node.store.private import PrivateStore
from node.store.rows import insert_new

MAX_DUE: Final = 20
"""Numbers whose marks are shared in one go: each is a sum in everybody's log."""


class OwnMark(NamedTuple):
    """One customer's mark of a number."""

    token: bytes
    pseudonym: bytes
    label: MarkLabel
    time: int


class MarkSum(NamedTuple):
    """A sum of marks that this member opened."""

    sum_id: bytes
    token: bytes
    opened: int


class OwnMarks:
    """The marks that this member's customers gave."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def add(self, marks: Iterable[OwnMark]) -> list[bool]:
        """Add marks, one for each customer and number; say of each whether it says anything new."""
        query = (
            "INSERT INTO own_mark VALUES (?, ?, ?, ?) ON CONFLICT (token, pseudonym) DO UPDATE"
            " SET label = excluded.label, time = excluded.time"
            " WHERE own_mark.label <> excluded.label"
        )
        with self._database.write() as connection:
            return connection.changed(
                query, ((*one[:2], int(one.label), one.time) for one in marks)
            )

    def renew(self, marks: Iterable[OwnMark], since: int) -> None:
        """Give marks again that were given up to a second from which marks count anew."""
        query = "UPDATE own_mark SET time = ? WHERE token = ? AND pseudonym = ? AND time <= ?"
        with self._database.write() as connection:
            connection.executemany(query, [(one[3], one[0], one[1], since) for one in marks])

    def counts(self, token: bytes, since: int) -> dict[MarkLabel, int]:
        """Return how many customers gave each mark of a number after a second."""
        query = "SELECT label, COUNT(*) FROM own_mark WHERE token = ? AND time > ? GROUP BY label"
        with self._database.read() as connection:
            found = connection.execute(query, (token, since)).fetchall()
        return {MarkLabel(label): count for label, count in found}

    def due(self, least: int, settled: int, last: int) -> list[bytes]:
        """Return numbers whose marks are worth sharing.

        Args:
            least: Customers who marked it at least.
            settled: Second since which nobody marked it.
            last: Second since which no sum of it was opened here; marks must be younger than that.
        """
        query = (
            "SELECT token FROM own_mark GROUP BY token HAVING COUNT(*) >= ? AND MAX(time) <= ?"
            " AND MAX(time) > COALESCE((SELECT MAX(opened) FROM mark_sum"
            " WHERE mark_sum.token = own_mark.token), 0)"
            " AND NOT EXISTS (SELECT 1 FROM mark_sum WHERE mark_sum.token = own_mark.token"
            " AND opened > ?) ORDER BY token LIMIT ?"
        )
        with self._database.read() as connection:
            rows = connection.execute(query, (least, settled, last, MAX_DUE)).fetchall()
        return [row[0] for row in rows]

    def add_sum(self, one: MarkSum) -> None:
        """Remember a sum whose marks are to be said when it is done."""
        query = insert_new("mark_sum", ("sum_id", "token", "opened"))
        with self._database.write() as connection:
            connection.execute(query, tuple(one))

    def open_sums(self) -> list[MarkSum]:
        """Return the sums whose marks were not said yet."""
        query = "SELECT sum_id, token, opened FROM mark_sum WHERE said = 0"
        with self._database.read() as connection:
            return [MarkSum(*row) for row in connection.execute(query).fetchall()]

    def close_sum(self, sum_id: bytes) -> None:
        """Note that what a sum showed was said, or that it came to nothing."""
        with self._database.write() as connection:
            connection.execute("UPDATE mark_sum SET said = 1 WHERE sum_id = ?", (sum_id,))
