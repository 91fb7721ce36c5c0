"""How one cost grows: what it was at each size, and the slope of its line on log-log axes."""

import math
from dataclasses import asdict, dataclass
from statistics import linear_regression
from typing import Final

from tests.bench.result import Result

NEAR_LINEAR: Final = 1.15
"""The steepest slope that is called near-linear: ten times the items cost 14 times as much."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a cost was at growing sizes.

    Attributes:
        name: What grows, such as "look-up".
        cost: ``time``, ``memory`` or ``bytes``.
        unit: Of the values.
        sizes: Ascending, of ``items``.
        values: The cost of all items at each size.
        items: What is counted by the sizes.
        note: Why the slope is what it is, where it is not near-linear.
    """

    name: str
    cost: str
    unit: str
    sizes: tuple[float, ...]
    values: tuple[float, ...]
    items: str = "items"
    note: str = ""

    @property
    def slope(self) -> float:
        """Exponent of the power law that fits best."""
        found = linear_regression(*map(_logarithms, (self.sizes, self.values)))
        return found.slope

    def result(self) -> Result:
        """Return the slope as a figure, held against what is near-linear."""
        sizes = f"{_size(self.sizes[0])} … {_size(self.sizes[-1])} {self.items}"
        return Result(
            f"growth: {self.name}, {self.cost} slope, {sizes}", self.slope, "", NEAR_LINEAR
        )

    def document(self) -> dict[str, object]:
        """Return what stands in the file of a run."""
        return asdict(self) | {"slope": round(self.slope, 3)}


def parse_curve(document: dict[str, object]) -> Curve:
    """Return the curve of a document."""
    parts = {name: value for name, value in document.items() if name != "slope"}
    lists = {name: tuple(parts[name]) for name in ("sizes", "values")}  # type: ignore[arg-type]  # JSON
    return Curve(**(parts | lists))  # type: ignore[arg-type]  # as written by document


def _logarithms(numbers: tuple[float, ...]) -> list[float]:
    return [math.log(number) for number in numbers]


def _size(size: float) -> str:
    power = round(math.log10(size)) if size >= 1_000 else 0
    return f"10^{power}" if power and 10**power == size else f"{size:,.0f}"
