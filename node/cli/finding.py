"""Say what a check found: one line for each, with a hint where it failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import click

from federation.errors import FederationError
from keys.errors import KeysError
from node.cli.output import data, json_object
from node.errors import NodeError

Outcome = Literal["passed", "failed", "skipped"]
_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was checked.
        outcome: Passed, failed, or skipped because it could not be made.
        message: One sentence, or empty.
        reason: Stable reason code of a failure, or empty.
        hint: What to do about it, or empty.
    """

    check: str
    outcome: Outcome
    message: str = ""
    reason: str = ""
    hint: str = ""

    @property
    def is_failure(self) -> bool:
        """Say whether somebody has to act."""
        return self.outcome == "failed"


class SkippedError(Exception):
    """A check cannot be made here, for a reason that is no failure."""


def find(check: str, make: Callable[[], str]) -> Finding:
    """Make one check.

    Args:
        check: What is checked.
        make: Returns a sentence, raises one of our errors, or SkippedError.
    """
    try:
        return Finding(check, "passed", make())
    except SkippedError as why:
        return Finding(check, "skipped", str(why))
    except (NodeError, FederationError, KeysError) as error:
        return Finding(check, "failed", str(error), error.reason, error.hint or "")


def write_finding(finding: Finding, *, as_json: bool) -> None:
    """Write one finding as data."""
    if as_json:
        json_object(asdict(finding))
        return
    mark = click.style(f"{finding.outcome:<7}", fg=_COLOURS[finding.outcome])
    reason = f" [{finding.reason}]" if finding.reason else ""
    data(f"{mark}  {finding.check}: {finding.message}{reason}".rstrip(": "))
    if finding.hint:
        data(f"         hint: {finding.hint}")
