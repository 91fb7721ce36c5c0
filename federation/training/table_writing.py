"""Write a table as a file that ``table.read_table`` reads back."""

import importlib
from pathlib import Path

import numpy as np

from federation.training.error import TableError
from federation.training.table import Table


def write_table(target: Path, table: Table) -> None:
    """Write a Parquet file; an empty cell is null.

    Raises:
        TableError: DRIVER_MISSING without pyarrow.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise TableError(
            "Parquet needs the package pyarrow",
            reason="DRIVER_MISSING",
            hint="pip install pyarrow",
        ) from error
    columns = {
        name: arrow.array(cells.tolist(), arrow.string())
        if cells.dtype == object
        else arrow.array(cells, arrow.float64(), mask=np.isnan(cells))
        for name, cells in table.columns.items()
    }
    parquet.write_table(arrow.table(columns), target)
