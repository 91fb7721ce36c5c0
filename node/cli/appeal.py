"""``tocsin appeal``: the way back for a person concerned by a measure."""

from __future__ import annotations

import sys

import click

from federation.vocabulary import AppealGround, AppealResult
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.dispose import MATTER_ID, write_order
from node.cli.document import describe, optional_time
from node.cli.option import json_option, pass_home
from node.cli.output import json_object, say, table
from node.cli.table_file import STANDARD_INPUT
from node.cli.word import Word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import appeal_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2 as desk_wire


@click.group(
    epilog="""\b
EXAMPLES
  tocsin appeal file phone +8613000000000 --ground new_owner --contact +8613000000001
  tocsin appeal list --open
  tocsin appeal decide 9f2c4b1a --result lifted
"""
)
def appeal_command() -> None:
    """File and decide appeals of persons concerned by measures."""


@appeal_command.command(
    "file",
    epilog="""\b
Every measure in force that restricts the value is contested, or the one order named. How to reach
the person stays on this node: it is made into no token, said to nobody and never scored.

\b
EXAMPLES
  tocsin appeal file phone +8613000000000 --ground new_owner
  tocsin appeal file phone +8613000000000 --ground harmless_use --contact +8613000000001
  tocsin appeal file phone +8613000000000 --ground new_owner --contact - < contact.txt
  tocsin appeal file --order 9f2c4b1a --ground identity_proven --json
""",
)
@click.argument("kind", required=False, default="")
@click.argument("value", required=False, default="")
@click.option("--order", "matter_id", type=MATTER_ID, default=b"", help="The order contested.")
@click.option(
    "--ground", type=Word(AppealGround, "ground"), required=True, help="What the appeal rests on."
)
@click.option(
    "--contact",
    default="",
    help="How to reach the person, kept on this node alone; - reads it from standard input.",
)
@click.option(
    "--contact-kind", default="phone", show_default=True, help="Kind of the contact, such as email."
)
@json_option
@pass_home
def file_appeal(
    home: Home,
    kind: str,
    value: str,
    matter_id: bytes,
    ground: AppealGround,
    contact: str,
    contact_kind: str,
    as_json: bool,
) -> None:
    """File an appeal on behalf of a person concerned."""
    if bool(value) is bool(matter_id):
        raise RequestError("give either KIND VALUE or --order", reason="SUBJECT_MISSING")
    if contact == STANDARD_INPUT:  # arguments can be seen by other users of this machine
        contact = sys.stdin.readline().strip()
    request = wire.FileAppealRequest(
        subject=desk_wire.RawIndicator(kind=kind, value=value) if value else None,
        matter_id=matter_id,
        ground=ground.value,  # type: ignore[arg-type]  # the mirrored number
        contact=desk_wire.RawIndicator(kind=contact_kind, value=contact) if contact else None,
    )
    with InsideDoor(home) as door:
        answer = door.call(door.appeal.FileAppeal, request)
    for one in answer.orders:
        write_order(one, as_json=as_json)


@appeal_command.command(
    epilog="""\b
A lift ends every older measure on the subject at every member, except orders of the police.

\b
EXAMPLES
  tocsin appeal decide 9f2c4b1a --result lifted
  tocsin appeal decide 9f2c4b1a --result upheld --json
"""
)
@click.argument("matter_id", metavar="ID", type=MATTER_ID)
@click.option(
    "--result", type=Word(AppealResult, "result"), required=True, help="Whether the measure stays."
)
@json_option
@pass_home
def decide(home: Home, matter_id: bytes, result: AppealResult, as_json: bool) -> None:
    """Decide an appeal: lift the measure, or let it stay."""
    request = wire.DecideAppealRequest(
        matter_id=matter_id,
        decision=result.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        answer = door.call(door.appeal.DecideAppeal, request)
    write_order(answer.order, as_json=as_json)


@appeal_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin appeal list
  tocsin appeal list --open --json
""",
)
@click.option("--open", "open_only", is_flag=True, help="Those alone that wait for a decision.")
@json_option
@pass_home
def list_appeals(home: Home, open_only: bool, as_json: bool) -> None:
    """List orders that were appealed against, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.appeal.ListAppeals, wire.ListAppealsRequest(open_only=open_only))
    if as_json:
        for one in answer.appeals:
            json_object(describe(one))
        return
    rows = [
        (
            one.order.matter_id.hex()[:SHOWN_DIGITS],
            str(describe(one.order)["measure"]).lower(),
            one.order.state.lower(),
            ", ".join(intake.member for intake in one.intakes),
            optional_time(one.due_time) or "-",
            one.contact.value or "-",
        )
        for one in answer.appeals
    ]
    if rows:
        table(("order", "measure", "state", "taken in by", "due", "contact"), rows)
    else:
        say("There are no appeals.")
