"""Decide what one column of an unknown table is: numbers, days, categories, or no feature.

    found = read_column("opened", cells)     # Numbers, Days or Categories
    found.convert(cells)                     # the same of any other rows

A column that is no feature is refused with the reason (``ColumnRefused``), never with a cell.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from federation.training.schema import (
    CATEGORICAL,
    MAX_CATEGORIES,
    MAX_NAME_CHARACTERS,
    Column,
)
from federation.training.table import Cells

Doubles = npt.NDArray[np.float64]

LARGEST: Final = 1e30  # beyond it a number is a mark for "none"; its square must fit float64
NUMBER_SHARE: Final = 0.95
"""Share of a text column's cells that must be numbers for it to be one; the rest are empty."""
COVERED_SHARE: Final = 0.5
"""Share of the cells that the agreed categories must hold; below it the texts are no categories."""
REPEATED_SHARE: Final = 0.5
"""Texts, and whole numbers named like identifiers, are some if more than this share differ."""
FEW_TEXTS: Final = 10
"""Different texts that are categories however few rows there are."""
FEWEST_COUNTED: Final = 50
"""Rows from which on an unbroken count 0, 1, 2, … is no accident."""
SECONDS_OF_DAY: Final = 86_400.0

_NO_VALUE: Final = frozenset({"?", "-", "--", ".", "#n/a", "missing", "unknown", "(null)", "\\n"})
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_IDENTIFIER: Final = re.compile(
    r"(?i:(^|[^a-z])(id|ids|uuid|guid|key|index|idx|rowid|msisdn|imsi|imei|iban|phone|account)$)"
    r"|[a-z](Id|ID)$"
)


class ColumnRefused(Exception):  # noqa: N818  # a finding about a column, no failure of the run
    """The column cannot be a feature; its text says why."""


class Reading(Protocol):
    """What a column is.

    Attributes:
        column: As it stands in the schema.
        note: What a person should know of it, or empty.
    """

    @property
    def column(self) -> Column:
        """The column in the schema."""
        ...

    @property
    def note(self) -> str:
        """What a person should know, or empty."""
        ...

    def convert(self, cells: Cells) -> Cells:
        """Write cells as the schema wants them."""
        ...


@dataclass(frozen=True)
class Numbers:
    """Numbers; what is none, or not finite, is empty."""

    column: Column
    note: str = ""

    def convert(self, cells: Cells) -> Cells:
        """Read numbers: float64, NaN for empty."""
        return _finite(cells if cells.dtype != object else _parse(cells, read_number))


@dataclass(frozen=True)
class Days:
    """Dates, as days since 1970."""

    column: Column
    note: str = "read as days since 1970"

    def convert(self, cells: Cells) -> Cells:
        """Read dates: float64, NaN for empty."""
        if cells.dtype != object:
            return np.full(len(cells), np.nan)
        return _parse(cells, read_day)


@dataclass(frozen=True)
class Categories:
    """Texts of few kinds."""

    column: Column
    note: str = ""

    def convert(self, cells: Cells) -> Cells:
        """Read texts, each in one spelling; None for empty."""
        return _texts(cells)


def read_column(name: str, cells: Cells) -> Reading:
    """Decide what a column is.

    Args:
        name: Of the column.
        cells: Of the training rows, as ``table`` reads them.

    Raises:
        ColumnRefused: It is constant, an identifier, or free text.
    """
    if not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise ColumnRefused(f"its name has not 1 to {MAX_NAME_CHARACTERS} characters")
    if cells.dtype != object:
        return _number_column(name, _finite(cells), "")
    filled = [cell for cell in cells if cell is not None and cell.lower() not in _NO_VALUE]
    if not filled:
        raise ColumnRefused("every cell is empty")
    count = sum(read_number(cell) is not None for cell in filled)
    if count >= NUMBER_SHARE * len(filled):
        note = f"{len(filled) - count} cells that are no numbers count as empty"
        numbers = _finite(_parse(cells, read_number))
        return _number_column(name, numbers, note if count < len(filled) else "")
    if all(read_day(cell) is not None for cell in filled):
        days = _parse(cells, read_day)
        _refuse_constant(days)
        return Days(Column(name, unit="days since 1970"))
    return _category_column(name, cells)


def read_number(text: str) -> float | None:
    """Read a number, or true or false, with signs of money, percent or thousands; else None."""
    plain = text.strip("$€£¥% \t")
    if plain.lower() in _TRUTH:
        return _TRUTH[plain.lower()]
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return float(plain)
    except ValueError:
        return None


def read_day(text: str) -> float | None:
    """Read an ISO 8601 date or time as days since 1970; None for other text."""
    if len(text) < len("2000-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() / SECONDS_OF_DAY


def write_category(cell: str) -> str:
    """Give the one spelling of a category: a number as the table reader reads it back."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return str(int(number)) if number.is_integer() else str(number)


def _number_column(name: str, numbers: Doubles, note: str) -> Numbers:
    _refuse_constant(numbers)
    present = numbers[~np.isnan(numbers)]
    whole = bool((present == np.rint(present)).all())
    distinct = len(np.unique(present))
    dense = bool(present.max() - present.min() < 2 * len(present))
    if whole and dense and distinct == len(present) >= FEWEST_COUNTED:
        raise ColumnRefused("it numbers the rows")
    if whole and _IDENTIFIER.search(name) and distinct > REPEATED_SHARE * len(present):
        raise ColumnRefused("it is an identifier")
    return Numbers(Column(name), note)


def _category_column(name: str, cells: Cells) -> Categories:
    counts = Counter(text for text in _texts(cells) if text is not None)
    if len(counts) == 1 and counts.total() == len(cells):
        raise ColumnRefused("every cell is the same")
    common = counts.most_common(MAX_CATEGORIES)
    covered = sum(count for _, count in common) >= COVERED_SHARE * counts.total()
    repeated = len(counts) <= max(FEW_TEXTS, REPEATED_SHARE * counts.total())
    if not covered or not repeated:
        raise ColumnRefused(
            f"{len(counts):,} different texts, so it is an identifier or free text, no category"
        )
    note = f"the {MAX_CATEGORIES} most frequent of {len(counts):,} texts are told apart"
    column = Column(name, CATEGORICAL, categories=tuple(sorted(text for text, _ in common)))
    return Categories(column, note if len(counts) > MAX_CATEGORIES else "")


def _refuse_constant(numbers: Doubles) -> None:
    empty = np.isnan(numbers)
    if empty.all():
        raise ColumnRefused("every cell is empty")
    if not empty.any() and (numbers == numbers[0]).all():
        raise ColumnRefused("every cell is the same")


def _finite(numbers: Cells) -> Doubles:
    doubles = numbers.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(doubles) <= LARGEST, doubles, np.nan)


def _parse(cells: Cells, read: Callable[[str], float | None]) -> Doubles:
    known: dict[str | None, float] = {None: np.nan}
    for cell in set(cells) - {None}:
        found = read(cell)
        known[cell] = np.nan if found is None else found
    return np.array([known[cell] for cell in cells], np.float64)


def _texts(cells: Cells) -> Cells:
    if cells.dtype != object:
        spelt = [None if np.isnan(cell) else write_category(str(cell)) for cell in cells]
        return np.array(spelt, dtype=object)
    known = {cell: write_category(cell) for cell in set(cells) - {None}}
    return np.array([known.get(cell) for cell in cells], dtype=object)
