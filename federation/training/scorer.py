"""Score rows with a released model, fast and with numpy alone; say what raised a score.

Rows are encoded feature by feature into one block that stays in the processor's cache, then
multiplied at once: 100,000 rows a second and more on one core. Another kind of model is one more
class with the methods of ``Scorer``, and a line in ``build_scorer``.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from federation.training.forest_scorer import ForestScorer
from federation.training.network import Linear, unpack
from federation.training.plan import TREES
from federation.training.scaling import Scaling
from federation.training.schema import CATEGORICAL, MASK, FeatureSchema
from federation.training.table import Rows

if TYPE_CHECKING:
    from federation.training.released import ReleasedModel

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

ROWS_AT_ONCE: Final = 512
"""Rows of a block: 1 MiB encoded for 55 columns, which a core's second cache holds."""
LARGEST_LOG_ODDS: Final = 80.0
"""Beyond it a float32 probability is 0 or 1, and its exponential would overflow."""
MOST_REASONS: Final = 3
"""Reasons that a person reads with a score; DOMAIN R65 asks for some, not for all."""

EMPTY: Final = "EMPTY"
HIGH: Final = "HIGH"
LOW: Final = "LOW"
VALUE: Final = "VALUE"


class Scorer(Protocol):
    """A model that can score checked rows. Its methods may be called from several threads."""

    @property
    def schema(self) -> FeatureSchema:
        """Of the rows."""

    @property
    def reference(self) -> Floats:
        """A usual value for each column, which a row's own value is compared with."""

    def score(self, rows: Rows) -> Floats:
        """Give each row's probability to be positive, 0 to 1."""

    def log_odds(self, rows: Rows) -> Floats:
        """Give each row's log-odds to be positive; where a model is several, their mean."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One column that raised a row's score.

    Attributes:
        column: Its name.
        side: EMPTY, HIGH or LOW (than usual), or VALUE for a category.
        weight: By how much the log-odds fall if the cell had the usual value.
    """

    column: str
    side: str
    weight: float


def build_scorer(model: "ReleasedModel") -> Scorer:
    """Make the scorer of a model.

    Raises:
        ValueError: The model's numbers do not fit its plan.
        UpdateError: They are no trees.
    """
    if model.plan.model.name == TREES:
        return ForestScorer(model)
    return NetworkScorer(model)


class NetworkScorer:
    """Scores with the residual network or the logistic baseline."""

    def __init__(self, model: "ReleasedModel") -> None:
        """Arrange the model's numbers for whole blocks of rows, one feature a line."""
        choice, self._schema = model.plan.model, model.schema
        scaling = Scaling.parse(model.schema, choice.bins, model.scaling)
        self._encoder = _Encoder(model.schema, scaling)
        network = unpack(choice, model.schema.width(choice.bins), model.vector)
        self._first = _Stacked.of(network.enter or network.leave)
        self._network = network
        self._networks = choice.networks
        self._blocks = [(_Turned.of(wide), _Turned.of(narrow)) for wide, narrow in network.blocks]
        self._leave = _Turned.of(network.leave)
        self._prior = np.float32(scaling.prior)

    @property
    def schema(self) -> FeatureSchema:
        """Of the rows."""
        return self._schema

    @property
    def reference(self) -> Floats:
        """The median of each number; of a category none of the agreed texts."""
        return self._encoder.reference

    def score(self, rows: Rows) -> Floats:
        """Give each row's probability: the mean of the networks."""
        found = np.empty(len(rows), np.float32)
        block = self._encoder.new_block()
        for start in range(0, len(rows), ROWS_AT_ONCE):
            odds = self._block_odds(rows, start, block)
            np.clip(odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS, out=odds)
            found[start : start + ROWS_AT_ONCE] = (1 / (1 + np.exp(-odds))).mean(axis=0)
        return found

    def log_odds(self, rows: Rows) -> Floats:
        """Give each row's mean log-odds over the networks."""
        found = np.empty(len(rows), np.float32)
        block = self._encoder.new_block()
        for start in range(0, len(rows), ROWS_AT_ONCE):
            found[start : start + ROWS_AT_ONCE] = self._block_odds(rows, start, block).mean(axis=0)
        return found

    def _block_odds(self, rows: Rows, start: int, block: Floats) -> Floats:
        """Return log-odds, (networks, rows of the block)."""
        part = slice(start, start + ROWS_AT_ONCE)
        inputs = self._encoder.encode(rows.values[part], rows.empty[part], block)
        hidden = self._first.apply(inputs).reshape(self._networks, -1, inputs.shape[1])
        if self._network.enter is not None:
            for widen, narrow in self._blocks:
                inner = widen.apply(hidden)
                hidden += narrow.apply(np.maximum(inner, 0, out=inner))
            hidden = self._leave.apply(np.maximum(hidden, 0, out=hidden))
        return np.asarray(hidden[:, 0] + self._prior, np.float32)


