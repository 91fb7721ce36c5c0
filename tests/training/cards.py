"""A model card of a small run in one process, made once."""

from datetime import UTC, datetime
from functools import lru_cache

from federation.training.card import CardRound, Feature, LeftOut, ModelCard, Participant
from federation.training.limits import limits_of, protection_of
from federation.training.local_engine import run_locally
from federation.training.network import model_digest
from federation.training.plan import ModelChoice
from tests.training.planted import planted_members
from tests.training.small import small_plan

MEMBERS = ("carrier-a", "carrier-b", "carrier-c")


@lru_cache(maxsize=1)
def model_card() -> ModelCard:
    """Run a small plan, and describe its model; one member was late once."""
    choice = ModelChoice(width=8, networks=4, bins=4, dropout=0.0)
    plan, schema = small_plan(model=choice)
    run = run_locally(plan, schema, planted_members(3, 200), compare=True)
    late = (LeftOut("carrier-b", "LATE", "CONNECTION_LOST"),)
    rounds = tuple(
        CardRound(one.number, round(one.loss or 0.0, 6), 350, 3, 3 * (one.number == 3), ())
        if one.number != 2
        else CardRound(2, None, 0, 2, 0, late)
        for one in run.reports
    )
    return ModelCard(
        coordinator="coord-c",
        plan=plan,
        plan_digest=plan.digest(),
        model_digest=model_digest(run.model),
        features=tuple(Feature(one.name, one.unit, True) for one in schema.columns),
        participants=tuple(Participant(name, 1_000, 3) for name in MEMBERS),
        rounds=rounds,
        started_time=datetime(2026, 11, 23, 6, tzinfo=UTC),
        ended_time=datetime(2026, 11, 23, 7, tzinfo=UTC),
        evaluation=run.evaluation,
        protection=protection_of(plan),
        limits=limits_of(plan),
    )
