"""Say which columns of a row raised its score, and by how much.

A cell's part is the difference to the same row with the usual value in this one cell, so that it
counts together with all others of its row. It needs no look at other rows and no chance: the same
row has the same reasons, for every kind of model.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from federation.training.schema import CATEGORICAL
from federation.training.scorer import Floats, NetworkScorer, Scorer
from federation.training.table import Rows

MOST_REASONS: Final = 3
"""Reasons that a person reads with a score; DOMAIN R65 asks for some, not for all."""
LEAST_WEIGHT: Final = 1e-3
"""Log-odds below which a cell is no reason: a thousandth of what a person would notice."""

EMPTY: Final = "EMPTY"
HIGH: Final = "HIGH"
LOW: Final = "LOW"
VALUE: Final = "VALUE"


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


def contributions(scorer: Scorer, rows: Rows) -> Floats:
    """Tell by how much each cell raised its row's log-odds: (rows, columns), below 0 if it lowered.

    It takes about a scoring for each column: ask for the rows that matter.
    """
    whole = scorer.log_odds(rows)
    if isinstance(scorer, NetworkScorer):
        return whole[:, None] - scorer.usual_odds(rows)
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
            if weights[row, place] >= LEAST_WEIGHT
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
