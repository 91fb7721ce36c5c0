"""``tocsin train drift`` and ``fuse``: what private sums say about a model, and about a subject."""

from __future__ import annotations

import click

from node.cli.connection import LONG_CALL_SECONDS, InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.train.digest import digest_argument
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import learning_service_pb2 as wire

seconds_option = click.option(
    "--seconds",
    type=click.IntRange(1, 200),
    default=120,
    show_default=True,
    help="How long the other members have.",
)


@click.command(
    epilog="""\b
Members count their rows of today in the pieces of the model's columns; only the sum is seen. The
first measurement is the reference: take it when the model is released. A population stability
index above 0.25, or a jump of the label rate, raises an alarm and gives exit code 1.

\b
EXAMPLES
  tocsin train drift 9f2c4b1a
  tocsin train drift 9f2c4b1a --json
"""
)
@digest_argument
@seconds_option
@json_option
@pass_home
def drift(home: Home, digest: bytes, seconds: int, as_json: bool) -> int:
    """Measure how far the members' rows have moved since a model was trained."""
    with InsideDoor(home) as door:
        request = wire.MeasureDriftRequest(plan_digest=digest, seconds=seconds)
        answer = door.call(door.learning.MeasureDrift, request, LONG_CALL_SECONDS)
    if as_json:
        json_object(describe(answer))
    else:
        _write_drift(answer)
    return EXIT_FAILED if answer.alarm else 0


def _write_drift(answer: wire.MeasureDriftResponse) -> None:
    rows = [
        (one.column, f"{one.stability_index:.4f}", "ALARM" if one.alarm else "")
        for one in answer.columns
    ]
    table(("column", "index", ""), rows)
    jumped = "  ALARM" if answer.label_alarm else ""
    data(f"label rate  {answer.reference_label_rate:.4f} -> {answer.label_rate:.4f}{jumped}")
    data(f"rows        {answer.reference_rows} -> {answer.rows}")
    data(f"members     {answer.contributors}")
    if answer.is_reference:
        say("This is the reference: later measurements are compared with it.")
    if answer.alarm:
        say("An alarm was raised. Next: train again, or tocsin train rollback DIGEST")


@click.command(
    epilog="""\b
Only for a subject that somebody nominated. Two private sums: who can score it, and, if at least two
can, the sum of their levels, -2 to 2 each. Who does not know the subject adds zero.

\b
EXAMPLES
  tocsin train fuse phone +8613800138000
  tocsin train fuse phone +8613800138000 --json
"""
)
@click.argument("kind")
@click.argument("value")
@click.option("--region", default="", metavar="CC", help="For national forms of a number.")
@seconds_option
@json_option
@pass_home
def fuse(home: Home, kind: str, value: str, region: str, seconds: int, as_json: bool) -> int:
    """Add up what the members' own models say about one nominated subject."""
    with InsideDoor(home) as door:
        request = wire.FuseScoresRequest(kind=kind, value=value, region=region, seconds=seconds)
        answer = door.call(door.learning.FuseScores, request, LONG_CALL_SECONDS)
    if as_json:
        json_object(describe(answer))
        return 0 if answer.is_fused else EXIT_FAILED
    data(f"members   {answer.contributors}")
    if not answer.is_fused:
        say("Fewer than two members can score it: nothing was added up.")
        return EXIT_FAILED
    data(f"levels    {answer.level_sum:+d}")
    data(f"log-odds  {answer.log_odds:+.1f} above the usual")
    return 0
