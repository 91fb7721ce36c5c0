"""Read a table a batch of rows at a time, however long it is; a batch is all that is in memory.

Cells are as they were read: texts of CSV, values of Parquet and of a database. Which columns are
numbers is for the reader to say, since a part of a column cannot show it.
"""

import csv
import gzip
import importlib
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import numpy as np

from federation.training.error import TableError
from federation.training.query import fetch, load_driver
from federation.training.table import DELIMITERS, EMPTY_TEXTS, Cells, parse_cells

PART_ROWS: Final = 128
"""Rows that are read and converted together: half a megabyte of texts for sixty columns."""

_NOTHING: Final = ("", None)

MAX_CELL_CHARACTERS: Final = 65_536
"""Characters of a cell: a quote that is never closed may swallow so much and no more."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes:
        first: Number of the first of them, from 1.
        columns: The cells of each column.
    """

    first: int
    columns: dict[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def numbers(self, name: str) -> Cells:
        """Return a column as float64, not a number where it is empty.

        Raises:
            TableError: TABLE_MISMATCH naming column and row; the cell is not repeated.
        """
        cells: Any = self.columns[name]
        if isinstance(cells, np.ndarray):
            return cells.astype(np.float64)
        try:  # almost every column has nothing but numbers and empty cells
            filled = (float(cell) if cell not in _NOTHING else np.nan for cell in cells)
            return np.fromiter(filled, np.float64, len(cells))
        except (TypeError, ValueError):
            found = parse_cells(["" if cell is None else str(cell) for cell in cells])
        if found.dtype == object:
            wrong = next(place for place, cell in enumerate(found) if not _is_number(cell))
            row = self.first + wrong
            raise TableError(f"column '{name}', row {row}: not a number")
        return found

    def texts(self, name: str) -> list[str]:
        """Return a column as texts, "" where it is empty."""
        return ["" if _is_empty(cell) else str(cell).strip() for cell in self.columns[name]]


@dataclass(frozen=True)
class Batches:
    """A table that is open at its first row.

    Attributes:
        names: Of the columns.
        rows: Most rows of a batch; not less than PART_ROWS.
        parts: The rows, in small parts: the columns of each.
    """

    names: tuple[str, ...]
    rows: int
    parts: Iterator[list[Sequence[Any]]]

    def read(self, numeric: Collection[str] = ()) -> Iterator[Batch]:
        """Read the rows, once.

        Args:
            numeric: Columns to turn into numbers at once, while a part is in the processor's cache:
                twice as fast as later.

        Raises:
            TableError: As the function that opened the table, and as ``Batch.numbers``.
        """
        first, waiting = 1, list[Batch]()
        for columns in self.parts:
            part = Batch(first, dict(zip(self.names, columns, strict=True)))
            numbers: dict[str, Any] = {name: part.numbers(name) for name in numeric}
            part.columns.update(numbers)
            first += len(part)
            waiting.append(part)
            if sum(map(len, waiting)) + PART_ROWS > self.rows:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)


def read_batches(
    source: Path, rows: int, on_read: Callable[[int], None] = lambda _bytes: None
) -> Batches:
    """Read ``.csv``, with ``.gz`` or without, or ``.parquet``.

    Args:
        source: The file.
        rows: Most rows of a batch; not less than PART_ROWS.
        on_read: Told after each batch how many bytes of the file have been read.

    Raises:
        TableError: TABLE_UNREADABLE, or DRIVER_MISSING for Parquet without pyarrow.
    """
    parquet = ".parquet" in source.suffixes[-2:]
    records = _parquet(source, on_read) if parquet else _csv(source, on_read)
    return _opened(records, rows)


def query_batches(address: str, query: str, rows: int) -> Batches:
    """Run one query, as ``federation.training.query.fetch`` does.

    Raises:
        TableError: As ``fetch``.
    """
    chunks = fetch(address, query)

    def records() -> Iterator[list[Sequence[Any]]]:
        yield list(next(chunks)[0])
        for chunk in chunks:
            for start in range(0, len(chunk), PART_ROWS):
                yield list(zip(*chunk[start : start + PART_ROWS], strict=True))

    return _opened(records(), rows)


