"""``tocsin verify``: ask all members about an indicator, and see the tally but nobody's answer."""

from __future__ import annotations

import time
from typing import Final

import click

from federation.vocabulary import VerificationAnswer, VerificationDecision
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import verify_service_pb2 as wire

POLL_SECONDS: Final = 0.5
_UNDER_WAY: Final = "VERIFYING"
_ROUND_ID: Final = MatterName("round")


@click.group(
    epilog="""\b
EXAMPLES
  tocsin verify open phone +8613000000000 --wait 60
  tocsin verify list
  tocsin verify show 9f2c4b1a
  tocsin verify answer phone +8613000000000 --as hit_benign
  tocsin verify examine 9f2c4b1a --as refute
"""
)
def verify_command() -> None:
    """Ask all members what their own data say; only the tally is ever seen."""


@verify_command.command(
    "open",
    epilog="""\b
EXAMPLES
  tocsin verify open domain example.com
  tocsin verify open phone +8613000000000 --quorum 2 --wait 60 --json
""",
)
@click.argument("kind")
@click.argument("value")
@click.option("--region", default="", help="Country of a national telephone form.")
@click.option(
    "--quorum", type=click.IntRange(2), default=3, show_default=True, help="How many must agree."
)
@click.option(
    "--seconds",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="How long members have to answer.",
)
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=0,
    metavar="SECONDS",
    help="Wait for the outcome this long.",
)
@json_option
@pass_home
def open_round(
    home: Home,
    kind: str,
    value: str,
    region: str,
    quorum: int,
    seconds: int,
    wait: int,
    as_json: bool,
) -> None:
    """Open a round; every member's node answers from its own data."""
    raw = desk_wire.RawIndicator(kind=kind, value=value, region=region)
    request = wire.OpenVerificationRequest(value=raw, quorum=quorum, seconds=seconds)
    with InsideDoor(home) as door:
        opened = door.call(door.verify.OpenVerification, request)
        status = _wait(door, opened.handle, wait)
    _write(status, as_json=as_json)
    if not as_json and status.state == _UNDER_WAY:
        say(f"Next: tocsin verify show {opened.matter_id.hex()[:SHOWN_DIGITS]}")


@verify_command.command(
    "answer",
    epilog="""\b
EXAMPLES
  tocsin verify answer 9f2c4b1a --as hit_benign
  tocsin verify answer phone +8613000000000 --as decline
""",
)
@click.argument("about", nargs=-1, required=True, metavar="ROUND | KIND VALUE")
@click.option(
    "--as",
    "answer",
    type=Word(VerificationAnswer, "answer"),
    required=True,
    help="What this member answers, now and in later rounds.",
)
@json_option
@pass_home
def answer_round(
    home: Home, about: tuple[str, ...], answer: VerificationAnswer, as_json: bool
) -> None:
    """Say what this member answers about a value, whatever its data say."""
    request = _about(about)
    request.answer = answer.value  # type: ignore[assignment]  # the mirrored number
    with InsideDoor(home) as door:
        found = door.call(door.verify.AnswerVerification, request)
    if as_json:
        json_object(describe(found))
        return
    for matter_id in found.matter_ids:
        data(matter_id.hex())
    say("Not shared: the answer, which goes into private sums alone.")


@verify_command.command(
    "examine",
    epilog="""The opener may confirm where a quorum suspects it, and refute where a quorum knows it
as benign. A coordinator or regulator may refute another member's round with fewer benign answers.

\b
EXAMPLES
  tocsin verify examine 9f2c4b1a --as refute
""",
)
@click.argument("matter_id", type=_ROUND_ID, metavar="ROUND")
@click.option(
    "--as",
    "decision",
    type=Word(VerificationDecision, "decision"),
    required=True,
    help="What the examination came to.",
)
@json_option
@pass_home
def examine_round(
    home: Home, matter_id: bytes, decision: VerificationDecision, as_json: bool
) -> None:
    """Decide a conflict, after somebody examined it."""
    request = wire.ExamineVerificationRequest(
        matter_id=matter_id,
        decision=decision.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        status = door.call(door.verify.ExamineVerification, request).status
    _write(status, as_json=as_json)


@verify_command.command(
    "show",
    epilog="""\b
EXAMPLES
  tocsin verify show 9f2c4b1a
""",
)
@click.argument("matter_id", type=_ROUND_ID, metavar="ROUND")
@json_option
@pass_home
def show_round(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Show how a round stands, and its tally."""
    with InsideDoor(home) as door:
        request = wire.GetVerificationRequest(matter_id=matter_id)
        status = door.call(door.verify.GetVerification, request).status
    _write(status, as_json=as_json)


@verify_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin verify list
  tocsin verify list --json
""",
)
@json_option
@pass_home
def list_rounds(home: Home, as_json: bool) -> None:
    """List the rounds that stand in the logs, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.verify.ListVerifications, wire.ListVerificationsRequest())
    if as_json:
        for one in answer.verifications:
            json_object(describe(one))
        return
    rows = [
        (
            one.matter_id.hex()[:SHOWN_DIGITS],
            one.opener,
            one.kind,
            one.state,
            _counts(one),
            f"{len(one.answered)} of {len(one.members)}",
        )
        for one in answer.verifications
    ]
    table(("round", "opener", "kind", "state", "tally", "answered"), rows)


def _about(words: tuple[str, ...]) -> wire.AnswerVerificationRequest:
    if len(words) == 1:
        found: bytes = _ROUND_ID.convert(words[0], None, None)
        return wire.AnswerVerificationRequest(matter_id=found)
    if len(words) != 2:
        raise RequestError(
            "name a round by its id, or a kind and a value",
            reason="VALUE_MISSING",
            hint="tocsin verify answer --help",
        )
    raw = desk_wire.RawIndicator(kind=words[0], value=words[1])
    return wire.AnswerVerificationRequest(value=raw)


def _wait(door: InsideDoor, handle: bytes, seconds: int) -> wire.VerificationStatus:
    until = time.monotonic() + seconds
    while True:
        request = wire.GetVerificationRequest(matter_id=handle)
        status = door.call(door.verify.GetVerification, request).status
        if status.state != _UNDER_WAY or status.reason or time.monotonic() >= until:
            return status
        time.sleep(POLL_SECONDS)


def _counts(status: wire.VerificationStatus) -> str:
    if not status.HasField("tally"):
        return "-"
    tally = status.tally
    return (
        f"{tally.suspect} suspect, {tally.benign} benign,"
        f" {tally.no_record} no record, {tally.declined} declined"
    )


def _write(status: wire.VerificationStatus, *, as_json: bool) -> None:
    found = describe(status)
    if as_json:
        json_object(found)
        return
    data(f"round     {status.matter_id.hex()}")
    data(f"opener    {status.opener}")
    data(f"about     {status.kind} {status.token.hex()}")
    data(f"state     {status.state}{f' [{status.reason}]' if status.reason else ''}")
    data(f"quorum    {status.quorum} of {len(status.members)}")
    data(f"due       {found['due_time']}")
    data(f"answered  {', '.join(status.answered) or '-'}")
    if status.left_out:
        left_out = ", ".join(f"{one.member} [{one.reason}]" for one in status.left_out)
        data(f"left out  {left_out}")
    data(f"tally     {_counts(status)}")
    if status.HasField("tally"):
        data(f"read by   {status.readers} alike")
    if status.differing:
        data(f"differing {', '.join(status.differing)}")
