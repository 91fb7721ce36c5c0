"""One measured figure, what it is held against, and how it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass


class NotMeasuredError(Exception):
    """A bench, or the rest of it, cannot run here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Result:
    """A figure of one run.

    Attributes:
        value: In ``unit``; a median where the run is short.
        baseline: In the same unit, measured in the same run; None where there is none.
        target: For the ratio to the baseline where there is one, else for the value; None where
            the figure is only of interest.
        at_least: The target is a floor, not a ceiling.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    baseline: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """Value over baseline."""
        return None if self.baseline is None else self.value / self.baseline

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        held = self.value if self.ratio is None else self.ratio
        return held >= self.target if self.at_least else held <= self.target

    @property
    def bound(self) -> str:
        """The target as a reader wants it, with its direction; empty without one."""
        return "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:,}"

    def document(self) -> dict[str, object]:
        """Return what stands in the JSON."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.ratio),
            "target": self.target,
            "met": self.met,
        }


def table(results: Iterable[Result]) -> str:
    """Return lines for a terminal."""
    lines = [("what", "value", "unit", "ratio", "target", "")]
    for one in results:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        verdict = {None: "", True: "met", False: "MISSED"}[one.met]
        lines.append((one.name, shown(one.value), one.unit, ratio, one.bound, verdict))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown(value: float) -> str:
    """Return a figure with three digits, or whole from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
