"""``tocsin dispose``: order measures, carry out what concerns own customers, and see what holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import click

from federation.matters import handle_of
from federation.names import MemberId
from federation.vocabulary import (
    AmountBand,
    DispositionBasis,
    DispositionReason,
    DocumentsNeeded,
    Exemption,
    Measure,
    OrderDecision,
    ReceiptStep,
    Remedy,
    ReverifyResult,
    SubjectRole,
)
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, HexDigits, MatterName
from node.cli.document import describe, optional_time
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import disposition_service_pb2 as wire

DAY_SECONDS: Final = 86_400
DEFAULT_TERM_DAYS: Final = 30
"""Days that a measure holds where nobody says how many: then somebody has to think again."""

MATTER_ID: Final = MatterName()
_TOKEN: Final = HexDigits("token", 16, 16, "a token is 32 hexadecimal digits")


@click.group(
    epilog="""\b
EXAMPLES
  tocsin dispose order phone +8613000000000 --measure t_reverify --reason sim_farm
  tocsin dispose queue
  tocsin dispose execute 9f2c4b1a
  tocsin dispose show phone +8613000000000
"""
)
def dispose_command() -> None:
    """Order measures, carry out what concerns own customers, and see what holds."""


@dispose_command.command(
    epilog="""\b
Members that can carry the measure out are addressed, or those named with --to. Only what an
offender or a mule uses can be restricted; protected objects and shared infrastructure never are.

\b
EXAMPLES
  tocsin dispose order phone +8613000000000 --measure t_reverify --reason sim_farm
  tocsin dispose order domain shop.example --measure n_block --basis verification --basis-id 9f..
  tocsin dispose order phone --token 00112233445566778899aabbccddeeff --measure i_limit --json
"""
)
@click.argument("kind")
@click.argument("value", required=False, default="")
@click.option("--token", type=_TOKEN, help="Of the subject, instead of a value.")
@click.option("--measure", type=Word(Measure, "measure"), required=True, help="What is to be done.")
@click.option(
    "--role",
    "subject_role",
    type=Word(SubjectRole, "role"),
    default="offender_resource",
    show_default=True,
    help="What the subject is in the fraud.",
)
@click.option(
    "--reason",
    type=Word(DispositionReason, "reason"),
    default="confirmed_fraud",
    show_default=True,
    help="Why, as the person concerned is told.",
)
@click.option(
    "--remedy",
    type=Word(Remedy, "remedy"),
    default="appeal",
    show_default=True,
    help="What the person concerned can do.",
)
@click.option(
    "--documents",
    type=Word(DocumentsNeeded, "documents"),
    default="proof_of_identity",
    show_default=True,
    help="What the remedy needs.",
)
@click.option(
    "--basis",
    type=Word(DispositionBasis, "basis"),
    default="charter",
    show_default=True,
    help="What the order rests on.",
)
@click.option(
    "--basis-id",
    type=HexDigits("id", 16, 16, "an id is 32 hexadecimal digits"),
    default=b"",
    help="Id of that matter.",
)
@click.option("--to", "members", multiple=True, metavar="MEMBER", help="Who is to act.")
@click.option(
    "--days",
    type=click.IntRange(1),
    default=DEFAULT_TERM_DAYS,
    show_default=True,
    help="Days until the measure ends by itself.",
)
@click.option("--seconds", type=click.IntRange(1), help="The same in seconds.")
@click.option(
    "--notice-hours",
    type=click.IntRange(1, 7 * 24),
    default=24,
    show_default=True,
    help="Hours to tell the person concerned.",
)
@click.option("--secret", is_flag=True, help="The person concerned is not told yet (police).")
@json_option
@pass_home
def order(  # an order has as many parts
    home: Home,
    kind: str,
    value: str,
    token: bytes | None,
    measure: Measure,
    subject_role: SubjectRole,
    reason: DispositionReason,
    remedy: Remedy,
    documents: DocumentsNeeded,
    basis: DispositionBasis,
    basis_id: bytes,
    members: tuple[str, ...],
    days: int,
    seconds: int | None,
    notice_hours: int,
    secret: bool,
    as_json: bool,
) -> None:
    """Order a measure about a value or a token."""
    if bool(value) is (token is not None):
        raise RequestError("give either KIND VALUE or KIND --token", reason="SUBJECT_MISSING")
    request = wire.OrderDispositionRequest(
        subject=desk_wire.RawIndicator(kind=kind, value=value),
        token=token or b"",
        measure=_number(measure),
        subject_role=_number(subject_role),
        reason=_number(reason),
        remedy=_number(remedy),
        documents=_number(documents),
        basis=_number(basis),
        basis_id=basis_id,
        members=members,
        term_seconds=seconds or days * DAY_SECONDS,
        notice_seconds=notice_hours * 3_600,
        secret=secret,
    )
    with InsideDoor(home) as door:
        answer = door.call(door.disposition.OrderDisposition, request)
    write_order(answer.status, as_json=as_json)


def _decision(name: str, decision: OrderDecision, sentence: str) -> None:
    """Add a command that decides about an order."""

    @dispose_command.command(
        name, help=sentence, epilog=f"\b\nEXAMPLES\n  tocsin dispose {name} 9f2c4b1a\n"
    )
    @click.argument("matter_id", metavar="ID", type=MATTER_ID)
    @json_option
    @pass_home
    def decide(home: Home, matter_id: bytes, as_json: bool) -> None:
        request = wire.DecideDispositionRequest(matter_id=matter_id, decision=_number(decision))
        with InsideDoor(home) as door:
            answer = door.call(door.disposition.DecideDisposition, request)
        write_order(answer.status, as_json=as_json)


_decision("authorise", OrderDecision.AUTHORISE, "Authorise what a member proposes to others.")
_decision("reject", OrderDecision.REJECT, "Reject what a member proposes to others.")
_decision("lift", OrderDecision.LIFT, "Lift a measure, and with it all older ones on the subject.")


def _receipt(name: str, step: ReceiptStep, owed: str, sentence: str) -> None:
    """Add a command that says what this member did."""

    @dispose_command.command(
        name,
        help=sentence,
        epilog=f"\b\nEXAMPLES\n  tocsin dispose {name} 9f2c4b1a\n  tocsin dispose {name} --all\n",
    )
    @click.argument("matter_id", metavar="ID", type=MATTER_ID, required=False)
    @click.option("--all", "every", is_flag=True, help="Everything in the queue that waits for it.")
    @json_option
    @pass_home
    def answer(home: Home, matter_id: bytes | None, every: bool, as_json: bool) -> None:
        if every is (matter_id is not None):
            raise RequestError("give either an ID or --all", reason="MATTER_ID_MISSING")
        with InsideDoor(home) as door:
            ids = [matter_id] if matter_id is not None else _owing(door, owed)
            for one in ids:
                request = wire.AnswerDispositionRequest(matter_id=one, step=_number(step))
                status = door.call(door.disposition.AnswerDisposition, request).status
                write_order(status, as_json=as_json)


@dispose_command.command(
    epilog="""What the police order about money is answered with how much of it is held, as a band;
