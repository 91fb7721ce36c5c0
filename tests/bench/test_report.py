"""A report comes back from its file, its table shows directions, and its plots are drawn."""

import importlib.util

import pytest

from tests.bench.curve import Curve
from tests.bench.plots import draw, used
from tests.bench.report import Report, load_report, markdown
from tests.bench.result import Result

REPORT = Report(
    "two cores",
    600.0,
    [
        Result("holder", 44.0, "us", target=1.1, baseline=40.0),
        Result("append", 30_000.0, "statements/s", target=20_000, at_least=True),
        Result("slow", 10_000.0, "statements/s", target=20_000, at_least=True),
        Result("V", 50.0, "us"),
    ],
    [Curve("look-up", "time", "s", (1_000.0, 10_000.0), (0.1, 1.0))],
)


def test_a_report_comes_back_from_its_file(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(REPORT.encode(), encoding="utf-8")

    assert load_report(path) == REPORT


def test_the_table_shows_whether_a_target_is_a_floor_or_a_ceiling():
    rows = markdown(REPORT).splitlines()

    assert rows[2] == "| holder | 44 us | 1.10 | ≤ 1.1, met |"
    assert rows[3] == "| append | 30,000 statements/s |  | ≥ 20,000, met |"
    assert rows[4].endswith("| ≥ 20,000, **not met** |")
    assert "two cores; 10 minutes" in rows[-1]


def test_what_is_used_of_a_target_is_above_one_where_it_is_missed():
    assert [round(used(one), 2) for one in REPORT.results[:3]] == [1.0, 0.67, 2.0]


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="extra 'train'")
def test_the_plots_are_the_same_bytes_for_the_same_figures(tmp_path):
    first = [path.read_bytes() for path in draw(REPORT, tmp_path / "one")]
    again = [path.read_bytes() for path in draw(REPORT, tmp_path / "two")]

    assert first == again
    assert len(first) == 2
