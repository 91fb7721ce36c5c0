"""Evaluate what members achieve together, over real nodes, in days that nothing else fell on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.members import Federation, Outcome, write_lines

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
BANK, FIRM = "bank-x", "net-p"
CONTRIBUTORS = 7  # all members with customers
HOUR = 3_600
# A figure that one bank alone has: it must be in no total.
ALONE = 987_654

PLANTED: dict[str, dict[str, tuple[int, int] | list[int]]] = {
    "carrier-a": {"C-1": (3, 40_000), "E-1": (2, 100), "E-2": [2 * HOUR + 60], "E-3": (5, 6)},
    "carrier-b": {"C-1": (2, 30_000), "E-1": (0, 50), "E-2": [5 * HOUR], "E-3": (1, 4)},
    "carrier-c": {"C-1": (7, 20_000), "E-1": (1, 25), "E-2": [5 * HOUR, 60 * HOUR]},
    BANK: {"B-1": (ALONE, 15_000_000), "E-1": (4, 200)},
    FIRM: {"I-1": (40, 50_000_000), "E-1": (1, 125)},
}


def feed_planted(federation: Federation, directory: Path) -> None:
    """Feed the planted figures at their members."""
    for member, figures in PLANTED.items():
        lines = [json.dumps(row) for row in _rows(figures)]
        file = write_lines(directory / f"{member}.jsonl", lines)
        fed = federation.do(member, "report", "figures", "feed", str(file), "--json").document

        assert fed == {"added": len(lines), "unchanged": 0, "refused": 0}


@cache
def planted_day() -> str:
    """Return a day before anything that a test did, wherever midnight falls."""
    return (datetime.now(UTC) - timedelta(3)).strftime("%Y-%m-%d")


def _rows(figures: dict[str, tuple[int, int] | list[int]]) -> Iterator[dict[str, Any]]:
    for code, figure in figures.items():
        row: dict[str, Any] = {"code": code, "date": planted_day()}
        if isinstance(figure, list):
            yield {**row, "seconds": figure}
        else:
            yield {**row, "numerator": figure[0], "denominator": figure[1]}


def make_sheet(federation: Federation, *options: str) -> Outcome:
    """Make the sheet of the planted day."""
    days = ("--from", planted_day(), "--to", planted_day())
    return federation.do("carrier-b", "report", "sheet", *days, *options)


def compare_with_planted(sheet: dict[str, Any]) -> None:
    """Find the planted totals, and nothing of what fewer than three members have."""
    cell = {one["code"]: one for one in sheet["indicators"]}
    pairs = {
        code: (cell[code]["numerator"], cell[code]["denominator"], cell[code]["contributors"])
        for code in ("E-1", "C-1")
    }

    assert sheet["contributors"] == CONTRIBUTORS
    assert pairs == {"E-1": (8, 500, 5), "C-1": (12, 90_000, 3)}
    assert cell["E-1"]["value"] == pytest.approx(1.6)
    assert cell["C-1"]["value"] == pytest.approx(1.333, abs=0.001)
    # The four lifts took 2, 5, 5 and 60 hours: the median lies in the class of four to six hours.
    assert cell["E-2"]["numerator"] == 4
    assert 4 <= cell["E-2"]["value"] <= 6

    for code in ("B-1", "I-1", "E-3"):
        assert cell[code]["suppressed"]
        assert cell[code]["value"] is cell[code]["numerator"] is cell[code]["contributors"] is None


def show_effect_first(sheet: dict[str, Any], page: Path) -> None:
    """Find what people suffer from before what members do."""
    text = page.read_text()

    assert [one["code"] for one in sheet["indicators"]][:2] == ["E-1", "E-2"]
    assert text.index(">E-1<") < text.index(">E-2<") < text.index(">C-1<")
    assert "&lt;3 members" in text
    assert str(ALONE) not in text.replace(",", "")


def add_up_nobody_alone(federation: Federation, sheet: dict[str, Any]) -> None:
    """Find what one member has in no sum that anybody reads."""
    for member in (BANK, "carrier-a"):
        sums = federation.do(member, "sum", "list", "--json").rows
        shown = [
            federation.read(member, "sum", "show", one["sum_id"], "--json").document
            for one in sums
            if one["source"].startswith("SHEET")
        ]

        assert sheet["sum_id"] in {one["status"]["sum_id"] for one in shown}
        assert not any(entry["units"] == ALONE for one in shown for entry in one["entries"])
        assert not any(
            entry["units"] == ALONE + 15_000_000 for one in shown for entry in one["entries"]
        )


def write_it_again(federation: Federation, sheet: dict[str, Any]) -> None:
    """Make the same sheet as CSV and as a table."""
    written = make_sheet(federation, "--csv").out
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(written))}
    shown = make_sheet(federation).out

    assert rows["E-1"]["numerator"] == "8"
    assert (rows["B-1"]["value"], rows["B-1"]["numerator"]) == ("<3", "")
    assert len(rows) == len(sheet["indicators"])
    assert "1.60 %" in shown
    assert "<3 members" in shown


def refuse_bad_figures(federation: Federation, directory: Path) -> None:
    """Show a member its own figures, and refuse what is none of them."""
    own = federation.do(BANK, "report", "figures", "show", "--json").rows
    found = {row["code"]: (row["numerator"], row["denominator"]) for row in own}

    assert found["B-1"] == (ALONE, 15_000_000)
    assert "C-1" not in found

    lines = [
        "code,date,numerator,denominator,seconds",
        f"C-1,{planted_day()},1,2,",
        f"B-1,{planted_day()},3,2,",
        f"B-9,{planted_day()},1,2,",
        f"E-2,{planted_day()},1,2,",
        "B-1,2099-01-01,1,2,",
        f"B-1,{planted_day()},x,2,",
    ]
    file = write_lines(directory / "bad.csv", lines)
    outcome = federation.do(BANK, "report", "figures", "feed", str(file), "--json")

    assert outcome.document == {"added": 0, "unchanged": 0, "refused": 6}
    assert "INDICATOR_NOT_OURS" in outcome.err
    assert "INDICATOR_UNKNOWN" in outcome.err

    later = federation.run(BANK, "report", "sheet", "--from", "2099-01-01", "--to", "2099-01-02")

    assert "[SHEET_PERIOD_INVALID]" in later.err
