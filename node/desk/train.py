"""Serve training together over the inside door: propose, decide, watch, release, roll back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from federation.matters import State, TrainingMatter
from federation.names import MemberId
from federation.statements import (
    StatementError,
    TrainingPlan,
    TrainingStage,
)
from federation.statements.codec import fill_message, read_body
from federation.vocabulary import ModelStage, TrainingDecision, TrainingReason
from node.desk.score import ScoreDesk
from node.errors import PolicyError, RequestError
from node.training.bundle import Bundles
from node.training.consent import Consents
from node.training.leaving import describe_leaving
from node.training.matters import PlanMatter
from node.training.papers import await_papers, name_papers
from node.training.policy import MILLION
from node.training.runner import Run as TrainingRun
from node.training.runner import Runs
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.desk.v1 import train_service_pb2_grpc as stubs
from tocsin.v1 import training_pb2

MAX_PLANS: Final = 1_000
"""Plans in one answer: more than a federation proposes in years."""
PROGRESS_SECONDS: Final = 0.5
"""Seconds between looks whether a plan has changed: what a person calls at once."""

_OVER: Final = frozenset({State.RELEASED, State.REJECTED, State.RETIRED})


class TrainService(stubs.TrainServiceServicer):
    """What the member's own people may do about training."""

    def __init__(
        self,
        consents: Consents | None,
        runs: Runs | None = None,
        scores: ScoreDesk | None = None,
        bundles: Bundles | None = None,
    ) -> None:
        self._maybe_consents = consents
        self._bundles = bundles
        self._runs = runs
        self._maybe_scores = scores

    @property
    def _scores(self) -> ScoreDesk:
        if self._maybe_scores is None:
            raise PolicyError("a query partner has no models", reason="ROLE_NOT_ALLOWED")
        return self._maybe_scores

    @property
    def _consents(self) -> Consents:
        if self._maybe_consents is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_consents

    async def ProposePlan(  # noqa: N802  # the contract's name
        self, request: wire.ProposePlanRequest, context: Any
    ) -> wire.ProposePlanResponse:
        """Propose a plan, and approve it if asked to."""
        plan = _plan(request.plan)
        digest = await self._consents.propose(plan)
        if request.approve:
            found = await self._find(digest, self._consents.me)
            if self._consents.me not in found.matter.facts.approved:
                await self._consents.approve(found.matter)
        return wire.ProposePlanResponse(plan_digest=digest)

    async def ListPlans(  # noqa: N802  # the contract's name
        self, request: wire.ListPlansRequest, context: Any
    ) -> wire.ListPlansResponse:
        """List the plans, newest first."""
        return await asyncio.to_thread(self._list, request.open_only)

    def _list(self, open_only: bool) -> wire.ListPlansResponse:
        plans = [one for one in self._consents.matters.all() if one.is_open or not open_only]
        return wire.ListPlansResponse(plans=[self._status(one) for one in plans[:MAX_PLANS]])

    async def GetPlan(self, request: wire.GetPlanRequest, context: Any) -> wire.GetPlanResponse:  # noqa: N802  # the contract's name
        """Tell everything about one plan."""
        return await asyncio.to_thread(self._describe, request.plan_digest)

    async def Approve(self, request: wire.ApproveRequest, context: Any) -> wire.ApproveResponse:  # noqa: N802  # the contract's name
        """Decide in the member's name."""
        found = await self._find(request.plan_digest)
        decision, reason = _decision(request)
        if decision is TrainingDecision.APPROVE:
            await self._consents.approve(found.matter)
        elif decision is TrainingDecision.REFUSE:
            await self._consents.refuse(found.matter, reason)
        else:
            approves = decision is TrainingDecision.APPROVE_RELEASE
            if approves and found.matter.facts.shadow is not None and self._bundles is not None:
                await await_papers(self._bundles, found.matter)
            await self._consents.decide_release(found.matter, decision)
        return wire.ApproveResponse(status=await self._status_of(found.matter))

    async def GetProgress(  # noqa: N802  # the contract's name
        self, request: wire.GetProgressRequest, context: Any
    ) -> AsyncIterator[wire.GetProgressResponse]:
        """Tell how a plan stands now and whenever that changes, until it is over."""
        told: wire.GetProgressResponse | None = None
        while True:
            found = await self._find(request.plan_digest)
            now = await asyncio.to_thread(self._progress, found)
            if now != told:
                told = now
                yield now
            if found.matter.state in _OVER:
                return
            await asyncio.sleep(PROGRESS_SECONDS)

    async def Run(  # noqa: N802  # the contract's name
        self, request: wire.RunRequest, context: Any
    ) -> AsyncIterator[wire.RunResponse]:
        """Run an own plan, and tell how it goes until it has ended."""
        found = await self._find(request.plan_digest)
        if self._runs is None:
            raise PolicyError(
                "this node cannot train",
                reason="TRAIN_EXTRA_MISSING",
                hint="pip install 'tocsin[train]', and start the node again",
            )
        on_flower = request.engine == wire.TRAINING_ENGINE_FLOWER
        run = await self._runs.start(found.matter, request.schema, on_flower=on_flower)
        ended = False
        while not ended:
            ended = run.ended
            yield await self._how_it_goes(run, found.matter)
            if not ended:
                await run.wait_for_change(PROGRESS_SECONDS)

    async def _how_it_goes(self, run: TrainingRun, matter: TrainingMatter) -> wire.RunResponse:
        found = await self._find(matter.id, matter.opener)
        now = await asyncio.to_thread(self._progress, found)
        return wire.RunResponse(
            status=now.status,
            last_round=now.last_round if now.HasField("last_round") else None,
            attached=await run.attached(),
            loss_millionths=round(run.loss * MILLION),
            round_milliseconds=round(run.round_seconds * 1_000),
            ended=run.ended,
            failure=run.failure,
            model_file=run.model_file,
        )

    async def Release(self, request: wire.ReleaseRequest, context: Any) -> wire.ReleaseResponse:  # noqa: N802  # the contract's name
        """Take an own plan or its model to a stage."""
        found = await self._find(request.plan_digest)
        stage = _stage(request, found.matter)
        if self._bundles is not None:
            stage = await asyncio.to_thread(name_papers, self._bundles, found.matter, stage)
        await self._consents.say(found.matter, stage)
        return wire.ReleaseResponse(status=await self._status_of(found.matter))

    async def RollBack(self, request: wire.RollBackRequest, context: Any) -> wire.RollBackResponse:  # noqa: N802  # the contract's name
        """Retire what was released after a plan's model, so that it is in force again."""
        found = await self._find(request.plan_digest)
        if found.matter.state is not State.RELEASED:
            raise PolicyError(
                "the plan has no released model to go back to", reason="MODEL_NOT_RELEASED"
            )
        plans = await asyncio.to_thread(self._consents.matters.all)
        later = _released_after(found.matter, [one.matter for one in plans])
        for matter in later:
            await self._consents.say(matter, TrainingStage(matter.id, ModelStage.RETIRED))
        return wire.RollBackResponse(
            status=await self._status_of(found.matter),
            retired_digests=[matter.id for matter in later],
        )

    async def ListModels(  # noqa: N802  # the contract's name
        self, request: wire.ListModelsRequest, context: Any
    ) -> wire.ListModelsResponse:
        """List the evaluated models, and which of their files are here."""
        return await asyncio.to_thread(self._scores.list_models)

    async def Score(self, request: wire.ScoreRequest, context: Any) -> wire.ScoreResponse:  # noqa: N802  # the contract's name
        """Score a batch of own rows."""
        return await self._scores.score(request)

    async def _find(self, digest: bytes, coordinator: MemberId | None = None) -> PlanMatter:
        matters = self._consents.matters
        if coordinator is None:
            return await asyncio.to_thread(matters.find, digest)
        plans = await asyncio.to_thread(matters.all)
        names = (digest, coordinator)
        return next(one for one in plans if (one.matter.id, one.matter.opener) == names)

    async def _status_of(self, matter: TrainingMatter) -> wire.PlanStatus:
        found = await self._find(matter.id, matter.opener)
        return await asyncio.to_thread(self._status, found)

    def _status(self, plan: PlanMatter) -> wire.PlanStatus:
        matter, facts, consents = plan.matter, plan.matter.facts, self._consents
        return wire.PlanStatus(
            plan_digest=matter.id,
            coordinator=matter.opener,
            state=matter.state,
            opened_time=Timestamp(seconds=matter.opened),
            due_time=None if matter.due is None else Timestamp(seconds=matter.due),
            task=facts.plan.task.value,  # type: ignore[arg-type]  # equal numbers, tested
            protection=facts.plan.protection.value,  # type: ignore[arg-type]  # equal numbers, tested
            minimum_members=facts.plan.minimum_members,
            approved=sorted(facts.approved),
            refused=[
                wire.MemberRefusal(member=member, reason=reason.value)  # type: ignore[arg-type]  # equal numbers, tested
                for member, reason in sorted(facts.refused.items())
            ],
            enrolled=sorted(facts.enrolled),
            round=facts.round,
            rounds=facts.plan.rounds,
            own_decision=_own_decision(matter, consents.me),
            policy_reason=consents.why_by_hand(matter),
            in_force=(matter.id, matter.opener) in consents.matters.in_force(),
            expired=consents.now() >= facts.plan.expiry_time,
        )

    def _progress(self, plan: PlanMatter) -> wire.GetProgressResponse:
        rounds = plan.matter.facts.rounds
        last = _message(rounds[-1], training_pb2.TrainingRound) if rounds else None
        return wire.GetProgressResponse(status=self._status(plan), last_round=last)

    def _describe(self, digest: bytes) -> wire.GetPlanResponse:
        found = self._consents.matters.find(digest)
        facts = found.matter.facts
        return wire.GetPlanResponse(
            status=self._status(found),
            plan=_message(facts.plan, training_pb2.TrainingPlan),
            leaving=describe_leaving(facts.plan),
            rounds=[_message(one, training_pb2.TrainingRound) for one in facts.rounds],
            evaluation=_message(facts.evaluation, training_pb2.TrainingEvaluation),
            stage=_message(facts.stage, training_pb2.TrainingStage),
            shadow=self._maybe_scores.shadow(digest=found.matter.id)
            if self._maybe_scores
            else None,
            release_digest=facts.release_digest,
            release_approved=sorted(facts.release_approved),
            refused_statements=[
                wire.RefusedStatement(
                    member=one.member, statement_id=one.statement.id, rule=one.error.reason
                )
                for one in found.refused
            ],
        )


