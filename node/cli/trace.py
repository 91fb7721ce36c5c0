"""``tocsin trace``: follow an object to its source, from holder to holder."""

from __future__ import annotations

from typing import Any, Final

import click

from federation.vocabulary import TraceAnswer
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import case_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2

_ID: Final = MatterName()


@click.group(
    epilog="""\b
EXAMPLES
  tocsin trace open phone +8613000000000 --order 9f2c4b1a --at carrier-a
  tocsin trace list
  tocsin trace answer 7b21aa00 --next im_account=net-p:u1 --at net-p
  tocsin trace answer 7b21aa00 --end
"""
)
def trace_command() -> None:
    """Follow an object to its source; each holder sees its own hop alone."""


@trace_command.command(
    "open",
    epilog="""Without a designation of the object, or an order about it, nobody answers.

\b
EXAMPLES
  tocsin trace open phone +8613000000000 --order 9f2c4b1a --at carrier-a
""",
)
@click.argument("kind")
@click.argument("value")
@click.option(
    "--order",
    "order_id",
    type=_ID,
    default=None,
    metavar="ID",
    help="Statement of the designation, or the order.",
)
@click.option("--at", "holder", required=True, metavar="MEMBER", help="Who holds the object.")
@json_option
@pass_home
def open_trace(
    home: Home, kind: str, value: str, order_id: bytes | None, holder: str, as_json: bool
) -> None:
    """Ask a holder where an object leads (police only)."""
    request = wire.OpenTraceRequest(
        value=desk_service_pb2.RawIndicator(kind=kind, value=value),
        order_id=order_id or b"",
        holder=holder,
    )
    with InsideDoor(home) as door:
        _write(door.call(door.case.OpenTrace, request).trace, as_json=as_json)


@trace_command.command(
    epilog="""What comes next is sealed to its holder: neither the police nor other members read it.

\b
EXAMPLES
  tocsin trace answer 7b21aa00 --next domain=evil.example --at net-q
  tocsin trace answer 7b21aa00 --end
  tocsin trace answer 7b21aa00 --not-held
"""
)
@click.argument("trace_id", metavar="ID", type=_ID)
@click.option("--next", "following", default="", metavar="KIND=VALUE", help="What comes next.")
@click.option("--at", "holder", default="", metavar="MEMBER", help="Who holds that.")
@click.option("--end", "is_end", is_flag=True, help="It ends here.")
@click.option("--not-held", "is_not_held", is_flag=True, help="This member does not hold it.")
@json_option
@pass_home
def answer(
    home: Home,
    trace_id: bytes,
    following: str,
    holder: str,
    is_end: bool,
    is_not_held: bool,
    as_json: bool,
) -> None:
    """Answer for the own hop of a trace."""
    if bool(following) + is_end + is_not_held != 1:
        raise click.UsageError("give one of --next, --end and --not-held")
    step = TraceAnswer.NEXT if following else TraceAnswer.END if is_end else TraceAnswer.NOT_HELD
    request = wire.AnswerTraceRequest(
        trace_id=trace_id,
        step=step.value,  # type: ignore[arg-type]  # the mirrored number
        holder=holder,
    )
    if following:
        kind, equal, value = following.partition("=")
        if not equal:
            raise RequestError("what comes next is KIND=VALUE", reason="OBJECT_INVALID")
        request.value.CopyFrom(desk_service_pb2.RawIndicator(kind=kind, value=value))
    with InsideDoor(home) as door:
        _write(door.call(door.case.AnswerTrace, request).trace, as_json=as_json)


@trace_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin trace list
  tocsin trace list --json
""",
)
@json_option
@pass_home
def list_traces(home: Home, as_json: bool) -> None:
    """List traces, newest first, with what the own hop is about."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.ListTraces, wire.ListTracesRequest())
    if as_json:
        for one in answer.traces:
            json_object(describe(one))
        return
    rows = [_row(describe(one)) for one in answer.traces]
    if rows:
        table(("trace", "police", "state", "holders", "own hop", "due"), rows)
    else:
        say("There are no traces.")


def _row(found: dict[str, Any]) -> tuple[Any, ...]:
    own = f"{found['kind']} {found['value']}".strip()
    return (
        found["trace_id"][:SHOWN_DIGITS],
        found["opener"],
        found["state"],
        " > ".join(found["holders"]),
        own or "-",
        found["due_time"] or "-",
    )


def _write(trace: wire.TraceStatus, *, as_json: bool) -> None:
    found = describe(trace)
    if as_json:
        json_object(found)
        return
    data(f"trace    {found['trace_id']}")
    data(f"state    {found['state']}")
    data(f"holders  {' > '.join(found['holders'])}")
    data(f"due      {found['due_time'] or '-'}")
