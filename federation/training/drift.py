"""Tell how far rows have moved since a model was trained: counts in its own pieces, and an index.

Every member counts its rows in the pieces that the model's scaling cut; only sums are compared.
The population stability index of a column is Σ (q - p) ln(q / p) over its pieces (R32).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.scaling import Scaling
from federation.training.schema import CATEGORICAL, Column, FeatureSchema
from federation.training.table import Rows

Integers = npt.NDArray[np.int64]

STABLE_INDEX: Final = 0.25
"""Beyond it a population counts as another one. Source: DOMAIN R32."""
JUMP_SHARE: Final = 0.25
"""Share by which the rate of label 1 may change."""
JUMP_DEVIATIONS: Final = 3.0
"""Deviations that chance does not reach: a change within them is none."""
SMOOTHING: Final = 0.5
"""Rows added to each piece, so that an empty one has no infinite weight."""
LEAST_ROWS: Final = 100
"""Rows below which an index says nothing: chance alone gives pieces/rows."""
LABELS: Final = ("label 0", "label 1")


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How far one column has moved."""

    column: str
    index: float

    @property
    def is_alarm(self) -> bool:
        """Whether the column counts as another one."""
        return self.index > STABLE_INDEX


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the rows have moved.

    Attributes:
        columns: In the schema's order.
        rates: Share of label 1 before and now; 0 where nothing has a label.
        rows: How many before and now.
        label_jumped: Whether the rate changed by more than chance and JUMP_SHARE.
    """

    columns: tuple[ColumnDrift, ...]
    rates: tuple[float, float]
    rows: tuple[int, int]
    label_jumped: bool

    @property
    def is_alarm(self) -> bool:
        """Whether somebody has to look."""
        return self.label_jumped or any(one.is_alarm for one in self.columns)


def piece_names(schema: FeatureSchema, bins: int) -> list[str]:
    """Name the entries of a census, in their order."""
    names = [
        f"{column.name} {piece}"
        for column in schema.columns
        for piece in range(_pieces(column, bins))
    ]
    return [*names, *LABELS]


def take_census(schema: FeatureSchema, scaling: Scaling, rows: Rows) -> Integers:
    """Count rows by piece of each column, and by label: a member's part of the sum."""
    edges = iter(scaling.edges)
    bins = scaling.edges.shape[1] - 1 if len(scaling.edges) else 0
    parts: list[Integers] = []
    for place, column in enumerate(schema.columns):
        values, empty = rows.values[:, place], rows.empty[:, place]
        if column.kind == CATEGORICAL:
            pieces = np.where(values < 0, len(column.categories), values).astype(np.intp)
        else:
            pieces = np.searchsorted(next(edges), values, "right")
        last = _pieces(column, bins) - 1
        parts.append(np.bincount(np.where(empty, last, pieces), minlength=last + 1))
    positive = int(np.sum(rows.labels > 0.5))
    parts.append(np.array([len(rows.labels) - positive, positive]))
    return np.concatenate(parts).astype(np.int64)


def compare_census(schema: FeatureSchema, bins: int, reference: Integers, today: Integers) -> Drift:
    """Compare two sums of censuses.

    Raises:
        ValueError: One has another length.
    """
    if not len(reference) == len(today) == len(piece_names(schema, bins)):
        raise ValueError("a census has another length")
    columns, start = [], 0
    for column in schema.columns:
        stop = start + _pieces(column, bins)
        index = stability_index(reference[start:stop], today[start:stop])
        columns.append(ColumnDrift(column.name, index))
        start = stop
    first = slice(0, _pieces(schema.columns[0], bins))
    rows = int(reference[first].sum()), int(today[first].sum())
    rates, jumped = _compare_labels(reference[-2:], today[-2:])
    return Drift(tuple(columns), rates, rows, jumped)


def stability_index(reference: Integers, today: Integers) -> float:
    """Give the population stability index; 0 where there are too few rows to tell."""
    if min(reference.sum(), today.sum()) < LEAST_ROWS:
        return 0.0
    before = reference + SMOOTHING
    after = today + SMOOTHING
    before, after = before / before.sum(), after / after.sum()
    return float(((after - before) * np.log(after / before)).sum())


def _compare_labels(reference: Integers, today: Integers) -> tuple[tuple[float, float], bool]:
    counts = int(reference.sum()), int(today.sum())
    if not all(counts):
        return (0.0, 0.0), False
    before, after = int(reference[1]) / counts[0], int(today[1]) / counts[1]
    pooled = (int(reference[1]) + int(today[1])) / sum(counts)
    deviation = float(np.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1])))
    change = abs(after - before)
    jumped = change > JUMP_DEVIATIONS * deviation and change > JUMP_SHARE * before
    return (before, after), jumped


def _pieces(column: Column, bins: int) -> int:
    """Count a column's pieces: below, between and above the cuts, or categories; and empty."""
    return 2 + (len(column.categories) if column.kind == CATEGORICAL else bins + 1)
