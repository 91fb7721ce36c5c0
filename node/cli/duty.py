"""``tocsin duty``: the list of responsibilities: published, adopted, attested, overdue."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import DutyEvidence, Sector
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe, time_text
from node.cli.duration import Duration, due_text
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Moment, Word
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from tocsin.desk.v1 import duty_service_pb2 as wire

_DAY: Final = 86_400
_DUTY_ID: Final = MatterName()
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin duty list
  tocsin duty adopt 9f2c4b1a
  tocsin duty attest 9f2c4b1a --evidence report.pdf
"""
)
def duty_command() -> None:
    """List responsibilities, adopt them, attest that they are kept."""


@duty_command.command(
    "list",
    epilog="""\b
An attestation that is missing turns overdue once the grace after its due time is over. With
--own the exit code is 1 where one is.

\b
EXAMPLES
  tocsin duty list
  tocsin duty list --own --json
  tocsin duty list --at 2027-01-01
""",
)
@click.option("--own", is_flag=True, help="Only this member's.")
@click.option("--at", type=Moment(), default=None, help="As they stand at this time; default: now.")
@json_option
@pass_home
def list_duties(home: Home, own: bool, at: int | None, as_json: bool) -> int:
    """Tell all duties, and how each member of their sectors keeps them."""
    request = wire.ListDutiesRequest(own=own)
    if at is not None:
        request.at_time.seconds = at
    with InsideDoor(home) as door:
        answer = door.call(door.duty.ListDuties, request)
    now = answer.at_time.seconds
    if as_json:
        for one in answer.duties:
            json_object(describe(one))
    elif answer.duties:
        rows = [_row(duty, one, now) for duty in answer.duties for one in duty.members]
        table(("duty", "code", "member", "state", "period", "due"), rows)
    else:
        say("There are no duties.")
    missed = any(one.state == "OVERDUE" for duty in answer.duties for one in duty.members)
    return EXIT_FAILED if own and missed else 0


