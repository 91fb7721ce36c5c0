"""``tocsin one-id``: let citizens see and dispute what stands under their identity."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import AccountKind
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.one_id_citizen import citizen_commands
from node.cli.one_id_holder import holder_commands
from node.cli.one_id_papers import (
    CONSENT,
    DISPUTE,
    FORM,
    PAPERS,
    PUBLIC,
    form_paper,
    papers_paper,
    read_bytes,
    read_form,
    read_paper,
    write_paper,
)
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Word
from node.desk.one_id_form import form_message
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import one_id_service_pb2 as wire

MAX_PROOF_BYTES: Final = 64 * 1024 * 1024
"""Bytes of what proves who a citizen is: scanned pages."""

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_ID: Final = MatterName()


@click.group(
    epilog="""\b
The citizen, at home: key, consent, open, write. A desk: prepare, request, list, fetch, dispute.
Who has accounts: add, remove, count, tasks, decide.

\b
EXAMPLES
  tocsin one-id key me.key --public me.pub
  tocsin one-id prepare 990101199003074016 --citizen me.pub --proof check.pdf --output form.json
  tocsin one-id consent form.json --key me.key --output consent.json
  tocsin one-id request consent.json
  tocsin one-id fetch 9f2c4b1a --output answers.json
  tocsin one-id open answers.json --key me.key
  tocsin one-id write answers.json --key me.key --to carrier-b --close --output dispute.json
  tocsin one-id dispute dispute.json
  tocsin one-id tasks
"""
)
def one_id_command() -> None:
    """Let citizens see and dispute what stands under their identity."""


for _command in (*citizen_commands(), *holder_commands()):
    one_id_command.add_command(_command)


@one_id_command.command(
    epilog="""The identity card is turned to its token and kept nowhere; as an argument others on
this machine can see it, so - reads it from standard input. The file of the proof stays here: keep
it for the regulator; the log has its digest. Nothing is said before the citizen has signed the
form, within an hour.

\b
EXAMPLES
  tocsin one-id prepare 990101199003074016 --citizen me.pub --proof check.pdf --output form.json
  tocsin one-id prepare - --citizen me.pub --proof check.pdf --account sim --output form.json
"""
)
@click.argument("value", metavar="ID_CARD")
@click.option("--citizen", type=_FILE, required=True, help="The citizen's public keys.")
@click.option(
    "--proof", type=_FILE, required=True, help="How you proved who the citizen is, such as a scan."
)
@click.option(
    "--account",
    "wanted",
    type=Word(AccountKind, "account kind"),
    multiple=True,
    help="What is asked for: sim, bank_account, internet_account; default: all.",
)
@click.option("--output", type=_FILE, required=True, help="Where the form is written.")
@pass_home
def prepare(
    home: Home,
    value: str,
    citizen: Path,
    proof: Path,
    wanted: tuple[AccountKind, ...],
    output: Path,
) -> None:
    """Make the form that a citizen signs."""
    public = read_paper(citizen, PUBLIC)
    if value == "-":
        value = sys.stdin.readline().strip()
    request = wire.PrepareOneIdRequest(
        value=desk_service_pb2.RawIndicator(kind="resident_id", value=value),
        wanted=[one.value for one in wanted],  # type: ignore[misc]  # equal numbers, tested
        receiving_key=read_bytes(public, "receiving_key"),
        consent_key=read_bytes(public, "consent_key"),
        proof_digest=_digest(proof),
    )
    with InsideDoor(home) as door:
        form = door.call(door.one_id.PrepareOneId, request).form
    write_paper(output, FORM, form_paper(form))
    data(f"asked  {', '.join(form.members)}")
    say("Nothing was said yet. Next: tocsin one-id consent (the citizen, within an hour)")


@one_id_command.command(
    epilog="""One identity is asked about once in 24 hours, at whatever desk.

\b
EXAMPLES
  tocsin one-id request consent.json
  tocsin one-id request consent.json --json
