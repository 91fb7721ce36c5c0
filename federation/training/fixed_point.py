"""Write a weighted update as whole numbers, so that sums over members are exact.

Sums of whole numbers do not depend on the order of the members, so every engine that adds the same
updates gets the same model, and they can be shared over the prime field of ``federation.sums``.

How fine the numbers are follows from what may be opened of them: the squared length of a member's
part must not wrap around, so entries stay below ``largest``. They are fractions of the round's norm
bound and of the heaviest member's weight, so nothing of the range is lost on what cannot occur.

A part is the update, the weighted loss, and the weight. The first two are one block, whose squared
length is held to the member's own bound; the weight is a block of its own. It is written less half
of the member's row cap, so that its square is within bounds exactly for 0 to the cap, not for
negative weights.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from federation.prime_field import PRIME
from federation.training.error import UpdateError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

WEIGHT_STEPS: Final = 1 << 20  # of the heaviest weight: a millionth of it is one row of a million
LOSS_LIMIT: Final = 16.0  # a mean loss beyond it says no more than the limit
LOSS_SHARE: Final = 1 / 16  # of the range: the loss lengthens a part by a fifth of a percent
HEADROOM: Final = 0.999  # of the range: float32 rounding of an update clipped to the bound
ROUNDING: Final = 1.0001  # of lengths, for the same
TAIL: Final = 2  # the vector ends in the weighted loss and the weight


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """How the parts of one round are written.

    Attributes:
        parameters: Of the model.
        largest: The largest entry of a part, either way.
        rows: The heaviest weight: a member with more rows counts as if it had these.
    """

    parameters: int
    largest: int
    rows: int

    @classmethod
    def fitting(cls, parameters: int, members: int, rows: int) -> Self:
        """Choose the finest numbers at which the squared length of each part can be opened.

        Args:
            parameters: Of the model.
            members: At most so many are in one sum.
            rows: The heaviest weight.
        """
        # federation.sums.norms: block * ((2 * members - 1) * largest)^2 stays below the prime.
        square = (PRIME - 1) // (parameters + 1)
        return cls(parameters, math.isqrt(square) // (2 * members - 1), rows)

    @property
    def length(self) -> int:
        """Entries of a part."""
        return self.parameters + TAIL

    @property
    def blocks(self) -> tuple[int, int]:
        """Lengths of the blocks whose squared lengths are opened: update with loss, weight."""
        return self.length - 1, 1

    def encode(
        self, change: Floats, bound: float, weight: int, row_cap: int, loss: float
    ) -> Integers:
        """Write one member's part.

        Args:
            change: Of the model, no longer than the bound.
            bound: The longest change that the plan allows in this round.
            weight: Rows; no more than the cap count.
            row_cap: What the member approved.
            loss: Mean over the rows.
        """
        steps = self._steps(min(weight, row_cap))
        unit = self._range * (steps / self._top)
        share = min(max(loss, 0.0), LOSS_LIMIT) / LOSS_LIMIT
        part = np.empty(self.length, np.int64)
        part[:-TAIL] = np.rint(change.astype(np.float64) * (unit / bound))
        part[-2] = round(share * LOSS_SHARE * unit)
        part[-1] = steps - self._centre(row_cap)
        return part

    def decode(
        self, total: Integers, bound: float, row_caps: Iterable[int]
    ) -> tuple[Floats, int, float]:
        """Read a sum of parts: mean change, summed weight in rows, mean loss.

        Args:
            total: The sum.
            bound: As in ``encode``.
            row_caps: Of exactly the members in it.

        Raises:
            UpdateError: UPDATE_SHAPE or UPDATE_WEIGHT; it is no sum of parts with rows.
        """
        if total.shape != (self.length,):
            raise UpdateError("the sum has another length", reason="UPDATE_SHAPE")
        steps = int(total[-1]) + sum(self._centre(cap) for cap in row_caps)
        if steps <= 0:
            raise UpdateError("nobody trained on any row", reason="UPDATE_WEIGHT")
        unit = self._range * (steps / self._top)
        change = (total[:-TAIL] * (bound / unit)).astype(np.float32)
        loss = max(0.0, float(total[-2]) / unit / LOSS_SHARE * LOSS_LIMIT)
        return change, round(steps * self.rows / self._top), loss

    def bounds(self, row_cap: int) -> tuple[int, int]:
        """Give the largest squared length of each block of a member's part.

        Args:
            row_cap: What the member approved: an honest update is no longer than the norm bound,
                times as many rows.
        """
        centre = self._centre(row_cap)
        unit = self._range * (2 * centre / self._top)
        length = unit * math.hypot(1, LOSS_SHARE) * ROUNDING + math.sqrt(self.length)
        return math.ceil(length**2), centre**2

    def judge(self, squared: Iterable[int], row_cap: int) -> None:
        """Refuse a part by the squared lengths of its blocks.

        Raises:
            UpdateError: UPDATE_WEIGHT or UPDATE_NORM.
        """
        length, weight = squared
        most_length, most_weight = self.bounds(row_cap)
        if weight > most_weight:
            raise UpdateError("claims more rows than declared", reason="UPDATE_WEIGHT")
        if length > most_length:
            raise UpdateError("longer than the plan's bound", reason="UPDATE_NORM")

    def check(self, part: Integers, row_cap: int) -> None:
        """Check one visible part as key holders check what they hold shares of.

        Raises:
            UpdateError: UPDATE_SHAPE, UPDATE_NORM or UPDATE_WEIGHT.
        """
        if part.shape != (self.length,) or part.dtype != np.int64:
            raise UpdateError(f"not {self.length} whole numbers", reason="UPDATE_SHAPE")
        numbers = part.astype(np.float64)
        length = float(np.dot(numbers[:-1], numbers[:-1]))
        self.judge((math.ceil(length), int(part[-1]) ** 2), row_cap)

    @property
    def _range(self) -> float:
        return self.largest * HEADROOM

    @property
    def _top(self) -> int:
        """Steps of the heaviest weight, even, and within the range of an entry."""
        return min(WEIGHT_STEPS, self.largest // 2 * 2)

    def _steps(self, rows: int) -> int:
        return max(1, round(min(rows, self.rows) * self._top / self.rows))

    def _centre(self, row_cap: int) -> int:
        """Half of the steps that the cap allows, rounded up."""
        return (self._steps(row_cap) + 1) // 2
