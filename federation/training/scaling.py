"""Learn how to scale each column from sums over the members, and encode rows by it.

Two rounds of sums are enough, and nothing but counts leaves a member:

1. counts in fixed buckets that grow by powers of two, the same for every column ever seen;
2. counts in buckets cut finer where the first sums found most rows, with sums and sums of squares.

From these come each column's quantiles, mean and deviation. A number is then encoded in pieces
between quantiles (piecewise linear), which makes a network insensitive to units and long tails.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.schema import CATEGORICAL, MASK, FeatureSchema, emptiness_tells_label
from federation.training.table import Rows

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

SMALLEST_POWER: Final = -20  # numbers nearer to zero than 2**-20 count as zero
LARGEST_POWER: Final = 44  # holds Unix times in microseconds and amounts in small units
FINE_BUCKETS: Final = 256
SUM_SCALE: Final = 2**20  # sums are of values brought to 0…1, in this many steps
TAIL_SHARE: Final = 0.004  # of rows beyond the outermost edges, on each side
LEAST_PRIOR: Final = 1e-4

_MAGNITUDES: Final = np.array(
    [2.0**power * part for power in range(SMALLEST_POWER, LARGEST_POWER) for part in (1.0, 1.5)]
)
_COARSE_EDGES: Final = np.concatenate([-_MAGNITUDES[::-1], _MAGNITUDES])
COARSE_BUCKETS: Final = len(_COARSE_EDGES) + 1


def count_coarsely(schema: FeatureSchema, rows: Rows) -> Integers:
    """Count labels, empty cells by label and coarse buckets: a member's part of the first sum."""
    positive = rows.labels > 0.5
    labels = [np.array([np.sum(~positive), np.sum(positive)])]
    empties = [rows.empty[~positive].sum(axis=0), rows.empty[positive].sum(axis=0)]
    counts = [
        np.bincount(
            np.searchsorted(_COARSE_EDGES, rows.values[~rows.empty[:, place], place], "right"),
            minlength=COARSE_BUCKETS,
        )
        for place in _numeric(schema)
    ]
    return np.concatenate([*labels, *empties, *counts]).astype(np.int64)


def coarse_length(schema: FeatureSchema) -> int:
    """Count the numbers of the first sum."""
    return 2 + 2 * len(schema.columns) + len(_numeric(schema)) * COARSE_BUCKETS


@dataclass(frozen=True)
class CoarseSums:
    """The first sum, taken apart.

    Attributes:
        negative: Rows with label 0.
        positive: Rows with label 1.
        leaking: Places of columns whose emptiness tells the label.
        edges: For each numeric column, the edges of the second sum's buckets, ascending; shape
            (numeric columns, FINE_BUCKETS + 1), padded with the last edge.
    """

    negative: int
    positive: int
    leaking: tuple[int, ...]
    edges: Doubles

    @classmethod
    def parse(cls, schema: FeatureSchema, total: Integers) -> "CoarseSums":
        """Read the summed vector.

        Raises:
            ValueError: It has another length, or a label does not occur at all.
        """
        if len(total) != coarse_length(schema):
            raise ValueError("the sum has another length")
        negative, positive = int(total[0]), int(total[1])
        if negative <= 0 or positive <= 0:
            raise ValueError("the members' rows have only one label")
        width = len(schema.columns)
        empty = total[2 : 2 + 2 * width].reshape(2, width)
        counts = total[2 + 2 * width :].reshape(-1, COARSE_BUCKETS)
        leaking = tuple(
            place
            for place in range(width)
            if emptiness_tells_label(int(empty[0, place]), int(empty[1, place]), negative, positive)
        )
        return cls(negative, positive, leaking, np.array([_refine(row) for row in counts]))


def count_finely(schema: FeatureSchema, rows: Rows, edges: Doubles) -> Integers:
    """Count fine buckets, sums and squares: a member's part of the second sum."""
    parts: list[Integers] = []
    moments: list[int] = []
    for place, cuts in zip(_numeric(schema), edges, strict=True):
        present = rows.values[~rows.empty[:, place], place].astype(np.float64)
        buckets = np.clip(np.searchsorted(cuts, present, "right") - 1, 0, FINE_BUCKETS - 1)
        parts.append(np.bincount(buckets, minlength=FINE_BUCKETS).astype(np.int64))
        unit = np.clip((present - cuts[0]) / max(cuts[-1] - cuts[0], 1e-300), 0.0, 1.0)
        moments.append(round(float(unit.sum()) * SUM_SCALE))
        moments.append(round(float((unit**2).sum()) * SUM_SCALE))
    return np.concatenate([*parts, np.array(moments, np.int64)]) if parts else np.zeros(0, np.int64)


