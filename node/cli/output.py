"""Write for people and programs: data to stdout, talk to stderr, progress only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click


def data(line: str = "") -> None:
    """Write a line of data."""
    click.echo(line)


def json_object(value: Mapping[str, Any]) -> None:
    """Write one object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def say(line: str) -> None:
    """Tell a person something that is no data."""
    click.echo(line, err=True)


def complain(message: str, hint: str | None) -> None:
    """Tell a person what went wrong and what to do about it."""
    click.echo(f"tocsin: {click.style('error', fg='red')}: {message}", err=True)
    if hint:
        click.echo(f"tocsin: {click.style('hint', fg='cyan')}: {hint}", err=True)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write an aligned table as data."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for place, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        data(click.style(line.rstrip(), bold=True) if place == 0 else line.rstrip())


class Progress:
    """A bar on stderr for work of more than a second; silent where stderr is no terminal.

    Args:
        label: What is done.
        length: How many steps there are.
        in_percent: Show no steps, which say nothing to a person where they are bytes.
    """

    def __init__(self, label: str, length: int | None, *, in_percent: bool = False) -> None:
        self._bar = click.progressbar(
            length=length or 1,
            label=label,
            file=sys.stderr,
            show_pos=not in_percent,
            show_percent=in_percent,
            hidden=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Progress:
        self._bar.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.__exit__(None, None, None)

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        self._bar.update(steps)
