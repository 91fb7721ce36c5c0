"""Make the model card of a run out of what stands in the logs and what the members measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from federation.matters import TrainingFacts, TrainingMatter
from federation.statements import TrainingRound
from federation.training.card import CardRound, Feature, LeftOut, ModelCard, Participant
from federation.training.limits import limits_of, protection_of
from federation.training.schema import FeatureSchema
from federation.training.worth import Evaluation
from federation.vocabulary import TrainingOutcome


@dataclass(frozen=True, slots=True)
class RoundNote:
    """What the coordinator alone knows of a round.

    Attributes:
        loss: Mean training loss; None where it is not known.
        milliseconds: It took.
        time: It ended, in seconds.
    """

    loss: float | None
    milliseconds: int
    time: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a run's process gave besides the model itself.

    Attributes:
        model_digest: Of the model.
        evaluation: What the members measured.
        unused: Columns that the run left out.
    """

    model_digest: bytes
    evaluation: Evaluation
    unused: Collection[str]


def make_card(
    matter: TrainingMatter,
    schema: FeatureSchema,
    result: Result,
    notes: Mapping[int, RoundNote],
    now: int,
) -> ModelCard:
    """Describe the model of a run.

    Args:
        matter: The plan with its rounds.
        schema: Of the plan.
        result: Of the run.
        notes: By round; rounds without one have neither loss nor time.
        now: Seconds.
    """
    facts = matter.facts
    plan = facts.plan.value()
    return ModelCard(
        coordinator=str(matter.opener),
        plan=plan,
        plan_digest=matter.id,
        model_digest=result.model_digest,
        features=tuple(
            Feature(one.name, one.unit, one.name not in result.unused) for one in schema.columns
        ),
        participants=_participants(facts),
        rounds=tuple(_round(one, notes.get(one.round)) for one in facts.rounds),
        started_time=_time(_started(notes, now)),
        ended_time=_time(now),
        evaluation=result.evaluation,
        protection=protection_of(plan),
        limits=limits_of(plan),
    )


def _participants(facts: TrainingFacts) -> tuple[Participant, ...]:
    good = [one.members(TrainingOutcome.OK) for one in facts.rounds]
    return tuple(
        Participant(str(name), facts.approved.get(name, 0), sum(name in one for one in good))
        for name in sorted(facts.enrolled)
    )


def _round(said: TrainingRound, note: RoundNote | None) -> CardRound:
    left_out = tuple(
        LeftOut(str(one.member), one.outcome.name, one.reason.name)
        for one in said.outcomes
        if one.outcome is not TrainingOutcome.OK
    )
    return CardRound(
        number=said.round,
        loss=None if note is None or note.loss is None else round(note.loss, 6),
        milliseconds=0 if note is None else note.milliseconds,
        contributors=len(said.members(TrainingOutcome.OK)),
        unmeasured=said.unmeasured,
        left_out=left_out,
    )


def _started(notes: Mapping[int, RoundNote], now: int) -> int:
    starts: Sequence[int] = [one.time - one.milliseconds // 1_000 for one in notes.values()]
    return min(starts, default=now)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
