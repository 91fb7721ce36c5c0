"""Add for a run's own process what its members gave in secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from federation.matters import TrainingMatter
from federation.names import MemberId
from federation.training.fixed_point import TAIL, FixedPoint
from federation.training.sum_labels import is_new_each_time, labels_digest
from node.telemetry import get_log
from node.training.sum_order import SumOrder
from node.training.sum_run import SumDesk, SumRun
from node.training.summands import WIRE

SUM_SHARE: Final = 0.25
"""Of a round's deadline, for the sum; the rest is for training."""


async def add_in_secret(
    desk: SumDesk, matter: TrainingMatter, question: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Return the header and the body of the answer to a run's process.

    Args:
        desk: Of the run.
        matter: Of its plan.
        question: ``label``, ``members`` with a vector, its ``length``; for updates ``largest`` and
            ``rows``.
    """
    order = _order(matter, question)
    outcome = await SumRun(desk, order).run()
    if not outcome.norms_opened:
        get_log().warning("training.norms_unopened", count=len(outcome.contributors))
    header = {
        "contributors": outcome.contributors,
        "rejected": dict(outcome.rejected),
        "absent": {name: list(why) for name, why in outcome.absent.items()},
        "norms_opened": outcome.norms_opened,
    }
    return header, outcome.units.astype(WIRE).tobytes()


def _order(matter: TrainingMatter, question: Mapping[str, Any]) -> SumOrder:
    facts, label, length = matter.facts, str(question["label"]), int(question["length"])
    scale = None
    if question["largest"]:
        scale = FixedPoint(length - TAIL, int(question["largest"]), int(question["rows"]))
    return SumOrder(
        plan=matter.id,
        labels=labels_digest(matter.id, label),
        members=tuple(MemberId(name) for name in question["members"]),
        length=length,
        least=facts.plan.minimum_members,
        row_caps=facts.approved,
        scale=scale,
        seconds=SUM_SHARE * facts.plan.round_seconds,
        is_repeatable=not is_new_each_time(label),
    )
