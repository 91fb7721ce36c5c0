"""``tocsin warn``: warn likely victims; a carrier sends what concerns its own customers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from federation.vocabulary import (
    AgeBand,
    Band,
    FraudStage,
    FraudType,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Moment, Word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import warn_service_pb2 as wire

_WARNING_ID = MatterName("warning")
_STANDARD_INPUT = "-"


def read_number(text: str) -> str:
    """Return a number given as an argument, or as the first line of standard input for ``-``.

    Raises:
        RequestError: VALUE_MISSING.
    """
    value = sys.stdin.readline().strip() if text == _STANDARD_INPUT else text
    if not value:
        raise RequestError("there is no number", reason="VALUE_MISSING")
    return value


@click.group(
    epilog="""\b
EXAMPLES
  tocsin warn raise +8613000000000 --risk very_high --vulnerable --fraud-type government
  tocsin warn list
  tocsin warn outbox
  tocsin warn sent 5f1c2a9b8e7d6c3a
  tocsin warn outcome 9f2c4b1a --as dissuaded
"""
)
def warn_command() -> None:
    """Warn likely victims, and send what concerns own customers."""


@warn_command.command(
    "raise",
    epilog="""\b
Only the carrier whose customer the number is can open what you say; it makes the text from a
template. No part of the text may hold a link, a number, an account or a way to reply. A number
given as an argument can be seen by other users of this machine: give - to read it from
standard input.

\b
EXAMPLES
  tocsin warn raise +8613000000000 --risk high --fraud-type investment
  tocsin warn raise - --risk very_high --vulnerable --fraud-type government --urgency immediate \\
      --impersonated "the tax office" < number.txt
  tocsin warn raise +8613000000000 --risk high --fraud-type loan --channel sms --channel visit
""",
)
@click.argument("number")
@click.option("--risk", type=Word(Band, "risk"), required=True, help="How sure: low to very_high.")
@click.option("--vulnerable", is_flag=True, help="The person is easily misled: old, young, ill.")
@click.option(
    "--fraud-type", type=Word(FraudType, "fraud type"), required=True, help="For example loan."
)
@click.option("--stage", type=Word(FraudStage, "stage"), help="For example payment.")
@click.option(
    "--urgency",
    type=Word(WarningUrgency, "urgency"),
    default="prompt",
    show_default=True,
    help="immediate: in 5 minutes; prompt: in 30; routine: in a day.",
)
@click.option(
    "--channel",
    "channels",
    type=Word(WarningChannel, "channel"),
    multiple=True,
    help="Wanted: sms, flash, voice, app_push, visit; else what the risk demands.",
)
@click.option(
    "--acknowledge-seconds",
    type=click.IntRange(1, 604_800),
    default=600,
    show_default=True,
    help="After so long without an answer the person is called.",
)
@click.option("--impersonated", default="", help="Whom the fraudster claims to be; sealed.")
@click.option("--pretext", default="", help="What the fraudster says it is about; sealed.")
@click.option("--region", default="", metavar="CC", help="Country of a number in national form.")
@json_option
@pass_home
def raise_command(
    home: Home,
    number: str,
    risk: Band,
    vulnerable: bool,
    channels: tuple[WarningChannel, ...],
    region: str,
    as_json: bool,
    **rest: Any,
) -> None:
    """Raise a warning about the owner of a telephone number."""
    age_band = AgeBand.VULNERABLE if vulnerable else AgeBand.GENERAL
    value = desk_wire.RawIndicator(kind="phone", value=read_number(number), region=region)
    request = wire.RaiseWarningRequest(
        value=value,
        risk=_number(risk),
        age_band=_number(age_band),
        channels=[_number(one) for one in channels],
        urgency=_number(rest["urgency"]),
        fraud_type=_number(rest["fraud_type"]),
        stage=_number(rest["stage"] or FraudStage.UNSPECIFIED),
        acknowledge_seconds=rest["acknowledge_seconds"],
        impersonated=rest["impersonated"],
        pretext=rest["pretext"],
    )
    with InsideDoor(home) as door:
        answer = door.call(door.warn.RaiseWarning, request)
    if as_json:
        json_object(describe(answer))
        return
    data(answer.warning_id.hex())
    if not answer.raised:
        say("This member's warning about the number was still open: nothing was said.")
    say("Not shared: the number; only the carrier that has the customer can open the rest.")
    say("Next: tocsin warn list")


@warn_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin warn list
  tocsin warn list --open --json
""",
)
@click.option("--open", "open_only", is_flag=True, help="Only those that are not over.")
@json_option
@pass_home
def list_command(home: Home, open_only: bool, as_json: bool) -> None:
    """List the warnings that this member raised, sent or has to send, newest first."""
    with InsideDoor(home) as door:
        request = wire.ListWarningsRequest(open_only=open_only)
        found = [describe(one) for one in door.call(door.warn.ListWarnings, request).warnings]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [row for one in found for row in _rows(one)]
    header = (
        "warning",
        "raised by",
        "state",
        "risk",
        "fraud type",
        "carrier",
        "sent",
        "outcome",
        "due",
    )
    if rows:
        table(header, rows)
    else:
        say("There are no warnings. Next: tocsin warn raise --help")


