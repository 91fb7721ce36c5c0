"""Show Night Harbour: to people act by act in 100 columns, to programs as one object."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from node.demo.doors import Check
from node.demo.night_harbour.acts import Act
from node.demo.night_harbour.cast import CUSTOMERS, NODES, SHARE
from node.demo.night_harbour.telling import NAME, SYNTHETIC, Played, Told
from node.demo.report import traffic_lines

_STAGE_COLOURS = {"S1": "yellow", "S2": "magenta", "S3": "red", "S4": "green"}
_THREATS = frozenset(
    {
        "act-10-walk-stopped-at-quota",
        "act-11-update-times-minus-ten-clipped-out",
        "act-16-edit-found-at-its-index",
    }
)
"""Checks whose findings the threat panel repeats."""
_BAR_CHARACTERS = 40
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
    """Return the screens at the end: the case's timeline, what left, threats, and the verdict."""
    yield ""
    yield _banner()
    yield from _timeline(told)
    yield from _gains(told)
    if "end.traffic" in told.facts:
        yield from traffic_lines(told.facts["end.traffic"])
        yield ""
    if "end.findings" in told.facts:
        yield _title(f"raw identifiers found: {len(told.facts['end.findings'])}")
        yield ""
        yield from _threats(told)
    yield from _seconds(told)
    failed = [check.name for check in told.checks if not check.passed]
    verdict = f"{len(told.checks)} checks, "
    verdict += f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed"
    colour = "red" if failed else "green"
    yield _banner()
    yield click.style(f"{verdict}; {told.seconds:.0f} seconds", fg=colour, bold=True)


def _timeline(told: Told) -> Iterator[str]:
    """Return the case from its first sign on: a line a moment, coloured by stage."""
    if not told.timeline:
        return
    yield _title("THE CASE, BY STAGE AND MEMBER")
    hours = max(len(one.hour) for one in told.timeline)
    lanes = max(len(one.member) for one in told.timeline)
    for one in told.timeline:
        stage = click.style(one.stage, fg=_STAGE_COLOURS.get(one.stage), bold=True)
        yield f"  {one.hour:<{hours}}  {stage}  {one.member:<{lanes}}  {one.text}"
    yield ""


def _gains(told: Told) -> Iterator[str]:
    """Return what training together gained each member, as bars from chance to certainty."""
    gains = told.facts.get("act2.gains")
    if not gains:
        return
    yield _title("PR-AUC ON ROWS THAT NOBODY TRAINED WITH: ALONE, TOGETHER, ALL IN ONE POT")
    for group, members in gains.items():
        for member, found in members.items():
            bar = "█" * round(found["federated"] * _BAR_CHARACTERS)
            scores = "  ".join(f"{found[name]:.3f}" for name in ("local", "federated", "pooled"))
            yield f"  {group:<10}  {member:<{_WHO_COLUMNS}}  {scores}  {bar}"
    yield ""


def _threats(told: Told) -> Iterator[str]:
    yield _title("THREATS, AND WHAT WAS SEEN OF THEM")
    for kind, members in sorted(told.facts["end.alarms"].items()):
        yield f"  alarm {kind}: {', '.join(members)}"
    for check in told.checks:
        if check.name in _THREATS:
            yield from textwrap.wrap(
                check.detail, _WIDTH, initial_indent="  ", subsequent_indent="    "
            )
    yield (
        f"  {told.facts['end.statements']:,} statements about {told.facts['end.tokens']:,} tokens"
        f" in the logs; catalogue root {told.facts['end.root'][:32]}"
    )
    yield ""


def _seconds(told: Told) -> Iterator[str]:
    yield _title("SECONDS")
    yield from textwrap.wrap(
        "  ".join(f"{played.act.name} {played.seconds:.1f}" for played in told.acts),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
    )


def _title(text: str) -> str:
    return click.style(text, bold=True)


def document(told: Told) -> dict[str, Any]:
    """Return the report for programs."""
    findings = told.facts.get("end.findings")
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
        "timeline": [asdict(one) for one in told.timeline],
        "bytes_sent": told.facts.get("end.traffic"),
        "raw_identifiers_found": len(findings) if findings is not None else None,
        "alarms": told.facts.get("end.alarms"),
        "catalogue_root": told.facts.get("end.root"),
        "skipped": {played.act.name: played.skipped for played in told.acts if played.skipped},
        "timings": {played.act.name: played.seconds for played in told.acts}
        | {"total": told.seconds},
    }


def _check_lines(check: Check) -> Iterator[str]:
    mark = click.style("passed", fg="green") if check.passed else click.style("FAILED", fg="red")
    yield f"  {mark}  {check.name}"
    yield from (" " * _DETAIL_COLUMN + line for line in textwrap.wrap(check.detail, _WIDTH))


def _check(check: Check) -> dict[str, Any]:
    return {"name": check.name, "passed": bool(check.passed), "detail": check.detail}  # numpy, too


def _banner() -> str:
    return click.style(SYNTHETIC, fg="yellow")