"""
)
@click.argument("file", type=_FILE)
@json_option
@pass_home
def request(home: Home, file: Path, as_json: bool) -> None:
    """Ask the members for a citizen who has signed."""
    paper = read_paper(file, CONSENT)
    asked = wire.OpenOneIdRequest(
        form=form_message(read_form(paper)), signature=read_bytes(paper, "signature")
    )
    with InsideDoor(home) as door:
        found = describe(door.call(door.one_id.OpenOneId, asked).status)
    if as_json:
        json_object(found)
        return
    data(f"request  {found['matter_id']}")
    data(f"asked    {', '.join(found['members'])}")
    data(f"due      {found['due_time']}")
    say("Shared: the token and who is asked. Next: tocsin one-id fetch ID --output answers.json")


@one_id_command.command(
    "list",
    epilog="""With --held only those about identities under which something stands here, with own
references: tell these customers that somebody asked, so that who did not ask can object. A desk
that is not "proven" copied a token and does not know the identity: it got no counts.

\b
EXAMPLES
  tocsin one-id list
  tocsin one-id list --held --json
""",
)
@click.argument("request_id", metavar="[ID]", type=_ID, required=False)
@click.option("--held", is_flag=True, help="Only those about own customers.")
@json_option
@pass_home
def list_requests(home: Home, request_id: bytes | None, held: bool, as_json: bool) -> None:
    """List requests, newest first: who asked whom, and who has answered."""
    asked = wire.ListOneIdsRequest(matter_id=request_id or b"", held_only=held)
    with InsideDoor(home) as door:
        found = [describe(one) for one in door.call(door.one_id.ListOneIds, asked).requests]
    if as_json:
        for one in found:
            json_object(one)
        return
    if not found:
        say("There are no requests.")
        return
    header = ("request", "desk", "state", "answered", "opened", "due", "own", "proven")
    table(header, [_row(one) for one in found])


@one_id_command.command(
    epilog="""The file is the same at every member: who does not trust one desk fetches it at two.

\b
EXAMPLES
  tocsin one-id fetch 9f2c4b1a --output answers.json
"""
)
@click.argument("matter_id", metavar="ID", type=_ID)
@click.option("--output", type=_FILE, required=True, help="Where it is written.")
@json_option
@pass_home
def fetch(home: Home, matter_id: bytes, output: Path, as_json: bool) -> None:
    """Give out the answers to a request, or the feedback about a dispute, still sealed."""
    with InsideDoor(home) as door:
        found = door.call(door.one_id.FetchOneId, wire.FetchOneIdRequest(matter_id=matter_id))
    write_paper(output, PAPERS, papers_paper(found))
    summary = {
        "matter_id": found.matter_id.hex(),
        "answered": [one.member for one in found.answers],
        "awaited": list(found.awaited),
        "feedback": bool(found.sealed_feedback),
    }
    if as_json:
        json_object(summary)
        return
    if found.holder:
        data(f"dispute at {found.holder}: {found.state}")
    else:
        data(f"answered {len(found.answers)}, awaited {len(found.awaited)}")
    say("Next: tocsin one-id open (the citizen)")


@one_id_command.command(
    epilog="""The log names the holder, not whose dispute it is. The holder has 3 days to take it up
and 15 to decide, and has to tell the citizen: tocsin one-id fetch.

\b
EXAMPLES
  tocsin one-id dispute dispute.json
"""
)
@click.argument("file", type=_FILE)
@json_option
@pass_home
def dispute(home: Home, file: Path, as_json: bool) -> None:
    """Hand a citizen's sealed dispute on to who has the accounts."""
    paper = read_paper(file, DISPUTE)
    asked = wire.RaiseDisputeRequest(
        holder=str(paper.get("holder")), sealed_dispute=read_bytes(paper, "sealed")
    )
    with InsideDoor(home) as door:
        found = describe(door.call(door.one_id.RaiseDispute, asked).status)
    if as_json:
        json_object(found)
        return
    data(f"dispute  {found['matter_id']}")
    data(f"holder   {found['holder']}")
    data(f"due      {found['due_time']}")


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as proof:
            content = proof.read(MAX_PROOF_BYTES)
    except OSError as error:
        raise RequestError("the proof cannot be read", reason="FILE_UNREADABLE") from error
    return hashlib.sha256(content).digest()


def _row(found: dict[str, Any]) -> tuple[Any, ...]:
    return (
        found["matter_id"][:SHOWN_DIGITS],
        found["opener"],
        found["state"],
        f"{len(found['answered'])}/{len(found['members'])}",
        found["opened_time"],
        found["due_time"] or "-",
        ", ".join(found["own_accounts"]) or "-",
        ("yes" if found["is_proven"] else "NO") if found["own_accounts"] else "-",
    )
