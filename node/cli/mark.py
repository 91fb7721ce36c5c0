"""``tocsin mark``: count how customers mark numbers, and show what many members' customers say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import click

from federation.vocabulary import CorrectionReason, MarkLabel
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.import_report import Rows, send_rows, send_values
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say, table
from node.cli.table_file import Row
from node.cli.take_back import takes_back
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.cli.word import read_word
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2, sum_service_pb2
from tocsin.desk.v1 import report_service_pb2 as wire

POLL_SECONDS: Final = 0.5
_OVER: Final = ("DONE", "ABANDONED", "FAULTY")
_CLOSING: Final = (
    "Stored: pseudonyms, tokens and labels, in this node's private store.\n"
    "Not shared: anything yet; later a blurred count, added up with other members' unseen.\n"
    "Next: tocsin mark show NUMBER"
)
_CORRECTED: Final = (
    "Shared: that the marks of these tokens do not count any more.\nNot shared: the numbers."
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin mark add --file marks.csv
  tocsin mark show +8613000000000
  tocsin mark correct phone +8613000000000
"""
)
def mark_command() -> None:
    """Count how customers mark numbers; shown is what many of them say, at several members."""


@mark_command.command(
    epilog=f"""{FILE_HELP}\
  Further columns: label, customer (required), region. A customer marks a number once; the last
  label counts.

\b
EXAMPLES
  tocsin mark add phone +8613000000000 --label harassment --customer line-4711
  tocsin mark add --file marks.csv --kind phone --map value=number,customer=line
"""
)
@takes_values
@click.option("--label", default="", help="As what, for example harassment.")
@click.option("--customer", default="", help="Which customer; never leaves this node.")
@strict_option
@json_option
@pass_home
def add(home: Home, source: Source, strict: bool, as_json: bool, **texts: str) -> int:
    """Count how own customers mark numbers."""
    rows = Rows(source, _mark_row, texts, strict=strict)
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.MarkRow]) -> Any:
            return door.start(door.report.AddMarks, wire.AddMarksRequest(rows=items))

        return send_rows(rows, send, as_json=as_json, closing=_CLOSING)


@mark_command.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin mark correct phone +8613000000000
  tocsin mark correct --file wrong.csv --reason over
"""
)
@takes_back(CorrectionReason)
def correct(
    home: Home, source: Source, reason: CorrectionReason, strict: bool, as_json: bool
) -> int:
    """Take every mark of numbers back, in the whole federation (carriers, coordinator)."""
    number: Any = reason.value  # the mirrored number

    def start(door: InsideDoor, items: Sequence[desk_service_pb2.RawIndicator]) -> Any:
        request = wire.CorrectMarksRequest(values=items, reason=number)
        return door.start(door.report.CorrectMarks, request)

    return send_values(home, source, start, strict=strict, as_json=as_json, closing=_CORRECTED)


@mark_command.command(
    epilog="""\b
The node shares marks by itself, once a day and number; this does it now. Members contribute
blurred counts, 5 at most for a label; nobody sees whose is which, and key holders leave out who
adds more. Labels that reach the least number of customers, 10, are shown. Two members that lie
together can still make a mark, and one can keep a label from being shown (SECURITY.md).

\b
EXAMPLES
  tocsin mark share +8613000000000
  tocsin mark share +8613000000000 --wait 60 --json
"""
)
@click.argument("number")
@click.option("--region", default="", metavar="CC", help="Country of a number in national form.")
@click.option("--seconds", type=click.IntRange(1), default=600, help="How long members have.")
@click.option("--wait", type=click.IntRange(0), default=0, metavar="SECONDS", help="For the total.")
@json_option
@pass_home
def share(home: Home, number: str, region: str, seconds: int, wait: int, as_json: bool) -> int:
    """Add up how customers of all members mark a number."""
    with InsideDoor(home) as door:
        request = wire.ShareMarksRequest(value=_number(number, region), seconds=seconds)
        sum_id = door.call(door.report.ShareMarks, request).sum_id
        state = _wait(door, sum_id, wait)
    if as_json:
        json_object({"sum_id": sum_id.hex(), "state": state})
    else:
        data(f"sum    {sum_id.hex()}")
        data(f"state  {state}")
        say("Next: tocsin mark show NUMBER")
    return EXIT_FAILED if wait and state != "DONE" else 0


@mark_command.command(
    epilog="""\b
EXAMPLES
  tocsin mark show +8613000000000
  tocsin mark show +8613000000000 --json
"""
)
@click.argument("number")
@click.option("--region", default="", metavar="CC", help="Country of a number in national form.")
@json_option
@pass_home
def show(home: Home, number: str, region: str, as_json: bool) -> None:
    """Show how a number is marked: in the federation in bands, by own customers in numbers."""
    with InsideDoor(home) as door:
        request = wire.ShowMarksRequest(value=_number(number, region))
        answer = door.call(door.report.ShowMarks, request)
    found = describe(answer)
    if as_json:
        json_object(found)
        return
    rows = [
        (
            one["label"].lower(),
            one["reporters"].lower(),
            f"{one['freshness']:.0%}",
            one["counted_time"],
            one["member"],
        )
        for one in found["marks"]
    ]
    if rows:
        table(("label", "customers", "fresh", "counted", "said by"), rows)
    else:
        say("No mark of this number reaches the least number of customers.")
    for one in found["own"]:
        data(f"own customers: {one['count']} {one['label'].lower()}")
    if found["since_time"]:
        data(f"marks count since {found['since_time']}")


def _wait(door: InsideDoor, sum_id: bytes, seconds: int) -> str:
    until = time.monotonic() + seconds
    request = sum_service_pb2.GetSumRequest(sum_id=sum_id)
    while True:
        state = door.call(door.sum.GetSum, request).status.state
        if state in _OVER or time.monotonic() >= until:
            return state
        time.sleep(POLL_SECONDS)


def _number(number: str, region: str) -> desk_service_pb2.RawIndicator:
    return desk_service_pb2.RawIndicator(kind="phone", value=number, region=region)


def _mark_row(row: Row) -> wire.MarkRow:
    """Turn a row into a mark.

    Raises:
        RequestError: A cell is missing or wrong; the message does not repeat it.
    """
    return wire.MarkRow(
        indicator=raw_indicator(row),
        label=read_word(MarkLabel, row.cells["label"], "label").value,  # type: ignore[arg-type]  # the mirrored number
        customer=row.cells["customer"],
    )
