"""Make the subjects of every member, with planted fraud: the same in every run, of nobody at all.

Fraud has four faces, each a shift of some traits; who has few subjects has seen few of each, and
learns them badly alone. Two kinds of subjects beside them matter later: couriers, who are honest
and look like a farm's SIM, and SIMs of a farm that rotates, which look like none of the four.
"""

from __future__ import annotations

import csv
import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.training.table import Table
from node.demo.night_harbour.features import (
    CORE,
    LABEL,
    NUMBER,
    SECTORS,
    Feature,
    Form,
    Trait,
    sector_of,
)

Doubles = npt.NDArray[np.float64]

FRAUD_SHARE: Final = 0.05
"""Of the rows: the real anchor is 1 in 2,537 (DOMAIN §8.3), which the screen says."""
ROWS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "carrier-a": 1_700,
        "carrier-b": 1_300,
        "carrier-c": 400,
        "bank-x": 1_250,
        "bank-y": 400,
        "net-p": 1_700,
        "net-q": 1_200,
    }
)
"""Training rows of each member: as few as show what the act is about."""
TEST_ROWS: Final = 3_000
"""Rows of each member that nobody trains on: the story alone holds them."""
SEED: Final = b"tocsin/night-harbour/1"
CLEARNESS: Final = 1.25
"""How far the faces of fraud stand out: so that a few thousand rows are enough to learn them."""
TRAIT_SPREAD: Final = 0.7
"""Usual deviation of a trait among subjects of one face."""


class Face(enum.StrEnum):
    """Name what kind of subject a row is about."""

    USUAL = "USUAL"
    BULK = "BULK"
    NIGHT = "NIGHT"
    MULE = "MULE"
    PATIENT = "PATIENT"
    COURIER = "COURIER"
    ROTATED = "ROTATED"


FRAUD: Final = (Face.BULK, Face.NIGHT, Face.MULE, Face.PATIENT)
"""The faces of fraud that were known when the first models were trained."""

