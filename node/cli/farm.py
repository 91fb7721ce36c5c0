"""``tocsin farm``: find sites of SIM farms together, without saying who sees how many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from node.cli.batch import answer_in_order, prepare
from node.cli.connection import LONG_CALL_SECONDS, InsideDoor
from node.cli.document import describe
from node.cli.import_report import Tally
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say, table
from node.cli.table_file import MAX_LINE_BYTES, BadRow, Layout, Row, read_rows
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import farm_service_pb2 as wire

HOUR_SECONDS: Final = 3_600
_JSON_LINES: Final = (".jsonl", ".ndjson")
_LAYOUT: Final = Layout(
    mapping={"value": "site_bucket", "reference": "number"}, required=("value", "reference")
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin farm feed suspects.csv
  tocsin farm detect --hour 2026-01-31T22
  tocsin farm list
"""
)
def farm_command() -> None:
    """Find sites of SIM farms together, without saying who sees how many."""


@farm_command.command(
    epilog="""\b
FILES
  CSV with the columns number and site_bucket, or JSON lines with these two fields where the name
  ends in .jsonl. A site bucket is geohash-7:YYYY-MM-DDTHH:class, the hour in UTC, the class one of
  phone, module, gateway and unknown. Numbers and buckets stay in this node's private store.

\b
EXAMPLES
  tocsin farm feed suspects.csv
  tocsin farm feed suspects.jsonl --region CN --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--region", default="", metavar="CC", help="Country of numbers in national form, such as CN."
)
@strict_option
@json_option
@pass_home
def feed(home: Home, file: Path, region: str, strict: bool, as_json: bool) -> int:
    """Tell this node which own numbers were suspect at which site (carriers)."""

    def make(row: Row) -> wire.SuspectSim:
        bucket = desk_service_pb2.RawIndicator(
            kind="site_bucket", value=row.cells["value"], region=region
        )
        return wire.SuspectSim(bucket=bucket, number=row.cells["reference"])

    tally = Tally()
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.SuspectSim]) -> Any:
            return door.start(door.farm.FeedSites, wire.FeedSitesRequest(rows=items))

        for answer in answer_in_order(prepare(_rows(file), make), send):
            tally.take(answer)
    tally.write(as_json=as_json)
    if not as_json:
        say("Kept here: numbers and sites; sums get counts alone. Next: tocsin farm detect")
    return EXIT_FAILED if strict and tally.refused else 0


@farm_command.command(
    epilog="""\b
One private sum gives the totals of slots of sites, a second one the sites over the threshold of
20. Sites below it stay unknown, and who saw how many does, too. Needs at least three carriers.

\b
EXAMPLES
  tocsin farm detect
  tocsin farm detect --hour 2026-01-31T22 --json
"""
)
@click.option(
    "--hour", metavar="YYYY-MM-DDTHH", help="Hour in UTC; default: the last one that is over."
)
@click.option(
    "--seconds",
    type=click.IntRange(1, 240),
    default=60,
    show_default=True,
    help="How long carriers have for each sum.",
)
@json_option
@pass_home
def detect(home: Home, hour: str | None, seconds: int, as_json: bool) -> None:
    """Look at one hour with all carriers, and tell each site over the threshold, once."""
    window = Timestamp(seconds=_window(hour))
    request = wire.DetectSitesRequest(window_time=window, seconds=seconds)
    with InsideDoor(home) as door:
        answer = door.call(door.farm.DetectSites, request, LONG_CALL_SECONDS)
    found = describe(answer)
    if as_json:
        json_object(found)
        return
    for site in found["sites"]:
        data(f"{site['token']}  {site['total']} suspect SIMs at one site")
    if not found["sites"]:
        data(f"no site over the threshold, seen by {answer.contributors} carriers together")
    if answer.unresolved_count:
        say(f"{answer.unresolved_count} slots over the threshold could not be told apart")
    say("Next: tocsin farm list")


@farm_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin farm list
  tocsin farm list --json
""",
)
@json_option
@pass_home
def list_sites(home: Home, as_json: bool) -> None:
    """List the sites that were told, with the own numbers there."""
    with InsideDoor(home) as door:
        answer = door.call(door.farm.ListSites, wire.ListSitesRequest())
    found = [describe(one) for one in answer.sites]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (
            one["token"][:16],
            one["window_time"],
            one["total"],
            one["opener"],
            len(one["own_numbers"]),
            one["bucket"] or "-",
        )
        for one in found
    ]
    if rows:
        table(("site", "hour", "SIMs of all", "told by", "own SIMs", "bucket"), rows)
    else:
        say("no site was told. Next: tocsin farm detect")


def _window(hour: str | None) -> int:
    if hour is None:
        now = int(datetime.now(UTC).timestamp())
        return now - now % HOUR_SECONDS - HOUR_SECONDS
    try:
        return int(datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise RequestError(
            "the hour is not one in UTC",
            reason="TIME_INVALID",
            hint="write it as 2026-01-31T22",
        ) from error


def _rows(file: Path) -> Iterator[Row | BadRow]:
    if file.suffix.lower() not in _JSON_LINES:
        yield from read_rows(file, _LAYOUT)
        return
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES), b""), 1):
                if line.strip():
                    yield _json_row(number, line)
    except OSError as error:
        raise RequestError("the file cannot be read", reason="FILE_UNREADABLE") from error


def _json_row(number: int, line: bytes) -> Row | BadRow:
    try:
        found = json.loads(line)
        cells = {"value": str(found["site_bucket"]), "reference": str(found["number"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        return BadRow(number, "ROW_MALFORMED", "no object with the fields number and site_bucket")
    return Row(number, cells)
