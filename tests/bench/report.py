"""What a run measured, on what: the file of ``make bench``, and the table of the README."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.curve import Curve, parse_curve
from tests.bench.result import Result, shown


@dataclass(frozen=True, slots=True)
class Report:
    """A run.

    Attributes:
        machine: What it ran on, in one line.
        seconds: It took as a whole.
    """

    machine: str
    seconds: float
    results: Sequence[Result]
    curves: Sequence[Curve] = ()

    def encode(self) -> str:
        """Return the file of this run; ``floors`` names results whose target is a floor."""
        document = {
            "machine": self.machine,
            "seconds": round(self.seconds),
            "results": [one.document() for one in self.results],
            "floors": [one.name for one in self.results if one.at_least],
            "curves": [one.document() for one in self.curves],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def load_report(path: Path) -> Report:
    """Read what a run left."""
    document = json.loads(path.read_text(encoding="utf-8"))
    floors = set(document["floors"])
    results = [_parse(one, one["name"] in floors) for one in document["results"]]
    curves = [parse_curve(one) for one in document["curves"]]
    return Report(document["machine"], document["seconds"], results, curves)


def markdown(report: Report) -> str:
    """Return the table of the README, with its machine."""
    rows = ["| what | measured | ratio to baseline | target |", "| --- | --- | --- | --- |"]
    for one in report.results:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        target = one.bound
        if target:
            target += ", met" if one.met else ", **not met**"
        rows.append(f"| {one.name} | {shown(one.value)} {one.unit} | {ratio} | {target} |")
    minutes = report.seconds / 60
    return "\n".join([*rows, "", f"Machine: {report.machine}; {minutes:.0f} minutes for all."])


def _parse(document: dict[str, Any], at_least: bool) -> Result:
    parts = {name: document[name] for name in ("name", "value", "unit", "target", "baseline")}
    return Result(**parts, at_least=at_least)
