"""``tocsin report annual``: a member's year as the logs tell it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from federation.annual import Format
from node.cli.connection import InsideDoor
from node.cli.option import pass_home
from node.cli.output import say
from node.cli.word import Moment
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import sheet_service_pb2 as wire


@click.command(
    epilog="""\b
The heads are those of article 35 of the telecommunications licensing rules. Each number is the
number of statements that count for it, and they are listed: log, index, id. What comes from a
private sum names the sum. The same logs give the same bytes, on every node and later, too: nothing
of this node's clock, private tables or order of arrival is in the report. A log that its member cut
with a statement dated ahead, and others raised the alarm DATED_AHEAD about, is named with the place
and the time. Make it before the logs are compacted (tocsin log compact), or at a member that has
not done so.

\b
EXAMPLES
  tocsin report annual --year 2026 --output report-2026.md
  tocsin report annual --year 2026 --member carrier-a --format json
  tocsin report annual --year 2026 --at 2026-06-30T23:59:59Z --format html --output half.html
"""
)
@click.option("--year", type=click.IntRange(2000, 9998), required=True, help="In UTC.")
@click.option("--member", default="", metavar="NAME", help="Whose year; default: this member's.")
@click.option(
    "--at", type=Moment(), default=None, help="As known at this time; default: the year's end."
)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.MARKDOWN.value,
    show_default=True,
    help="What it is written as.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it to this file.",
)
@pass_home
def annual_command(
    home: Home, year: int, member: str, at: int | None, form: str, output: Path | None
) -> None:
    """Report a member's year from the logs, the same bytes on every node."""
    request = wire.MakeAnnualReportRequest(year=year, member=member, format=form)
    if at is not None:
        request.at_time.FromSeconds(at)
    with InsideDoor(home) as door:
        answers = list(door.stream(door.sheet.MakeAnnualReport, request))
    _write(b"".join(answer.piece for answer in answers), output)
    open_members = sorted(_open_members(answers))
    if open_members:
        say(f"Nothing later stands here in the logs of: {', '.join(open_members)}.")
        say("What they said up to then may still be under way. Next: tocsin log sync")


def _open_members(answers: list[wire.MakeAnnualReportResponse]) -> Iterator[str]:
    for answer in answers:
        yield from answer.open_members


def _write(document: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(document)
    except OSError as error:
        raise RequestError("the file cannot be written", reason="FILE_UNWRITABLE") from error
