"""A bench that breaks or hangs ends alone, and what it had measured is kept."""

import math
import sys

import pytest

from tests.bench.isolation import Bench, apart, figures_of

HEAD = "import os, time\nfrom tests.bench.result import NotMeasuredError, Result\n"
FIRST = "    yield Result('a', 1.0, 's')\n"


def run(tmp_path, monkeypatch, ending, budget=20.0):
    (tmp_path / "a_bench.py").write_text(f"{HEAD}def measure():\n{FIRST}    {ending}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    failures = []
    figures = list(figures_of(Bench("a_bench", budget), failures.append))
    return [one.name for one in figures], failures


def test_a_bench_that_ends_well_has_no_failure(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, "pass") == (["a"], [])


@pytest.mark.parametrize(
    ("ending", "is_missing", "said"),
    [
        ("raise NotMeasuredError('no extra')", True, "no extra"),
        ("import nothing_of_this_name", True, "nothing_of_this_name"),
        ("raise ValueError('odd')", False, "ValueError: odd"),
        ("os._exit(1)", False, "died"),
    ],
)
def test_a_bench_that_fails_says_why(tmp_path, monkeypatch, ending, is_missing, said):
    names, failures = run(tmp_path, monkeypatch, ending)

    assert names == ["a"]
    assert [one.is_missing for one in failures] == [is_missing]
    assert said in failures[0].reason


def test_a_bench_that_hangs_is_ended(tmp_path, monkeypatch):
    _, failures = run(tmp_path, monkeypatch, "time.sleep(600)", budget=1.0)

    assert [one.reason for one in failures] == ["it took too long and was ended"]


def test_work_apart_gives_its_result_and_its_error():
    assert apart(math.isqrt, 81) == 9
    with pytest.raises(ValueError, match="negative"):
        apart(math.isqrt, -1)
