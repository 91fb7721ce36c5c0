"""What a member with accounts does with ``tocsin one-id``: feed them, and decide disputes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import AccountKind, OneIdMove, OneIdReason
from node.cli.batch import answer_in_order, prepare
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.import_report import Tally
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say, table
from node.cli.table_file import Layout, Row, parse_mapping, read_rows
from node.cli.word import Word, read_word
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import one_id_service_pb2 as wire

_ID: Final = MatterName()
_COLUMNS: Final = """\b
FILES
  CSV with the columns value (the identity card), account_kind (sim, bank_account,
  internet_account) and account (your own reference); others by --map. Identity cards are turned
  to tokens and kept nowhere; in a new epoch of the token keys the file is fed again.
"""


def holder_commands() -> tuple[click.Command, ...]:
    """Return the commands of who has accounts."""
    return add, remove, count, tasks, decide


def _takes_holdings(command: Any) -> Any:
    file = click.Path(path_type=Path, allow_dash=True)
    command = click.option("--file", type=file, required=True, help="The accounts.")(command)
    return click.option(
        "--map", "mapping", default="", metavar="NAME=COLUMN,...", help="Names of its columns."
    )(command)


@click.command(
    epilog=f"""{_COLUMNS}
\b
EXAMPLES
  tocsin one-id add --file accounts.csv
  tocsin one-id add --file accounts.csv --map value=id_number,account=line
"""
)
@_takes_holdings
@strict_option
@json_option
@pass_home
def add(home: Home, file: Path, mapping: str, strict: bool, as_json: bool) -> int:
    """Tell this node which own accounts stand under which identity; nothing leaves it."""
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.Holding]) -> Any:
            return door.start(door.one_id.AddHoldings, wire.AddHoldingsRequest(rows=items))

        return _send(file, mapping, send, strict=strict, as_json=as_json)


@click.command(
    epilog=f"""{_COLUMNS}
\b
EXAMPLES
  tocsin one-id remove --file closed.csv
"""
)
@_takes_holdings
@strict_option
@json_option
@pass_home
def remove(home: Home, file: Path, mapping: str, strict: bool, as_json: bool) -> int:
    """Take own accounts out that are closed; those removed are counted as added."""
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.Holding]) -> Any:
            return door.start(door.one_id.RemoveHoldings, wire.RemoveHoldingsRequest(rows=items))

        return _send(file, mapping, send, strict=strict, as_json=as_json)


@click.command(
    epilog="""\b
EXAMPLES
  tocsin one-id count
"""
)
@json_option
@pass_home
def count(home: Home, as_json: bool) -> None:
    """Count the own accounts that this node knows of."""
    with InsideDoor(home) as door:
        answer = door.call(door.one_id.CountHoldings, wire.CountHoldingsRequest())
    found = {AccountKind(one.account_kind).name.lower(): one.count for one in answer.counts}
    if as_json:
        json_object(found)
        return
    for kind in AccountKind:
        data(f"{kind.name.lower()}  {found.get(kind.name.lower(), 0)}")


@click.command(
    epilog="""\b
EXAMPLES
  tocsin one-id tasks
  tocsin one-id tasks --all --json
"""
)
@click.argument("dispute_id", metavar="[ID]", type=_ID, required=False)
@click.option("--all", "everything", is_flag=True, help="Those of other members and closed ones.")
@json_option
@pass_home
def tasks(home: Home, dispute_id: bytes | None, everything: bool, as_json: bool) -> None:
    """List the disputes that this member has to decide, the next due first."""
    request = wire.ListDisputesRequest(
        matter_id=dispute_id or b"", own_only=not everything, with_closed=everything
    )
    with InsideDoor(home) as door:
        found = [describe(one) for one in door.call(door.one_id.ListDisputes, request).disputes]
    if as_json:
        for one in found:
            json_object(one)
        return
    if not found:
        say("There are no disputes.")
        return
    header = ("dispute", "from", "holder", "state", "due", "wish", "accounts", "text")
    table(header, [_row(one) for one in found])


@click.command(
    epilog="""Nothing ends without a word to the citizen, who alone can read it.

\b
EXAMPLES
  tocsin one-id decide 9f2c4b1a --accept
  tocsin one-id decide 9f2c4b1a --close --text "Both lines were closed today"
  tocsin one-id decide 9f2c4b1a --reject legal_hold --text "Frozen by a court: call 10000"
  tocsin one-id decide 9f2c4b1a --reject not_authentic
"""
)
@click.argument("dispute_id", metavar="ID", type=_ID)
@click.option("--accept", is_flag=True, help="Take it up.")
@click.option("--close", is_flag=True, help="It is done.")
@click.option(
    "--reject",
    "reason",
    type=Word(OneIdReason, "reason"),
    default=None,
    help="It is not done: why.",
)
@click.option("--text", default="", help="What the citizen is told.")
@json_option
@pass_home
def decide(
    home: Home,
    dispute_id: bytes,
    accept: bool,
    close: bool,
    reason: OneIdReason | None,
    text: str,
    as_json: bool,
) -> None:
    """Take a dispute up, close it or reject it."""
    if accept + close + (reason is not None) != 1:
        raise click.UsageError("give one of --accept, --close and --reject")
    step = OneIdMove.ACCEPTED if accept else OneIdMove.CLOSED if close else OneIdMove.REJECTED
    request = wire.DecideDisputeRequest(
        matter_id=dispute_id,
        step=int(step),  # type: ignore[arg-type]  # the mirrored number
        reason=int(reason or 0),  # type: ignore[arg-type]  # the mirrored number
        text=text,
    )
    with InsideDoor(home) as door:
        found = describe(door.call(door.one_id.DecideDispute, request).status)
    if as_json:
        json_object(found)
        return
    data(f"dispute  {found['matter_id']}")
    data(f"state    {found['state']}")
    data(f"due      {found['due_time'] or '-'}")


def _send(file: Path, mapping: str, send: Any, *, strict: bool, as_json: bool) -> int:
    layout = Layout(parse_mapping(mapping), required=("value", "account_kind", "account"))
    tally = Tally()
    for answer in answer_in_order(prepare(read_rows(file, layout), _holding), send):
        tally.take(answer)
    tally.write(as_json=as_json)
    if not as_json:
        say("Stored: tokens and own references, in this node's private store. Not shared: anything")
    return EXIT_FAILED if strict and tally.refused else 0


def _holding(row: Row) -> wire.Holding:
    kind = read_word(AccountKind, row.cells["account_kind"], "account kind")
    value = desk_service_pb2.RawIndicator(kind="resident_id", value=row.cells["value"])
    return wire.Holding(
        value=value,
        account_kind=int(kind),  # type: ignore[arg-type]  # the mirrored number
        account=row.cells["account"],
    )


def _row(found: dict[str, Any]) -> tuple[Any, ...]:
    state = f"{found['state']}{' (late)' if found['is_overdue'] else ''}"
    own = [*found["own_accounts"], *(["unknown"] * found["unknown_count"])]
    return (
        found["matter_id"][:SHOWN_DIGITS],
        found["opener"],
        found["holder"],
        state,
        found["due_time"] or "-",
        found["wish"] or "-",
        ", ".join(own) or "-",
        found["text"] or "-",
    )
