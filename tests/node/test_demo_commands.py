"""Commands of a story are the real command line, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from node import __version__
from node.demo.commands import do_command, run_command
from node.demo.error import DemoError
from node.home import Home


def test_what_a_command_writes_comes_back(tmp_path: Path) -> None:
    done = run_command(Home(tmp_path), "--version")

    assert (done.code, done.err) == (0, "")
    assert __version__ in done.out


def test_a_refusal_is_told_by_its_reason(tmp_path: Path) -> None:
    done = run_command(Home(tmp_path), "status")

    assert done.code == 2
    assert done.refusal == "NOT_INITIALISED"
    assert done.out == ""


def test_a_command_that_has_to_succeed_says_which_failed_and_none_of_its_values(
    tmp_path: Path,
) -> None:
    with pytest.raises(DemoError) as failed:
        do_command(Home(tmp_path / "bank-x"), "check", "phone", "+999300000001")

    assert "tocsin check phone at bank-x" in str(failed.value)
    assert "+999300000001" not in str(failed.value)


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="takes more than"):
        run_command(Home(tmp_path), "--help", seconds=0.0)
