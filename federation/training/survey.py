"""Describe a member's own table beside its schema: what is empty, what is outside the bounds.

The description is for the member's own eyes; it never leaves the machine.
"""

from typing import Any

import numpy as np

from federation.training.schema import CATEGORICAL, Column, FeatureSchema
from federation.training.table import Cells, Rows, Table, convert_table


def survey_rows(table: Table, schema: FeatureSchema) -> dict[str, Any]:
    """Count rows and positives, describe each column, and name whatever does not fit.

    Returns:
        ``rows``, ``positives``, ``columns`` (each with ``name``, ``kind``, ``unit``, and shares of
        its cells: ``empty``, and ``outside`` the bounds or the categories) and ``problems``.
    """
    rows, problems = convert_table(table, schema)
    found = [
        _describe(column, rows, place, table.columns.get(column.name))
        for place, column in enumerate(schema.columns)
    ]
    positives = int(np.count_nonzero(rows.labels == 1))
    return {"rows": len(rows), "positives": positives, "columns": found, "problems": problems}


def _describe(column: Column, rows: Rows, place: int, cells: Cells | None) -> dict[str, Any]:
    described = {"name": column.name, "kind": column.kind, "unit": column.unit}
    if cells is None or not len(cells):
        return described | {"empty": None, "outside": None}
    empty = round(float(rows.empty[:, place].mean()), 4)
    return described | {"empty": empty, "outside": _outside(column, rows, place, cells)}


def _outside(column: Column, rows: Rows, place: int, cells: Cells) -> float | None:
    if column.kind == CATEGORICAL:
        return round(float((rows.values[:, place] < 0).mean()), 4)
    if cells.dtype == object:
        return None
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    return round(float(((cells < low) | (cells > high)).mean()), 4)
