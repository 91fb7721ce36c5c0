"""Keep own figures that no log holds, on this node alone."""

from __future__ import annotations

from collections.abc import Iterable

from federation.figures import Period
from federation.sheet import INDICATOR, Figure, Form, add_figures
from node.store.private import PrivateStore
from node.store.rows import put

_SEPARATOR = " "
_COLUMNS = ("code", "counted", "numerator", "denominator", "durations")


class SheetTable:
    """Own figures by code and time; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def put(self, rows: Iterable[tuple[str, int, Figure]]) -> list[bool]:
        """Store figures by code and time, instead of what stood there; say of each if it is new."""
        known = "SELECT numerator, denominator, durations FROM sheet_figure"
        query = put("sheet_figure", _COLUMNS, key=2)
        changed = []
        with self._database.write() as connection:
            for code, counted, figure in rows:
                row = _encode(code, figure)
                found = connection.execute(
                    f"{known} WHERE code = ? AND counted = ?", (code, counted)
                ).fetchone()
                changed.append(found != row)
                connection.execute(query, (code, counted, *row))
        return changed

    def figures(self, period: Period) -> dict[str, Figure]:
        """Return the sum of the figures of a period, by code."""
        query = (
            "SELECT code, numerator, denominator, durations FROM sheet_figure"
            " WHERE counted >= ? AND counted < ? ORDER BY code, counted"
        )
        with self._database.read() as connection:
            rows = connection.execute(query, (period.start, period.end)).fetchall()
        found: dict[str, list[Figure]] = {}
        for code, *row in rows:
            if code in INDICATOR:  # else a newer node's
                found.setdefault(code, []).append(_decode(code, *row))
        return {code: add_figures(INDICATOR[code], each) for code, each in found.items()}


def _encode(code: str, figure: Figure) -> tuple[int, int, str]:
    if INDICATOR[code].form is Form.RATE:
        return figure[0], figure[1], ""
    return 0, 0, _SEPARATOR.join(map(str, figure))


def _decode(code: str, numerator: int, denominator: int, durations: str) -> Figure:
    if INDICATOR[code].form is Form.RATE:
        return numerator, denominator
    return tuple(map(int, durations.split(_SEPARATOR)))
