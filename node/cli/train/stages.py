"""``tocsin train release`` and ``rollback``: where a model goes."""

from __future__ import annotations

import click

from federation.vocabulary import ModelStage
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import json_object, say
from node.cli.train.digest import FILE_DIGEST, digest_argument
from node.cli.train.writing import write_result, write_status
from node.cli.word import Word
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    epilog="""\b
Stages: shadow (the model scores without acting), released (it is in force), rejected, retired.
Shadow and release need the card and an approved assessment, which the node finds by itself; a
release needs the approval of most participants, too: tocsin train approve DIGEST --release.

\b
EXAMPLES
  tocsin train release 9f2c4b1a --stage shadow
  tocsin train release 9f2c4b1a
  tocsin train release 9f2c4b1a --stage rejected
"""
)
@digest_argument
@click.option(
    "--stage",
    type=Word(ModelStage, "stage"),
    default="released",
    show_default=True,
    help="Where the plan or its model goes.",
)
@click.option("--card", type=FILE_DIGEST, default=b"", help="Refuse another card than this.")
@click.option("--assessment", type=FILE_DIGEST, default=b"", help="And another assessment.")
@json_option
@pass_home
def release(
    home: Home, digest: bytes, stage: ModelStage, card: bytes, assessment: bytes, as_json: bool
) -> None:
    """Take an own plan or its model to a stage."""
    request = wire.ReleaseRequest(
        plan_digest=digest,
        stage=stage.value,  # type: ignore[arg-type]  # the mirrored number
        model_sheet_digest=card,
        assessment_digest=assessment,
    )
    with InsideDoor(home) as door:
        answer = door.call(door.train.Release, request)
    write_result(answer.status, as_json=as_json)
    if stage is ModelStage.SHADOW and not as_json:
        plan = answer.status.plan_digest.hex()[:SHOWN_DIGITS]
        say(f"Next, at most participants: tocsin train approve {plan} --release")
        say(f"Then: tocsin train release {plan}")


@click.command(
    epilog="""\b
EXAMPLES
  tocsin train rollback 9f2c4b1a
"""
)
@digest_argument
@json_option
@pass_home
def rollback(home: Home, digest: bytes, as_json: bool) -> None:
    """Bring an earlier model back: retire the own ones released after it."""
    with InsideDoor(home) as door:
        answer = door.call(door.train.RollBack, wire.RollBackRequest(plan_digest=digest))
    if as_json:
        json_object(describe(answer))
        return
    write_status(answer.status)
    say(f"Retired: {len(answer.retired_digests)}.")
