"""Read a member's table from a file or a query, and turn it into checked arrays.

Cells are never repeated in an error: it names the column and the row, counted from 1 below the
header, and what is wrong.
"""

import csv
import gzip
import importlib
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np
import numpy.typing as npt

from federation.training.error import TableError
from federation.training.query import fetch, load_driver
from federation.training.schema import (
    CATEGORICAL,
    MAX_CATEGORIES,
    REFUSE,
    Column,
    FeatureSchema,
)

Floats = npt.NDArray[np.float32]
Cells = npt.NDArray[Any]

MAX_PROBLEMS: Final = 20  # reported at once; the rest are of the same kinds
DELIMITERS: Final = (",", ";", "\t")
EMPTY_TEXTS: Final = frozenset({"", "na", "nan", "null", "none", "n/a"})
LABEL_TEXTS: Final = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0, "0": 0.0, "1": 1.0}
FEW_ROWS: Final = 5  # a split leaves groups smaller than this to training


@dataclass(frozen=True)
class Table:
    """Named columns of one length: float64 with NaN for empty, or objects, text or None."""

    columns: Mapping[str, Cells]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def select(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Table":
        """Give the table of these rows only."""
        return Table({name: cells[rows] for name, cells in self.columns.items()})


@dataclass(frozen=True)
class Rows:
    """A checked table.

    Attributes:
        values: One column for each of the schema's, float32; a category is its place in the
            agreed list, -1 for another text.
        empty: Same shape; True where there is no value.
        labels: 0.0 or 1.0 for each row; without rows if the table has no label column.
    """

    values: Floats
    empty: npt.NDArray[np.bool_]
    labels: Floats

    def __len__(self) -> int:
        return len(self.values)

    def select(self, rows: npt.NDArray[np.intp]) -> "Rows":
        """Give these rows only."""
        return Rows(self.values[rows], self.empty[rows], self.labels[rows])


def open_table(address: str, query: str = "", as_text: Collection[str] = ()) -> Table:
    """Read what a member's configuration names: a file, or with a query a database.

    Args:
        address: Of the file or the database.
        query: Empty for a file.
        as_text: Columns that are kept as they are written: 013 is no 13 to who calls it.

    Raises:
        TableError: As ``read_table`` and ``query_table``.
    """
    if query:
        return query_table(address, query, as_text)
    return read_table(Path(address), as_text)


def read_table(source: Path, as_text: Collection[str] = ()) -> Table:
    """Read ``.csv`` or ``.parquet``, each as it is or with ``.gz``.

    Cells of a CSV file are parted by what its header has most of: comma, semicolon or tabulator.

    Raises:
        TableError: TABLE_UNREADABLE, or DRIVER_MISSING for Parquet without pyarrow.
    """
    opener: Callable[..., Any] = gzip.open if source.suffix == ".gz" else open
    try:
        if ".parquet" in source.suffixes[-2:]:
            with opener(source, "rb") as data:
                return _read_parquet(source.name, data, as_text)
        with opener(source, "rt", newline="", encoding="utf-8-sig") as lines:
            header = lines.readline()
            delimiter = max(DELIMITERS, key=header.count)
            records = csv.reader(chain([header], lines), delimiter=delimiter)
            return _from_records(records, as_text)
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise TableError(f"cannot read {source.name}", reason="TABLE_UNREADABLE") from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"cannot read {source.name}: it is not UTF-8",
            reason="TABLE_UNREADABLE",
            hint="iconv -f GB18030 -t UTF-8, or whatever it is written in",
        ) from error


def query_table(address: str, query: str, as_text: Collection[str] = ()) -> Table:
    """Run one query: ``sqlite:PATH`` opened read-only, or ``postgresql://…`` through psycopg.

    Raises:
        TableError: As ``federation.training.query.fetch``; DRIVER_MISSING without the driver.
    """
    chunks = fetch(address, query)
    header = list(next(chunks)[0])
    if not header or len(set(header)) != len(header):
        _unreadable("the query has no column, or two of one name")
    parts: list[list[Cells]] = [[] for _ in header]
    for chunk in chunks:
        for name, part, cells in zip(header, parts, zip(*chunk, strict=True), strict=True):
            part.append(_written(cells) if name in as_text else _queried(cells))
    columns = zip(header, parts, strict=True)
    return Table(
        {
            name: np.concatenate(part) if name in as_text and part else _joined(part)
            for name, part in columns
        }
    )


