"""Boosted trees as one flat vector of numbers, and their scores; nothing here needs XGBoost.

Every tree is complete: of ``leaves`` leaves, all as deep, so that its shape is agreed before any
member has sent one. It stands as ``leaves - 1`` splits, in the order of a heap, and ``leaves``
values. A split is one whole number: ``column * 256 + cut``; a row goes right if its code in that
column is at least the cut. A vector is thus trees by its length alone: there is no pointer in it,
so nothing in it can loop, dangle or be executed.

Columns are not the members' values but codes: the place of a value among the cuts that all members
agreed on by their summed histograms. So a tree says no more of a member's values than the cuts
that everybody knows.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.error import UpdateError
from federation.training.plan import TREES, ModelChoice
from federation.training.scaling import Scaling
from federation.training.schema import CATEGORICAL, FeatureSchema
from federation.training.table import Rows

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]

CUTS: Final = 256  # a code is one byte
EMPTY_LOW: Final = 0  # in the first half of the columns an empty cell is below every cut
EMPTY_HIGH: Final = 255  # and in the second half above
STAY_LEFT: Final = 255.0  # column 0, cut 255: no row of the first half goes right
ROWS_AT_ONCE: Final = 8_192  # scored together: their codes stay in the cache
LARGEST_MARGIN: Final = 80.0  # beyond it a float32 probability is 0 or 1
MOST_COLUMNS: Final = 32_767  # a split must be exact in float32


def tree_numbers(leaves: int) -> int:
    """Count the numbers of one tree."""
    return 2 * leaves - 1


def count_columns(schema: FeatureSchema) -> int:
    """Count the columns of codes: two for a number, two for each category."""
    return 2 * sum(
        len(column.categories) if column.kind == CATEGORICAL else 1 for column in schema.columns
    )


def encode_rows(choice: ModelChoice, scaling: Scaling, schema: FeatureSchema, rows: Rows) -> Floats:
    """Encode rows as the plan's model takes them: codes for trees, pieces for a network."""
    if choice.name != TREES:
        return scaling.apply(schema, rows)
    codes: Floats = encode_codes(scaling, schema, rows)  # type: ignore[assignment]  # bytes
    return codes


def encode_codes(scaling: Scaling, schema: FeatureSchema, rows: Rows) -> Codes:
    """Give each row's place among the agreed cuts, once for empty cells low, once for high.

    Returns:
        Shape (rows, ``count_columns(schema)``).
    """
    empty = rows.empty | scaling.ignored
    numeric = iter(scaling.edges)
    halves: tuple[list[Codes], list[Codes]] = ([], [])
    for place, column in enumerate(schema.columns):
        values = rows.values[:, place]
        if column.kind == CATEGORICAL:
            found = [1 + (values == each) for each in range(len(column.categories))]
        else:
            found = [1 + np.searchsorted(next(numeric), values, "right")]
        for codes in found:
            for half, blank in zip(halves, (EMPTY_LOW, EMPTY_HIGH), strict=True):
                half.append(np.where(empty[:, place], blank, codes).astype(np.uint8))
    return np.stack([*halves[0], *halves[1]], axis=1)


@dataclass(frozen=True, slots=True)
class Trees:
    """A run of complete trees.

    Attributes:
        columns: Of each split: (trees, leaves - 1).
        cuts: Of each split, likewise.
        values: Of each leaf, in log-odds: (trees, leaves).
    """

    columns: Places
    cuts: Codes
    values: Floats

    @classmethod
    def parse(cls, vector: npt.NDArray[np.float32], leaves: int, columns: int) -> "Trees":
        """Read a vector of trees, whoever wrote it.

        Args:
            vector: Any array.
            leaves: Of each tree; a power of two.
            columns: Of the codes.

        Raises:
            UpdateError: UPDATE_SHAPE or UPDATE_NOT_FINITE.
        """
        numbers = tree_numbers(leaves)
        if vector.ndim != 1 or vector.dtype != np.float32 or len(vector) % numbers:
            raise UpdateError(f"not trees of {leaves} leaves", reason="UPDATE_SHAPE")
        if not np.isfinite(vector).all():
            raise UpdateError("holds a number that is not finite", reason="UPDATE_NOT_FINITE")
        table = vector.reshape(-1, numbers)
        splits = table[:, : leaves - 1]
        if not ((splits >= 0) & (splits < columns * CUTS) & (splits == np.floor(splits))).all():
            raise UpdateError("splits where no column is", reason="UPDATE_SHAPE")
        whole = splits.astype(np.intp)
        return cls(whole // CUTS, (whole % CUTS).astype(np.uint8), table[:, leaves - 1 :])

    def __len__(self) -> int:
        return len(self.values)

    def encode(self) -> Floats:
        """Write the trees as one vector."""
        splits = (self.columns * CUTS + self.cuts).astype(np.float32)
        return np.concatenate([splits, self.values], axis=1).astype(np.float32).ravel()

    def scaled(self, factor: float) -> "Trees":
        """Give the same trees with every leaf multiplied."""
        return Trees(self.columns, self.cuts, (self.values * np.float32(factor)))

    def add_margins(self, codes: Codes, margins: Doubles) -> Doubles:
        """Add every tree's value for every row, tree ``i`` to forest ``i % forests``.

        Adding one tree after the other makes a sum that was cut in two the same to the last bit.

        Args:
            codes: As ``encode_codes`` gives them.
            margins: Shape (rows, forests); a new array is returned.
        """
        added = margins.copy()
        forests = margins.shape[1]
        for start in range(0, len(codes), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            flat, width = codes[part].ravel(), codes.shape[1]
            starts = np.arange(len(codes[part]), dtype=np.intp) * width
            for tree in range(len(self)):
                leaf = self._leaves(tree, flat, starts)
                added[part, tree % forests] += self.values[tree].take(leaf)
        return added

    def _leaves(self, tree: int, flat: Codes, starts: Places) -> Places:
        columns, cuts = self.columns[tree], self.cuts[tree]
        leaves = self.values.shape[1]
        node = np.zeros(len(starts), np.intp)
        for _ in range(int(math.log2(leaves))):
            found = flat.take(starts + columns.take(node))
            node = 2 * node + 1 + (found >= cuts.take(node))
        return node - (leaves - 1)


def read_trees(choice: ModelChoice, vector: Floats, codes: Codes) -> Trees:
    """Read a model's trees for rows of these codes.

    Raises:
        UpdateError: The vector is none.
    """
    return Trees.parse(vector, choice.width, codes.shape[1])


def forest_probabilities(choice: ModelChoice, vector: Floats, codes: Codes, prior: float) -> Floats:
    """Score rows by every forest on its own: (rows, forests)."""
    margins = np.full((len(codes), choice.networks), prior, np.float64)
    return to_probabilities(read_trees(choice, vector, codes).add_margins(codes, margins))


def to_probabilities(margins: Doubles) -> Floats:
    """Turn log-odds into probabilities."""
    return (1 / (1 + np.exp(-np.clip(margins, -LARGEST_MARGIN, LARGEST_MARGIN)))).astype(np.float32)
