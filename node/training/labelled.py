"""Write a member's rows with labels by outcome, and without the column that names the subjects."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.labels import SubjectLabel
from federation.training.schema import FeatureSchema
from federation.training.table import Table
from node.keyfile import replace_secret_file

TEACHES = {SubjectLabel.UNKNOWN: 0, SubjectLabel.CLEARED: 0, SubjectLabel.POSITIVE: 1}
"""What a row's label is; a subject that is left out has no row."""


def write_labelled(
    path: Path,
    table: Table,
    schema: FeatureSchema,
    subjects: NDArray[Any],
    labels: Mapping[str, SubjectLabel | None],
) -> int:
    """Write the schema's columns and the label, for the member's own user alone.

    Args:
        path: Replaced at once, or not at all.
        table: The member's rows.
        schema: Names the columns; a label column in the table is not looked at.
        subjects: Of each row, as it is written; None for none.
        labels: By subject; None for one that could not be read.

    Returns:
        How many rows were written.
    """
    names = [column.name for column in schema.columns if column.name in table.columns]
    taught = [TEACHES.get(labels.get(subject)) for subject in subjects]  # type: ignore[arg-type]
    kept = np.array([place for place, label in enumerate(taught) if label is not None], np.intp)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, schema.label])
    writer.writerows(_rows([table.columns[name] for name in names], taught, kept))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_secret_file(path, text.getvalue().encode())
    return len(kept)


def _rows(
    columns: Sequence[NDArray[Any]], taught: Sequence[int | None], kept: NDArray[np.intp]
) -> Iterator[list[Any]]:
    for place in kept:
        cells = (column[place] for column in columns)
        yield [*("" if cell is None or cell != cell else cell for cell in cells), taught[place]]
