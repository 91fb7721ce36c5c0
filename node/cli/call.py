"""``tocsin call``: what carriers see of calls, and what a bank asks before a payment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from federation.vocabulary import Purpose
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.warn import read_number
from node.cli.word import Word, read_time
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from tocsin.desk.v1 import call_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2 as desk_wire

BATCH: Final = 1_000
"""Calls in one request, as the desk takes them."""
LINE_CHARACTERS: Final = 4_096
"""Characters of a line: two numbers and two times have a twentieth of it."""

_KNOWN: Final = frozenset({"subscriber", "other", "began", "ended", "new"})


@click.group(
    epilog="""\b
EXAMPLES
  tocsin call feed --file calls.jsonl
  tocsin call context +8613000000000
"""
)
def call_command() -> None:
    """Ask carriers about a payer's calls before a payment."""


@call_command.command(
    epilog="""\b
FILES
  JSON lines: subscriber and other are telephone numbers, began and ended ISO 8601 times, ended
  is left out while the call goes on, new is true where the two never spoke before. An empty file
  says that the network is watched; without a word for 15 minutes a carrier answers UNKNOWN.
  Calls stay in this node's private store until two hours after their end.

\b
EXAMPLES
  tocsin call feed --file calls.jsonl
  my-network-probe | tocsin call feed
""",
)
@click.option(
    "--file",
    "lines",
    type=click.File("r", encoding="utf-8"),
    default="-",
    help="Default: standard input.",
)
@click.option("--region", default="", metavar="CC", help="Country of numbers in national form.")
@json_option
@pass_home
def feed(home: Home, lines: IO[str], region: str, as_json: bool) -> int:
    """Take calls of own customers from the network (carriers)."""
    counts = {"added": 0, "unchanged": 0, "refused": 0}
    reader = _read_calls(lines, region)
    with InsideDoor(home) as door:
        first = True
        while (batch := list(islice(reader, BATCH))) or first:
            first = False
            calls = [call for _line, call, _why in batch if call is not None]
            answer = door.call(door.calls.FeedCalls, wire.FeedCallsRequest(calls=calls))
            results = iter(answer.results)
            for line, call, why in batch:
                _count(counts, line, next(results) if call is not None else None, why)
    if as_json:
        json_object(counts)
    else:
        data(", ".join(f"{count} {what}" for what, count in counts.items()))
    return EXIT_FAILED if counts["refused"] else 0


@call_command.command(
    epilog="""\b
The carriers learn the token of the number and that a payment waits; not who pays whom or how much.
The answer says whether the payer is in a risky call, and neither with whom nor at which carrier.
A number given as an argument can be seen by other users of this machine: give - to read it from
standard input.

\b
EXAMPLES
  tocsin call context +8613000000000
  tocsin call context - --json < number.txt
  tocsin call context +8613000000000 --carrier carrier-a
"""
)
@click.argument("number")
@click.option(
    "--carrier", "carriers", multiple=True, metavar="NAME", help="Ask only this one; default: all."
)
@click.option(
    "--purpose",
    type=Word(Purpose, "purpose"),
    default="payment_hold",
    show_default=True,
    help="Carriers answer no other.",
)
@click.option("--region", default="", metavar="CC", help="Country of a number in national form.")
@json_option
@pass_home
def context(
    home: Home,
    number: str,
    carriers: tuple[str, ...],
    purpose: Purpose,
    region: str,
    as_json: bool,
) -> None:
    """Ask whether a payer is in a risky call (banks)."""
    request = wire.GetContextRequest(
        value=desk_wire.RawIndicator(kind="phone", value=read_number(number), region=region),
        purpose=purpose.value,  # type: ignore[arg-type]  # the mirrored number
        carriers=carriers,
    )
    with InsideDoor(home) as door:
        found = describe(door.call(door.calls.GetContext, request))
    if as_json:
        json_object(found)
        return
    data(f"context  {found['call_context'].lower()}")
    data(f"advice   {found['advice'].lower()}")
    data(f"until    {found['expires_time']}")
    say(f"{found['answered']} of {found['asked']} carriers see calls now.")


_Read = tuple[int, wire.Call | None, str]
"""Number of a line, its call, or why there is none."""


def _read_calls(lines: IO[str], region: str) -> Iterator[_Read]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, _call(line, region), ""
        except RequestError as error:
            yield number, None, f"{error} [{error.reason}]"


def _call(line: str, region: str) -> wire.Call:
    """Read one line; no message repeats any of it."""
    try:
        found = json.loads(line) if len(line) <= LINE_CHARACTERS else None
    except (ValueError, RecursionError) as error:
        raise RequestError("the line is no JSON", reason="LINE_INVALID") from error
    if not isinstance(found, dict) or not found.keys() <= _KNOWN:
        raise RequestError(f"a line has {', '.join(sorted(_KNOWN))}", reason="LINE_INVALID")
    ended = found.get("ended")
    return wire.Call(
        subscriber=_text(found, "subscriber"),
        other=_text(found, "other"),
        began_time=Timestamp(seconds=read_time(_text(found, "began"), "began")),
        ended_time=Timestamp(seconds=read_time(_text(found, "ended"), "ended")) if ended else None,
        first_contact=found.get("new") is True,
        region=region,
    )


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise RequestError(f"{name} is missing", reason="LINE_INVALID")
    return value


def _count(counts: dict[str, int], line: int, result: desk_wire.RowResult | None, why: str) -> None:
    outcome = desk_wire.ROW_OUTCOME_REFUSED if result is None else result.outcome
    if outcome == desk_wire.ROW_OUTCOME_REFUSED:
        counts["refused"] += 1
        reason = why if result is None else f"{result.error.message} [{result.error.reason}]"
        say(f"line {line}: {reason}")
    else:
        counts["added" if outcome == desk_wire.ROW_OUTCOME_ADDED else "unchanged"] += 1
