"""What the commands have in common that take something back about values, for a reason."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import click

from node.cli.option import json_option, pass_home, strict_option
from node.cli.values import takes_values
from node.cli.word import Word

_Command = Callable[..., Any]


def takes_back(reasons: type[enum.IntEnum]) -> Callable[[_Command], _Command]:
    """Give a command values, --reason, --strict, --json and the home directory."""
    why = click.option(
        "--reason",
        type=Word(reasons, "reason"),
        default="mistaken",
        show_default=True,
        help="Why.",
    )

    def give(command: _Command) -> _Command:
        given: _Command = takes_values(why(strict_option(json_option(pass_home(command)))))
        return given

    return give