def _plan(message: training_pb2.TrainingPlan) -> TrainingPlan:
    try:
        return read_body(TrainingPlan, message)
    except StatementError as error:
        raise RequestError(str(error), reason=error.reason) from error


def _message(body: Any, kind: type[Message]) -> Any:
    """Return the message of a body; None for none."""
    return None if body is None else fill_message(kind(), body)


def _decision(request: wire.ApproveRequest) -> tuple[TrainingDecision, TrainingReason]:
    try:
        reason = TrainingReason(request.reason) or TrainingReason.BY_HAND
        return TrainingDecision(request.decision), reason
    except ValueError as error:
        raise RequestError("decision or reason is unknown", reason="ENUM_UNKNOWN") from error


def _stage(request: wire.ReleaseRequest, matter: TrainingMatter) -> TrainingStage:
    facts = matter.facts
    try:
        stage = ModelStage(request.stage)
    except ValueError as error:
        raise RequestError("the stage is unknown", reason="ENUM_UNKNOWN") from error
    if stage is ModelStage.ENROLLED:
        return TrainingStage(matter.id, stage, members=tuple(sorted(facts.approved)))
    if stage not in (ModelStage.SHADOW, ModelStage.RELEASED):
        return TrainingStage(matter.id, stage)
    shadow = facts.shadow
    sheet = request.model_sheet_digest or (shadow.model_sheet_digest if shadow else b"")
    assessment = request.assessment_digest or (shadow.assessment_digest if shadow else b"")
    return TrainingStage(
        matter.id,
        stage,
        model_digest=facts.checkpoint or facts.plan.initial_model_digest,
        model_sheet_digest=sheet,
        assessment_digest=assessment,
    )


def _own_decision(matter: TrainingMatter, me: MemberId) -> str:
    if me in matter.facts.approved:
        return TrainingDecision.APPROVE.name
    return TrainingDecision.REFUSE.name if me in matter.facts.refused else ""


def _released_after(
    matter: TrainingMatter, matters: Sequence[TrainingMatter]
) -> list[TrainingMatter]:
    """Return the models of the same task and schema that were released later, newest first."""
    plan = matter.facts.plan

    def place(one: TrainingMatter) -> tuple[int, bytes]:
        return one.facts.released_time, one.id

    later = [
        one
        for one in matters
        if one.state is State.RELEASED
        and (one.facts.plan.task, one.facts.plan.schema_digest) == (plan.task, plan.schema_digest)
        and place(one) > place(matter)
    ]
    return sorted(later, key=place, reverse=True)
