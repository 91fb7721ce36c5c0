"""Members evaluate what they achieve together; what too few of them have stays unknown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.members import Federation, running_federation, write_lines

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
BANK, FIRM = "bank-x", "net-p"
MEMBERS = (*CARRIERS, BANK, FIRM)
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

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("sheet") / "f"
    with running_federation(root, MEMBERS) as found:
        for place, member in enumerate(MEMBERS[:4]):
            found.nominate(member, "domain", f"evil-{place}.example")
        for member, figures in PLANTED.items():
            lines = [json.dumps(row) for row in _rows(figures)]
            file = write_lines(root.parent / f"{member}.jsonl", lines)
            fed = found.do(member, "report", "figures", "feed", str(file), "--json").document

            assert fed == {"added": len(lines), "unchanged": 0, "refused": 0}
        yield found


def _yesterday() -> str:
    return (datetime.now(UTC) - timedelta(1)).strftime("%Y-%m-%d")


def _rows(figures: dict[str, tuple[int, int] | list[int]]) -> Iterator[dict[str, Any]]:
    for code, figure in figures.items():
        row: dict[str, Any] = {"code": code, "date": _yesterday()}
        if isinstance(figure, list):
            yield {**row, "seconds": figure}
        else:
            yield {**row, "numerator": figure[0], "denominator": figure[1]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "sheet.html"


@pytest.fixture(scope="module")
def sheet(federation: Federation, page: Path) -> dict[str, Any]:
    made = federation.do("carrier-b", "report", "sheet", "--html", str(page), "--json")
    return made.document


def test_21_the_sheet_equals_planted_truth_and_suppresses_cells_of_fewer_than_three(
    sheet: dict[str, Any],
) -> None:
    cell = {one["code"]: one for one in sheet["indicators"]}
    pairs = {
        code: (cell[code]["numerator"], cell[code]["denominator"], cell[code]["contributors"])
        for code in ("E-1", "C-1", "E-4")
    }

    assert sheet["contributors"] == len(MEMBERS)
    assert pairs == {"E-1": (8, 500, 5), "C-1": (12, 90_000, 3), "E-4": (0, 4, 4)}
    assert cell["E-1"]["value"] == pytest.approx(1.6)
    assert cell["C-1"]["value"] == pytest.approx(1.333, abs=0.001)
    # The four lifts took 2, 5, 5 and 60 hours: the median lies in the class of four to six hours.
    assert cell["E-2"]["numerator"] == 4
    assert 4 <= cell["E-2"]["value"] <= 6

    for code in ("B-1", "I-1", "E-3"):
        assert cell[code]["suppressed"]
        assert cell[code]["value"] is cell[code]["numerator"] is cell[code]["contributors"] is None


def test_effect_comes_before_activity(sheet: dict[str, Any], page: Path) -> None:
    text = page.read_text()

    assert [one["code"] for one in sheet["indicators"]][:2] == ["E-1", "E-2"]
    assert text.index(">E-1<") < text.index(">E-2<") < text.index(">C-1<")
    assert "&lt;3 members" in text
    assert str(ALONE) not in text.replace(",", "")


def test_what_too_few_have_is_in_no_sum_that_anybody_reads(
    federation: Federation, sheet: dict[str, Any]
) -> None:
    for member in (BANK, "carrier-a"):
        sums = federation.do(member, "sum", "list", "--json").rows
        shown = [
            federation.do(member, "sum", "show", one["sum_id"], "--json").document for one in sums
        ]

        assert sheet["sum_id"] in {one["status"]["sum_id"] for one in shown}
        assert not any(entry["units"] == ALONE for one in shown for entry in one["entries"])
        assert not any(
            entry["units"] == ALONE + 15_000_000 for one in shown for entry in one["entries"]
        )


def test_the_same_sheet_again_is_the_same_as_a_table_and_as_csv(
    federation: Federation, sheet: dict[str, Any]
) -> None:
    written = federation.do("carrier-b", "report", "sheet", "--csv").out
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(written))}
    shown = federation.do("carrier-b", "report", "sheet").out

    assert rows["E-1"]["numerator"] == "8"
    assert (rows["B-1"]["value"], rows["B-1"]["numerator"]) == ("<3", "")
    assert len(rows) == len(sheet["indicators"])
    assert "1.60 %" in shown
    assert "<3 members" in shown


def test_own_figures_are_shown_to_their_member_and_bad_ones_are_refused(
    federation: Federation, tmp_path: Path
) -> None:
    own = federation.do(BANK, "report", "figures", "show", "--json").rows
    found = {row["code"]: (row["numerator"], row["denominator"]) for row in own}

    assert found["B-1"] == (ALONE, 15_000_000)
    assert "C-1" not in found

    lines = [
        "code,date,numerator,denominator,seconds",
        f"C-1,{_yesterday()},1,2,",
        f"B-1,{_yesterday()},3,2,",
        f"B-9,{_yesterday()},1,2,",
        f"E-2,{_yesterday()},1,2,",
        "B-1,2099-01-01,1,2,",
        f"B-1,{_yesterday()},x,2,",
    ]
    file = write_lines(tmp_path / "bad.csv", lines)
    outcome = federation.do(BANK, "report", "figures", "feed", str(file), "--json")

    assert outcome.document == {"added": 0, "unchanged": 0, "refused": 6}
    assert "INDICATOR_NOT_OURS" in outcome.err
    assert "INDICATOR_UNKNOWN" in outcome.err

    later = federation.run(BANK, "report", "sheet", "--from", "2099-01-01", "--to", "2099-01-02")

    assert "[SHEET_PERIOD_INVALID]" in later.err
