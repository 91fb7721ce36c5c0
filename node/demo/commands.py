"""Run the real command line as a person of a member would, and take what it wrote.

Each command is a process of its own, forked from one that has loaded the command line and nothing
else: a story of hundreds of commands does not load it hundreds of times.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.demo.error import DemoError
from node.home import Home

COMMAND_SECONDS = 300.0
"""Seconds for one command, of which some wait for the other members."""

# What almost every command loads; the words of single commands are small beside it.
_PRELOADED = ["node.cli", "node.cli.connection", "node.cli.import_report", "node.cli.values"]
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_PRELOADED)


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
    """Run one command in the name of a home's member.

    Raises:
        DemoError: It takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-command-") as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        words = ["--home", str(home.root), *arguments]
        process = _processes.Process(target=_run, args=(str(out), str(err), words))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise DemoError(f"{name_command(home, arguments)} takes more than {seconds:.0f} s")
        return Outcome(
            process.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        )


def do_command(home: Home, *arguments: str) -> Outcome:
    """Run one command that has to succeed.

    Raises:
        DemoError: It failed; the error says with what, never with which arguments.
    """
    outcome = run_command(home, *arguments)
    if outcome.code:
        last = outcome.err.strip().splitlines()[-2:] or ["it wrote nothing"]
        raise DemoError(f"{name_command(home, arguments)}: {' '.join(last)}")
    return outcome


def name_command(home: Home, arguments: tuple[str, ...]) -> str:
    """Name a command without its values."""
    return f"tocsin {' '.join(arguments[:2])} at {home.root.name}"


def _run(out: str, err: str, arguments: list[str]) -> None:
    """Be the command line: its three streams are files, its exit code the process's."""
    from node.cli import main

    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(out, flags, 0o600), 1)
    os.dup2(os.open(err, flags, 0o600), 2)
    main(arguments)