def _opened(records: Iterator[list[Sequence[Any]]], rows: int) -> Batches:
    names = tuple(str(name).strip() for name in next(records, []))
    if not all(names) or not names or len(set(names)) != len(names):
        _unreadable("the header is empty or has a name twice")
    return Batches(names, rows, records)


def _joined(parts: list[Batch]) -> Batch:
    columns: dict[str, Sequence[Any]] = {}
    for name in parts[0].columns:
        cells: list[Any] = [part.columns[name] for part in parts]
        if all(isinstance(one, np.ndarray) for one in cells):
            columns[name] = np.concatenate(cells)  # type: ignore[assignment]  # as good as a sequence
        else:
            columns[name] = [cell for one in cells for cell in one]
    return Batch(parts[0].first, columns)


def _csv(source: Path, on_read: Callable[[int], None]) -> Iterator[list[Sequence[Any]]]:
    """Yield the header, then the columns of each part."""
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        with source.open("rb") as plain, _text(source, plain) as lines:
            header = lines.readline()
            delimiter = max(DELIMITERS, key=header.count)
            names = next(csv.reader([header], delimiter=delimiter), [])
            yield list(names)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            filled = (row for row in reader if row)
            done = 0
            while chunk := list(islice(filled, PART_ROWS)):
                _check_widths(chunk, len(names), done)
                done += len(chunk)
                yield list(zip(*chunk, strict=True))
                on_read(plain.tell())
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise TableError(f"cannot read {source.name}", reason="TABLE_UNREADABLE") from error
    except UnicodeDecodeError as error:
        message = f"cannot read {source.name}: it is not UTF-8"
        raise TableError(message, reason="TABLE_UNREADABLE") from error


def _text(source: Path, plain: IO[bytes]) -> IO[str]:
    how: dict[str, Any] = {"mode": "rt", "newline": "", "encoding": "utf-8-sig"}
    if source.suffix == ".gz":
        packed: IO[str] = gzip.open(plain, **how)  # noqa: SIM115 - the caller closes it
        return packed
    return open(plain.fileno(), closefd=False, **how)


def _check_widths(chunk: list[list[str]], width: int, done: int) -> None:
    for number, row in enumerate(chunk, start=done + 1):
        if len(row) != width:
            _unreadable(f"row {number} has {len(row)} cells, the header {width}")


def _parquet(source: Path, on_read: Callable[[int], None]) -> Iterator[list[Sequence[Any]]]:
    parquet = load_driver("pyarrow.parquet", "Parquet")
    arrow = importlib.import_module("pyarrow")
    try:
        with source.open("rb") as plain, parquet.ParquetFile(plain) as table:
            yield list(table.schema_arrow.names)
            for batch in table.iter_batches(batch_size=PART_ROWS):
                yield [_cells(column, arrow) for column in batch.columns]
                on_read(plain.tell())
    except (OSError, arrow.ArrowException) as error:
        raise TableError(f"cannot read {source.name}", reason="TABLE_UNREADABLE") from error


def _cells(column: Any, arrow: Any) -> Sequence[Any]:
    """Give a column of Parquet: as an array where that keeps every digit of an identifier."""
    is_float = arrow.types.is_floating(column.type)
    if is_float or (arrow.types.is_integer(column.type) and not column.null_count):
        found: Sequence[Any] = column.to_numpy(zero_copy_only=False)
        return found
    cells: Sequence[Any] = column.to_pylist()
    return cells


def _is_number(cell: str | None) -> bool:
    try:
        return cell is None or isinstance(float(cell), float)
    except ValueError:
        return False


def _is_empty(cell: Any) -> bool:
    return cell is None or cell != cell or str(cell).strip().lower() in EMPTY_TEXTS


def _unreadable(message: str) -> NoReturn:
    raise TableError(message, reason="TABLE_UNREADABLE")
