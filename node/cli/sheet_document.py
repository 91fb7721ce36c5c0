"""Write an evaluation sheet for people and programs: as rows, CSV and a page of its own."""

from __future__ import annotations

import csv
import html
import importlib
import importlib.util
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from federation.sheet import INDICATOR, LEAST_MEMBERS, Form, value_of
from tocsin.desk.v1 import sheet_service_pb2 as wire

LATE: Final = 0.95
"""The share of cases that a duration's second value covers."""
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3em .6em; border-bottom: 1px solid #ccc }
td.number { text-align: right; font-variant-numeric: tabular-nums }
tr.first td { background: #fff6e5 }
svg { max-width: 100%; height: auto }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One indicator as it is shown.

    Attributes:
        value: A rate, or the median of durations; None: not told, or no case.
        late: What 95 of 100 durations keep within; None for rates.
        numerator: What counts; for durations the cases.
        denominator: Out of how many, for rates.
        contributors: Members that have a figure; None where fewer than three do.
    """

    code: str
    title: str
    unit: str
    value: float | None
    late: float | None
    numerator: int | None
    denominator: int | None
    contributors: int | None
    suppressed: bool


def read_lines(cells: Iterable[wire.SheetCell]) -> list[Line]:
    """Return the lines of a sheet, in its order; indicators of a newer node are left out."""
    return [_line(cell) for cell in cells if cell.code in INDICATOR]


def write_value(line: Line) -> str:
    """Return a line's value with its unit, for people."""
    if line.suppressed:
        return f"<{LEAST_MEMBERS} members"
    if line.value is None:
        return "no case"
    late = "" if line.late is None else f" (95 %: {line.late:.1f})"
    return f"{line.value:.2f} {line.unit}{late}"


def write_csv(lines: Sequence[Line]) -> str:
    """Return a sheet as CSV; what is not told is ``<3``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [one.name for one in fields(Line)], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        row = asdict(line)
        if line.suppressed:
            row["value"] = row["contributors"] = f"<{LEAST_MEMBERS}"
        writer.writerow(row)
    return text.getvalue()


def write_page(lines: Sequence[Line], period: str, contributors: int) -> str:
    """Return a sheet as one HTML file, with plots where matplotlib is installed."""
    rows = "\n".join(_row(line) for line in lines)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evaluation sheet, {html.escape(period)}</title>
<style>{_STYLE}</style></head><body>
<h1>Evaluation sheet</h1>
<p>{html.escape(period)}; {contributors} members. Totals over all members by private sums: no
member's own figure is in it, and what fewer than {LEAST_MEMBERS} have is not told.</p>
<table><thead><tr><th>code</th><th>indicator</th><th>value</th><th>cases</th><th>members</th></tr>
</thead><tbody>
{rows}
</tbody></table>
{_drawing(lines)}
</body></html>
"""


def _line(cell: wire.SheetCell) -> Line:
    indicator = INDICATOR[cell.code]
    is_duration = indicator.form is Form.DURATION
    figure = tuple(cell.durations) if is_duration else (cell.numerator, cell.denominator)
    is_told = bool(cell.contributors) and not cell.suppressed
    return Line(
        code=cell.code,
        title=indicator.title,
        unit=indicator.unit,
        value=value_of(indicator, figure) if is_told else None,
        late=value_of(indicator, figure, LATE) if is_told and is_duration else None,
        numerator=(sum(figure) if is_duration else figure[0]) if is_told else None,
        denominator=figure[1] if is_told and not is_duration else None,
        contributors=cell.contributors if is_told else None,
        suppressed=cell.suppressed,
    )


def _row(line: Line) -> str:
    mark = ' class="first"' if line.code in ("E-1", "E-2") else ""
    cases = "" if line.numerator is None else f"{line.numerator:,}"
    if line.denominator is not None:
        cases += f" of {line.denominator:,}"
    members = f"&lt;{LEAST_MEMBERS}" if line.suppressed else line.contributors or ""
    return (
        f"<tr{mark}><td>{line.code}</td><td>{html.escape(line.title)}</td>"
        f'<td class="number">{html.escape(write_value(line))}</td>'
        f'<td class="number">{cases}</td><td class="number">{members}</td></tr>'
    )


def _drawing(lines: Sequence[Line]) -> str:
    told = [line for line in lines if line.value is not None]
    if not told or importlib.util.find_spec("matplotlib") is None:
        return ""
    matplotlib: Any = importlib.import_module("matplotlib")
    figure_module: Any = importlib.import_module("matplotlib.figure")
    settings = {"svg.hashsalt": "tocsin", "svg.fonttype": "none", "font.size": 10}
    with matplotlib.rc_context(settings):
        figure = figure_module.Figure(figsize=(9, 5), layout="constrained")
        panels = figure.subplots(1, 2)
        _draw_bars(panels[0], [one for one in told if one.unit == "%"], "%")
        _draw_bars(panels[1], [one for one in told if one.unit == "h"], "h, median")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _draw_bars(panel: Any, lines: Sequence[Line], unit: str) -> None:
    codes = [line.code for line in lines]
    bars = panel.barh(codes, [line.value for line in lines], color="#0072B2")
    panel.bar_label(bars, fmt="%.1f", padding=3)
    panel.invert_yaxis()
    panel.set_xlabel(unit)
    panel.margins(x=0.15)