_T = Trait
_SHIFTS: Final[Mapping[Face, Mapping[Trait, float]]] = MappingProxyType(
    {
        Face.USUAL: {},
        Face.BULK: {_T.VOLUME: 2.0, _T.SCATTER: 2.0, _T.MACHINE: 2.0, _T.SHARED: 2.5},
        Face.NIGHT: {_T.NIGHT: 3.0, _T.LURE: 2.0, _T.FRESH: 1.5},
        Face.MULE: {_T.DRAIN: 3.0, _T.SHARED: 1.5, _T.FRESH: -1.0},
        Face.PATIENT: {_T.LURE: 3.0, _T.SCATTER: 2.0, _T.VOLUME: -1.5},
        Face.COURIER: {_T.VOLUME: 2.5, _T.SCATTER: 2.0, _T.SHARED: -0.5, _T.FRESH: -1.0},
        Face.ROTATED: {_T.CYCLING: 3.0, _T.FRESH: 2.5, _T.VOLUME: -1.0, _T.SHARED: -1.0},
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody of the cast who has rows: a number, what it looks like, what its member believes."""

    number: str
    face: Face
    label: bool


@dataclass(frozen=True)
class Population:
    """The rows of one member.

    Attributes:
        numbers: Telephone number of each row.
        faces: What each row really is; in no table.
        table: All columns, the sector's and the common ones, and the label.
    """

    numbers: tuple[str, ...]
    faces: tuple[Face, ...]
    table: Table

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def frauds(self) -> tuple[str, ...]:
        """Return the numbers whose rows have the label 1."""
        labels = self.table.columns[LABEL]
        return tuple(one for one, label in zip(self.numbers, labels, strict=True) if label)

    def select(self, places: Sequence[int]) -> Table:
        """Return some rows."""
        return self.table.select(np.array(places, np.intp))

    def joined(self, other: Population) -> Population:
        """Return these rows and those behind them."""
        columns = {
            name: np.concatenate([cells, other.table.columns[name]])
            for name, cells in self.table.columns.items()
        }
        return Population(self.numbers + other.numbers, self.faces + other.faces, Table(columns))

    def write(self, path: Path) -> None:
        """Write the rows with their numbers, for their member alone."""
        names = list(self.table.columns)
        with path.open("w", newline="", encoding="utf-8") as file:
            path.chmod(0o600)
            writer = csv.writer(file)
            writer.writerow([NUMBER, *names])
            columns = [self.table.columns[name].tolist() for name in names]
            writer.writerows(zip(self.numbers, *columns, strict=True))


def training_rows(
    member: str, numbers: Sequence[str], subjects: Sequence[Subject] = ()
) -> Population:
    """Make a member's rows; those of the cast come first.

    Args:
        member: Its name tells its sector.
        numbers: Of the usual subjects, one for each row.
        subjects: Of the cast, beside the usual ones.
    """
    chance = _chance(member, "rows")
    faces = _drawn_faces(chance, len(numbers))
    made = Population(tuple(numbers), tuple(faces), _table(member, faces, chance))
    cast = subject_rows(member, subjects)
    return made if cast is None else cast.joined(made)


def subject_rows(member: str, subjects: Sequence[Subject]) -> Population | None:
    """Make the rows of some of the cast; None for nobody."""
    if not subjects:
        return None
    faces = [one.face for one in subjects]
    names = ",".join(one.number for one in subjects)
    table = _table(member, faces, _chance(member, names))
    labels = np.array([float(one.label) for one in subjects])
    columns = {**table.columns, LABEL: labels}
    return Population(tuple(one.number for one in subjects), tuple(faces), Table(columns))


def unseen_rows(member: str, face: Face | None = None, rows: int = TEST_ROWS) -> Table:
    """Make rows that nobody trains on: as a member meets them, or of one face alone."""
    chance = _chance(member, f"test {face}")
    faces = _drawn_faces(chance, rows) if face is None else [face] * rows
    return _table(member, faces, chance)


def _drawn_faces(chance: np.random.Generator, rows: int) -> list[Face]:
    """Draw faces so that each kind of fraud has its share, to the row."""
    frauds = round(FRAUD_SHARE * rows)
    faces = [FRAUD[place % len(FRAUD)] for place in range(frauds)]
    faces += [Face.USUAL] * (rows - frauds)
    return [faces[place] for place in chance.permutation(rows)]


def _table(member: str, faces: Sequence[Face], chance: np.random.Generator) -> Table:
    shifts = np.zeros((len(faces), len(Trait)))
    for row, face in enumerate(faces):
        for trait, shift in _SHIFTS[face].items():
            shifts[row, trait] = CLEARNESS * shift
    traits = shifts + TRAIT_SPREAD * chance.standard_normal(shifts.shape)
    columns: dict[str, Any] = {}
    for feature in (*SECTORS[sector_of(member)], *CORE):
        columns.setdefault(feature.name, _cells(feature, traits, chance))
    fraud = {*FRAUD, Face.ROTATED}
    columns[LABEL] = np.array([float(face in fraud) for face in faces])
    return Table(columns)


def _cells(feature: Feature, traits: Doubles, chance: np.random.Generator) -> npt.NDArray[Any]:
    moved = feature.usual + sum(
        weight * traits[:, trait] for trait, weight in feature.follows.items()
    )
    curve = moved + feature.spread * chance.standard_normal(len(traits))
    if feature.form is Form.COUNT:
        return np.round(np.exp(curve))
    if feature.form is Form.AMOUNT:
        return np.round(np.exp(curve), 2)
    share = 1 / (1 + np.exp(-curve))
    if feature.form is Form.SHARE:
        return np.round(share, 4)
    usual, other = feature.texts
    return np.where(chance.uniform(size=len(share)) < share, other, usual).astype(object)


def _chance(member: str, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(b"/".join((SEED, member.encode(), purpose.encode()))).digest()
    return np.random.default_rng(int.from_bytes(digest[:8]))