the sum stays here.

\b
EXAMPLES
  tocsin dispose execute 9f2c4b1a
  tocsin dispose execute 9f2c4b1a --amount-band below_10000
  tocsin dispose execute --all
"""
)
@click.argument("matter_id", metavar="ID", type=MATTER_ID, required=False)
@click.option("--all", "every", is_flag=True, help="Everything in the queue that waits for it.")
@click.option(
    "--amount-band",
    type=Word(AmountBand, "amount"),
    help="How much money is held; needed on an order of the police.",
)
@json_option
@pass_home
def execute(
    home: Home,
    matter_id: bytes | None,
    every: bool,
    amount_band: AmountBand | None,
    as_json: bool,
) -> None:
    """Say that a measure is in place."""
    if every is (matter_id is not None):
        raise RequestError("give either an ID or --all", reason="MATTER_ID_MISSING")
    band: Any = None if amount_band is None else _number(amount_band)
    with InsideDoor(home) as door:
        ids = [matter_id] if matter_id is not None else _owing(door, "EXECUTE")
        for one in ids:
            request = wire.AnswerDispositionRequest(
                matter_id=one,
                step=_number(ReceiptStep.EXECUTED),
                amount_band=band,
            )
            status = door.call(door.disposition.AnswerDisposition, request).status
            write_order(status, as_json=as_json)


_receipt("notify", ReceiptStep.NOTIFIED, "NOTIFY", "Say that the person concerned was told.")
_receipt("restore", ReceiptStep.RESTORED, "RESTORE", "Say that a measure was taken back.")


@dispose_command.command(
    epilog="""\b
EXAMPLES
  tocsin dispose exempt 9f2c4b1a --why known_benign
"""
)
@click.argument("matter_id", metavar="ID", type=MATTER_ID)
@click.option(
    "--why", type=Word(Exemption, "exemption"), required=True, help="Why this member does not act."
)
@json_option
@pass_home
def exempt(home: Home, matter_id: bytes, why: Exemption, as_json: bool) -> None:
    """Say that this member does not carry an order out, and why."""
    request = wire.AnswerDispositionRequest(
        matter_id=matter_id, step=_number(ReceiptStep.EXEMPT), exemption=_number(why)
    )
    with InsideDoor(home) as door:
        answer = door.call(door.disposition.AnswerDisposition, request)
    write_order(answer.status, as_json=as_json)


@dispose_command.command(
    epilog="""\b
A passed verification lifts the measure, and every older one about the same subject.

\b
EXAMPLES
  tocsin dispose reverify 9f2c4b1a --result pass
"""
)
@click.argument("matter_id", metavar="ID", type=MATTER_ID)
@click.option(
    "--result", type=Word(ReverifyResult, "result"), required=True, help="How it came out."
)
@json_option
@pass_home
def reverify(home: Home, matter_id: bytes, result: ReverifyResult, as_json: bool) -> None:
    """Say how a new verification of identity came out."""
    request = wire.ReverifyDispositionRequest(matter_id=matter_id, result=_number(result))
    with InsideDoor(home) as door:
        answer = door.call(door.disposition.ReverifyDisposition, request)
    write_order(answer.status, as_json=as_json)


@dispose_command.command(
    epilog="""\b
