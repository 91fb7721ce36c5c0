"""What every member's table must have: columns, units, clips, and what an empty cell means.

The width of the encoded table follows from the schema and the number of bins alone, never from
data, so that the first model of a run can be agreed before any member has shown a statistic.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final, NoReturn

from federation.training import canonical
from federation.training.error import TableError

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"
MASK: Final = "mask"
REFUSE: Final = "refuse"

MAX_COLUMNS: Final = 4_096
MAX_CATEGORIES: Final = 64  # more is an identifier or free text, not a category
MAX_NAME_CHARACTERS: Final = 200
LEAK_CHANCE: Final = 1e-6
"""A column leaks the label if its empty cells would be all of one label with less chance."""


def _require(holds: bool, what: str) -> None:
    if not holds:
        _refuse(f"the schema is not valid: {what}")


def _refuse(message: str) -> NoReturn:
    raise TableError(message, reason="SCHEMA_INVALID")


@dataclass(frozen=True, slots=True)
class Column:
    """One feature.

    Attributes:
        name: Of the table's column.
        kind: NUMERIC or CATEGORICAL.
        unit: What one means, for people.
        low: Smaller numbers are raised to it; None for no bound.
        high: Larger numbers are lowered to it; None for no bound.
        empty: MASK lets cells be empty and shows the model which are; REFUSE refuses them.
        categories: The agreed texts of a CATEGORICAL column; another text counts as none of them.
    """

    name: str
    kind: str = NUMERIC
    unit: str = ""
    low: float | None = None
    high: float | None = None
    empty: str = MASK
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(0 < len(self.name) <= MAX_NAME_CHARACTERS, "a column's name")
        _require(self.kind in (NUMERIC, CATEGORICAL), f"kind of '{self.name}'")
        _require(len(self.unit) <= MAX_NAME_CHARACTERS, f"unit of '{self.name}'")
        _require(self.empty in (MASK, REFUSE), f"rule for empty cells of '{self.name}'")
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        _require(all(math.isfinite(bound) for bound in bounds), f"bounds of '{self.name}'")
        _require(len(bounds) < 2 or bounds[0] < bounds[1], f"bounds of '{self.name}'")
        count = len(self.categories)
        _require(len(set(self.categories)) == count, f"categories of '{self.name}'")
        fits = 1 <= count <= MAX_CATEGORIES if self.kind == CATEGORICAL else count == 0
        _require(fits, f"categories of '{self.name}'")

    def width(self, bins: int) -> int:
        """Count the numbers this column is encoded in: its bins or categories, and its mask."""
        values = bins if self.kind == NUMERIC else len(self.categories)
        return values + (1 if self.empty == MASK else 0)


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The agreed columns, in the order in which they are encoded, and the label's name."""

    columns: tuple[Column, ...]
    label: str = "label"

    def __post_init__(self) -> None:
        _require(1 <= len(self.columns) <= MAX_COLUMNS, "number of columns")
        names = [column.name for column in self.columns]
        _require(len(set(names)) == len(names), "column names, one stands twice")
        _require(0 < len(self.label) <= MAX_NAME_CHARACTERS, "label's name")
        _require(self.label not in names, "label, which is also a feature")

    def width(self, bins: int) -> int:
        """Count the numbers of one encoded row."""
        return sum(column.width(bins) for column in self.columns)

    def encode(self) -> bytes:
        """Write the schema in its canonical bytes."""
        return canonical.encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "FeatureSchema":
        """Read a schema.

        Raises:
            TableError: SCHEMA_INVALID.
        """
        try:
            return canonical.parse(cls, data)
        except canonical.CanonicalError as error:
            raise TableError("the schema is not canonical", reason="SCHEMA_INVALID") from error

    def digest(self) -> bytes:
        """Give the schema's identity: SHA-256 of its canonical bytes."""
        return hashlib.sha256(b"tocsin feature schema\n" + self.encode()).digest()


def emptiness_tells_label(
    empty_negative: int, empty_positive: int, negative: int, positive: int
) -> bool:
    """Say whether a column's empty cells are all of one label, beyond chance.

    Args:
        empty_negative: Empty cells in rows with label 0.
        empty_positive: Empty cells in rows with label 1.
        negative: Rows with label 0.
        positive: Rows with label 1.
    """
    if (empty_negative == 0) == (empty_positive == 0) or not negative or not positive:
        return False
    share = (positive if empty_positive else negative) / (positive + negative)
    return (empty_positive or empty_negative) * math.log(share) < math.log(LEAK_CHANCE)
