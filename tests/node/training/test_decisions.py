"""Deciding about plans on one node: by policy, by hand, through crashes, races and bad requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from federation.errors import FederationError
from federation.matters import MatterError, State
from federation.statements import (
    MemberOutcome,
    MetricValue,
    TrainingApproval,
    TrainingEvaluation,
    TrainingRound,
    TrainingStage,
    encode_statement,
)
from federation.statements.codec import decode_statement, fill_message
from federation.views import fold
from federation.vocabulary import (
    ModelStage,
    TrainingCandidate,
    TrainingDecision,
    TrainingMetric,
    TrainingOutcome,
    TrainingReason,
)
from node.alarms import Alarms
from node.desk.train import TrainService
from node.errors import NodeError
from node.log.ledger import Ledger
from node.matters.book import MatterBook
from node.matters.oversight import Oversight
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from node.training.consent import Consents
from node.training.ledger import EpsilonLedger
from node.training.matters import TrainingMatters
from tests.federation.organisations import BANK, CARRIER, COORDINATOR, FEDERATION, INTERNET, found
from tests.federation.said import NOW, opaque, plan, said
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2

ME, OTHER, THIRD, COORD = BANK.name, CARRIER.name, INTERNET.name, COORDINATOR.name
CHARTER = found()
PLAN = plan(rounds=1, epsilon_millionths=6_000_000)
SECOND = replace(PLAN, seed=2)
CARD, ASSESSMENT = opaque("card", 32), opaque("assessment", 32)
POLICY = f"""
[approval]
automatic = true
coordinators = ["coord", "bank-x"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret"]
codes = ["{PLAN.code_digest.hex()}"]
epsilon = 8.0
"""
DATA = f"""
[budget]
epsilon = 10.0
[[data]]
name = "rows"
schema = "{PLAN.schema_digest.hex()}"
row_cap = 5000000
"""


class Node:
    """The parts of a bank's node that decide; what others say is put into its views."""

    def __init__(self, directory, text=POLICY + DATA):
        self.file = directory / "training.toml"
        self.file.write_text(text)
        self.time = NOW
        self.positions = {}
        self.store = SqliteStore(directory / "public.db")
        self.private = PrivateStore(directory / "private.db")
        self.ledger = Ledger(
            self.store,
            FEDERATION,
            ME,
            BANK.signing_key,
            lambda _member: BANK.signing_key.public,
            self.clock,
        )
        self.catalogue = Catalogue(self.store)
        self.speaker = Speaker(self.ledger, lambda: BANK.member.roles, self.clock)
        self.epsilons = EpsilonLedger(self.private)
        self.new_consents()

    def new_consents(self):
        """Begin again with what is on disk, as a restarted node does."""
        self.book = MatterBook(self.catalogue, lambda: CHARTER, self.clock)
        matters = TrainingMatters(self.book)
        alarms = Alarms(self.speaker, self.private, self.clock)
        self.oversight = Oversight(ME, self.book, alarms, self.clock)
        self.consents = Consents(ME, matters, self.speaker, self.epsilons, self.file, self.clock)
        self.service = TrainService(self.consents)

    def clock(self):
        return self.time

    def close(self):
        self.store.close()
        self.private.close()

    def hear(self, member, *bodies):
        for body in bodies:
            self.time += 1
            statement = said(body, id=opaque((member, body, self.time)), issued_time=self.time)
            position = self.positions[member] = self.positions.get(member, -1) + 1
            with self.store.write() as writer:
                writer.apply(fold(member, position, encode_statement(statement), statement))

    def own(self):
        bodies = self.ledger.read(self.ledger.own, 0, 1 << 20).bodies
        return [decode_statement(one).body for one in bodies]

    def matter(self, body=PLAN):
        return self.consents.matters.find(body.digest()).matter

    def alarms(self):
        return [decode_statement(row.body).body for row in self.catalogue.alarms(10)]


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    yield made
    made.close()


def approval(body=PLAN, coordinator=COORD, decision=TrainingDecision.APPROVE, **fields):
    row_cap = {"row_cap": 1_000} if decision is TrainingDecision.APPROVE else {}
    return TrainingApproval(body.digest(), coordinator, decision, **row_cap, **fields)


def stage_of(stage, members=()):
    return TrainingStage(PLAN.digest(), stage, members)


async def refusal(call):
    with pytest.raises((NodeError, FederationError)) as caught:
        await call
    return caught.value.reason


async def test_a_plan_that_fits_is_approved_once_with_its_epsilon_set_aside(node):
    node.hear(COORD, PLAN)
    await node.consents.decide_if_changed()
    await node.consents.decide()
    node.new_consents()
    await node.consents.decide_if_changed()

    assert node.own() == [
        TrainingApproval(PLAN.digest(), COORD, TrainingDecision.APPROVE, row_cap=1_000_000)
    ]
    assert node.epsilons.spent("rows") == 6_000_000
    assert node.matter().state is State.PROPOSED


async def test_of_two_plans_that_together_spend_too_much_one_is_approved(node):
    node.hear(COORD, PLAN, SECOND)
    await node.consents.decide()
    reasons = {node.consents.why_by_hand(node.matter(body)) for body in (PLAN, SECOND)}

    assert len(node.own()) == 1
    assert reasons == {"", "PRIVACY_BUDGET_SPENT"}


async def test_a_crash_between_setting_aside_and_saying_costs_nothing_twice(node):
    node.hear(COORD, PLAN)
    node.epsilons.reserve("rows", PLAN.digest(), 6_000_000, 10_000_000)
    await node.consents.decide()

    assert len(node.own()) == 1
    assert node.epsilons.spent("rows") == 6_000_000


async def test_an_approval_that_cannot_be_said_sets_nothing_aside(node):
    node.hear(COORD, PLAN)
    matter = node.matter()
    node.time = PLAN.expiry_time

    assert await refusal(node.consents.approve(matter)) == "PLAN_EXPIRED"
    assert node.epsilons.spent("rows") == 0
    assert node.own() == []


async def test_an_expired_plan_is_not_looked_at(node):
    node.hear(COORD, PLAN)
    node.time = PLAN.expiry_time
    await node.consents.decide()

    assert node.own() == []


async def test_a_changed_policy_is_followed_without_a_restart(node):
    node.file.write_text(DATA)
    node.hear(COORD, PLAN)
    await node.consents.decide_if_changed()

    assert node.own() == []

    node.file.write_text(POLICY + DATA + "# now\n")
    await node.consents.decide_if_changed()

    assert len(node.own()) == 1


async def test_a_policy_with_a_slip_approves_nothing_and_says_so(node):
    node.file.write_text("[aproval]")
    node.hear(COORD, PLAN)
    await node.consents.decide()

    assert node.own() == []
    assert node.consents.why_by_hand(node.matter()) == "TRAINING_POLICY_INVALID"
    assert await refusal(node.consents.approve(node.matter())) == "TRAINING_POLICY_INVALID"


async def test_what_a_person_refused_no_policy_approves_again(node):
    node.hear(COORD, PLAN)
    await node.consents.decide()
    await node.consents.refuse(node.matter(), TrainingReason.BY_HAND)
    await node.consents.decide()

    assert [one.decision.name for one in node.own()] == ["APPROVE", "REFUSE"]
    assert node.epsilons.spent("rows") == 0

    await node.consents.approve(node.matter())

    assert node.matter().facts.approved == {ME: 1_000_000}
    assert node.epsilons.spent("rows") == 6_000_000


async def test_a_person_who_asks_twice_at_once_spends_once(node):
    node.hear(COORD, PLAN)
    matter = node.matter()
    await asyncio.gather(*(node.consents.approve(matter) for _ in range(4)))

    assert node.epsilons.spent("rows") == 6_000_000
    assert node.matter().facts.approved == {ME: 1_000_000}


async def test_a_copied_plan_of_another_coordinator_is_another_matter(node):
    node.hear(COORD, PLAN)
    await node.consents.decide()
    node.hear(OTHER, PLAN, approval(coordinator=OTHER))
    plans = node.consents.matters.all()

    assert [(one.matter.opener, set(one.matter.facts.approved)) for one in plans] == [
        (OTHER, {OTHER}),
        (COORD, {ME}),
    ]
    request = wire.GetPlanRequest(plan_digest=PLAN.digest())
    assert await refusal(node.service.GetPlan(request, None)) == "PLAN_AMBIGUOUS"


async def test_a_statement_that_never_can_count_raises_one_alarm(node):
    node.hear(COORD, PLAN)
    node.hear(OTHER, approval())
    # The coordinator enrols without the others' approvals, which may be under way.
    node.hear(COORD, stage_of(ModelStage.ENROLLED, (OTHER, THIRD, ME)))
    for _ in range(2):
        await node.oversight.look()
        node.new_consents()

    assert [(one.member, one.reason) for one in node.alarms()] == []

    node.hear(THIRD, approval())
    await node.consents.decide()
    await node.oversight.look()
    late = MemberOutcome(OTHER, TrainingOutcome.LATE, TrainingReason.DEADLINE_PASSED)
    node.hear(COORD, TrainingRound(PLAN.digest(), 1, b"", (late,)))
    for _ in range(2):
        await node.oversight.look()
        node.new_consents()

    assert [(one.member, one.reason) for one in node.alarms()] == [(COORD, "OUTCOMES_DIFFER")]


async def release(node, body):
    """Take an own plan through everything up to its release, through the desk."""
    digest = body.digest()
    request = wire.ProposePlanRequest(
        plan=fill_message(training_pb2.TrainingPlan(), body), approve=True
    )
    await node.service.ProposePlan(request, None)
    for member in (OTHER, THIRD):
        node.hear(member, approval(body, ME))
    model = opaque(digest, 32)
    outcomes = tuple(MemberOutcome(one, TrainingOutcome.OK) for one in (ME, OTHER, THIRD))
    value = MetricValue(TrainingMetric.PR_AUC, TrainingCandidate.FEDERATED, 900_000)
    await step(node, digest, ModelStage.ENROLLED)
    await node.consents.say(node.matter(body), TrainingRound(digest, 1, model, outcomes))
    await node.consents.say(node.matter(body), TrainingEvaluation(digest, model, 3, (value,)))
    await step(node, digest, ModelStage.SHADOW, CARD, ASSESSMENT)
    await decide(node, digest, TrainingDecision.APPROVE_RELEASE)
    named = node.matter(body).facts.release_digest
    yes = TrainingDecision.APPROVE_RELEASE
    node.hear(OTHER, approval(body, ME, yes, release_digest=named))
    node.time += 1
    return await step(node, digest, ModelStage.RELEASED)


async def step(node, digest, stage, card=b"", assessment=b""):
    request = wire.ReleaseRequest(
        plan_digest=digest,
        stage=stage.value,
        model_sheet_digest=card,
        assessment_digest=assessment,
    )
    return (await node.service.Release(request, None)).status


async def decide(node, digest, decision):
    request = wire.ApproveRequest(plan_digest=digest, decision=decision.value)
    return (await node.service.Approve(request, None)).status


async def test_a_model_is_released_followed_by_another_and_rolled_back(node):
    node.file.write_text(POLICY + DATA.replace("10.0", "20.0"))
    first = await release(node, PLAN)
    second = await release(node, SECOND)

    assert (first.state, first.in_force) == ("RELEASED", True)
    assert (second.state, second.in_force) == ("RELEASED", True)

    back = await node.service.RollBack(wire.RollBackRequest(plan_digest=PLAN.digest()), None)

    assert list(back.retired_digests) == [SECOND.digest()]
    assert back.status.in_force
    assert node.matter(SECOND).state is State.RETIRED

    again = await node.service.RollBack(wire.RollBackRequest(plan_digest=PLAN.digest()), None)

    assert list(again.retired_digests) == []


async def test_a_release_without_enough_approvals_is_refused_at_the_desk(node):
    with pytest.raises(MatterError) as caught:
        await release(node, replace(PLAN, minimum_members=4))

    assert caught.value.reason == "TRANSITION_NOT_ALLOWED"
    assert node.matter(replace(PLAN, minimum_members=4)).state is State.PROPOSED


async def test_everything_about_a_plan_can_be_read(node):
    await release(node, PLAN)
    told = await node.service.GetPlan(wire.GetPlanRequest(plan_digest=PLAN.digest()[:4]), None)

    assert told.plan == fill_message(training_pb2.TrainingPlan(), PLAN)
    assert told.status.approved == sorted([ME, OTHER, THIRD])
    assert [one.round for one in told.rounds] == [1]
    assert told.evaluation.metrics[0].millionths == 900_000
    assert told.stage.model_sheet_digest == CARD
    assert told.release_approved == sorted([ME, OTHER])
    assert told.leaving


async def test_progress_is_told_when_it_changes_and_ends_with_the_plan(node):
    node.hear(COORD, PLAN)
    request = wire.GetProgressRequest(plan_digest=PLAN.digest())
    stream = node.service.GetProgress(request, None)
    first = await anext(stream)
    node.hear(OTHER, approval())
    second = await anext(stream)
    node.hear(COORD, stage_of(ModelStage.REJECTED))
    third = await anext(stream)
    told = [one.status for one in (first, second, third)]

    assert [(one.state, len(one.approved)) for one in told] == [
        ("PROPOSED", 0),
        ("PROPOSED", 1),
        ("REJECTED", 1),
    ]
    assert await anext(stream, None) is None


async def test_requests_that_are_malformed_are_refused_by_name(node):
    node.hear(COORD, PLAN)
    message = fill_message(training_pb2.TrainingPlan(), PLAN)
    message.rounds = 0
    digest = PLAN.digest()
    service = node.service

    async def reason(method, request):
        return await refusal(method(request, None))

    propose = wire.ProposePlanRequest(plan=message)
    assert await reason(service.ProposePlan, propose) == "PLAN_INVALID"
    assert await reason(service.ProposePlan, wire.ProposePlanRequest()) == "FIELD_MISSING"
    assert await reason(service.GetPlan, wire.GetPlanRequest()) == "PLAN_DIGEST_INVALID"
    short = wire.GetPlanRequest(plan_digest=digest[:3])
    assert await reason(service.GetPlan, short) == "PLAN_DIGEST_INVALID"
    long = wire.GetPlanRequest(plan_digest=digest + b"\0")
    assert await reason(service.GetPlan, long) == "PLAN_DIGEST_INVALID"
    undecided = wire.ApproveRequest(plan_digest=digest)
    assert await reason(service.Approve, undecided) == "ENUM_UNKNOWN"
    nowhere = wire.ReleaseRequest(plan_digest=digest)
    assert await reason(service.Release, nowhere) == "ENUM_UNKNOWN"
    assert node.own() == []


async def test_a_query_partner_has_no_plans():
    service = TrainService(None)

    assert await refusal(service.ListPlans(wire.ListPlansRequest(), None)) == "ROLE_NOT_ALLOWED"