EXAMPLES
  tocsin dispose queue
  tocsin dispose queue --json
"""
)
@json_option
@pass_home
def queue(home: Home, as_json: bool) -> None:
    """List what waits for this member: to act, to tell, to take back, to decide."""
    _list(home, wire.ListDispositionsRequest(own_queue=True), as_json=as_json)


@dispose_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin dispose list
  tocsin dispose list --in-force --json
""",
)
@click.option("--in-force", is_flag=True, help="Those alone that hold now.")
@json_option
@pass_home
def list_orders(home: Home, in_force: bool, as_json: bool) -> None:
    """List the orders that stand in the logs, newest first."""
    _list(home, wire.ListDispositionsRequest(in_force_only=in_force), as_json=as_json)


@dispose_command.command(
    epilog="""\b
EXAMPLES
  tocsin dispose show 9f2c4b1a
  tocsin dispose show phone +8613000000000
  tocsin dispose show phone +8613000000000 --json
"""
)
@click.argument("subject", nargs=-1, required=True, metavar="ID | KIND VALUE")
@json_option
@pass_home
def show(home: Home, subject: tuple[str, ...], as_json: bool) -> None:
    """Show one order, or everything that was ordered about a value."""
    request = _asking(subject)
    with InsideDoor(home) as door:
        answer = door.call(door.disposition.ListDispositions, request)
    for one in answer.orders:
        write_order(one, as_json=as_json)
    if not answer.orders and not as_json:
        say("Nothing was ordered about this.")


def _asking(subject: tuple[str, ...]) -> wire.ListDispositionsRequest:
    if len(subject) == 1:
        return wire.ListDispositionsRequest(matter_id=MATTER_ID.convert(subject[0], None, None))
    if len(subject) == 2:  # KIND VALUE
        raw = desk_wire.RawIndicator(kind=subject[0], value=subject[1])
        return wire.ListDispositionsRequest(subject=raw)
    raise RequestError("give either an ID or KIND VALUE", reason="SUBJECT_MISSING")


def _owing(door: InsideDoor, owed: str) -> Iterable[bytes]:
    request = wire.ListDispositionsRequest(own_queue=True)
    found = door.call(door.disposition.ListDispositions, request).orders
    return [handle_of(MemberId(one.opener), one.matter_id) for one in found if one.owed == owed]


def _list(home: Home, request: wire.ListDispositionsRequest, *, as_json: bool) -> None:
    with InsideDoor(home) as door:
        answer = door.call(door.disposition.ListDispositions, request)
    if as_json:
        for one in answer.orders:
            json_object(describe(one))
        return
    rows = [
        (
            one.matter_id.hex()[:SHOWN_DIGITS],
            describe(one)["measure"].lower(),
            one.kind,
            one.opener,
            one.state.lower(),
            one.owed.lower() or "-",
            optional_time(one.due_time) or "-",
        )
        for one in answer.orders
    ]
    if rows:
        table(("order", "measure", "kind", "from", "state", "owed here", "due"), rows)
    else:
        say("There is nothing. Next: tocsin dispose list")


def write_order(status: wire.DispositionStatus, *, as_json: bool) -> None:
    """Write one order."""
    found = describe(status)
    if as_json:
        json_object(found)
        return

    def words(name: str) -> str:
        return str(found[name]).lower()

    data(f"order      {status.matter_id.hex()}")
    data(f"from       {status.opener} ({words('authority')})")
    data(f"measure    {words('measure')} on a {status.kind}, because of {words('reason')}")
    data(f"state      {status.state}{_why(found)}")
    data(f"term       until {found['term_end_time']}")
    data(f"remedy     {words('remedy')}, with {words('documents')}")
    for one in found["parts"]:
        data(f"member     {one['member']}: {_said(one)}")
    for reference in status.references:
        data(f"reference  {reference}")
    if status.owed:
        data(f"owed here  {status.owed.lower()}")


def _why(found: dict[str, Any]) -> str:
    if found["lifted_by"]:
        return f" ({str(found['lift']).lower()}, by {found['lifted_by']})"
    return ""


def _said(part: dict[str, Any]) -> str:
    if part["restored_time"]:
        return f"restored {part['restored_time']}"
    if part["notified_time"]:
        return f"executed {part['executed_time']}, notified {part['notified_time']}"
    if part["executed_time"]:
        late = ", notice is late" if part["is_late"] else ""
        held = f", holds {part['amount_band'].lower()}" if part["amount_band"] else ""
        return f"executed {part['executed_time']}{held}{late}"
    if part["exemption"]:
        return f"exempt ({part['exemption'].lower()})"
    said = str(part["step"] or "no answer yet").lower()
    return f"{said}, late" if part["is_late"] else said


def _number(word: Any) -> Any:
    return word.value  # the enumerations of the contract are mirrored number by number
