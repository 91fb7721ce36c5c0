"""Run the real command line as a person of a member would, and take what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from node.demo.error import DemoError
from node.home import Home

COMMAND_SECONDS = 300.0
"""Seconds for one command, of which some wait for the other members."""

_LAUNCH = "from node.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the JSON objects that it wrote, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        """Return the one JSON object that it wrote."""
        (found,) = self.rows
        return found

    @property
    def refusal(self) -> str:
        """Return the reason of the error that it ended with, or nothing."""
        for line in reversed(self.err.splitlines()):
            if "error:" in line and line.endswith("]"):
                return line.rpartition("[")[2].rstrip("]")
        return ""


def run_command(home: Home, *arguments: str, seconds: float = COMMAND_SECONDS) -> Outcome:
    """Run one command in the name of a home's member."""
    command = [sys.executable, "-c", _LAUNCH, "--home", str(home.root), *arguments]
    done = subprocess.run(  # noqa: S603  # this program, and arguments of the story
        command, capture_output=True, text=True, timeout=seconds, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def do_command(home: Home, *arguments: str) -> Outcome:
    """Run one command that has to succeed.

    Raises:
        DemoError: It failed; the error says with what, never with which arguments.
    """
    outcome = run_command(home, *arguments)
    if outcome.code:
        words = " ".join(arguments[:2])
        last = outcome.err.strip().splitlines()[-2:] or ["it wrote nothing"]
        raise DemoError(f"tocsin {words} at {home.root.name}: {' '.join(last)}")
    return outcome
