"""The command `tocsin sandbox`: a federation of real nodes on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from node.cli import output
from node.errors import EXIT_FAILED
from node.sandbox import DEFAULT_MEMBERS, NodeState, Sandbox
from node.sandbox.layout import split_members

_UP_EPILOG = """\b
EXAMPLES
  tocsin sandbox up /tmp/federation
  tocsin sandbox up /tmp/small --members carrier-a,bank-x,net-p,partner-k
  tocsin --home /tmp/federation/bank-x check phone +9990000001

\b
Each home keeps its passphrase in a file of that name, for commands that take --passphrase-file.
The first word of a name is the member's role: carrier, bank, net, coord, regulator, police,
partner or auditor.
"""

_GROUP_EPILOG = """\b
EXAMPLES
  tocsin sandbox up /tmp/federation
  tocsin sandbox status /tmp/federation
  tocsin sandbox down /tmp/federation
"""

_STATUS_EPILOG = """\b
EXAMPLES
  tocsin sandbox status /tmp/federation
  tocsin sandbox status /tmp/federation --json
"""

_DOWN_EPILOG = """\b
EXAMPLES
  tocsin sandbox down /tmp/federation
  tocsin sandbox down /tmp/federation --remove
"""

_directory = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))


@click.group("sandbox", epilog=_GROUP_EPILOG)
def sandbox_command() -> None:
    """Run a federation of real nodes on this machine: loopback, real certificates, own charter."""


@sandbox_command.command("up", epilog=_UP_EPILOG)
@_directory
@click.option("--members", default=None, help=f"Default: {','.join(DEFAULT_MEMBERS)}.")
@click.option("--fresh", is_flag=True, help="Remove the sandbox that is there and make a new one.")
@click.option("--capture", is_flag=True, help="Record the messages of every outside door.")
def _up(directory: Path, members: str | None, fresh: bool, capture: bool) -> None:
    """Start the nodes; make the homes, the charter and the keys first where they are missing."""
    names = None if members is None else split_members(members)
    sandbox = Sandbox(directory, names, capture=capture)
    if fresh:
        sandbox.remove()
    if capture and sandbox.exists:
        output.say("this sandbox keeps its settings; --capture needs a new one or --fresh")
    steps = (2 if sandbox.exists else 3) * len(names or DEFAULT_MEMBERS)
    with output.Progress("starting nodes", steps) as progress:
        sandbox.up(lambda _: progress.advance(1))
    _show(sandbox.status())
    _suggest(sandbox)


@sandbox_command.command("status", epilog=_STATUS_EPILOG)
@_directory
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _status(directory: Path, as_json: bool) -> int:
    """Tell how every node is; exit status 1 if one is not ready."""
    states = Sandbox(directory).status()
    if as_json:
        for state in states:
            output.json_object(_as_document(state))
    else:
        _show(states)
    return 0 if all(state.ready for state in states) else EXIT_FAILED


@sandbox_command.command("down", epilog=_DOWN_EPILOG)
@_directory
@click.option("--remove", is_flag=True, help="Remove the directory as well.")
def _down(directory: Path, remove: bool) -> None:
    """End the nodes; homes and logs stay, and `up` continues with them."""
    sandbox = Sandbox(directory)
    ended = sandbox.down()
    output.say(f"ended {len(ended)} of {len(sandbox.members)} nodes")
    if remove:
        sandbox.remove()
        output.say(f"removed {directory}")
    else:
        output.say(f"start them again: tocsin sandbox up {shlex.quote(str(directory))}")


def _show(states: tuple[NodeState, ...]) -> None:
    header = ("MEMBER", "ROLE", "ADDRESS", "PROCESS", "STATE", "STATEMENTS", "HOME")
    output.table(header, [_as_row(state) for state in states])


def _as_row(state: NodeState) -> tuple[object, ...]:
    word = "ready" if state.ready else (state.reason or "STARTING").lower()
    process = state.process_id or "-"
    return (
        *(state.member, state.role, state.address, process),
        *(word, state.statements, state.home),
    )


def _as_document(state: NodeState) -> dict[str, object]:
    return {
        "member": state.member,
        "role": state.role,
        "address": state.address,
        "home": str(state.home),
        "process": state.process_id,
        "ready": state.ready,
        "epoch": state.epoch,
        "statements": state.statements,
        "reason": state.reason,
    }


def _suggest(sandbox: Sandbox) -> None:
    layout = sandbox.layout
    first, last = (
        shlex.quote(str(sandbox.home(member).root))
        for member in (layout.speaking[0], layout.members[-1])
    )
    holders = f"{layout.threshold} of {', '.join(layout.holders)}"
    output.say(f"\ntoken keys: {holders}\nnothing leaves this machine. Next, for example:")
    row = "phone +9990000001 --fraud-type loan --confidence 80"
    output.say(f"  tocsin --home {first} nominate {row}")
    output.say(f"  tocsin --home {last} check phone '+999 000-0001'")
    output.say(f"  tocsin sandbox down {shlex.quote(str(sandbox.directory))}")
