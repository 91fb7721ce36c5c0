"""Write a weighted update as whole numbers, so that sums over members are exact.

Sums of whole numbers do not depend on the order of the members, so every engine that adds the same
updates gets the same model, and they can be shared over a prime field. A field of at least
2**SUM_BITS elements, with negative numbers in its upper half, holds every sum.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.error import UpdateError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

SUM_BITS: Final = 61
MOST_SUMMED: Final = 1_024  # members in one sum
FINEST_BITS: Final = 24  # finer than float32 is of no use
LOSS_LIMIT: Final = 64.0  # a mean loss beyond it says no more than the limit
ROUNDING: Final = 1.001  # of lengths, for rounded numbers
TAIL: Final = 2  # the vector ends in the weight and the weighted loss


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """How many bits stand behind the point."""

    bits: int

    @classmethod
    def fitting(cls, weight_cap: int, norm_bound: float) -> "FixedPoint":
        """Choose the finest scale at which a sum of MOST_SUMMED capped updates still fits."""
        largest = weight_cap * max(norm_bound, LOSS_LIMIT) * MOST_SUMMED
        return cls(min(FINEST_BITS, SUM_BITS - 2 - math.ceil(math.log2(largest))))

    def encode(self, change: Floats, weight: int, loss: float) -> Integers:
        """Write ``weight * change``, the weight and ``weight * loss``."""
        scale = float(2**self.bits) * weight
        numbers = np.empty(len(change) + TAIL, np.int64)
        numbers[:-TAIL] = np.rint(change.astype(np.float64) * scale)
        numbers[-2] = weight
        numbers[-1] = round(min(max(loss, 0.0), LOSS_LIMIT) * scale)
        return numbers

    def decode(self, total: Integers) -> tuple[Floats, int, float]:
        """Read a sum of encoded updates: mean change, summed weight, mean loss.

        Raises:
            ValueError: The summed weight is not positive.
        """
        weight = int(total[-2])
        if weight <= 0:
            raise ValueError("the summed weight is not positive")
        scale = float(2**self.bits) * weight
        return (total[:-TAIL] / scale).astype(np.float32), weight, float(total[-1]) / scale

    def largest_squared_length(self, rows: int, norm_bound: float) -> float:
        """Give the bound on the opened squared length of a member's part, without its tail.

        Args:
            rows: The member declared in its signed policy; an honest part is no longer than the
                norm bound times as many.
            norm_bound: Of the plan.
        """
        return float((rows * norm_bound * 2**self.bits * ROUNDING) ** 2)

    def check(self, part: Integers, parameters: int, rows: int, norm_bound: float) -> None:
        """Check one part as those do who may open its squared length and compare its weight.

        Raises:
            UpdateError: UPDATE_SHAPE, UPDATE_NORM or UPDATE_WEIGHT.
        """
        if part.shape != (parameters + TAIL,) or part.dtype != np.int64:
            raise UpdateError(f"not {parameters} numbers and a tail", reason="UPDATE_SHAPE")
        if not 1 <= int(part[-2]) <= rows:
            raise UpdateError("claims more rows than declared", reason="UPDATE_WEIGHT")
        squared = squared_length(part)
        if squared > self.largest_squared_length(rows, norm_bound):
            raise UpdateError("longer than the plan's bound", reason="UPDATE_NORM")
        if not 0 <= int(part[-1]) <= LOSS_LIMIT * 2**self.bits * rows:
            raise UpdateError("its loss is out of range", reason="UPDATE_NORM")


def squared_length(part: Integers) -> float:
    """Sum the squares of a part without its tail: all that is opened of it."""
    numbers = part[:-TAIL].astype(np.float64)
    return float(np.dot(numbers, numbers))