def _rows(one: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a line for a warning, and one for each further carrier that says it sent it."""
    shown = (one["risk"].lower(), one["fraud_type"].lower())
    others = [track for track in one["tracks"] if track["carrier"] != one["carrier"]]
    for each in (one, *others):
        yield (
            one["warning_id"][:SHOWN_DIGITS],
            one["opener"],
            each["state"].lower(),
            *shown,
            each["carrier"] or "-",
            ", ".join(each["sent"]).lower() or "-",
            (each["outcome"] or "-").lower(),
            each.get("due_time") or "-",
        )


@warn_command.command(
    epilog="""\b
One JSON object a line, for the carrier's gateway. A message is listed until it is reported sent,
so that none is lost; its id tells a repeat. It goes to the member's own reference of the customer,
or to the guardian's number.

\b
EXAMPLES
  tocsin warn outbox
  tocsin warn outbox | my-gateway
"""
)
@click.option("--json", "as_json", is_flag=True, help="As it is anyway.")
@pass_home
def outbox(home: Home, as_json: bool) -> None:  # every command takes --json
    """Write the messages that are to be sent, oldest first (carriers)."""
    with InsideDoor(home) as door:
        answer = door.call(door.warn.ListOutbox, wire.ListOutboxRequest())
    for one in answer.messages:
        json_object(describe(one))


@warn_command.command(
    epilog="""\b
EXAMPLES
  tocsin warn sent 5f1c2a9b8e7d6c3a
  tocsin warn sent 5f1c2a9b8e7d6c3a --json
"""
)
@click.argument("message_id", metavar="MESSAGE")
@json_option
@pass_home
def sent(home: Home, message_id: str, as_json: bool) -> None:
    """Report that a message of the outbox was sent (carriers)."""
    with InsideDoor(home) as door:
        answer = door.call(door.warn.ReportSent, wire.ReportSentRequest(message_id=message_id))
    if as_json:
        json_object(describe(answer))
    elif not answer.noted:
        say("It was reported before: nothing was said.")


@warn_command.command(
    epilog="""\b
EXAMPLES
  tocsin warn acknowledged 9f2c4b1a
"""
)
@click.argument("warning_id", metavar="WARNING", type=_WARNING_ID)
@pass_home
def acknowledged(home: Home, warning_id: bytes) -> None:
    """Report that the person answered (carriers)."""
    with InsideDoor(home) as door:
        request = wire.ReportAcknowledgedRequest(warning_id=warning_id)
        door.call(door.warn.ReportAcknowledged, request)


@warn_command.command(
    epilog="""\b
Only the code is told to the others. Who raised a warning may report, too: a bank knows whether the
money went.

\b
EXAMPLES
  tocsin warn outcome 9f2c4b1a --as dissuaded
  tocsin warn outcome 9f2c4b1a --as lost
"""
)
@click.argument("warning_id", metavar="WARNING", type=_WARNING_ID)
@click.option(
    "--as",
    "result",
    type=Word(WarningOutcome, "outcome"),
    required=True,
    help="dissuaded, lost, false_alarm or unreached.",
)
@pass_home
def outcome(home: Home, warning_id: bytes, result: WarningOutcome) -> None:
    """Report how a warning ended."""
    request = wire.ReportOutcomeRequest(warning_id=warning_id, outcome=_number(result))
    with InsideDoor(home) as door:
        door.call(door.warn.ReportOutcome, request)


@warn_command.group(
    epilog="""\b
A guardian gets a copy without any detail of the case, and only while the customer's consent holds.
Nothing of this leaves the node.

\b
EXAMPLES
  tocsin warn guardian add LINE-7 +8613100000000 --until 2027-12-31
  tocsin warn guardian list
  tocsin warn guardian remove LINE-7
"""
)
def guardian() -> None:
    """Keep whom customers want to be told, too (carriers)."""


@guardian.command(
    "add",
    epilog="""\b
EXAMPLES
  tocsin warn guardian add LINE-7 +8613100000000 --until 2027-12-31
  tocsin warn guardian add LINE-7 - --consent 2026-05-01 --until 2027-05-01 < contact.txt
""",
)
@click.argument("reference")
@click.argument("contact")
@click.option("--until", type=Moment(), required=True, metavar="TIME", help="End of the consent.")
@click.option("--consent", type=Moment(), metavar="TIME", help="Its beginning; default: now.")
@click.option("--region", default="", metavar="CC", help="Country of a number in national form.")
@pass_home
def add_guardian(
    home: Home, reference: str, contact: str, until: int, consent: int | None, region: str
) -> None:
    """Keep a guardian for the customer with this own reference."""
    value = desk_wire.RawIndicator(kind="phone", value=read_number(contact), region=region)
    kept = wire.Guardian(
        reference=reference,
        contact=value,
        consent_time=None if consent is None else Timestamp(seconds=consent),
        until_time=Timestamp(seconds=until),
    )
    with InsideDoor(home) as door:
        door.call(door.warn.AddGuardian, wire.AddGuardianRequest(guardian=kept))


@guardian.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin warn guardian list
  tocsin warn guardian list --json
""",
)
@json_option
@pass_home
def list_guardians(home: Home, as_json: bool) -> None:
    """List the guardians, by own reference."""
    with InsideDoor(home) as door:
        answer = door.call(door.warn.ListGuardians, wire.ListGuardiansRequest())
    found = [describe(one) for one in answer.guardians]
    if as_json:
        for one in found:
            json_object(one)
        return
    rows = [
        (one["reference"], one["contact"]["value"], one["consent_time"], one["until_time"])
        for one in found
    ]
    if rows:
        table(("reference", "contact", "consent since", "until"), rows)
    else:
        say("There are no guardians. Next: tocsin warn guardian add --help")


@guardian.command(
    "remove",
    epilog="""\b
EXAMPLES
  tocsin warn guardian remove LINE-7
""",
)
@click.argument("reference")
@pass_home
def remove_guardians(home: Home, reference: str) -> None:
    """Forget the guardians of a customer: the consent was withdrawn."""
    with InsideDoor(home) as door:
        request = wire.RemoveGuardianRequest(reference=reference)
        removed = door.call(door.warn.RemoveGuardian, request).removed
    say(f"{removed} forgotten.")


def _number(word: Any) -> Any:
    return word.value  # the enumerations of the contract are mirrored number by number
