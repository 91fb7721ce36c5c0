"""Tables of members with planted structure: each knows part of a pattern, together all of it."""

import numpy as np
import numpy.typing as npt

from federation.training.table import Table

NAMES = ("carrier-a", "carrier-b", "carrier-c", "carrier-d", "carrier-e", "carrier-f", "carrier-g")


def planted_rows(rows: int, seed: int, shift: float = 0.0) -> Table:
    """Make rows whose label follows a curve of two columns, a third and a category."""
    source = np.random.default_rng(seed)
    calls = np.exp(source.normal(2 + shift, 1, rows)).round()
    ratio = source.uniform(0, 1, rows)
    noise = source.normal(0, 1, (rows, 2))
    prepaid = source.uniform(0, 1, rows) < 0.5
    bend = 3 * np.exp(-((np.log1p(calls) - 3) ** 2)) + 2 * np.abs(ratio - 0.5) * 3
    odds = 2.2 * (bend - 2.4) + 1.5 * prepaid
    label = source.uniform(0, 1, rows) < 1 / (1 + np.exp(-odds))
    calls[source.uniform(0, 1, rows) < 0.1] = np.nan
    plan = np.array(["pre" if each else "post" for each in prepaid], dtype=object)
    return Table(
        {
            "calls": calls,
            "ratio": ratio,
            "noise_1": noise[:, 0],
            "noise_2": noise[:, 1],
            "plan": plan,
            "label": label.astype(np.float64),
        }
    )


def planted_members(count: int, rows: int, seed: int = 5) -> dict[str, Table]:
    """Make the tables of so many members, whose subscribers differ."""
    shifts = np.linspace(-0.5, 0.5, count)
    return {
        name: planted_rows(rows, seed + place, float(shifts[place]))
        for place, name in enumerate(NAMES[:count])
    }


def joined(tables: dict[str, Table]) -> Table:
    """Put members' tables into one with a member column."""
    names: list[npt.NDArray[np.object_]] = [
        np.array([name] * len(table), dtype=object) for name, table in tables.items()
    ]
    first = next(iter(tables.values()))
    columns = {
        column: np.concatenate([table.columns[column] for table in tables.values()])
        for column in first.columns
    }
    return Table({"member": np.concatenate(names)} | columns)
