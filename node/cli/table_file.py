"""Read a file of rows as a stream, however long the file and however bad the rows.

A file is CSV with a header (UTF-8, with or without a byte order mark) or, where its name ends in
``.txt``, a list of one value a line; with ``.gz`` behind either, it is compressed. ``-`` is
standard input. Memory is bounded by ``MAX_LINE_BYTES``, whatever the file holds. Neither an error
nor a bad row repeats what stood in the file: with shifted columns that could be anything.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from node.errors import RequestError

MAX_LINE_BYTES: Final = 64 * 1024
"""Bytes of a line: details have at most 16 KiB, and nothing else in a row is long."""

MAX_CELL_CHARACTERS: Final = 32 * 1024
"""Characters of a cell: a quote that is never closed may swallow so much and no more."""

KNOWN_COLUMNS: Final = (
    "kind",
    "value",
    "fraud_type",
    "confidence",
    "stage",
    "subject_role",
    "last_seen",
    "expires",
    "details",
    "region",
    "reference",
    "reporter",
    "text",
    "channel",
    "actor",
    "label",
    "customer",
    "origin",
    "account",
    "account_kind",
)
STANDARD_INPUT: Final = "-"

_LINES_A_REPORT = 1_024  # lines: a bar need not move more often

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that could be read; ``cells`` has a text, perhaps empty, for every known column."""

    line: int
    cells: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not, and why."""

    line: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a file are found.

    Attributes:
        mapping: Known column to the name in the file's header.
        defaults: Known column to the text that stands in for a missing or empty cell.
        required: Known columns that a file must have, or a default for.
        columns: Those that are known.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ("kind", "value")
    columns: tuple[str, ...] = KNOWN_COLUMNS


def parse_mapping(text: str) -> dict[str, str]:
    """Read ``kind=Type,value=Number`` as known column to name in the file.

    Raises:
        RequestError: MAP_INVALID.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    mapping = {name.strip().lower(): column.strip() for name, _, column in pairs}
    unknown = sorted(set(mapping) - set(KNOWN_COLUMNS))
    if unknown or not all(mapping.values()) or len(mapping) != len(pairs):
        raise RequestError(
            "the map is not a list such as kind=Type,value=Number",
            reason="MAP_INVALID",
            hint=f"the names on the left are {', '.join(KNOWN_COLUMNS)}",
        )
    return mapping


