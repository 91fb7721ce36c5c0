"""Score a batch of own rows: check it, score it, say why, count it; blocking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.reasons import MOST_REASONS, Reason, reasons
from federation.training.released import NO_ACTION
from federation.training.schema import CATEGORICAL, FeatureSchema
from federation.training.table import Cells, Rows, Table, check_table
from node.errors import PolicyError, RequestError
from node.training.models import Loaded, Models
from node.training.shadow import Shadow, ShadowCounts
from tocsin.desk.v1 import train_service_pb2 as wire

Floats = npt.NDArray[np.float32]

MAX_ROWS: Final = 16_384
"""Rows of a batch: some megabytes for a hundred columns, and a tenth of a second of work."""
MAX_REASONS: Final = 10
MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Scored:
    """What a batch came to.

    Attributes:
        scores: One for each row.
        threshold: From which a row is an alarm.
        alarms: Places of those rows.
        reasons: For each alarm, what raised its score most.
    """

    scores: Floats
    threshold: float
    alarms: list[int]
    reasons: list[tuple[Reason, ...]]


class Scoring:
    """Scores batches, and keeps the counts of models in the shadow stage."""

    def __init__(self, models: Models, shadow: Shadow, clock: Callable[[], int]) -> None:
        self._models = models
        self._shadow = shadow
        self._clock = clock

    def score(self, loaded: Loaded, request: wire.ScoreRequest) -> Scored:
        """Score a batch.

        Raises:
            RequestError: BATCH_MALFORMED.
            PolicyError: ACTION_THRESHOLD_MISSING.
            TableError: TABLE_MISMATCH naming columns and rows of the table.
        """
        threshold = threshold_of(loaded, request)
        rows = read_rows(loaded.model.schema, request)
        scores = loaded.scorer.score(rows)
        alarms = np.flatnonzero(scores >= np.float32(threshold))
        if request.shadow:
            self._count(loaded, rows, scores >= np.float32(threshold))
        top = request.reasons or MOST_REASONS
        part = replace(rows, values=rows.values[alarms], empty=rows.empty[alarms])
        why = reasons(loaded.scorer, part, top) if len(alarms) else []
        return Scored(scores, threshold, alarms.tolist(), why)

    def _count(self, loaded: Loaded, rows: Rows, alarms: npt.NDArray[np.bool_]) -> None:
        """Count what the model would have done beside what the one in force does."""
        found = ShadowCounts(len(rows), int(alarms.sum()), scored_time=self._clock())
        current = self._models.in_force_beside(loaded.matter)
        if current is not None:
            given = current.scorer.score(rows) >= np.float32(current.model.threshold)
            both = int((given & alarms).sum())
            counts = (found.rows, found.alarms, len(rows), int(given.sum()), both)
            found = ShadowCounts(*counts, scored_time=found.scored_time)
        self._shadow.add(loaded.matter.id, found)


def threshold_of(loaded: Loaded, request: wire.ScoreRequest) -> float:
    """Return from which score a row is an alarm: as asked, or as the model has it.

    Raises:
        RequestError: BATCH_MALFORMED.
        PolicyError: ACTION_THRESHOLD_MISSING: rows are to be nominated, and the members' rows were
            too few to tell from which score one alarm in 10,000 is false.
    """
    if request.threshold_millionths > MILLION or request.reasons > MAX_REASONS:
        raise _malformed("threshold or reasons are out of range")
    if request.threshold_millionths:
        return request.threshold_millionths / MILLION
    if not request.HasField("nomination"):
        return loaded.model.threshold
    if loaded.model.action_threshold >= NO_ACTION:
        raise PolicyError(
            "nobody measured from which score the model's false alarms are 1 in 10,000",
            reason="ACTION_THRESHOLD_MISSING",
            hint="--threshold names a score; what is nominated is verified before anything follows",
        )
    return loaded.model.action_threshold


def read_rows(schema: FeatureSchema, request: wire.ScoreRequest) -> Rows:
    """Return the rows of a batch, checked.

    Raises:
        RequestError: BATCH_MALFORMED.
        TableError: TABLE_MISMATCH.
    """
    if not 0 < request.rows <= MAX_ROWS:
        raise _malformed(f"a batch has 1 to {MAX_ROWS} rows")
    columns = {column.name: _cells(column, request.rows) for column in request.columns}
    if len(columns) != len(request.columns):
        raise _malformed("a column comes twice")
    for column in schema.columns:
        cells = columns.get(column.name)
        if cells is None or cells.dtype != object:
            continue
        if column.kind != CATEGORICAL:
            raise _malformed(f"column '{column.name}' is of numbers")
        columns[column.name] = _as_agreed(cells, frozenset(column.categories))
    return check_table(Table(columns), schema, labelled=False, first=max(request.first_row, 1))


def _cells(column: wire.ScoreColumn, rows: int) -> Cells:
    if column.texts:
        if len(column.texts) != rows or column.numbers:
            raise _malformed(f"column '{column.name}' has another number of rows")
        return np.array([text or None for text in column.texts], object)
    if len(column.numbers) != 8 * rows:
        raise _malformed(f"column '{column.name}' has another number of rows")
    return np.frombuffer(column.numbers, "<f8").astype(np.float64)


def _as_agreed(cells: Cells, categories: frozenset[str]) -> Cells:
    """Write numbers among the texts as training does, where they are no category as they are."""
    wanted: Sequence[str | None] = [
        cell if cell is None or cell in categories else _number_text(cell) for cell in cells
    ]
    return np.array(wanted, object)


def _number_text(cell: str) -> str:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return str(int(number)) if number.is_integer() else str(number)


def _malformed(message: str) -> RequestError:
    return RequestError(message, reason="BATCH_MALFORMED")
