"""Options and arguments that many commands share."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from node.home import Home

_Command = TypeVar("_Command", bound=Callable[..., Any])


class KindName(click.ParamType[str]):
    """A kind of indicator by its name, looked at before a file is sent row by row."""

    name = "kind"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name as it was given; it is never repeated, it could be a value."""
        # Tables of every kind are loaded where one is named, not for each --help.
        from federation.indicators import IndicatorError, Kind, kind_by_name, kind_name

        if not value:
            return value
        try:
            kind_by_name(value)
        except IndicatorError:
            names = [kind_name(kind) for kind in Kind]
            near = difflib.get_close_matches(value.lower(), names, n=1)
            listed = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(names)}"
            self.fail(f"no such kind of indicator, {listed}", param, ctx)
        return value


def pass_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the home directory of ``--home``, as its first argument."""

    @click.pass_obj
    @functools.wraps(command)
    def with_home(root: Path, /, *arguments: Any, **options: Any) -> Any:
        return command(Home(root), *arguments, **options)

    return with_home


def json_option(command: _Command) -> _Command:
    """Give a command the option --json, as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON for programs.")(command)


def strict_option(command: _Command) -> _Command:
    """Give a command the option --strict."""
    text = "Fail if a row of the file was refused."
    return click.option("--strict", is_flag=True, help=text)(command)


def passphrase_options(command: _Command) -> _Command:
    """Give a command the ways to hand in a passphrase, for ``read_passphrase``."""
    from_file = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the passphrase from this file of mode 0600.",
    )
    from_descriptor = click.option(
        "--passphrase-descriptor",
        type=click.IntRange(0),
        metavar="N",
        help="Read the passphrase from this open descriptor.",
    )
    return from_file(from_descriptor(command))
