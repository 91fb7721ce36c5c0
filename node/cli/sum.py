"""``tocsin sum``: add numbers up with others without showing one's own."""

from __future__ import annotations

import time
from typing import Final

import click

from federation.vocabulary import Purpose
from node.cli.connection import InsideDoor
from node.cli.digits import LEAST_BYTES, SHOWN_DIGITS, HexDigits
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Word
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import sum_service_pb2 as wire

POLL_SECONDS: Final = 0.5
_OVER: Final = ("DONE", "ABANDONED", "FAULTY")
_SUM_ID: Final = HexDigits(
    "id", LEAST_BYTES, None, "an id is at least 8 hexadecimal digits, an even number"
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin sum sources
  tocsin sum open kinds --wait 60
  tocsin sum list
  tocsin sum show 9f2c4b1a
"""
)
def sum_command() -> None:
    """Add numbers up with others without showing one's own."""


@sum_command.command(
    "open",
    epilog="""\b
Members that are named contribute by themselves, if their node has the source and nothing forbids
it. The sum goes on without this command; everybody in the federation can read the total.

\b
EXAMPLES
  tocsin sum open kinds
  tocsin sum open hits --seconds 60 --wait 90
  tocsin sum open kinds --with bank-x --with carrier-a --with net-p --json
""",
)
@click.argument("source")
@click.option(
    "--with",
    "contributors",
    multiple=True,
    metavar="MEMBER",
    help="Who may contribute; else every member that has customers.",
)
@click.option(
    "--least",
    type=click.IntRange(3),
    default=3,
    show_default=True,
    help="With fewer contributors nothing opens.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="How long members have to contribute.",
)
@click.option(
    "--purpose",
    type=Word(Purpose, "purpose"),
    default="operation",
    show_default=True,
    help="What the total is for.",
)
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=0,
    metavar="SECONDS",
    help="Wait for the total this long.",
)
@json_option
@pass_home
def open_sum(
    home: Home,
    source: str,
    contributors: tuple[str, ...],
    least: int,
    seconds: int,
    purpose: Purpose,
    wait: int,
    as_json: bool,
) -> int:
    """Open a sum over what every member counts by itself."""
    request = wire.OpenSumRequest(
        source=source.upper().replace("-", "_"),
        purpose=purpose.value,  # type: ignore[arg-type]  # the mirrored number
        contributors=contributors,
        least_contributors=least,
        seconds=seconds,
    )
    with InsideDoor(home) as door:
        sum_id = door.call(door.sum.OpenSum, request).sum_id
        answer = _wait(door, sum_id, wait)
    _write(answer, as_json=as_json)
    if not as_json and answer.status.state not in _OVER:
        say(f"Next: tocsin sum show {sum_id.hex()[:SHOWN_DIGITS]}")
    return EXIT_FAILED if wait and answer.status.state != "DONE" else 0


@sum_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin sum list
  tocsin sum list --json
""",
)
@json_option
@pass_home
def list_sums(home: Home, as_json: bool) -> None:
    """List the sums that stand in the logs, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.sum.ListSums, wire.ListSumsRequest())
    if as_json:
        for one in answer.sums:
            json_object(describe(one))
        return
    rows = [
        (
            one.sum_id.hex()[:SHOWN_DIGITS],
            one.opener,
            one.source.lower() or "-",
            one.state.lower() + (f" ({one.reason})" if one.reason else ""),
            f"{_contributed(one)} of {len(one.contributors)}",
            f"{sum(holder.answered for holder in one.holders)} of {len(one.holders)}",
            describe(one)["deadline_time"],
        )
        for one in answer.sums
    ]
    if rows:
        table(("sum", "opener", "source", "state", "contributed", "answered", "deadline"), rows)
    else:
        say("There are no sums. Next: tocsin sum open kinds")


@sum_command.command(
    epilog="""\b
EXAMPLES
  tocsin sum show 9f2c4b1a
  tocsin sum show 9f2c4b1a --wait 60 --json
"""
)
@click.argument("sum_id", metavar="ID", type=_SUM_ID)
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=0,
    metavar="SECONDS",
    help="Wait until the sum is over this long.",
)
@json_option
@pass_home
def show(home: Home, sum_id: bytes, wait: int, as_json: bool) -> int:
    """Show one sum: who contributed, who was left out and why, and the total."""
    with InsideDoor(home) as door:
        answer = _wait(door, sum_id, wait)
    _write(answer, as_json=as_json)
    return EXIT_FAILED if wait and answer.status.state != "DONE" else 0


@sum_command.command(
    epilog="""\b
EXAMPLES
  tocsin sum sources
  tocsin sum sources --json
"""
)
@json_option
@pass_home
def sources(home: Home, as_json: bool) -> None:
    """List what this member can count when a sum asks for it."""
    with InsideDoor(home) as door:
        answer = door.call(door.sum.ListSources, wire.ListSourcesRequest())
    found = [describe(one) for one in answer.sources]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (
            one["name"].lower(),
            one["label_count"],
            ", ".join(one["purposes"]).lower(),
            one["sentence"],
        )
        for one in found
    ]
    table(("source", "entries", "purposes", "what is counted"), rows)


def _wait(door: InsideDoor, sum_id: bytes, seconds: int) -> wire.GetSumResponse:
    until = time.monotonic() + seconds
    while True:
        answer = door.call(door.sum.GetSum, wire.GetSumRequest(sum_id=sum_id))
        if answer.status.state in _OVER or time.monotonic() >= until:
            return answer
        time.sleep(POLL_SECONDS)


def _contributed(status: wire.SumStatus) -> int:
    return sum(one.state not in ("SILENT", "EXCLUDED") for one in status.contributors)


def _write(answer: wire.GetSumResponse, *, as_json: bool) -> None:
    found = describe(answer)
    if as_json:
        json_object(found)
        return
    status = answer.status
    data(f"sum          {status.sum_id.hex()}")
    data(f"opener       {status.opener}")
    data(f"source       {status.source.lower() or '-'}")
    data(f"state        {status.state}{f' [{status.reason}]' if status.reason else ''}")
    data(f"deadline     {found['status']['deadline_time']}")
    for one in status.contributors:
        reason = f" ({one.reason})" if one.reason else ""
        by = f", by {', '.join(one.refused_by)}" if one.refused_by else ""
        data(f"contributor  {one.member}: {one.state.lower()}{reason}{by}")
    for holder in status.holders:
        done = "answered" if holder.answered else "checked" if holder.checked else "-"
        data(f"holder       {holder.member}: {done}")
    if status.blamed:
        data(f"at fault     {', '.join(status.blamed)}")
    if answer.entries:
        data()
        table(("entry", "total"), [_entry(one, answer.scale) for one in answer.entries])
        if not answer.checked:
            say("No more holders than needed have answered: a false answer would not show.")


def _entry(entry: wire.SumEntry, scale: int) -> tuple[str, str]:
    total = str(entry.units) if scale == 1 else f"{entry.units / scale:g}"
    return entry.name or entry.label.hex(), total