@dataclass(frozen=True)
class _Stacked:
    """The first layer of all networks as one matrix: they have the same input."""

    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, layer: Linear) -> "_Stacked":
        inputs = layer.weight.shape[1]
        weight = layer.weight.transpose(0, 2, 1).reshape(-1, inputs)
        return cls(np.ascontiguousarray(weight), layer.bias.reshape(-1, 1))

    def apply(self, inputs: Floats) -> Floats:
        found: Floats = self.weight @ inputs
        found += self.bias
        return found


@dataclass(frozen=True)
class _Turned:
    """A later layer of each network; takes and gives (networks, features, rows)."""

    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, layer: Linear) -> "_Turned":
        return cls(np.ascontiguousarray(layer.weight.transpose(0, 2, 1)), layer.bias[:, :, None])

    def apply(self, inputs: Floats) -> Floats:
        found: Floats = np.matmul(self.weight, inputs)
        found += self.bias
        return found


class _Encoder:
    """Does what ``Scaling.apply`` does, into a block with one feature a line."""

    def __init__(self, schema: FeatureSchema, scaling: Scaling) -> None:
        columns = list(enumerate(schema.columns))
        self._numeric = [place for place, column in columns if column.kind != CATEGORICAL]
        self._categories = [
            (place, np.arange(len(column.categories), dtype=np.float32)[:, None])
            for place, column in columns
            if column.kind == CATEGORICAL
        ]
        self._masked = [place for place, column in columns if column.empty == MASK]
        self._used = ~scaling.ignored
        self._low = scaling.edges[:, :-1, None].copy()
        step = scaling.edges[:, 1:, None] - self._low
        self._scale = np.where(step > 0, 2 / np.where(step > 0, step, 1), 0).astype(np.float32)
        self._shift = (step > 0).astype(np.float32)
        self._bins = step.shape[1]
        self._width = schema.width(self._bins)
        self.reference = np.full(len(columns), -1, np.float32)
        self.reference[self._numeric] = scaling.edges[:, self._bins // 2]

    def new_block(self) -> Floats:
        """Return memory for ``encode``, to be used again."""
        return np.empty((self._width, ROWS_AT_ONCE), np.float32)

    def encode(self, values: Floats, empty: Flags, block: Floats) -> Floats:
        """Encode at most ROWS_AT_ONCE rows; returns (features, rows), a part of the block."""
        rows = len(values)
        lines, hidden = values.T.copy(), empty.T | ~self._used[:, None]
        end = len(self._numeric) * self._bins
        pieces = block[:end].reshape(len(self._numeric), self._bins, ROWS_AT_ONCE)[:, :, :rows]
        np.subtract(lines[self._numeric, None, :], self._low, out=pieces)
        pieces *= self._scale
        pieces -= self._shift
        np.clip(pieces, -1, 1, out=pieces)
        for line, place in enumerate(self._numeric):
            if hidden[place].any():
                pieces[line][:, hidden[place]] = 0
        for place, texts in self._categories:
            start, end = end, end + len(texts)
            np.equal(lines[place], texts, out=block[start:end, :rows], casting="unsafe")
            block[start:end, :rows][:, hidden[place]] = 0
        block[end:, :rows] = (empty.T & self._used[:, None])[self._masked]
        return block[:, :rows]


def contributions(scorer: Scorer, rows: Rows) -> Floats:
    """Tell by how much each cell raised its row's log-odds: (rows, columns), below 0 if it lowered.

    That is the difference to the same row with the usual value in this one cell, so that a cell
    counts together with all others of its row. It takes a scoring for each column: ask for the rows
    that matter.
    """
    whole = scorer.log_odds(rows)
    found = np.zeros(rows.values.shape, np.float32)
    for place in range(len(scorer.schema.columns)):
        values, empty = rows.values.copy(), rows.empty.copy()
        values[:, place], empty[:, place] = scorer.reference[place], False
        found[:, place] = whole - scorer.log_odds(replace(rows, values=values, empty=empty))
    return found


def reasons(scorer: Scorer, rows: Rows, top: int = MOST_REASONS) -> list[tuple[Reason, ...]]:
    """Give the columns that raised each row's score most, the strongest first; ties by place."""
    weights = contributions(scorer, rows)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :top]
    return [
        tuple(
            _reason(scorer, rows, row, place, weights)
            for place in places
            if weights[row, place] > 0
        )
        for row, places in enumerate(order.tolist())
    ]


def _reason(scorer: Scorer, rows: Rows, row: int, place: int, weights: Floats) -> Reason:
    column = scorer.schema.columns[place]
    if rows.empty[row, place]:
        side = EMPTY
    elif column.kind == CATEGORICAL:
        side = VALUE
    else:
        side = HIGH if rows.values[row, place] > scorer.reference[place] else LOW
    return Reason(column.name, side, float(weights[row, place]))
