"""``tocsin notice``: problems that a regulator found, until they are mended."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import click

from federation.vocabulary import NoticeAction
from node.cli.connection import InsideDoor
from node.cli.digits import MatterName
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object
from node.cli.word import Moment
from node.home import Home
from tocsin.desk.v1 import notice_service_pb2 as wire

_NOTICE_ID: Final = MatterName()
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)

notice_id = click.argument("matter_id", metavar="ID", type=_NOTICE_ID)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin matter list --kind notice
  tocsin notice reply 9f2c4b1a --plan plan.pdf
  tocsin notice rectify 9f2c4b1a --evidence report.pdf
"""
)
def notice_command() -> None:
    """Give members notice of problems, and mend them."""


@notice_command.command(
    epilog="""\b
The finding stays here and goes to the member by your own way; its digest is said.

\b
EXAMPLES
  tocsin notice issue bank-x CUSTOMER_CHECKS_MISSING --finding finding.pdf --deadline 2027-01-31
"""
)
@click.argument("member")
@click.argument("code")
@click.option("--finding", type=_FILE, required=True, help="The finding with its evidence.")
@click.option("--deadline", type=Moment(), required=True, help="By when it has to be mended.")
@json_option
@pass_home
def issue(home: Home, member: str, code: str, finding: Path, deadline: int, as_json: bool) -> None:
    """Give a member notice of a problem, as a regulator."""
    request = wire.IssueNoticeRequest(
        member=member,
        code=code.strip().upper().replace("-", "_"),
        finding_digest=_digest(finding),
    )
    request.deadline_time.seconds = deadline
    with InsideDoor(home) as door:
        matter_id = door.call(door.notice.IssueNotice, request).matter_id.hex()
    if as_json:
        json_object({"matter_id": matter_id})
    else:
        data(f"gave the notice {matter_id}")


@notice_command.command(
    epilog="""\b
EXAMPLES
  tocsin notice reply 9f2c4b1a --plan plan.pdf
"""
)
@notice_id
@click.option("--plan", type=_FILE, required=True, help="How the problem will be mended.")
@json_option
@pass_home
def reply(home: Home, matter_id: bytes, plan: Path, as_json: bool) -> None:
    """Answer a notice with a plan."""
    _step(home, matter_id, NoticeAction.REPLIED, _digest(plan), as_json=as_json)


@notice_command.command(
    epilog="""\b
EXAMPLES
  tocsin notice rectify 9f2c4b1a --evidence report.pdf
"""
)
@notice_id
@click.option("--evidence", type=_FILE, required=True, help="What shows that it is mended.")
@json_option
@pass_home
def rectify(home: Home, matter_id: bytes, evidence: Path, as_json: bool) -> None:
    """Say that the problem is mended, with evidence."""
    _step(home, matter_id, NoticeAction.RECTIFIED, _digest(evidence), as_json=as_json)


@notice_command.command(
    "return",
    epilog="""\b
EXAMPLES
  tocsin notice return 9f2c4b1a
""",
)
@notice_id
@json_option
@pass_home
def return_evidence(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Return evidence that is not enough, as a regulator."""
    _step(home, matter_id, NoticeAction.RETURNED, b"", as_json=as_json)


@notice_command.command(
    epilog="""\b
EXAMPLES
  tocsin notice close 9f2c4b1a
"""
)
@notice_id
@json_option
@pass_home
def close(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Close a notice whose evidence is enough, as a regulator."""
    _step(home, matter_id, NoticeAction.CLOSED, b"", as_json=as_json)


@notice_command.command(
    epilog="""\b
EXAMPLES
  tocsin notice withdraw 9f2c4b1a
"""
)
@notice_id
@json_option
@pass_home
def withdraw(home: Home, matter_id: bytes, as_json: bool) -> None:
    """Take a notice back, as a regulator."""
    _step(home, matter_id, NoticeAction.WITHDRAWN, b"", as_json=as_json)


def _step(
    home: Home, matter_id: bytes, step: NoticeAction, digest: bytes, *, as_json: bool
) -> None:
    request = wire.StepNoticeRequest(
        matter_id=matter_id,
        step=step.value,  # type: ignore[arg-type]  # the mirrored number
        paper_digest=digest,
    )
    with InsideDoor(home) as door:
        said = door.call(door.notice.StepNotice, request).statement_id.hex()
    if as_json:
        json_object({"statement_id": said})
    else:
        data(f"{step.name.lower()} by the statement {said}")


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
