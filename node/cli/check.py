"""``tocsin check``: what does the federation know about these values?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from federation.vocabulary import Purpose
from node.cli.batch import CHECK_ROWS, Answer, answer_in_order, prepare
from node.cli.connection import InsideDoor
from node.cli.document import enum_name, optional_time
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say
from node.cli.table_file import BadRow
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.cli.word import read_purpose
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire
from tocsin.v1 import vocabulary_pb2

EPILOG = f"""{FILE_HELP}
\b
EXAMPLES
  tocsin check domain example.com
  tocsin check phone 13000000000 --region CN --json
  tocsin check --file values.csv.gz --json > answers.jsonl
  tocsin check --file domains.txt --kind domain
"""

_BAND = vocabulary_pb2.DESCRIPTOR.enum_types_by_name["Band"]
_LAYOUT = "{:<16}  {:<9}  {:>7}  {:<20}  {:<28}  {}"
_HEADER = _LAYOUT.format("kind", "band", "sources", "expires", "codes", "value")


@click.command(epilog=EPILOG)
@takes_values
@click.option("--purpose", default="check", show_default=True, help="check, watch or verification.")
@strict_option
@json_option
@pass_home
def check_command(home: Home, source: Source, purpose: str, strict: bool, as_json: bool) -> int:
    """Ask what the federation knows about values."""
    why = read_purpose(purpose)
    refused = 0
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.RawIndicator]) -> Any:
            return door.start(door.desk.Check, _request(items, why))

        label = None if sys.stdout.isatty() else "Checking"
        entries = prepare(source.rows(progress=label), raw_indicator)
        for place, answer in enumerate(answer_in_order(entries, send, CHECK_ROWS)):
            if place == 0 and not as_json:
                data(click.style(_HEADER, bold=True))
            refused += _write(answer, as_json=as_json)
    if refused:
        say(f"rows that could not be checked: {refused}")
    return EXIT_FAILED if refused and (strict or not source.is_file) else 0


def _request(items: Sequence[wire.RawIndicator], purpose: Purpose) -> wire.CheckRequest:
    return wire.CheckRequest(values=items, purpose=purpose.value)  # type: ignore[arg-type]  # the mirrored number


def _write(answer: Answer, *, as_json: bool) -> bool:
    """Write one answer; tell whether it is a refusal."""
    document = answer_document(answer)
    error = document["error"]
    if error is not None and answer.row.line:
        say(f"line {answer.row.line}: {error['reason']} {error['message']}")
    if as_json:
        json_object(document)
    elif error is None:
        data(_line(document))
    elif not answer.row.line:
        raise RequestError(error["message"], reason=error["reason"])
    return error is not None


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return one answer as it is written for programs; every key is always there."""
    row, result = answer.row, answer.result
    cells = {} if isinstance(row, BadRow) else row.cells
    document: dict[str, Any] = {
        "line": row.line or None,
        "kind": cells.get("kind"),
        "value": cells.get("value"),
        "band": None,
        "display_codes": [],
        "sources": None,
        "expires_time": None,
        "error": None,
    }
    if isinstance(row, BadRow):
        document["error"] = {"reason": row.reason, "message": row.message}
    elif result.HasField("error"):
        document["error"] = {"reason": result.error.reason, "message": result.error.message}
    else:
        document["kind"] = result.kind or document["kind"]
        document["band"] = enum_name(_BAND, result.band)
        document["display_codes"] = list(result.display_codes)
        document["sources"] = result.sources
        document["expires_time"] = optional_time(result.expires_time)
    return document


def _line(document: dict[str, Any]) -> str:
    return _LAYOUT.format(
        document["kind"],
        document["band"],
        document["sources"],
        document["expires_time"] or "-",
        ",".join(document["display_codes"]) or "-",
        document["value"],
    )