def _queried(cells: Sequence[Any]) -> Cells:
    """Give numbers where all cells of a chunk are some, else texts."""
    if all(cell is None or isinstance(cell, int | float | Decimal) for cell in cells):
        return np.array([np.nan if cell is None else float(cell) for cell in cells], np.float64)
    kept: dict[str, str] = {}  # few different texts: each is held once
    texts = (None if cell is None else str(cell) for cell in cells)
    return np.array(
        [None if text is None else kept.setdefault(text, text) for text in texts], object
    )


def _written(cells: Iterable[Any]) -> Cells:
    """Keep cells as texts; None for an empty one."""
    texts = ("" if cell is None else str(cell).strip() for cell in cells)
    return np.array([text or None for text in texts], object)


def _joined(parts: Sequence[Cells]) -> Cells:
    if all(part.dtype != object for part in parts):
        return np.concatenate(parts) if parts else np.zeros(0, np.float64)
    texts = (
        cell if part.dtype == object else _number_text(cell) for part in parts for cell in part
    )
    return parse_cells(["" if text is None else text for text in texts])


def _read_parquet(name: str, data: BinaryIO, as_text: Collection[str]) -> Table:
    parquet = load_driver("pyarrow.parquet", "Parquet")
    arrow = importlib.import_module("pyarrow")
    try:
        table = parquet.read_table(data)
        if len(set(table.column_names)) != len(table.column_names):
            _unreadable("the header has a name twice")
        columns = {
            title: _written(table.column(title).to_pylist())
            if title in as_text
            else _parquet_column(table.column(title), arrow)
            for title in table.column_names
        }
    except arrow.ArrowException as error:
        raise TableError(f"cannot read {name}", reason="TABLE_UNREADABLE") from error
    return _checked(columns)


def _parquet_column(column: Any, arrow: Any) -> Cells:
    kind = column.type
    numeric = arrow.types.is_integer(kind) or arrow.types.is_floating(kind)
    if numeric or arrow.types.is_boolean(kind):
        return np.array(column.cast(arrow.float64(), safe=False).to_numpy(), np.float64)
    return parse_cells([("" if cell is None else str(cell)) for cell in column.to_pylist()])


def _from_records(records: Iterable[Sequence[str]], as_text: Collection[str] = ()) -> Table:
    rows = iter(records)
    header = [name.strip() for name in next(rows, ())]
    if not header or len(set(header)) != len(header):
        _unreadable("the header is empty or has a name twice")
    lines = [row for row in rows if row]
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            _unreadable(f"row {number} has {len(line)} cells, the header {len(header)}")
    cells = zip(*lines, strict=True) if lines else iter([()] * len(header))
    columns = zip(header, cells, strict=True)
    return _checked(
        {
            name: _written(column) if name in as_text else parse_cells(column)
            for name, column in columns
        }
    )


def _checked(columns: dict[str, Cells]) -> Table:
    if not columns:
        _unreadable("the table has no column")
    return Table(columns)


def parse_cells(texts: Sequence[str]) -> Cells:
    """Give a column of texts as numbers where all of them are some or empty, else as texts."""
    try:
        return np.array(texts, dtype=np.float64)  # no empty cell: most columns, and much faster
    except ValueError:
        stripped = [text.strip() for text in texts]
    plain = ["nan" if text.lower() in EMPTY_TEXTS else text for text in stripped]
    try:
        return np.array(plain, dtype=np.float64)
    except ValueError:
        kept = [None if text == "nan" else text for text in plain]
        return np.array(kept, dtype=object)


def unencodable_columns(table: Table) -> list[str]:
    """Name the text columns with too many different texts to be categories."""
    return [
        name
        for name, cells in table.columns.items()
        if cells.dtype == object and len(set(cells) - {None}) > MAX_CATEGORIES
    ]


def infer_schema(table: Table, label: str, without: Sequence[str] = ()) -> FeatureSchema:
    """Propose the schema of a table: its numeric columns, and its texts of few categories.

    Raises:
        TableError: COLUMN_REFUSED naming every text column with too many different values;
            TABLE_MISMATCH without the label.
    """
    if label not in table.columns:
        raise TableError(f"the table has no column '{label}'")
    left_out = {label, *without}
    refused = [name for name in unencodable_columns(table) if name not in left_out]
    if refused:
        raise TableError(
            f"more than {MAX_CATEGORIES} different texts in: {', '.join(refused)}",
            reason="COLUMN_REFUSED",
            hint="leave the columns out, or turn them into numbers or few categories",
        )
    kept = [name for name in table.columns if name not in left_out]
    return FeatureSchema(tuple(_propose(name, table.columns[name]) for name in kept), label)


def _propose(name: str, cells: Cells) -> Column:
    if cells.dtype != object:
        return Column(name)
    categories = sorted({cell for cell in cells if cell is not None})
    return Column(name, CATEGORICAL, categories=tuple(categories))


