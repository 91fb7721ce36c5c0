"""``tocsin train models``: which models there are, and what this node has of them."""

from __future__ import annotations

import click

from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import json_object, say, table
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    "models",
    epilog="""\b
Files come by themselves from the coordinator, and each is held to the digest in the log.

\b
EXAMPLES
  tocsin train models
  tocsin train models --json
""",
)
@json_option
@pass_home
def list_models(home: Home, as_json: bool) -> None:
    """List the trained models, newest first, and which of their files are here."""
    with InsideDoor(home) as door:
        answer = door.call(door.train.ListModels, wire.ListModelsRequest())
    if as_json:
        for one in answer.models:
            json_object(describe(one))
        return
    rows = [
        (
            one.plan_digest.hex()[:SHOWN_DIGITS],
            one.model_digest.hex()[:SHOWN_DIGITS],
            one.coordinator,
            (describe(one)["task"] or "").lower(),
            f"{one.state.lower()}{', in force' if one.in_force else ''}",
            _files(one),
        )
        for one in answer.models
    ]
    if rows:
        table(("plan", "model", "coordinator", "task", "state", "here"), rows)
    else:
        say("There are no models. Next: tocsin train list")


def _files(model: wire.ModelInfo) -> str:
    named = (
        (model.has_model, "model"),
        (model.has_card, "card"),
        (model.has_assessment, "assessment"),
    )
    return ", ".join(name for there, name in named if there) or "-"
