"""Show Night Harbour: to people act by act in 100 columns, to programs as one object."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import click

from node.demo.doors import Check
from node.demo.night_harbour.acts import Act
from node.demo.night_harbour.cast import CUSTOMERS, NODES, SHARE
from node.demo.night_harbour.telling import NAME, SYNTHETIC, Played, Told

_WHO_COLUMNS = 14
_DETAIL_COLUMN = 10
_WIDTH = 100 - _DETAIL_COLUMN


def opening() -> Iterator[str]:
    """Return what a person reads before the first act."""
    yield _banner()
    yield f"{NAME}: {len(NODES)} nodes, each its own process: nine members and the police's key."
    yield (
        f"{sum(CUSTOMERS.values()):,} synthetic customers, one in {SHARE} of the domain"
        " reference's; fourteen days in minutes."
    )


def begin_lines(act: Act, clock: str) -> Iterator[str]:
    """Return the head of an act's screen."""
    yield ""
    yield _banner()
    yield click.style(f"ACT {act.number}  {act.clock or 'then'} ({clock})  {act.title}", bold=True)


def end_lines(played: Played) -> Iterator[str]:
    """Return what each role saw, and what was checked."""
    if played.skipped:
        yield from begin_lines(played.act, played.clock)
        yield f"  {click.style('skipped', fg='yellow')}  {played.skipped}"
        return
    for who, text in played.seen:
        yield f"  {click.style(f'{who:<{_WHO_COLUMNS}}', fg='cyan')} {text}"
    for check in played.checks:
        yield from _check_lines(check)
    yield f"  {played.seconds:.1f} seconds"


def final_lines(told: Told) -> Iterator[str]:
    """Return the verdict."""
    failed = [check.name for check in told.checks if not check.passed]
    verdict = f"{len(told.checks)} checks, "
    verdict += f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed"
    yield ""
    yield _banner()
    colour = "red" if failed else "green"
    yield click.style(f"{verdict}; {told.seconds:.0f} seconds", fg=colour, bold=True)


def document(told: Told) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "story": "night-harbour",
        "synthetic": SYNTHETIC,
        "passed": told.passed,
        "checks": [_check(check) for check in told.checks],
        "acts": [
            {
                "act": played.act.number,
                "clock": played.clock,
                "title": played.act.title,
                "seen": [{"who": who, "text": text} for who, text in played.seen],
                "seconds": played.seconds,
            }
            for played in told.acts
        ],
        "skipped": {played.act.name: played.skipped for played in told.acts if played.skipped},
        "timings": {played.act.name: played.seconds for played in told.acts}
        | {"total": told.seconds},
    }


def _check_lines(check: Check) -> Iterator[str]:
    mark = click.style("passed", fg="green") if check.passed else click.style("FAILED", fg="red")
    yield f"  {mark}  {check.name}"
    yield from (" " * _DETAIL_COLUMN + line for line in textwrap.wrap(check.detail, _WIDTH))


def _check(check: Check) -> dict[str, Any]:
    return {"name": check.name, "passed": check.passed, "detail": check.detail}


def _banner() -> str:
    return click.style(SYNTHETIC, fg="yellow")
