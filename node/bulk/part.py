"""Cut the rows of a file into parts that one process turns into tokens at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from node.cli.table_file import BadRow, Row

PART_ROWS: Final = 65_536
"""Rows: ten seconds of a core, all that a crash costs; 32 batches, so that the wait for the last
one's answer is small; some 15 MB in memory."""


COLUMNS: Final = ("kind", "value", "region")
"""What a job reads of a row; every further column would cost the one process that reads."""

Value = tuple[int, str, str, str]
"""Line, kind, value and region, as written; a plain tuple travels five times as fast as a class."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a file.

    Attributes:
        number: From 0.
        values: Those that could be read.
        refused: Line and reason of the others.
        position: Where the file had been read to, in bytes.
    """

    number: int
    values: tuple[Value, ...] = field(repr=False)
    refused: tuple[tuple[int, str], ...]
    position: int


def cut(
    rows: Iterable[Row | BadRow], position: Callable[[], int], size: int = PART_ROWS
) -> Iterator[Part]:
    """Yield parts of ``size`` rows; the same file always gives the same ones."""
    values: list[Value] = []
    refused: list[tuple[int, str]] = []
    number = 0
    for row in rows:
        if isinstance(row, BadRow):
            refused.append((row.line, row.reason))
        else:
            cells = row.cells
            values.append((row.line, cells["kind"], cells["value"], cells["region"]))
        if len(values) + len(refused) == size:
            yield Part(number, tuple(values), tuple(refused), position())
            values, refused, number = [], [], number + 1
    if values or refused:
        yield Part(number, tuple(values), tuple(refused), position())
