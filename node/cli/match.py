"""``tocsin match``: find own accounts behind another member's high-risk numbers, and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from node.cli.connection import LONG_CALL_SECONDS, InsideDoor
from node.cli.document import describe
from node.cli.option import KindName, json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.table_file import BadRow, Layout, Row, parse_mapping, read_rows
from node.cli.values import raw_indicator
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import match_service_pb2 as wire

LEAST_TOLD: Final = 5
"""Hits below which whoever offers learns none, as in node.duties.match_asking."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _takes_file(command: _Command) -> _Command:
    """Give a command the file of its values, as ``rows``."""
    options = (
        click.argument("file", type=click.Path(path_type=Path, allow_dash=True)),
        click.option(
            "--map",
            "mapping",
            default="",
            metavar="NAME=COLUMN,...",
            help="Names of the file's columns.",
        ),
        click.option(
            "--kind",
            type=KindName(),
            default="phone",
            show_default=True,
            metavar="KIND",
            help="Kind of the values.",
        ),
        click.option(
            "--region",
            default="",
            metavar="CC",
            help="Country of telephone numbers in national form, such as CN.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(
    epilog="""\b
EXAMPLES
  tocsin match offer high-risk.csv --with net-p --with net-q
  tocsin match run registered.csv --with carrier-a
  tocsin match list
"""
)
def match_command() -> None:
    """Find own accounts behind another member's high-risk numbers, and no others."""


@match_command.command(
    epilog="""\b
The numbers stay in this node's private store. The firms named learn which of them are registered
with them, and nothing of the others; you learn how many, where they are at least 5. A new offer
to a firm replaces the one before, and an empty file withdraws it.

\b
FILES
  CSV with a header, column value (others by --map), or, where the name ends in .txt, one a line;
  at most 1,000,000.

\b
EXAMPLES
  tocsin match offer high-risk.csv --with net-p
  tocsin match offer high-risk.txt --with net-p --days 3 --json
"""
)
@_takes_file
@click.option(
    "--with", "members", multiple=True, required=True, metavar="MEMBER", help="Internet firm."
)
@click.option(
    "--days",
    type=click.IntRange(1, 31),
    default=7,
    show_default=True,
    help="How long the offer stands.",
)
@json_option
@pass_home
def offer(
    home: Home,
    file: Path,
    mapping: str,
    kind: str,
    region: str,
    members: tuple[str, ...],
    days: int,
    as_json: bool,
) -> int:
    """Offer high-risk own numbers to internet firms (carriers)."""
    rows, bad = _read(file, mapping, kind, region)
    request = wire.OfferValuesRequest(
        values=[raw_indicator(row) for row in rows], members=members, days=days
    )
    with InsideDoor(home) as door:
        answer = door.call(door.match.OfferValues, request, LONG_CALL_SECONDS)
    refused = bad + _complain(rows, answer.refused)
    if as_json:
        json_object({"offered": answer.offered_count, "refused": refused, "with": list(members)})
    else:
        data(f"offered {answer.offered_count}, refused {refused}")
        say("Nothing left this node. Next, there: tocsin match run FILE --with YOU")
    return EXIT_FAILED if refused and not answer.offered_count else 0


@match_command.command(
    epilog="""\b
The carrier learns how many of your numbers it offers, where they are at least 5, and how many
you have, up to half as many again, or a sixteenth from 8,192 on. The hits are yours to verify
again; the others stay unknown.

\b
FILES
  CSV with a header, columns value and perhaps reference (others by --map), or, where the name ends
  in .txt, one value a line; at most 65,536.

\b
EXAMPLES
  tocsin match run registered.csv --with carrier-a --map value=number,reference=account
  tocsin match run registered.txt --with carrier-a --json
"""
)
@_takes_file
@click.option("--with", "member", required=True, metavar="CARRIER", help="Who offers numbers.")
@json_option
@pass_home
def run(
    home: Home, file: Path, mapping: str, kind: str, region: str, member: str, as_json: bool
) -> int:
    """Find which own registered numbers a carrier offers as high-risk (internet firms)."""
    rows, bad = _read(file, mapping, kind, region)
    request = wire.RunMatchRequest(member=member, values=[raw_indicator(row) for row in rows])
    with InsideDoor(home) as door:
        answer = door.call(door.match.RunMatch, request, LONG_CALL_SECONDS)
    refused = bad + _complain(rows, answer.refused)
    hits = [rows[place].cells for place in answer.hits]
    if as_json:
        json_object(
            {
                "session_id": answer.session_id.hex(),
                "with": member,
                "own": answer.own_count,
                "offered_elements": answer.offered_elements,
                "refused": refused,
                "found": len(hits),
                "hits": [{"value": one["value"], "reference": one["reference"]} for one in hits],
            }
        )
        return 0
    for one in hits:
        data(f"{one['value']}  {one['reference']}".rstrip())
    say(f"{len(hits)} of {answer.own_count} own numbers are offered by {member}")
    say("Next: verify these accounts again; tocsin match list")
    return 0


@match_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin match list
  tocsin match list --json

In JSON found_count is null where it was not told: to whoever offers, fewer than 5.
""",
)
@json_option
@pass_home
def list_matches(home: Home, as_json: bool) -> None:
    """List the matches that this node took part in, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.match.ListMatches, wire.ListMatchesRequest())
    if as_json:
        for one in answer.matches:
            document = describe(one)
            # A program must not take for none what is only not told.
            document["found_count"] = one.found_count if _is_told(one) else None
            json_object(document)
        return
    rows = [
        (
            one.session_id.hex()[:16],
            one.member,
            "offered" if one.offered else "looked for",
            describe(one)["end_time"],
            one.own_count,
            f"up to {one.other_elements}",
            _found(one),
        )
        for one in answer.matches
    ]
    if not rows:
        say("There were no matches. Next: tocsin match offer or tocsin match run")
        return
    table(("match", "with", "own part", "ended", "own", "theirs", "found"), rows)
    if silent := Counter(one.member for one in answer.matches if one.uncounted):
        who = ", ".join(f"{member} ({count})" for member, count in sorted(silent.items()))
        say(f"Matches whose number was never told: {who}. Where it goes on, offer nothing more.")


def _found(match: wire.MatchRecord) -> str:
    if match.uncounted:
        return "not told"
    return str(match.found_count) if _is_told(match) else f"fewer than {LEAST_TOLD}"


def _is_told(match: wire.MatchRecord) -> bool:
    return not match.uncounted and (not match.offered or match.found_count > 0)


def _read(file: Path, mapping: str, kind: str, region: str) -> tuple[list[Row], int]:
    """Read the rows, and say of bad ones why; return the good ones and how many were bad."""
    layout = Layout(parse_mapping(mapping), {"kind": kind, "region": region}, ("value",))
    rows: list[Row] = []
    bad = 0
    for row in read_rows(file, layout):
        if isinstance(row, BadRow):
            bad += 1
            say(f"line {row.line}: {row.reason} {row.message}")
        else:
            rows.append(row)
    return rows, bad


def _complain(rows: Sequence[Row], refused: Sequence[wire.RefusedRow]) -> int:
    for one in refused:
        say(f"line {rows[one.place].line}: {one.error.reason} {one.error.message}")
    return len(refused)