@duty_command.command(
    epilog="""\b
EXAMPLES
  tocsin duty publish REAL_NAME_CHECK --sector carrier --evidence self_check --period 90d
  tocsin duty publish STAFF_TRAINING --sector bank --sector internet --evidence training_records \\
      --period 365d --first-due 2027-01-31 --file duty.txt
"""
)
@click.argument("code")
@click.option(
    "--sector",
    "sectors",
    type=Word(Sector, "sector"),
    multiple=True,
    required=True,
    help="Whose members it is for; may be given again.",
)
@click.option(
    "--evidence",
    type=Word(DutyEvidence, "evidence"),
    required=True,
    help="What an attestation rests on.",
)
@click.option("--period", type=Duration(), required=True, help="From one due time to the next.")
@click.option(
    "--grace", type=Duration(), default=_DAY, help="After a due time, until it is overdue: 1d."
)
@click.option(
    "--first-due", type=Moment(), default=None, help="First due time; default: a period from now."
)
@click.option("--file", type=_FILE, default=None, help="The duty in words; its digest is listed.")
@json_option
@pass_home
def publish(
    home: Home,
    code: str,
    sectors: tuple[Sector, ...],
    evidence: DutyEvidence,
    period: int,
    grace: int,
    first_due: int | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """List a duty, as a regulator."""
    request = wire.PublishDutyRequest(
        code=code.strip().upper().replace("-", "_"),
        sectors=[one.value for one in sectors],  # type: ignore[misc]  # the mirrored numbers
        evidence=evidence.value,  # type: ignore[arg-type]  # the mirrored number
        period_seconds=period,
        grace_seconds=grace,
        wording_digest=b"" if file is None else _digest(file),
    )
    if first_due is not None:
        request.first_due_time.seconds = first_due
    with InsideDoor(home) as door:
        matter_id = door.call(door.duty.PublishDuty, request).matter_id
    _done({"matter_id": matter_id.hex()}, f"listed {matter_id.hex()}", as_json=as_json)


@duty_command.command(
    epilog="""\b
EXAMPLES
  tocsin duty adopt 9f2c4b1a
"""
)
@click.argument("matter_id", metavar="ID", type=_DUTY_ID)
@json_option
@pass_home
def adopt(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Adopt a duty in the member's name."""
    with InsideDoor(home) as door:
        found = door.call(door.duty.AdoptDuty, wire.AdoptDutyRequest(matter_id=matter_id))
    said = found.statement_id.hex()
    _done({"statement_id": said}, f"adopted by the statement {said}", as_json=as_json)


@duty_command.command(
    epilog="""\b
The evidence stays here; its digest is said, so that it can be shown later.

\b
EXAMPLES
  tocsin duty attest 9f2c4b1a --evidence report.pdf
  tocsin duty attest 9f2c4b1a --evidence report.pdf --period 3
"""
)
@click.argument("matter_id", metavar="ID", type=_DUTY_ID)
@click.option("--evidence", type=_FILE, required=True, help="What it rests on.")
@click.option(
    "--period", type=click.IntRange(1), default=None, help="Which period; default: the next one."
)
@json_option
@pass_home
def attest(home: Home, matter_id: bytes, evidence: Path, period: int | None, as_json: bool) -> None:
    """Attest that a duty was kept in a period."""
    request = wire.AttestDutyRequest(
        matter_id=matter_id, period=period or 0, evidence_digest=_digest(evidence)
    )
    with InsideDoor(home) as door:
        found = door.call(door.duty.AttestDuty, request)
    said = {"statement_id": found.statement_id.hex(), "period": found.period}
    _done(said, f"attested for the period {found.period}", as_json=as_json)


@duty_command.command(
    epilog="""\b
EXAMPLES
  tocsin duty withdraw 9f2c4b1a
"""
)
@click.argument("matter_id", metavar="ID", type=_DUTY_ID)
@json_option
@pass_home
def withdraw(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Take an own duty off the list, as a regulator."""
    with InsideDoor(home) as door:
        door.call(door.duty.WithdrawDuty, wire.WithdrawDutyRequest(matter_id=matter_id))
    _done({"withdrawn": True}, "withdrawn", as_json=as_json)


@duty_command.command(
    epilog="""\b
EXAMPLES
  tocsin duty prove 9f2c4b1a > adoption.json
  tocsin duty prove 9f2c4b1a --member bank-x > adoption.json
  tocsin duty verify adoption.json
"""
)
@click.argument("matter_id", metavar="ID", type=_DUTY_ID)
@click.option("--member", default="", metavar="MEMBER", help="Whose adoption; default: your own.")
@pass_home
def prove(home: Home, matter_id: bytes, member: str) -> None:
    """Write the proof that a member has adopted a duty, for who has no node."""
    request = wire.ProveAdoptionRequest(matter_id=matter_id, member=member)
    with InsideDoor(home) as door:
        answer = door.call(door.duty.ProveAdoption, request)
    json_object(describe(answer))


@duty_command.command(
    epilog="""\b
No node needs to run: the keys of the charter are enough.

\b
EXAMPLES
  tocsin duty verify adoption.json
  tocsin duty verify adoption.json --json
"""
)
@click.argument("file", type=_FILE)
@json_option
@pass_home
def verify(home: Home, file: Path, as_json: bool) -> None:
    """Check the proof of an adoption without any node."""
    from node.cli.duty_proof import verify_adoption

    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise RequestError("the file is no proof", reason="PROOF_INVALID") from error
    found = verify_adoption(home, document)
    if as_json:
        json_object(found)
        return
    data(f"{found['member']} has adopted {found['code']} of {found['opener']}")
    data(f"adopted     {found['adopted_time']}")
    data(f"signed      {found['signed_time']}, for {found['size']} entries of its log")


def _row(duty: wire.Duty, one: wire.DutyStanding, now: int) -> tuple[str, ...]:
    due = one.due_time.seconds
    text = f"{time_text(due)} ({due_text(due, now)})" if one.HasField("due_time") else "-"
    shown = duty.matter_id.hex()[:SHOWN_DIGITS]
    return shown, duty.code, one.member, one.state.lower(), str(one.period or "-"), text


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _done(found: dict[str, Any], line: str, *, as_json: bool) -> None:
    if as_json:
        json_object(found)
    else:
        data(line)
