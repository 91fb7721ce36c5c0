"""Score own rows over the inside door, and nominate the alarms of a model in force.

A nomination rests on a score alone, so it is weak, says which model it comes from, and opens
verification: nothing here acts on anybody. The work is done in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import kind_by_name
from federation.training.reasons import Reason
from federation.training.schema import CATEGORICAL
from federation.vocabulary import FraudType, TrafficLight
from node.desk.intake import MAX_ROWS
from node.desk.nominate import Nominator, ScoredBy
from node.errors import PolicyError, RequestError
from node.training.bundle import Bundles, ModelFile
from node.training.grounds import Ground, Grounds
from node.training.matters import PlanMatter, TrainingMatters
from node.training.models import Loaded, Models, Wanted, model_digest
from node.training.scoring import Scored, Scoring, threshold_of
from node.training.shadow import Shadow
from tocsin.desk.v1 import desk_service_pb2, train_service_pb2
from tocsin.desk.v1 import train_service_pb2 as wire

MAX_MODELS: Final = 1_000
USUAL_CONFIDENCE: Final = 20
"""Percent: one member's scores alone come to LOW."""
MOST_CONFIDENCE: Final = 29
"""Percent: below MEDIUM (30), from which others may act; a person may say more by hand."""
REASON_LENGTH: Final = 200


class ScoreDesk:
    """What the desk does with trained models."""

    def __init__(
        self,
        matters: TrainingMatters,
        bundles: Bundles,
        models: Models,
        scoring: Scoring,
        shadow: Shadow,
        nominations: Nominations,
    ) -> None:
        self._matters = matters
        self._bundles = bundles
        self._models = models
        self._scoring = scoring
        self._shadow = shadow
        self._nominations = nominations

    async def score(self, request: wire.ScoreRequest) -> wire.ScoreResponse:
        """Score a batch; one without rows tells which model it would be.

        Raises:
            RequestError: MODEL_UNKNOWN, MODEL_AMBIGUOUS, MODEL_COLUMNS, BATCH_MALFORMED.
            PolicyError: MODEL_NOT_RELEASED, MODEL_NOT_IN_SHADOW, MODEL_NOT_IN_FORCE,
                ACTION_THRESHOLD_MISSING, or as for nominations.
            UnavailableError: MODEL_FILE_MISSING, or as for nominations.
            TableError: TABLE_MISMATCH.
        """
        wanted = Wanted(request.model_digest, request.shadow, tuple(request.column_names))
        loaded = await asyncio.to_thread(self._models.choose, wanted)
        if request.HasField("nomination"):
            require_nominable(loaded, request)
        if not request.rows:
            return wire.ScoreResponse(model=_described(loaded, threshold_of(loaded, request)))
        scored = await asyncio.to_thread(self._scoring.score, loaded, request)
        results: Sequence[desk_service_pb2.RowResult] = ()
        if request.HasField("nomination") and scored.alarms:
            results = await self._nominations.say(loaded, request, scored)
        return wire.ScoreResponse(
            model=_described(loaded, scored.threshold, columns=False),
            scores=scored.scores.astype("<f4").tobytes(),
            alarms=[
                wire.ScoreAlarm(
                    row=row,
                    reasons=[_reason(one) for one in scored.reasons[place]],
                    nomination=results[place] if results else None,
                )
                for place, row in enumerate(scored.alarms)
            ],
        )

    def list_models(self) -> wire.ListModelsResponse:
        """List the models that were evaluated; blocking."""
        in_force = self._matters.in_force()
        found = [
            self._listed(one, in_force=(one.matter.id, one.matter.opener) in in_force)
            for one in self._matters.all()
            if one.matter.facts.evaluation is not None
        ]
        return wire.ListModelsResponse(models=found[:MAX_MODELS])

    def shadow(self, digest: bytes) -> wire.ShadowCounts | None:
        """Return what a plan's model did here in the shadow stage; blocking."""
        found = self._shadow.read(digest)
        if found is None:
            return None
        return wire.ShadowCounts(
            rows=found.rows,
            alarms=found.alarms,
            alarms_in_force=found.alarms_in_force,
            alarms_both=found.alarms_both,
            rows_compared=found.rows_compared,
            scored_time=Timestamp(seconds=found.scored_time),
        )

    def _listed(self, plan: PlanMatter, in_force: bool) -> wire.ModelInfo:
        matter = plan.matter
        released = matter.facts.released_time
        return wire.ModelInfo(
            plan_digest=matter.id,
            model_digest=model_digest(matter),
            coordinator=matter.opener,
            state=matter.state,
            task=matter.facts.plan.task.value,  # type: ignore[arg-type]  # equal numbers, tested
            in_force=in_force,
            released_time=Timestamp(seconds=released) if released else None,
            has_model=self._bundles.has(matter, ModelFile.MODEL),
            has_card=self._bundles.has(matter, ModelFile.CARD),
            has_assessment=self._bundles.has(matter, ModelFile.ASSESSMENT),
        )


