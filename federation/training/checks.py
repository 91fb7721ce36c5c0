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


def find_offenders(changes: Mapping[int, Floats]) -> dict[int, UpdateError]:
    """Name the members whose updates are far longer than the others', or point against them."""
    return find_outlying(changes)


def clip_length(change: Floats, bound: float) -> Floats:
    """Shorten a change to the bound, keeping its direction."""
    length = euclidean_length(change)
    return change if length <= bound else change * np.float32(bound / length)


def euclidean_length(change: Floats) -> float:
    """Measure without overflow of float32."""
    return float(np.linalg.norm(change.astype(np.float64)))
