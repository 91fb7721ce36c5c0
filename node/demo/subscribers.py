"""Choose the rows that three members train on: real subscribers of carriers, or planted ones.

Planted subscribers: fraud has four faces, and each member knows two of them well. Who has never
seen a face scores it like everybody else; together the members have seen all four.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.errors import FederationError
from federation.training.table import Table, read_table, split_rows
from node.demo.error import DemoError

REAL_FILE: Final = "carrier_subscribers.csv.gz"
LABEL: Final = "label"
MEMBER: Final = "member"
MEMBERS: Final = ("carrier-a", "carrier-b", "bank-x")
ROWS_EACH: Final = 900
"""Rows of each member: little enough for half a minute, enough to learn two faces of fraud."""
TEST_ROWS: Final = 1_500
TEST_SHARE: Final = 0.2
SEED: Final = 20_260_102

_FRAUD_SHARE: Final = 0.25
_FACES: Final = 4
# How often each member meets each face of fraud: the last column is every member's rarest.
_MEETS: Final = ((0.55, 0.35, 0.05, 0.05), (0.05, 0.55, 0.35, 0.05), (0.35, 0.05, 0.05, 0.55))
_NOISE: Final = 0.03  # labels that are wrong

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subscribers:
    """Training rows with their members, and rows that nobody trains on."""

    source: str
    train: Table
    test: Table


def load_subscribers(directory: Path | None) -> Subscribers:
    """Load the real subscribers of a directory, or plant some where there are none.

    Raises:
        DemoError: DEMO_DATA_INVALID.
    """
    file = None if directory is None else directory / REAL_FILE
    return _load_real(file) if file is not None and file.is_file() else plant_subscribers()


def plant_subscribers() -> Subscribers:
    """Plant subscribers of three members: the same in every run."""
    chance = np.random.default_rng(SEED)
    parts = [_plant(chance, ROWS_EACH, meets) for meets in _MEETS]
    members = np.repeat(np.array(MEMBERS, dtype=object), ROWS_EACH)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    test = _plant(chance, TEST_ROWS, (1 / _FACES,) * _FACES)
    source = f"{len(members):,} planted subscribers"
    return Subscribers(source, Table({MEMBER: members, **columns}), Table(test))


def _load_real(file: Path) -> Subscribers:
    try:
        table = read_table(file)
        groups = [table.columns[MEMBER], table.columns[LABEL]]
    except (FederationError, KeyError) as error:
        raise DemoError(f"{file.name} cannot be used", reason="DEMO_DATA_INVALID") from error
    train, test = split_rows(groups, TEST_SHARE, SEED)
    source = f"{len(train):,} real subscribers of three carriers"
    return Subscribers(source, table.select(train), table.select(test))


def _plant(chance: np.random.Generator, rows: int, meets: tuple[float, ...]) -> dict[str, Any]:
    """Make subscribers of whom some are of the faces of fraud, as often as a member meets them."""
    fraud = chance.uniform(size=rows) < _FRAUD_SHARE
    face = np.where(fraud, chance.choice(_FACES, rows, p=meets), -1)
    calls = chance.lognormal(2.2, 0.7, rows) * _times(face == 0, 2.5, chance)
    callees = calls * chance.beta(2, 4, rows)
    callees = np.where(face == 0, calls * chance.beta(6, 2, rows), callees)
    night = np.where(face == 1, chance.beta(4, 4, rows), chance.beta(2, 6, rows))
    seconds = chance.lognormal(4.3, 0.5, rows) * np.where(face == 1, 0.55, 1.0)
    age = chance.gamma(2.0, 400.0, rows) * np.where(face == 2, 0.25, 1.0)
    roaming = np.where(face == 2, chance.beta(3, 3, rows), chance.beta(1, 5, rows))
    data = chance.lognormal(6.0, 1.2, rows) * np.where(face == 3, 0.15, 1.0)
    devices = 1.0 + chance.poisson(np.where(face == 3, 2.2, 0.6), rows)
    age[chance.uniform(size=rows) < 0.08] = np.nan
    wrong = chance.uniform(size=rows) < _NOISE
    plan = np.where(chance.uniform(size=rows) < np.where(fraud, 0.7, 0.45), "prepaid", "contract")
    return {
        "calls_a_day": np.round(calls, 1),
        "callees_a_day": np.round(callees, 1),
        "night_share": np.round(night, 3),
        "mean_call_seconds": np.round(seconds),
        "days_since_activation": np.round(age),
        "roaming_share": np.round(roaming, 3),
        "data_megabytes": np.round(data),
        "devices_seen": devices,
        "tariff": plan.astype(object),
        LABEL: (fraud ^ wrong).astype(np.float64),
    }


def _times(those: npt.NDArray[np.bool_], factor: float, chance: np.random.Generator) -> _Doubles:
    return np.where(those, factor * chance.lognormal(0, 0.3, len(those)), 1.0)
