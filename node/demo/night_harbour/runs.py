"""Run training plans over the members' real nodes, and read what the logs say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from federation.statements import TrainingPlan
from federation.statements.codec import fill_message
from federation.training.plan import TrainingPlan as PlanValue
from federation.training.schema import FeatureSchema
from federation.vocabulary import ModelStage, TrainingDecision, TrainingOutcome, TrainingReason
from node.demo.doors import wait_until
from node.demo.error import DemoError
from node.demo.night_harbour.calls import ask, number
from node.demo.night_harbour.scene import Scene
from node.trial.following import follow_run
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2

Outcomes = dict[str, tuple[TrainingOutcome, TrainingReason]]
"""How each enrolled member came out of a round."""

EXPIRY: Final = 4_070_908_800
"""When the plans end, in 2099: one that does not move, so that each run draws the same chances."""
LEAST_APPROVALS: Final = 2


def propose(scene: Scene, leader: str, plan: PlanValue, members: Sequence[str]) -> bytes:
    """Propose a plan and wait until every member's policy has approved it; return its digest."""
    message = fill_message(training_pb2.TrainingPlan(), TrainingPlan.of(plan))
    request = wire.ProposePlanRequest(plan=message)
    digest: bytes = ask(scene, leader, "train", "ProposePlan", request).plan_digest
    wait_until(
        lambda: set(members) <= set(describe(scene, leader, digest).status.approved),
        "a plan was not approved",
    )
    return digest


def run(
    scene: Scene,
    leader: str,
    digest: bytes,
    schema: FeatureSchema,
    told: Callable[[wire.RunResponse], None] = lambda _: None,
) -> Path:
    """Run a plan to its end and return the file of its model.

    Args:
        scene: The federation.
        leader: Who proposed the plan.
        digest: Of the plan.
        schema: The plan's.
        told: Called with whatever the leader's node says on the way.

    Raises:
        DemoError: The run gave no model.
    """
    last = wire.RunResponse()
    request = wire.RunRequest(plan_digest=digest, schema=schema.encode())
    for response in follow_run(scene.sandbox.home(leader), request):
        told(response)
        last = response
    if last.failure:
        raise DemoError(f"a training run ended with {last.failure}")
    return Path(last.model_file)


def describe(scene: Scene, member: str, digest: bytes) -> wire.GetPlanResponse:
    """Return everything that a member's node knows about a plan."""
    request = wire.GetPlanRequest(plan_digest=digest)
    return ask(scene, member, "train", "GetPlan", request)  # type: ignore[no-any-return]  # as the contract says


def outcomes(scene: Scene, member: str, digest: bytes) -> list[Outcomes]:
    """Return how the members came out of each round, as the log of the run says it."""
    return [
        {
            one.member: (TrainingOutcome(one.outcome), TrainingReason(one.reason))
            for one in each.outcomes
        }
        for each in describe(scene, member, digest).rounds
    ]


def wait_state(scene: Scene, members: Sequence[str], digest: bytes, state: str) -> None:
    """Wait until a plan stands so at all members."""
    wait_until(
        lambda: all(describe(scene, one, digest).status.state == state for one in members),
        f"a model did not come to {state}",
    )


def move(scene: Scene, leader: str, digest: bytes, stage: ModelStage) -> Any:
    """Take a plan's model to a stage; raises what the node said."""
    request = wire.ReleaseRequest(plan_digest=digest, stage=number(stage))
    return ask(scene, leader, "train", "Release", request)


def approve_release(scene: Scene, digest: bytes, member: str) -> None:
    """Approve the release of a model in a member's name, once its papers are there."""
    decision = number(TrainingDecision.APPROVE_RELEASE)
    ask(
        scene,
        member,
        "train",
        "Approve",
        wire.ApproveRequest(plan_digest=digest, decision=decision),
    )