def read_rows(
    path: Path, layout: Layout, on_read: Callable[[int], None] = lambda _bytes: None
) -> Iterator[Row | BadRow]:
    """Yield the rows of a file in order, the bad ones among them.

    Args:
        path: The file, or ``-``.
        layout: How its columns are found.
        on_read: Told now and then how many bytes of the file, compressed or not, were read.

    Raises:
        RequestError: FILE_UNREADABLE, FILE_EMPTY, COLUMN_MISSING or COLUMN_TWICE.
    """
    try:
        with _open(path) as (file, position):
            lines = _Lines(file, lambda: on_read(position()))
            yield from _read_lines(lines, path, layout)
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise RequestError(
            f"the file cannot be read: {why}", reason="FILE_UNREADABLE", hint="check --file"
        ) from error


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open a file, with a function that tells how many of its bytes on disk were read."""
    if str(path) == STANDARD_INPUT:
        yield sys.stdin.buffer, lambda: 0
        return
    with path.open("rb") as plain:
        if not path.name.lower().endswith(".gz"):
            yield plain, plain.tell
            return
        with gzip.open(plain, "rb") as packed:
            yield cast("BinaryIO", packed), plain.tell


def _read_lines(lines: _Lines, path: Path, layout: Layout) -> Iterator[Row | BadRow]:
    if path.name.lower().removesuffix(".gz").endswith(".txt"):
        return _read_list(lines, layout)
    return _read_table(lines, layout)


def _read_list(lines: _Lines, layout: Layout) -> Iterator[Row | BadRow]:
    _require([name for name in layout.required if name not in {"value", *layout.defaults}])
    for text in lines:
        value = text.strip()
        if lines.problem:
            yield lines.bad_row(lines.number)
        elif value:
            yield Row(lines.number, _with_defaults({"value": value}, layout))


def _read_table(lines: _Lines, layout: Layout) -> Iterator[Row | BadRow]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(lines, strict=True)
    columns, width = _read_header(reader, lines, layout)
    while True:
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.problem = ""
            yield BadRow(start, "ROW_MALFORMED", _not_csv(start, lines.number))
            continue
        if lines.problem:
            yield lines.bad_row(start)
        elif len(cells) == width:
            found = {name: cells[place].strip() for name, place in columns.items()}
            yield Row(start, _with_defaults(found, layout))
        elif cells:
            message = f"the row has {len(cells)} fields and the header {width}"
            yield BadRow(start, "ROW_WIDTH", message)


def _not_csv(first: int, last: int) -> str:
    """Say how many lines went with the row: those may have been good ones."""
    if last == first:
        return "the row is not CSV, perhaps an open quote"
    return f"all up to line {last} is not CSV, perhaps an open quote"


def _read_header(
    reader: Iterator[list[str]], lines: _Lines, layout: Layout
) -> tuple[dict[str, int], int]:
    """Return the place of each known column that the file has, and the number of columns."""
    try:
        header = next((cells for cells in reader if cells), None)
    except csv.Error as error:
        raise RequestError("the header is not CSV", reason="FILE_UNREADABLE") from error
    if lines.problem:
        raise RequestError(
            "the header is not UTF-8, or longer than any header",
            reason="FILE_UNREADABLE",
            hint="save the file as CSV in UTF-8",
        )
    if header is None:
        raise RequestError("the file has no header", reason="FILE_EMPTY")
    names = [name.strip().lower() for name in header]
    wanted = {name: layout.mapping.get(name, name).lower() for name in layout.columns}
    columns = {name: names.index(column) for name, column in wanted.items() if column in names}
    if any(names.count(wanted[name]) > 1 for name in columns):
        raise RequestError("the header names a column twice", reason="COLUMN_TWICE")
    _require(
        [name for name in layout.required if name not in columns and name not in layout.defaults]
        + [name for name in layout.mapping if name not in columns]
    )
    return columns, len(names)


def _require(missing: list[str]) -> None:
    if missing:
        raise RequestError(
            f"the file has no column for {', '.join(missing)}",
            reason="COLUMN_MISSING",
            hint="name the columns with --map kind=COLUMN,value=COLUMN, or give --kind for all",
        )


def _with_defaults(found: Mapping[str, str], layout: Layout) -> dict[str, str]:
    return {name: found.get(name, "") or layout.defaults.get(name, "") for name in layout.columns}


class _Lines(Iterable[str]):
    """The lines of a file as text, each of bounded length.

    Attributes:
        number: Of the line given last, from 1.
        problem: What is wrong with the lines since it was last asked for, or empty.
    """

    def __init__(self, file: BinaryIO, on_read: Callable[[], None]) -> None:
        self._file = file
        self._on_read = on_read
        self.number = 0
        self.problem = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        data = self._file.readline(MAX_LINE_BYTES)
        if not data:
            self._on_read()
            raise StopIteration
        self.number += 1
        if self.number % _LINES_A_REPORT == 0:
            self._on_read()
        if len(data) == MAX_LINE_BYTES and not data.endswith(b"\n"):
            self._skip_rest()
            self.problem = "LINE_TOO_LONG"
            return "\n"
        return self._decode(data)

    def _decode(self, data: bytes) -> str:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            self.problem = "ENCODING_INVALID"
            return "\n"
        return text.removeprefix(_BYTE_ORDER_MARK) if self.number == 1 else text

    def _skip_rest(self) -> None:
        while (data := self._file.readline(MAX_LINE_BYTES)) and not data.endswith(b"\n"):
            pass

    def bad_row(self, line: int) -> BadRow:
        """Return what was wrong, once."""
        reason, self.problem = self.problem, ""
        return BadRow(line, reason, _MESSAGES[reason])


_MESSAGES: Final = {
    "LINE_TOO_LONG": f"the line is longer than {MAX_LINE_BYTES} bytes",
    "ENCODING_INVALID": "the line is not UTF-8",
}
