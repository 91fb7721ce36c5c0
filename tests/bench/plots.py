"""Draw what a run measured: ``python -m tests.bench.plots bench.json docs``.

``targets.svg`` shows how much of each target is used, ``growth.svg`` how cost grows with size.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tests.bench.curve import Curve
from tests.bench.report import Report, load_report
from tests.bench.result import Result

COSTS: Final = ("time", "memory", "bytes")
MET, MISSED, LINE = "#2a6f97", "#c1442e", "#888888"
MARKS: Final = "osD^vPX*"
FLOOR: Final = 1.15
"""By how much the axis goes below the least figure, so that its mark is whole."""


def draw(report: Report, directory: Path) -> list[Path]:
    """Write the plots that the report has figures for, the same bytes for the same figures."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "tocsin", "svg.fonttype": "path", "font.size": 9}
    directory.mkdir(exist_ok=True)
    drawn = {}
    if held := [one for one in report.results if one.target is not None and _is_cost(one)]:
        drawn["targets.svg"] = _targets(held)
    if report.curves:
        drawn["growth.svg"] = _growth(report.curves)
    for name, figure in drawn.items():
        figure.savefig(directory / name, metadata={"Date": None}, bbox_inches="tight")
    return [directory / name for name in drawn]


def used(result: Result) -> float:
    """Return the share of its target that a figure uses: above one it is missed."""
    held = result.value if result.ratio is None else result.ratio
    assert result.target is not None  # asked only where there is one
    return result.target / held if result.at_least else held / result.target


def _is_cost(result: Result) -> bool:
    """Say whether a figure is drawn among the targets: slopes have a plot of their own."""
    return bool(result.unit) and result.value > 0


def _targets(results: Sequence[Result]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 0.6 + 0.23 * len(results)))
    axes = figure.subplots()
    shares = [used(one) for one in results]
    colours = [MET if one.met else MISSED for one in results]
    axes.barh(range(len(results)), shares, color=colours)
    axes.set_yticks(range(len(results)), [one.name.replace("`", "") for one in results])
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xlim(0, max(1.5, *shares) * 1.1)
    axes.axvline(1, color="black", linewidth=1)
    for place, share in enumerate(shares):
        # On white, so that the line of the targets strikes no number out.
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(share + 0.02, place, f"{share:.2f}", va="center", fontsize=8, bbox=box)
    axes.set_xlabel("share of the target that is used (1: the target itself; right of it: missed)")
    axes.grid(axis="x", which="major", color="#dddddd")
    axes.set_axisbelow(True)
    return figure


def _growth(curves: Sequence[Curve]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    panels = _panels(curves)
    columns = len(COSTS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(13, 5 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (title, members) in zip(places, panels, strict=False):
        for mark, curve in zip(MARKS, members, strict=False):
            label = f"{curve.name}, slope {curve.slope:.2f}"
            axes.loglog(curve.sizes, curve.values, marker=mark, markersize=4, label=label)
        _guide(axes, members)
        if members[0].items != "items":  # few and small: their own numbers instead of powers
            sizes = [int(size) for size in members[0].sizes]
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.xaxis.minorticks_off()
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        axes.set_title(title, loc="left")
        axes.set_xlabel(members[0].items)
        axes.set_ylabel(members[0].unit)
        axes.grid(which="major", color="#dddddd")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    for axes in places:
        axes.set_visible(False)
    return figure


def _panels(curves: Sequence[Curve]) -> list[tuple[str, list[Curve]]]:
    """Put together what has the same cost and kind of items."""
    order = sorted(curves, key=_panel)
    return [
        (f"{COSTS[cost]} against {items}", list(members))
        for (_, cost, items), members in groupby(order, key=_panel)
    ]


def _panel(curve: Curve) -> tuple[bool, int, str]:
    return (curve.items != "items", COSTS.index(curve.cost), curve.items)


def _guide(axes: Any, members: Sequence[Curve]) -> None:
    """Draw what cost in proportion to size would be, through the middle of the panel."""
    least = min(curve.sizes[0] for curve in members)
    most = max(curve.sizes[-1] for curve in members)
    top = max(curve.values[-1] / curve.sizes[-1] for curve in members)
    sizes, limits = [least, most], axes.get_ylim()
    proportion = [size * top * 2 for size in sizes]
    axes.loglog(sizes, proportion, ":", color=LINE, linewidth=1, label="in proportion")
    # A decade at least, so that what hardly grows looks so; the guide may leave the panel.
    low = limits[0] / FLOOR
    axes.set_ylim(low, max(limits[1], 10 * low))


def main(arguments: Sequence[str]) -> None:
    """Draw one report."""
    source, directory = map(Path, arguments)
    for path in draw(load_report(source), directory):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