@dataclass(frozen=True)
class Scaling:
    """How the rows of a run are encoded; the same at every member.

    Attributes:
        edges: For each numeric column, ascending cuts of its pieces: (numeric columns, bins + 1).
        ignored: For each column, whether it is encoded as zeros.
        prior: Logarithm of the odds of label 1 among all members' rows.
    """

    edges: Floats
    ignored: npt.NDArray[np.bool_]
    prior: float

    @classmethod
    def learn(
        cls, schema: FeatureSchema, bins: int, coarse: CoarseSums, fine: Integers, *, drop: bool
    ) -> "Scaling":
        """Place the cuts by the second sum; ``drop`` ignores columns that leak the label."""
        count = len(coarse.edges)
        histograms = fine[: count * FINE_BUCKETS].reshape(count, FINE_BUCKETS)
        cuts = [
            _cut(edges[:-1], counts, bins)
            for edges, counts in zip(coarse.edges, histograms, strict=True)
        ]
        ignored = np.zeros(len(schema.columns), bool)
        if drop:
            ignored[list(coarse.leaking)] = True
        share = coarse.positive / (coarse.positive + coarse.negative)
        share = min(max(share, LEAST_PRIOR), 1 - LEAST_PRIOR)
        edges = np.array(cuts, np.float32).reshape(count, bins + 1)
        return cls(edges, ignored, float(np.float32(np.log(share / (1 - share)))))

    def encode(self) -> bytes:
        """Write as little-endian float32: edges, one number for each column, the prior."""
        flags = self.ignored.astype("<f4")
        prior = np.array([self.prior], "<f4")
        return self.edges.astype("<f4").tobytes() + flags.tobytes() + prior.tobytes()

    @classmethod
    def parse(cls, schema: FeatureSchema, bins: int, data: bytes) -> "Scaling":
        """Read what ``encode`` wrote for this schema and number of bins.

        Raises:
            ValueError: The bytes are anything else.
        """
        count, width = len(_numeric(schema)), len(schema.columns)
        if len(data) != 4 * (count * (bins + 1) + width + 1):
            raise ValueError("the scaling has another length")
        numbers = np.frombuffer(data, "<f4").astype(np.float32)
        edges = numbers[: -width - 1].reshape(count, bins + 1)
        flags = numbers[-width - 1 : -1]
        ascending = bool((np.diff(edges, axis=1) >= 0).all())
        if not (np.isfinite(numbers).all() and ascending and np.isin(flags, (0, 1)).all()):
            raise ValueError("the scaling holds a number that no run writes")
        return cls(edges, flags > 0.5, float(numbers[-1]))

    def apply(self, schema: FeatureSchema, rows: Rows) -> Floats:
        """Encode rows: pieces of the numbers, places of the categories, marks of empty cells.

        Returns:
            Shape (rows, ``schema.width(bins)``); all values between -1 and 1.
        """
        numeric = _numeric(schema)
        known = ~rows.empty & ~self.ignored
        blocks = [self._pieces(rows.values[:, numeric], known[:, numeric])]
        for place, column in enumerate(schema.columns):
            if column.kind == CATEGORICAL:
                places = np.arange(len(column.categories), dtype=np.float32)
                hit = (rows.values[:, place, None] == places) & known[:, place, None]
                blocks.append(hit.astype(np.float32))
        masked = [place for place, column in enumerate(schema.columns) if column.empty == MASK]
        blocks.append((rows.empty & ~self.ignored)[:, masked].astype(np.float32))
        return np.concatenate(blocks, axis=1)

    def _pieces(self, values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
        low = self.edges[:, :-1]
        step = self.edges[:, 1:] - low
        scale = np.where(step > 0, 2 / np.where(step > 0, step, 1), 0).astype(np.float32)
        pieces = values[:, :, None] - low
        pieces *= scale
        pieces -= (step > 0).astype(np.float32)
        np.clip(pieces, -1, 1, out=pieces)
        pieces *= known[:, :, None]
        return pieces.reshape(len(values), -1)


def summarise(edges: Doubles, fine: Integers) -> tuple[Doubles, Doubles]:
    """Give each numeric column's mean and standard deviation out of the second sum."""
    count = len(edges)
    totals = fine[: count * FINE_BUCKETS].reshape(count, FINE_BUCKETS).sum(axis=1)
    moments = fine[count * FINE_BUCKETS :].reshape(count, 2) / SUM_SCALE
    moments = moments / np.maximum(totals, 1)[:, None]
    span = edges[:, -1] - edges[:, 0]
    variance = np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0)
    return edges[:, 0] + moments[:, 0] * span, np.sqrt(variance) * span


def _numeric(schema: FeatureSchema) -> list[int]:
    return [place for place, column in enumerate(schema.columns) if column.kind != CATEGORICAL]


def _refine(counts: Integers) -> Doubles:
    """Cut FINE_BUCKETS buckets, most of them where most rows are."""
    counts = np.maximum(counts, 0)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return np.linspace(0.0, 1.0, FINE_BUCKETS + 1)
    spare = FINE_BUCKETS - len(filled)
    parts = 1 + np.floor(spare * counts[filled] / counts.sum()).astype(int)
    lower = np.concatenate([[2 * _COARSE_EDGES[0]], _COARSE_EDGES])
    upper = np.concatenate([_COARSE_EDGES, [2 * _COARSE_EDGES[-1]]])
    cuts = [
        np.linspace(lower[bucket], upper[bucket], part, endpoint=False)
        for bucket, part in zip(filled, parts, strict=True)
    ]
    edges = np.concatenate([*cuts, [upper[filled[-1]]]])
    return np.concatenate([edges, np.full(FINE_BUCKETS + 1 - len(edges), edges[-1])])


def _cut(lower: Doubles, counts: Integers, bins: int) -> Doubles:
    """Place bins + 1 cuts so that the pieces between them hold about the same number of rows.

    A bucket with more than its share, such as the zeros of a count, weighs no more than one piece:
    otherwise one frequent value would take all the cuts.
    """
    mass = np.maximum(counts, 0).astype(np.float64)
    for _ in range(8):  # the share falls with each cap; it settles in a few steps
        mass = np.minimum(mass, mass.sum() / bins)
    total = mass.sum()
    if total <= 0:
        return np.zeros(bins + 1)
    targets = np.linspace(TAIL_SHARE, 1 - TAIL_SHARE, bins + 1) * total
    places = np.searchsorted(np.cumsum(mass), targets, "left").clip(0, len(lower) - 1)
    cuts: Doubles = lower[places]
    return cuts
