"""``tocsin nominate``: share fraud indicators; the values stay, tokens go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    Origin,
    SubjectRole,
    TrafficLight,
)
from node.cli.connection import InsideDoor
from node.cli.import_report import Rows, send_rows
from node.cli.option import json_option, pass_home, strict_option
from node.cli.table_file import Row
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.cli.word import Word, read_time, read_word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire

MAX_CONFIDENCE = 100
_MAX_DIGITS = 3

EPILOG = f"""{FILE_HELP}\
  Further columns: fraud_type, confidence, stage, subject_role, origin, last_seen,
  expires, details, region. Empty cells take what the options say. Lines in error are named on
  stderr and left out; the others are shared. The same file again changes nothing.

\b
EXAMPLES
  tocsin nominate domain example.com --fraud-type investment --confidence 90
  tocsin nominate --file reports.csv --map value=number --kind phone --fraud-type loan
  tocsin nominate --file domains.txt.gz --kind domain --fraud-type FT02
  tocsin nominate phone +861380000000 --fraud-type government --subject-role spoofed \\
    --origin overseas
"""

CLOSING = (
    "Shared: tokens, types and confidence; details sealed under the value itself.\n"
    "Not shared: the values, which stay in this node's private store.\n"
    "Next: tocsin check KIND VALUE, or tocsin retract to take a nomination back."
)


@click.command(epilog=EPILOG)
@takes_values
@click.option("--fraud-type", default="", metavar="TYPE", help="For example investment or FT02.")
@click.option(
    "--confidence",
    type=click.IntRange(1, MAX_CONFIDENCE),
    default=80,
    show_default=True,
    help="How sure, in percent.",
)
@click.option("--stage", default="", help="targeting, preparation, contact or payment.")
@click.option("--subject-role", default="", help="For example offender_resource or mule.")
@click.option("--origin", default="", help="domestic or overseas: where it is used from.")
@click.option("--last-seen", default="", metavar="TIME", help="When it last acted; default: now.")
@click.option("--expires", default="", metavar="TIME", help="Until when it counts.")
@click.option(
    "--details",
    default="",
    metavar="TEXT|COLUMN",
    help="Text that only holders of the value can read; with --file the column that has it.",
)
@click.option(
    "--legal-basis",
    type=Word(LegalBasis, "legal basis"),
    default="atnfl_32",
    show_default=True,
    help="The rule that the sharing rests on.",
)
@click.option(
    "--tlp",
    type=Word(TrafficLight, "traffic light"),
    default="amber_strict",
    show_default=True,
    help="How far it may travel.",
)
@strict_option
@json_option
@pass_home
def nominate_command(
    home: Home,
    source: Source,
    legal_basis: LegalBasis,
    tlp: TrafficLight,
    strict: bool,
    as_json: bool,
    confidence: int,
    details: str,
    **texts: str,
) -> int:
    """Share fraud indicators with the federation, as tokens."""
    defaults = {**texts, "confidence": str(confidence)}
    source = _with_details(source, details, defaults)
    _check_options(defaults)
    rows = Rows(source, nomination_row, defaults, strict=strict)
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.NominationRow]) -> Any:
            request = wire.NominateRequest(
                rows=items,
                legal_basis=legal_basis.value,  # type: ignore[arg-type]  # the mirrored number
                tlp=tlp.value,  # type: ignore[arg-type]  # the mirrored number
            )
            return door.start(door.desk.Nominate, request)

        return send_rows(rows, send, as_json=as_json, closing=CLOSING)


def nomination_row(row: Row) -> wire.NominationRow:
    """Turn a row into a nomination.

    Raises:
        RequestError: A cell is missing or wrong; the message does not repeat it.
    """
    cells = row.cells
    return wire.NominationRow(
        indicator=raw_indicator(row),
        fraud_type=read_word(FraudType, cells["fraud_type"], "fraud type").value,  # type: ignore[arg-type]  # the mirrored number
        confidence=_confidence(cells["confidence"]),
        stage=_optional(FraudStage, cells["stage"], "stage"),
        subject_role=_optional(SubjectRole, cells["subject_role"], "subject role"),
        origin=_optional(Origin, cells["origin"], "origin"),
        last_seen_time=_time(cells["last_seen"], "last seen"),
        expires_time=_time(cells["expires"], "expires"),
        details=cells["details"],
    )


def _with_details(source: Source, details: str, defaults: dict[str, str]) -> Source:
    if details and source.is_file:
        return source.mapped("details", details)
    if details:
        defaults["details"] = details
    return source


def _check_options(defaults: dict[str, str]) -> None:
    """Refuse wrong options before the first row, which each row would repeat."""
    probe = {"fraud_type": "other", **{name: text for name, text in defaults.items() if text}}
    empty = dict.fromkeys(
        ("kind", "value", "region", "stage", "subject_role", "origin"), ""
    ) | dict.fromkeys(("last_seen", "expires", "details"), "")
    nomination_row(Row(0, {**empty, **probe}))


def _confidence(text: str) -> int:
    if text.isdecimal() and len(text) <= _MAX_DIGITS and 1 <= int(text) <= MAX_CONFIDENCE:
        return int(text)
    message = f"confidence is a number from 1 to {MAX_CONFIDENCE}"
    raise RequestError(message, reason="CONFIDENCE_INVALID")


def _optional(enum: Any, text: str, what: str) -> Any:
    return read_word(enum, text, what).value if text else 0


def _time(text: str, what: str) -> Timestamp | None:
    return Timestamp(seconds=read_time(text, what)) if text else None
