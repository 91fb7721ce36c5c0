"""A real model, and the matter of its plan at any of its states, for tests of what scores."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from federation.matters import State, TrainingMatter, advance, models_in_force, release_digest
from federation.statements import (
    MemberOutcome,
    MetricValue,
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
)
from federation.training.network import count_numbers
from federation.training.plan import DataUse, LabelRule, ModelChoice
from federation.training.released import ReleasedModel
from federation.training.scaling import CoarseSums, Scaling, count_coarsely, count_finely
from federation.training.schema import FeatureSchema
from federation.training.table import Rows, check_table, infer_schema
from federation.vocabulary import (
    ModelStage,
    TrainingCandidate,
    TrainingDecision,
    TrainingMetric,
    TrainingOutcome,
)
from node.training.matters import PlanMatter
from tests.federation.training_world import COORD, ROLES, A, B, C, say
from tests.training.plans import plan as plan_value
from tests.training.planted import planted_rows

MEMBERS = (A, B, C)
SCHEMA = infer_schema(planted_rows(200, 1), "label")
CHOICE = ModelChoice(width=4, networks=2, bins=3)
CARD, ASSESSMENT = b'{"card": 1}', b'{"assessment": 1}'
MILLION = 1_000_000


def rows(count: int, seed: int = 3, schema: FeatureSchema = SCHEMA) -> Rows:
    return check_table(planted_rows(count, seed), schema)


def model(seed: int = 1, threshold: float = 0.5, action_threshold: float = 0.75) -> ReleasedModel:
    """Make a model whose parameters are chance, and whose plan is its own."""
    checked = rows(1_000)
    coarse = CoarseSums.parse(SCHEMA, count_coarsely(SCHEMA, checked))
    fine = count_finely(SCHEMA, checked, coarse.edges)
    scaling = Scaling.learn(SCHEMA, CHOICE.bins, coarse, fine, drop=False)
    count = count_numbers(CHOICE, SCHEMA.width(CHOICE.bins))
    numbers = np.random.default_rng(seed).normal(0, 0.4, count).astype(np.float32)
    value = plan_value(
        task="carrier_subscribers",
        schema_digest=SCHEMA.digest(),
        label=LabelRule("confirmed"),
        data_use=DataUse("score_own_subjects", "atnfl_32"),
        model=replace(CHOICE, seed=seed),
        initial_model_digest=hashlib.sha256(b"first").digest(),
        app_digest=hashlib.sha256(b"app").digest(),
        rounds=1,
        protection="robust",
    )
    return ReleasedModel(value, SCHEMA, scaling.encode(), numbers, threshold, action_threshold)


def matter(of: ReleasedModel, state: State = State.RELEASED, at: int = 0) -> TrainingMatter:
    """Say everything until the plan is in a state.

    Args:
        of: The model that the log names.
        state: EVALUATED, SHADOW, RELEASED or RETIRED.
        at: Seconds after which all of it was said.
    """
    plan = TrainingPlan.of(of.plan)
    digest = plan.digest()
    found: TrainingMatter | None = None
    for member, body in _story(of, plan, digest):
        found = advance(found, member, ROLES[member], say(body, at=at))
        if found.state is state:
            return found
    raise AssertionError(f"the story has no state {state}")


def _story(of: ReleasedModel, plan: TrainingPlan, digest: bytes) -> list[tuple[Any, Any]]:
    approvals = [
        (member, TrainingApproval(digest, COORD, TrainingDecision.APPROVE, row_cap=1_000))
        for member in MEMBERS
    ]
    outcomes = tuple(MemberOutcome(member, TrainingOutcome.OK) for member in MEMBERS)
    said_thresholds = (
        (TrainingMetric.THRESHOLD, of.threshold),
        (TrainingMetric.ACTION_THRESHOLD, of.action_threshold),
    )
    metrics = tuple(
        MetricValue(metric, TrainingCandidate.FEDERATED, round(number * MILLION))
        for metric, number in said_thresholds
    )
    stage = {
        "model_digest": of.digest(),
        "model_sheet_digest": hashlib.sha256(CARD).digest(),
        "assessment_digest": hashlib.sha256(ASSESSMENT).digest(),
    }
    shadow = TrainingStage(digest, ModelStage.SHADOW, **stage)
    release = [
        (
            member,
            TrainingApproval(
                digest,
                COORD,
                TrainingDecision.APPROVE_RELEASE,
                release_digest=release_digest(shadow),
            ),
        )
        for member in MEMBERS
    ]
    return [
        (COORD, plan),
        *approvals,
        (COORD, TrainingStage(digest, ModelStage.ENROLLED, members=MEMBERS)),
        (COORD, TrainingRound(digest, 1, of.digest(), outcomes)),
        (COORD, TrainingEvaluation(digest, of.digest(), len(MEMBERS), metrics)),
        (COORD, shadow),
        *release,
        (COORD, TrainingStage(digest, ModelStage.RELEASED, **stage)),
        (COORD, TrainingStage(digest, ModelStage.RETIRED)),
    ]


class KnownMatters:
    """Matters that were folded before, in place of those of a log."""

    def __init__(self, *matters: TrainingMatter) -> None:
        self.matters = list(matters)

    def all(self) -> tuple[PlanMatter, ...]:
        return tuple(PlanMatter(one, ()) for one in self.matters)

    def in_force(self) -> frozenset[tuple[bytes, Any]]:
        return frozenset((one.id, one.opener) for one in models_in_force(self.matters).values())