def check_table(
    table: Table, schema: FeatureSchema, *, labelled: bool = True, first: int = 1
) -> Rows:
    """Turn a table into arrays if every cell fits the schema.

    Args:
        table: The cells.
        schema: What they must be.
        labelled: Whether there must be labels.
        first: Number of the first row, where the table is a part of a longer one.

    Raises:
        TableError: TABLE_MISMATCH with every problem found, up to MAX_PROBLEMS.
    """
    rows, problems = convert_table(table, schema, labelled=labelled, first=first)
    if problems:
        shown = "; ".join(problems[:MAX_PROBLEMS])
        more = len(problems) - MAX_PROBLEMS
        raise TableError(shown + (f"; and {more} more" if more > 0 else ""))
    return rows


def convert_table(
    table: Table, schema: FeatureSchema, *, labelled: bool = True, first: int = 1
) -> tuple[Rows, list[str]]:
    """Turn a table into arrays, and name whatever does not fit; a misfit's value means nothing."""
    problems = _Problems(first)
    values = np.zeros((len(table), len(schema.columns)), np.float32)
    for place, column in enumerate(schema.columns):
        if column.name not in table.columns:
            problems.found.append(f"column '{column.name}' is missing")
            continue
        values[:, place] = _column_values(column, table.columns[column.name], problems)
    labels = _labels(table, schema.label, problems) if labelled else np.zeros(0, np.float32)
    if labelled and not len(table):
        problems.found.append("there is no row")
    empty = np.isnan(values)
    return Rows(np.where(empty, np.float32(0), values), empty, labels), problems.found


@dataclass
class _Problems:
    """What does not fit, with the rows counted from a first one."""

    first: int
    found: list[str] = field(default_factory=list)

    def note(self, name: str, wrong: npt.NDArray[np.bool_], what: str) -> None:
        """Write down the first of the rows that are wrong, and how many there are."""
        places = np.flatnonzero(wrong)
        if len(places):
            others = f" (and {len(places) - 1} more rows)" if len(places) > 1 else ""
            row = places[0] + self.first
            self.found.append(f"column '{name}', row {row}: {what}{others}")


def _column_values(column: Column, cells: Cells, problems: _Problems) -> Floats:
    if column.kind == CATEGORICAL:
        found = _places(column, cells)
    elif cells.dtype == object:
        wrong = np.array([not _is_number(cell) for cell in cells])
        problems.note(column.name, wrong, "not a number")
        return np.zeros(len(cells), np.float32)
    else:
        found = np.clip(cells, column.low, column.high).astype(np.float32)
        problems.note(column.name, np.isinf(found), "not a finite number")
    if column.empty == REFUSE:
        problems.note(column.name, np.isnan(found), "empty, which the schema refuses")
    return found


def _places(column: Column, cells: Cells) -> Floats:
    place = {text: float(number) for number, text in enumerate(column.categories)}
    texts = cells if cells.dtype == object else [_number_text(cell) for cell in cells]
    return np.array(
        [np.nan if text is None else place.get(text, -1.0) for text in texts], np.float32
    )


def _number_text(cell: float) -> str | None:
    if np.isnan(cell):
        return None
    return str(int(cell)) if float(cell).is_integer() else str(cell)


def _labels(table: Table, name: str, problems: _Problems) -> Floats:
    cells = table.columns.get(name)
    if cells is None:
        problems.found.append(f"label column '{name}' is missing")
        return np.zeros(0, np.float32)
    if cells.dtype == object:
        texts = [LABEL_TEXTS.get(str(cell).lower(), np.nan) for cell in cells]
        cells = np.array(texts, np.float64)
    problems.note(name, ~np.isin(cells, (0.0, 1.0)), "a label is neither 0 nor 1")
    return cells.astype(np.float32)


def _is_number(cell: str | None) -> bool:
    try:
        return cell is None or isinstance(float(cell), float)
    except ValueError:
        return False


def split_rows(
    groups: Sequence[Cells], test_share: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Split row numbers so that each combination of ``groups`` keeps its share on both sides.

    Returns:
        Training rows and test rows, each ascending.
    """
    generator = np.random.default_rng(seed)
    keys = np.array(["\0".join(map(str, key)) for key in zip(*groups, strict=True)])
    test = np.zeros(len(keys), bool)
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        count = round(test_share * len(rows)) if len(rows) >= FEW_ROWS else 0
        test[generator.permutation(rows)[:count]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)


def _unreadable(message: str) -> NoReturn:
    raise TableError(message, reason="TABLE_UNREADABLE")
