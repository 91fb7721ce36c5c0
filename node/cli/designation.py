"""``tocsin designation``: what the police have put into a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from federation.vocabulary import DesignationEnd, FraudType
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.import_report import Rows, send_rows
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import json_object, say, table
from node.cli.values import FILE_HELP, Source, raw_indicator, takes_values
from node.cli.word import Word
from node.home import Home
from tocsin.desk.v1 import case_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2


@click.group(
    epilog="""\b
EXAMPLES
  tocsin designation issue phone +8613000000000 --fraud-type investment --case 2026-0412
  tocsin designation list
  tocsin designation lift phone +8613000000000 --reason mistaken
"""
)
def designation_command() -> None:
    """Put objects into a case and take them out (police), and list what is in one."""


@designation_command.command(
    epilog=f"""Only a member of the police can do this, and no vote of the others. The verdict is \
VERY_HIGH until it is lifted; it does not fade, and is looked at again after --review-days.

{FILE_HELP}
\b
EXAMPLES
  tocsin designation issue phone +8613000000000 --fraud-type investment --case 2026-0412
  tocsin designation issue --file case.csv --fraud-type FT02 --case 2026-0412 --review-days 30
"""
)
@takes_values
@click.option(
    "--fraud-type", type=Word(FraudType, "fraud type"), required=True, help="Type of fraud."
)
@click.option(
    "--case",
    "reference",
    required=True,
    metavar="REFERENCE",
    help="The case's own reference; others see a keyed digest of it alone.",
)
@click.option(
    "--review-days",
    type=click.IntRange(1, 730),
    default=90,
    show_default=True,
    help="Days until it is looked at again.",
)
@strict_option
@json_option
@pass_home
def issue(
    home: Home,
    source: Source,
    fraud_type: FraudType,
    reference: str,
    review_days: int,
    strict: bool,
    as_json: bool,
) -> int:
    """Put values into a case (police only)."""
    with InsideDoor(home) as door:

        def send(items: Sequence[desk_service_pb2.RawIndicator]) -> Any:
            request = wire.DesignateRequest(
                values=items,
                fraud_type=fraud_type.value,  # type: ignore[arg-type]  # the mirrored number
                case_reference=reference,
                review_days=review_days,
            )
            return door.start(door.case.Designate, request)

        closing = "Not shared: the values and the case's reference.\nNext: tocsin designation list"
        rows = Rows(source, raw_indicator, strict=strict)
        return send_rows(rows, send, as_json=as_json, closing=closing)


@designation_command.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin designation lift phone +8613000000000 --reason mistaken
  tocsin designation lift --file released.csv --reason over
"""
)
@takes_values
@click.option("--reason", type=Word(DesignationEnd, "reason"), required=True, help="Why.")
@strict_option
@json_option
@pass_home
def lift(home: Home, source: Source, reason: DesignationEnd, strict: bool, as_json: bool) -> int:
    """Take own designations of values back (police only)."""
    with InsideDoor(home) as door:

        def send(items: Sequence[desk_service_pb2.RawIndicator]) -> Any:
            request = wire.LiftDesignationRequest(
                values=items,
                reason=reason.value,  # type: ignore[arg-type]  # the mirrored number
            )
            return door.start(door.case.LiftDesignation, request)

        closing = "Lifted everywhere within one synchronisation. Next: tocsin designation list"
        rows = Rows(source, raw_indicator, strict=strict)
        return send_rows(rows, send, as_json=as_json, closing=closing)


@designation_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin designation list
  tocsin designation list --json
""",
)
@json_option
@pass_home
def list_designations(home: Home, as_json: bool) -> None:
    """List what is in a case, what has to be reviewed first in front."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.ListDesignations, wire.ListDesignationsRequest())
    found = [describe(one) for one in answer.designations]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (
            one["kind"],
            one["value"] or one["token"][:16],
            one["member"],
            one["case_digest"][:16],
            one["review_time"] + (" (due)" if one["is_due"] else ""),
        )
        for one in found
    ]
    if rows:
        table(("kind", "value or token", "police", "case", "review"), rows)
    else:
        say("Nothing is designated.")