class Nominations:
    """Nominates the alarms of a batch, and remembers what each rests on."""

    def __init__(self, nominator: Nominator, grounds: Grounds, clock: Callable[[], int]) -> None:
        self._nominator = nominator
        self._grounds = grounds
        self._clock = clock

    async def say(
        self, loaded: Loaded, request: wire.ScoreRequest, scored: Scored
    ) -> list[desk_service_pb2.RowResult]:
        """Nominate; each alarm has its own result, in order.

        Raises:
            PolicyError, UnavailableError: As for any nomination.
        """
        results: list[desk_service_pb2.RowResult] = []
        for start in range(0, len(scored.alarms), MAX_ROWS):
            places = range(start, min(start + MAX_ROWS, len(scored.alarms)))
            rows = [_nomination(request, scored.alarms[place]) for place in places]
            grounds = [self._ground(loaded, scored, place) for place in places]
            results += await self._nominator.nominate(
                rows,
                loaded.matter.facts.plan.legal_basis,
                TrafficLight.AMBER_STRICT,
                self._scored_by(loaded, grounds),
            )
        return results

    def _scored_by(self, loaded: Loaded, grounds: Sequence[Ground]) -> ScoredBy:
        digest = model_digest(loaded.matter)

        def remember(said: Sequence[tuple[int, bytes]]) -> None:
            self._grounds.keep(digest, [(token, grounds[place]) for place, token in said])

        return ScoredBy(digest, remember)

    def _ground(self, loaded: Loaded, scored: Scored, place: int) -> Ground:
        return Ground(
            loaded.matter.id.hex(),
            float(scored.scores[scored.alarms[place]]),
            scored.threshold,
            self._clock(),
            tuple(f"{one.column} {one.side}"[:REASON_LENGTH] for one in scored.reasons[place]),
        )


def require_nominable(loaded: Loaded, request: wire.ScoreRequest) -> None:
    """Refuse nominations that no model in force stands behind.

    Raises:
        PolicyError: MODEL_NOT_RELEASED or MODEL_NOT_IN_FORCE.
        RequestError: BATCH_MALFORMED, CONFIDENCE_INVALID, KIND_UNKNOWN or ENUM_UNKNOWN.
    """
    asked = request.nomination
    if request.shadow:
        raise PolicyError(
            "a model in the shadow stage nominates nobody", reason="MODEL_NOT_RELEASED"
        )
    if not loaded.in_force:
        raise PolicyError("another model is in force for this task", reason="MODEL_NOT_IN_FORCE")
    if len(request.values) != request.rows:
        raise RequestError("each row needs its value", reason="BATCH_MALFORMED")
    if asked.confidence > MOST_CONFIDENCE:
        raise RequestError(
            f"a score alone has a confidence of at most {MOST_CONFIDENCE}",
            reason="CONFIDENCE_INVALID",
        )
    kind_by_name(asked.kind)
    try:
        FraudType(asked.fraud_type)
    except ValueError as error:
        raise RequestError("the type of fraud is unknown", reason="ENUM_UNKNOWN") from error


def _nomination(request: wire.ScoreRequest, row: int) -> desk_service_pb2.NominationRow:
    asked = request.nomination
    return desk_service_pb2.NominationRow(
        indicator=desk_service_pb2.RawIndicator(
            kind=asked.kind, value=request.values[row], region=asked.region
        ),
        fraud_type=asked.fraud_type,
        confidence=asked.confidence or USUAL_CONFIDENCE,
    )


def _described(loaded: Loaded, threshold: float, *, columns: bool = True) -> wire.ScoredWith:
    matter, model = loaded.matter, loaded.model
    return wire.ScoredWith(
        plan_digest=matter.id,
        model_digest=model_digest(matter),
        state=matter.state,
        in_force=loaded.in_force,
        threshold=threshold,
        action_threshold=model.action_threshold,
        columns=[
            wire.WantedColumn(name=column.name, categorical=column.kind == CATEGORICAL)
            for column in (model.schema.columns if columns else ())
        ],
    )


def _reason(reason: Reason) -> train_service_pb2.ScoreReason:
    return wire.ScoreReason(column=reason.column, side=reason.side, weight=reason.weight)
