"""``tocsin matter``: the queue of what goes on between members, and one matter in full."""

from __future__ import annotations

from typing import Any, Final

import click

from federation.statements.shape import DIGEST_BYTES, IDENTIFIER_BYTES
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe, time_text
from node.cli.duration import due_text
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Moment
from node.home import Home
from tocsin.desk.v1 import matter_service_pb2 as wire

_MATTER_ID: Final = MatterName("id", IDENTIFIER_BYTES, DIGEST_BYTES)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin matter list --mine
  tocsin matter list --overdue
  tocsin matter show 9f2c4b1a
"""
)
def matter_command() -> None:
    """List what goes on between the members, and what is due."""


@matter_command.command(
    "list",
    epilog="""\b
What is due first comes first. A matter is mine when the next step is this member's to take.

\b
EXAMPLES
  tocsin matter list
  tocsin matter list --kind training-plan --state proposed
  tocsin matter list --overdue --at 2026-12-01 --json
  tocsin matter list --turn bank-x --limit 20
""",
)
@click.option("--kind", default="", metavar="KIND", help="Of this kind, such as training-plan.")
@click.option("--state", default="", metavar="STATE", help="In this state, such as proposed.")
@click.option("--all", "which", flag_value="all", help="Those that are over, too.")
@click.option("--over", "which", flag_value="over", help="Only those that are over.")
@click.option("--overdue", is_flag=True, help="Only those whose next step has been missed.")
@click.option("--at", type=Moment(), default=None, help="As they stand at this time; default: now.")
@click.option("--mine", is_flag=True, help="Only those where this member is next.")
@click.option("--turn", default="", metavar="MEMBER", help="Only those where that member is next.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@json_option
@pass_home
def list_matters(
    home: Home,
    kind: str,
    state: str,
    which: str | None,
    overdue: bool,
    at: int | None,
    mine: bool,
    turn: str,
    limit: int,
    as_json: bool,
) -> None:
    """List matters, the one due first in front."""
    request = wire.ListMattersRequest(
        kind=_word(kind, "-", str.lower),
        state=_word(state, "_", str.upper),
        overdue=overdue,
        turn=turn,
        own_turn=mine,
        limit=limit,
    )
    if which != "all" and not (state and which is None):
        request.open = which is None
    if at is not None:
        request.at_time.seconds = at
    with InsideDoor(home) as door:
        answer = door.call(door.matter.ListMatters, request)
    if as_json:
        for one in answer.matters:
            json_object(describe(one))
    elif answer.matters:
        now = answer.at_time.seconds
        table(_HEADER, [_row(one, now) for one in answer.matters])
    else:
        say("There are no such matters.")
    if answer.more:
        say(f"There are more than {limit}: ask for fewer, or for more with --limit.")


_HEADER: Final = ("matter", "kind", "state", "opener", "due", "next")


@matter_command.command(
    epilog="""Two members may use one id. Then name whose it is, here and wherever a command takes
the id of a matter: MEMBER/ID with all digits of the id.

\b
EXAMPLES
  tocsin matter show 9f2c4b1a
  tocsin matter show bank-x/9f2c4b1a00112233445566778899aabb
  tocsin matter show 9f2c4b1a --json
"""
)
@click.argument("matter_id", metavar="ID", type=_MATTER_ID)
@click.option("--at", type=Moment(), default=None, help="As it stands at this time; default: now.")
@json_option
@pass_home
def show(home: Home, matter_id: bytes, at: int | None, as_json: bool) -> None:
    """Show one matter: how it stands, everything said in it, what was refused and why."""
    request = wire.GetMatterRequest(matter_id=matter_id)
    if at is not None:
        request.at_time.seconds = at
    with InsideDoor(home) as door:
        answer = door.call(door.matter.GetMatter, request)
    if as_json:
        json_object(describe(answer))
        return
    _write(answer)


def _write(answer: wire.GetMatterResponse) -> None:
    matter, now = answer.matter, answer.at_time.seconds
    facts: dict[str, Any] = {
        "matter": matter.matter_id.hex(),
        "kind": matter.kind,
        "state": matter.state,
        "opener": matter.opener,
        "opened": time_text(matter.opened_time.seconds),
        "due": _due(matter, now),
        "ends": time_text(matter.end_time.seconds) if matter.HasField("end_time") else "-",
        "next": _next(matter),
        "parties": ", ".join(answer.parties) or "-",
        "subject": matter.subject.hex() or "-",
    }
    for name, value in facts.items():
        data(f"{name:<9}{value}")
    data()
    table(("time", "member", "statement", "then"), [_said(one) for one in answer.statements])
    for one in answer.statements:
        if one.refused_reason:
            waits = ", so far" if one.waits else ""
            where = f"{one.member} {_words(one)}"
            data(f"refused{waits}: {where}: {one.refused_sentence} [{one.refused_reason}]")


def _row(one: wire.MatterSummary, now: int) -> tuple[str, ...]:
    shown = one.matter_id.hex()[:SHOWN_DIGITS]
    return shown, one.kind, one.state, one.opener, _due(one, now), _next(one)


def _due(one: wire.MatterSummary, now: int) -> str:
    if not one.HasField("due_time"):
        return "-"
    due = one.due_time.seconds
    return f"{time_text(due)} ({due_text(due, now)})"


def _next(one: wire.MatterSummary) -> str:
    anyone = [f"any {role}" for role in one.turn_roles]
    return ", ".join([*one.turn_members, *anyone]) or "-"


def _said(one: wire.MatterStatement) -> tuple[str, ...]:
    then = f"refused: {one.refused_reason}" if one.refused_reason else one.state
    return time_text(one.issued_time.seconds), one.member, _words(one), then


def _words(one: wire.MatterStatement) -> str:
    return f"{one.body} {one.choice}".rstrip()


def _word(text: str, joint: str, case: Any) -> str:
    """Write a word as the node does, however a person wrote it."""
    found: str = case(text.strip())
    return found.replace(" ", joint).replace("-" if joint == "_" else "_", joint)
