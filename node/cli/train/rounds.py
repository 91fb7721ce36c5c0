"""``tocsin train run``: run an own plan and show its rounds."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.train.digest import digest_argument
from node.errors import EXIT_FAILED, UnavailableError
from node.home import Home
from node.training.policy import MILLION
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    epilog="""\b
The run is the node's: it goes on when this command ends, and after a crash of the node. The same
command shows it again.

\b
EXAMPLES
  tocsin train run 9f2c4b1a --schema subscribers.schema
  tocsin train run 9f2c4b1a
  tocsin train run 9f2c4b1a --json
"""
)
@digest_argument
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The plan's schema; not needed to go on with a run.",
)
@json_option
@pass_home
def run(home: Home, digest: bytes, schema: Path | None, as_json: bool) -> int:
    """Run an own plan, or what is left of it, and show its rounds."""
    text = schema.read_bytes() if schema is not None else b""
    request = wire.RunRequest(plan_digest=digest, schema=text)
    shown = _Progress(as_json)
    while True:
        try:
            with InsideDoor(home) as door:
                for response in door.stream(door.train.Run, request):
                    shown.show(response)
                    if response.ended:
                        return _write_end(response, as_json=as_json)
        except UnavailableError as error:
            if error.reason != "DEADLINE_EXCEEDED":  # one look at a run may last ten minutes
                raise


class _Progress:
    """Writes what is new: who is attached, and each round that ended."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._attached: list[str] | None = None
        self._round = b""

    def show(self, response: wire.RunResponse) -> None:
        """Write it."""
        attached = list(response.attached)
        if attached != self._attached and not self._as_json:
            absent = set(response.status.enrolled) - set(attached)
            without = f"; without {', '.join(sorted(absent))}" if absent else ""
            say(f"Attached: {', '.join(attached) or 'nobody'}{without}.")
        self._attached = attached
        last = response.last_round.SerializeToString()
        if last in (b"", self._round):
            return
        self._round = last
        if self._as_json:
            json_object(describe(response))
        else:
            data(_round_line(response))


def _round_line(response: wire.RunResponse) -> str:
    found = describe(response)
    outcomes = (
        f"{one['member']} {one['outcome'].lower()}"
        + (f" ({one['reason'].lower()})" if one["reason"] else "")
        for one in found["last_round"]["outcomes"]
    )
    number, rounds = response.last_round.round, response.status.rounds
    moved = "" if response.last_round.checkpoint_digest else "  nothing changed"
    loss = f"loss {response.loss_millionths / MILLION:.4f}" if response.loss_millionths else ""
    seconds = f"{response.round_milliseconds / 1_000:.1f} s"
    return f"round {number} of {rounds}  {seconds}  {loss}{moved}  {', '.join(outcomes)}"


def _write_end(response: wire.RunResponse, *, as_json: bool) -> int:
    if as_json:
        json_object(describe(response))
    elif response.failure:
        say(f"error: the run ended without a model [{response.failure}]")
        say("hint: the run goes on from its last round with the same command")
    else:
        data(f"state        {response.status.state}")
        data(f"model        {response.model_file}")
        say("Next: tocsin train show DIGEST")
    return EXIT_FAILED if response.failure else 0
