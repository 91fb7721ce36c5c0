"""``tocsin train run``: run an own plan and show its rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from node.cli.digits import SHOWN_DIGITS
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.train.digest import digest_argument
from node.errors import EXIT_FAILED
from node.home import Home
from node.training.policy import MILLION
from node.trial.following import follow_run
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    epilog="""\b
The run is the node's: it goes on when this command ends, and after a crash of the node. The same
command shows it again.

\b
Flower's engine needs a plan with the protection robust, and members that allow it in their
training.toml: [engines] flower = true. A run that was started on it stays on it.

\b
EXAMPLES
  tocsin train run 9f2c4b1a --schema subscribers.schema
  tocsin train run 9f2c4b1a
  tocsin train run 9f2c4b1a --json
  tocsin train run 9f2c4b1a --schema subscribers.schema --engine flower
"""
)
@digest_argument
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The plan's schema; not needed to go on with a run.",
)
@click.option(
    "--engine",
    type=click.Choice(["streams", "flower"]),
    default="streams",
    show_default=True,
    help="The members' streams, or Flower's SuperLink and SuperNodes inside tunnels.",
)
@json_option
@pass_home
def run(home: Home, digest: bytes, schema: Path | None, engine: str, as_json: bool) -> int:
    """Run an own plan, or what is left of it, and show its rounds."""
    text = schema.read_bytes() if schema is not None else b""
    chosen = wire.TRAINING_ENGINE_FLOWER if engine == "flower" else wire.TRAINING_ENGINE_UNSPECIFIED
    request = wire.RunRequest(plan_digest=digest, schema=text, engine=chosen)
    shown = Progress(as_json=as_json)
    last = wire.RunResponse()
    for last in follow_run(home, request):
        shown.show(last)
    return _write_end(last, as_json=as_json)


class Progress:
    """Writes what is new in a run: who is attached, and a line for each round that ended."""

    def __init__(self, *, as_json: bool, write: Callable[[str], None] = data) -> None:
        self._as_json = as_json
        self._write = write
        self._attached: list[str] | None = None
        self._round = b""

    def show(self, response: wire.RunResponse, names: Mapping[str, str] | None = None) -> None:
        """Write it, with other names for members where they are given."""
        known = names or {}
        attached = list(response.attached)
        if attached != self._attached and not self._as_json:
            self._say_attached(response, known)
        self._attached = attached
        last = response.last_round.SerializeToString()
        if last in (b"", self._round):
            return
        self._round = last
        if self._as_json:
            json_object(describe(response))
        else:
            self._write(round_line(response, known))

    def _say_attached(self, response: wire.RunResponse, names: Mapping[str, str]) -> None:
        here = [names.get(member, member) for member in response.attached]
        absent = set(response.status.enrolled) - set(response.attached)
        missing = sorted(names.get(member, member) for member in absent)
        without = f"; waiting for {', '.join(missing)}" if missing else ""
        say(f"attached: {', '.join(here) or 'nobody'}{without}")


def round_line(response: wire.RunResponse, names: Mapping[str, str]) -> str:
    """Say in one line how a round went: seconds, mean loss, and who came out of it how."""
    found = describe(response)
    groups: dict[str, list[str]] = {}
    for one in found["last_round"]["outcomes"]:
        reason = f" ({one['reason'].lower()})" if one["reason"] else ""
        member = names.get(one["member"], one["member"])
        groups.setdefault(one["outcome"].lower(), []).append(f"{member}{reason}")
    outcomes = "; ".join(f"{word}: {', '.join(members)}" for word, members in groups.items())
    number, rounds = response.last_round.round, response.status.rounds
    loss = f"loss {response.loss_millionths / MILLION:.4f}" if response.loss_millionths else ""
    moved = "" if response.last_round.checkpoint_digest else "nothing changed, again  "
    seconds = f"{response.round_milliseconds / 1_000:.1f} s"
    where = f"round {number:>{len(str(rounds))}} of {rounds}"
    blind = "; a key holder is missing: no update was measured"
    unmeasured = blind if response.last_round.unmeasured else ""
    return f"{where}  {seconds:>6}  {loss:11}  {moved}{outcomes}{unmeasured}"


def _write_end(response: wire.RunResponse, *, as_json: bool) -> int:
    if as_json:
        json_object(describe(response))
    elif response.failure:
        say(f"error: the run ended without a model [{response.failure}]")
        say("hint: the run goes on from its last round with the same command")
    else:
        data(f"state        {response.status.state}")
        data(f"model        {response.model_file}")
        plan = response.status.plan_digest.hex()[:SHOWN_DIGITS]
        say(f"Next: tocsin train card {plan}, then tocsin train assess {plan}")
    return EXIT_FAILED if response.failure else 0
