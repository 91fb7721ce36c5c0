"""Score rows with a released model, fast and with numpy alone.

Rows are encoded feature by feature into one block that stays in the processor's cache, then
multiplied at once: 100,000 rows a second and more on one core. Another kind of model is one more
class with the methods of ``Scorer``, and a line in ``build_scorer``.
"""

from dataclasses import dataclass
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

    def usual_odds(self, rows: Rows) -> Floats:
        """Give what ``log_odds`` would be with the usual value in each one cell: (rows, columns).

        Only what a column adds to the first layer is computed anew.
        """
        found = np.empty(rows.values.shape, np.float32)
        usual = self._encoder.encode_usual()
        block = self._encoder.new_block()
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            inputs = self._encoder.encode(rows.values[part], rows.empty[part], block)
            entered = self._first.apply(inputs)
            for column, lines in enumerate(self._encoder.lines):
                change = self._first.weight[:, lines] @ (usual[lines] - inputs[lines])
                found[part, column] = self._odds_after(entered + change).mean(axis=0)
        return found

    def _block_odds(self, rows: Rows, start: int, block: Floats) -> Floats:
        """Return log-odds, (networks, rows of the block)."""
        part = slice(start, start + ROWS_AT_ONCE)
        inputs = self._encoder.encode(rows.values[part], rows.empty[part], block)
        return self._odds_after(self._first.apply(inputs))

    def _odds_after(self, entered: Floats) -> Floats:
        """Return log-odds of what the first layer gave; it may be changed."""
        hidden = entered.reshape(self._networks, -1, entered.shape[1])
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
        self.lines = self._find_lines(schema)
        self.reference = np.full(len(columns), -1, np.float32)
        self.reference[self._numeric] = scaling.edges[:, self._bins // 2]

    def _find_lines(self, schema: FeatureSchema) -> list[npt.NDArray[np.intp]]:
        """Return for each column its lines of an encoded block."""
        found: list[list[int]] = [[] for _ in schema.columns]
        owners = np.repeat(self._numeric, self._bins).tolist()
        owners += [place for place, texts in self._categories for _ in texts]
        for line, place in enumerate([*owners, *self._masked]):
            found[place].append(line)
        return [np.array(lines, np.intp) for lines in found]

    def encode_usual(self) -> Floats:
        """Encode the usual values: (features, 1)."""
        block = np.empty((self._width, ROWS_AT_ONCE), np.float32)
        empty = np.zeros((1, len(self.reference)), bool)
        return self.encode(self.reference[None, :], empty, block).copy()

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
