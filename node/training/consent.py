"""Decide about training plans in the member's name: by its policy, or as a person says.

Every approval sets the plan's epsilon aside first, so that no crash and no race spends more than
the budget, and every statement is tried on the matter before it is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from federation.errors import FederationError
from federation.matters import State, TrainingMatter, advance
from federation.names import MemberId
from federation.roles import INDUSTRY
from federation.statements import Body, TrainingApproval, TrainingPlan
from federation.vocabulary import Purpose, TrainingDecision, TrainingReason
from node.errors import ConfigError, NodeError, PolicyError
from node.speaker import Speaker
from node.telemetry import get_log
from node.training.ledger import BudgetError, EpsilonLedger
from node.training.matters import PlanMatter, TrainingMatters
from node.training.policy import DataSource, TrainingPolicy, load_policy

_NOT_STARTED = (State.PROPOSED, State.APPROVED)


class Consents:
    """The member's decisions about plans."""

    def __init__(
        self,
        me: MemberId,
        matters: TrainingMatters,
        speaker: Speaker,
        ledger: EpsilonLedger,
        policy_file: Path,
        clock: Callable[[], int],
    ) -> None:
        self.me = me
        self.matters = matters
        self.ledger = ledger
        self._speaker = speaker
        self._policy_file = policy_file
        self._clock = clock
        self._seen: tuple[object, ...] = ()

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    def policy(self) -> TrainingPolicy:
        """Return the policy as its file stands now; blocking.

        Raises:
            ConfigError: TRAINING_POLICY_INVALID.
        """
        return load_policy(self._policy_file)

    async def decide_if_changed(self) -> None:
        """Approve what the policy fits, if plans or policy changed since the last look."""
        seen = await asyncio.to_thread(self._look)
        if seen != self._seen:
            await self.decide()
            self._seen = seen

    async def decide(self) -> None:
        """Approve every open plan that fits the policy."""
        plans = await asyncio.to_thread(self.matters.all)
        try:
            policy = await asyncio.to_thread(self.policy)
        except ConfigError as error:
            get_log().warning("training.policy_refused", reason=error.reason)
            return
        for plan in plans:
            if self.is_undecided(plan.matter):
                await self._decide_one(plan.matter, policy)

    def is_undecided(self, matter: TrainingMatter) -> bool:
        """Whether the member may still decide about the plan and has not."""
        facts = matter.facts
        return (
            matter.state in _NOT_STARTED
            and self._clock() < facts.plan.expiry_time
            and self.me not in facts.approved
            and self.me not in facts.refused
            and bool(self.matters.roles(self.me, self._clock()) & INDUSTRY)
        )

    def why_by_hand(self, matter: TrainingMatter) -> str:
        """Return why the policy leaves an undecided plan to a person; blocking."""
        if not self.is_undecided(matter):
            return ""
        try:
            policy = self.policy()
        except ConfigError as error:
            return error.reason
        reason = policy.why_by_hand(matter.facts.plan, matter.opener)
        return reason or self._why_not_affordable(matter, policy)

    async def approve(self, matter: TrainingMatter) -> None:
        """Approve a plan in the member's name, whatever the policy leaves to a person.

        Raises:
            PolicyError: TRAINING_DATA_MISSING or PRIVACY_BUDGET_SPENT, which hold for a person,
                too.
            MatterError: The matter does not allow it now.
            ConfigError: TRAINING_POLICY_INVALID.
        """
        policy = await asyncio.to_thread(self.policy)
        await self._approve(matter, policy)

    async def refuse(self, matter: TrainingMatter, reason: TrainingReason) -> None:
        """Refuse a plan, or withdraw an approval.

        Raises:
            MatterError: The matter does not allow it now.
        """
        body = TrainingApproval(matter.id, matter.opener, TrainingDecision.REFUSE, reason)
        await self.say(matter, body)
        if matter.state in _NOT_STARTED:
            await asyncio.to_thread(self._give_back, matter)

    async def decide_release(self, matter: TrainingMatter, decision: TrainingDecision) -> None:
        """Approve or refuse the release of what stands in the shadow stage.

        Raises:
            MatterError: The matter does not allow it now.
        """
        refuses = decision is TrainingDecision.REFUSE_RELEASE
        reason = TrainingReason.BY_HAND if refuses else TrainingReason.UNSPECIFIED
        # Outside the shadow stage there is nothing to name, and the matter says why.
        named = matter.facts.release_digest or matter.id
        body = TrainingApproval(matter.id, matter.opener, decision, reason, release_digest=named)
        await self.say(matter, body)

    async def propose(self, plan: TrainingPlan) -> bytes:
        """Propose a plan, once, and return its digest.

        Raises:
            MatterError: PLAN_EXPIRED or ROLE_NOT_ALLOWED.
        """
        digest = plan.digest()
        known = {(one.matter.id, one.matter.opener) for one in await self._all()}
        if (digest, self.me) not in known:
            await self.say(None, plan)
        return digest

    async def say(self, matter: TrainingMatter | None, body: Body) -> None:
        """Say something in a matter, after trying it.

        Raises:
            MatterError: The matter does not allow it now; nothing was said.
        """
        statement = self._speaker.statement(body, Purpose.TRAINING)
        advance(matter, self.me, self.matters.roles(self.me, self._clock()), statement)
        async with self._speaker.lock:
            await self._speaker.say([statement])

    async def _all(self) -> tuple[PlanMatter, ...]:
        return await asyncio.to_thread(self.matters.all)

    def _look(self) -> tuple[object, ...]:
        try:
            written = self._policy_file.stat().st_mtime_ns
        except OSError:
            written = 0
        return (*self.matters.version(), written)

    async def _decide_one(self, matter: TrainingMatter, policy: TrainingPolicy) -> None:
        if policy.why_by_hand(matter.facts.plan, matter.opener):
            return
        try:
            await self._approve(matter, policy)
        except (NodeError, FederationError) as error:
            get_log().warning("training.not_approved", reason=error.reason)

    async def _approve(self, matter: TrainingMatter, policy: TrainingPolicy) -> None:
        plan = matter.facts.plan
        source = _require_source(policy, plan)
        body = TrainingApproval(
            matter.id,
            matter.opener,
            TrainingDecision.APPROVE,
            row_cap=min(source.row_cap, plan.weight_cap),
        )
        reserved = await asyncio.to_thread(self._reserve, matter, source, policy)
        try:
            await self.say(matter, body)
        except FederationError:
            if reserved:
                await asyncio.to_thread(self.ledger.release, source.name, matter.id)
            raise
        get_log().info("training.approved", member=matter.opener)

    def _reserve(self, matter: TrainingMatter, source: DataSource, policy: TrainingPolicy) -> bool:
        """Set the plan's epsilon aside; return whether it was not so before."""
        epsilon = matter.facts.plan.epsilon_millionths
        if self.ledger.is_reserved(source.name, matter.id, epsilon):
            return False
        self.ledger.reserve(source.name, matter.id, epsilon, policy.budget_millionths)
        return True

    def _give_back(self, matter: TrainingMatter) -> None:
        source = self.policy().source_for(matter.facts.plan)
        if source is not None:
            self.ledger.release(source.name, matter.id)

    def _why_not_affordable(self, matter: TrainingMatter, policy: TrainingPolicy) -> str:
        source = policy.source_for(matter.facts.plan)
        epsilon = matter.facts.plan.epsilon_millionths
        if source is None or self.ledger.is_reserved(source.name, matter.id, epsilon):
            return ""
        left = policy.budget_millionths - self.ledger.spent(source.name)
        return BudgetError.reason if epsilon > left else ""


def _require_source(policy: TrainingPolicy, plan: TrainingPlan) -> DataSource:
    source = policy.source_for(plan)
    if source is None:
        raise PolicyError(
            "this member has no rows that fit the plan's schema",
            reason="TRAINING_DATA_MISSING",
            hint="add a [[data]] with this schema to training.toml",
        )
    return source
