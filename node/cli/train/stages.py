"""``tocsin train release`` and ``rollback``: where a model goes."""

from __future__ import annotations

import click

from federation.vocabulary import ModelStage
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import json_object, say
from node.cli.train.digest import FileDigest, digest_argument
from node.cli.train.writing import write_result, write_status
from node.cli.word import Word
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    epilog="""\b
Stages: shadow (the model scores without acting), released (needs card, assessment and the approval
of most participants), rejected, retired.

\b
EXAMPLES
  tocsin train release 9f2c4b1a --stage shadow --card SHA256 --assessment SHA256
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
@click.option("--card", type=FileDigest(), default=b"", help="SHA-256 of the model card.")
@click.option("--assessment", type=FileDigest(), default=b"", help="SHA-256 of the assessment.")
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
