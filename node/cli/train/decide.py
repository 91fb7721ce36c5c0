"""``tocsin train approve`` and ``refuse``: decide in the member's name."""

from __future__ import annotations

import click

from federation.vocabulary import TrainingDecision, TrainingReason
from node.cli.connection import InsideDoor
from node.cli.option import json_option, pass_home
from node.cli.train.digest import digest_argument
from node.cli.train.writing import write_result
from node.cli.word import Word
from node.home import Home
from tocsin.desk.v1 import train_service_pb2 as wire


@click.command(
    epilog="""\b
Bounds of training.toml hold here, too: data that fits, and the privacy budget.

\b
EXAMPLES
  tocsin train approve 9f2c4b1a
  tocsin train approve 9f2c4b1a --release
"""
)
@digest_argument
@click.option("--release", is_flag=True, help="Approve the release of its model, not the plan.")
@json_option
@pass_home
def approve(home: Home, digest: bytes, release: bool, as_json: bool) -> None:
    """Approve a plan, or the release of its model, in your member's name."""
    decision = TrainingDecision.APPROVE_RELEASE if release else TrainingDecision.APPROVE
    _decide(home, digest, decision, TrainingReason.UNSPECIFIED, as_json=as_json)


@click.command(
    epilog="""\b
EXAMPLES
  tocsin train refuse 9f2c4b1a
  tocsin train refuse 9f2c4b1a --reason data_missing
  tocsin train refuse 9f2c4b1a --release
"""
)
@digest_argument
@click.option("--release", is_flag=True, help="Refuse the release of its model, not the plan.")
@click.option(
    "--reason",
    type=Word(TrainingReason, "reason"),
    default="by_hand",
    show_default=True,
    help="What the others are told.",
)
@json_option
@pass_home
def refuse(home: Home, digest: bytes, release: bool, reason: TrainingReason, as_json: bool) -> None:
    """Refuse a plan, withdraw an approval, or refuse the release of its model."""
    decision = TrainingDecision.REFUSE_RELEASE if release else TrainingDecision.REFUSE
    _decide(home, digest, decision, reason, as_json=as_json)


def _decide(
    home: Home,
    digest: bytes,
    decision: TrainingDecision,
    reason: TrainingReason,
    *,
    as_json: bool,
) -> None:
    request = wire.ApproveRequest(
        plan_digest=digest,
        decision=decision.value,  # type: ignore[arg-type]  # the mirrored number
        reason=reason.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        answer = door.call(door.train.Approve, request)
    write_result(answer.status, as_json=as_json)
