"""Keep the counts of own inspections of IoT cards, one a month, on this node alone."""

from __future__ import annotations

from federation.iot import Sheet
from node.store.private import PrivateStore
from node.store.rows import put


class InspectionTable:
    """The inspections of one carrier; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def put(self, month: int, sheet: Sheet) -> None:
        """Keep a month's counts, instead of what stood there."""
        with self._database.write() as connection:
            connection.execute(put("iot_inspection", ("month", *Sheet._fields)), (month, *sheet))

    def sheet(self, month: int) -> Sheet | None:
        """Return a month's counts; None where there was no inspection."""
        query = "SELECT checked, abnormal, suspended, restored FROM iot_inspection WHERE month = ?"
        with self._database.read() as connection:
            row = connection.execute(query, (month,)).fetchone()
        return None if row is None else Sheet(*row)

    def all(self) -> list[tuple[int, Sheet]]:
        """Return every month's counts, newest first."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT * FROM iot_inspection ORDER BY month DESC").fetchall()
        return [(month, Sheet(*counts)) for month, *counts in rows]
