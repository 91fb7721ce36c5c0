"""Demand the papers of a model, card and approved assessment, before it goes anywhere."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final

from federation.matters import State, TrainingMatter
from federation.statements import TrainingStage
from federation.training.assessment import Assessment
from federation.training.card import ModelCard
from federation.training.error import DocumentError
from federation.vocabulary import ModelStage
from node.errors import PolicyError
from node.training.bundle import Bundles, ModelFile

WAIT_SECONDS: Final = 20.0
"""Seconds that a decision waits for papers under way: members look for them every second."""
POLL_SECONDS: Final = 0.5
_MEASURED: Final = (State.EVALUATED, State.SHADOW)
_WITH_MODEL: Final = (ModelStage.SHADOW, ModelStage.RELEASED)


@dataclass(frozen=True, slots=True)
class Papers:
    """A model's card and its assessment, which fit each other."""

    card: ModelCard
    assessment: Assessment


def read_papers(bundles: Bundles, matter: TrainingMatter) -> Papers:
    """Return the papers of a model; blocking.

    Raises:
        DocumentError: They are missing or malformed, of another model, or refuse it.
    """
    card = read_card(bundles, matter)
    data = bundles.read(matter.id, ModelFile.ASSESSMENT)
    if not data:
        raise DocumentError(
            "the model has no risk assessment",
            reason="ASSESSMENT_MISSING",
            hint=f"tocsin train assess {matter.id.hex()[:16]}",
        )
    assessment = Assessment.parse(data)
    assessment.check(card)
    return Papers(card, assessment)


def read_card(bundles: Bundles, matter: TrainingMatter) -> ModelCard:
    """Return the card of a model; blocking.

    Raises:
        DocumentError: CARD_MISSING or CARD_MALFORMED.
    """
    data = bundles.read(matter.id, ModelFile.CARD)
    if not data:
        raise DocumentError(
            "the model has no card here",
            reason="CARD_MISSING",
            hint="the coordinator's node writes it at the end of: tocsin train run DIGEST",
        )
    card = ModelCard.parse(data)
    if (card.plan_digest, card.model_digest) != (matter.id, matter.facts.checkpoint):
        raise DocumentError("the card is of another model")
    return card


def name_papers(bundles: Bundles, matter: TrainingMatter, stage: TrainingStage) -> TrainingStage:
    """Return the step with the digests of the papers that are here; blocking.

    Raises:
        DocumentError: They are not as they must be.
        PolicyError: PAPERS_DIFFER; the step names others.
    """
    if stage.stage not in _WITH_MODEL or matter.state not in _MEASURED:
        return stage  # in another state the matter itself refuses the step
    papers = read_papers(bundles, matter)
    found = (papers.card.digest(), papers.assessment.digest())
    named = (stage.model_sheet_digest, stage.assessment_digest)
    if any(one and one != other for one, other in zip(named, found, strict=True)):
        raise PolicyError(
            "card or assessment is another than the one that the step names",
            reason="PAPERS_DIFFER",
            hint="after a new assessment: tocsin train release DIGEST --stage shadow",
        )
    return replace(stage, model_sheet_digest=found[0], assessment_digest=found[1])


async def await_papers(bundles: Bundles, matter: TrainingMatter) -> None:
    """Wait until the papers that the log names are here, and approve of the model.

    Raises:
        PolicyError: PAPERS_MISSING; nobody approves a release unread.
        DocumentError: They refuse the model, or do not fit it.
    """
    end = time.monotonic() + WAIT_SECONDS
    wanted = (ModelFile.CARD, ModelFile.ASSESSMENT)
    while not await asyncio.to_thread(lambda: all(bundles.has(matter, file) for file in wanted)):
        if time.monotonic() >= end:
            raise PolicyError(
                "card and assessment have not arrived yet",
                reason="PAPERS_MISSING",
                hint="the coordinator's node sends them while this one is attached; try again",
            )
        await asyncio.sleep(POLL_SECONDS)
    await asyncio.to_thread(read_papers, bundles, matter)
