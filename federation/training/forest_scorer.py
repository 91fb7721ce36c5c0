"""Score rows with boosted trees by numpy alone."""

from typing import TYPE_CHECKING

import numpy as np

from federation.training.forest import (
    Doubles,
    Floats,
    Trees,
    count_columns,
    encode_codes,
    to_probabilities,
)
from federation.training.scaling import Scaling
from federation.training.schema import CATEGORICAL, FeatureSchema
from federation.training.table import Rows

if TYPE_CHECKING:
    from federation.training.released import ReleasedModel


class ForestScorer:
    """Scores with the forests of a plan; their mean is the model."""

    def __init__(self, model: "ReleasedModel") -> None:
        """Read the model's trees.

        Raises:
            UpdateError: The vector holds none, or a split of another schema.
            ValueError: The scaling is of another schema.
        """
        choice, self._schema = model.plan.model, model.schema
        self._scaling = Scaling.parse(model.schema, choice.bins, model.scaling)
        self._trees = Trees.parse(model.vector, choice.width, count_columns(model.schema))
        if len(self._trees) % choice.networks:
            raise ValueError("the forests have not as many trees as one another")
        self._forests = choice.networks
        self._reference = np.full(len(self._schema.columns), -1, np.float32)
        numeric = [
            place for place, column in enumerate(self._schema.columns) if column.kind != CATEGORICAL
        ]
        self._reference[numeric] = self._scaling.edges[:, choice.bins // 2]

    @property
    def schema(self) -> FeatureSchema:
        """Of the rows."""
        return self._schema

    @property
    def reference(self) -> Floats:
        """The median of each number; of a category none of the agreed texts."""
        return self._reference

    def score(self, rows: Rows) -> Floats:
        """Give each row's probability: the mean of the forests."""
        return np.asarray(to_probabilities(self._margins(rows)).mean(axis=1), np.float32)

    def log_odds(self, rows: Rows) -> Floats:
        """Give each row's mean log-odds over the forests."""
        return self._margins(rows).mean(axis=1).astype(np.float32)

    def _margins(self, rows: Rows) -> Doubles:
        codes = encode_codes(self._scaling, self._schema, rows)
        prior = np.full((len(codes), self._forests), self._scaling.prior, np.float64)
        return self._trees.add_margins(codes, prior)
