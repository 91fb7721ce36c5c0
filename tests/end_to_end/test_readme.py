"""The README's first transcript, run as a newcomer would paste it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
TOCSIN = Path(sys.executable).with_name("tocsin")
SPREAD_SECONDS = 10.0  # generous: a statement is at its peers in well under two seconds


def transcript() -> list[tuple[str, list[str]]]:
    """Return the first block's commands with the lines that each should print."""
    block = re.search(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    steps: list[tuple[str, list[str]]] = []
    for line in block[1].splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def run(line: str, directory: Path) -> str:
    words = shlex.split(line)
    assert words[0] == "tocsin"
    done = subprocess.run(
        [TOCSIN, *words[1:]], cwd=directory, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def matches(expected: list[str], printed: str) -> bool:
    """Hold each expected line against the output; ``...`` stands for anything."""
    patterns = (".*".join(map(re.escape, line.split("..."))) for line in expected)
    return all(re.search(rf"^{pattern}$", printed, re.MULTILINE) for pattern in patterns)


@pytest.mark.timeout(300)
def test_the_first_transcript_prints_what_it_shows(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    short = tmp_path_factory.mktemp("r")  # sockets lie below it
    steps = transcript()
    try:
        for line, expected in steps[:-1]:
            printed = run(line, short)
            end = time.monotonic() + SPREAD_SECONDS
            while not matches(expected, printed) and time.monotonic() < end:
                time.sleep(0.2)
                printed = run(line, short)

            assert matches(expected, printed), f"{line}\nprinted\n{printed}"
    finally:
        run(steps[-1][0], short)
