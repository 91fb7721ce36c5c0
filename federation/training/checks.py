"""Check a visible update before any strategy sees it, and name who sent a bad one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.training.error import UpdateError

Floats = npt.NDArray[np.float32]

OUTLYING_TIMES: Final = 3.0
"""An update this many times longer than the median of its round is not of the same training."""
FEWEST_COMPARED: Final = 3
OPPOSED_PUSH: Final = 0.7
"""A part of this share of the median length against the others' mean direction. Measured on real
carriers, networks and trees: honest ones to 0.6, those of flipped labels from 0.7 to 3."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What every update of a plan must keep: parameters, Euclidean length, claimed rows."""

    parameters: int
    norm: float
    weight: int

    def check(self, change: npt.NDArray[Any], weight: float) -> Floats:
        """Give the change back if it keeps the bounds.

        Args:
            change: New model less the model the round began with, or whatever was sent for it.
            weight: Rows the member says it trained on.

        Raises:
            UpdateError: UPDATE_SHAPE, UPDATE_NOT_FINITE, UPDATE_NORM or UPDATE_WEIGHT.
        """
        if change.shape != (self.parameters,) or change.dtype != np.float32:
            raise UpdateError(f"not {self.parameters} numbers in one row", reason="UPDATE_SHAPE")
        if not np.isfinite(change).all():
            raise UpdateError("holds a number that is not finite", reason="UPDATE_NOT_FINITE")
        length = euclidean_length(change)
        if length > self.norm * (1 + 1e-4):  # float32 rounding of an update clipped to the bound
            raise UpdateError(
                f"length {length:.3g} above the plan's {self.norm:.3g}", reason="UPDATE_NORM"
            )
        if not 1 <= weight <= self.weight:
            raise UpdateError(
                f"claims more or fewer rows than 1 to {self.weight}", reason="UPDATE_WEIGHT"
            )
        return change


def find_outlying(changes: Mapping[int, Floats]) -> dict[int, UpdateError]:
    """Name the members whose updates are far longer than the median length of the round."""
    if len(changes) < FEWEST_COMPARED:
        return {}
    lengths = {member: euclidean_length(change) for member, change in changes.items()}
    limit = OUTLYING_TIMES * float(np.median(list(lengths.values())))
    return {
        member: UpdateError(
            f"length {length:.3g}, {OUTLYING_TIMES:g} times the round's median is {limit:.3g}",
            reason="UPDATE_NORM",
        )
        for member, length in lengths.items()
        if length > limit
    }


def find_offenders(changes: Mapping[int, Floats], most: int, least: int) -> dict[int, UpdateError]:
    """Name the members whose updates are far longer than the others', or push against them.

    Args:
        changes: By member, all as long.
        most: So many at most are named for pushing against the others: without a majority that
            agrees, nobody knows who is wrong.
        least: So many have to be left for that: one that only pushes stops no round, which the
            strategy withstands.
    """
    outlying = find_outlying(changes)
    rest = {member: change for member, change in changes.items() if member not in outlying}
    return outlying | find_opposed(rest, min(most, len(rest) - least))


def find_opposed(changes: Mapping[int, Floats], most: int) -> dict[int, UpdateError]:
    """Name the members who push against most others, as who trains on flipped labels does.

    Honest updates of different members stand about at right angles once the model is good, so a
    weak push against the others says nothing.
    """
    if len(changes) < FEWEST_COMPARED or most < 1:
        return {}
    members = list(changes)
    rows = np.array([changes[member] for member in members], np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    usual = float(np.median(lengths))
    if not usual:
        return {}
    units = rows / np.where(lengths > 0, lengths, 1)[:, None]
    others = units.sum(axis=0) - units
    spans = np.linalg.norm(others, axis=1)
    pushes = lengths / usual * (units * others).sum(axis=1) / np.where(spans > 0, spans, 1)
    against = (units @ units.T < 0).sum(axis=1) > (len(members) - 1) / 2
    opposed = np.flatnonzero(against & (pushes < -OPPOSED_PUSH))
    worst = opposed[np.argsort(pushes[opposed])][:most]
    return {
        members[place]: UpdateError(
            f"pushes against the others by {-pushes[place]:.2g} of the round's median length",
            reason="UPDATE_OPPOSED",
        )
        for place in worst.tolist()
    }


def clip_length(change: Floats, bound: float) -> Floats:
    """Shorten a change to the bound, keeping its direction."""
    length = euclidean_length(change)
    return change if length <= bound else change * np.float32(bound / length)


def euclidean_length(change: Floats) -> float:
    """Measure without overflow of float32."""
    return float(np.linalg.norm(change.astype(np.float64)))
