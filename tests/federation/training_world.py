"""Members who train together, and what they say, for tests of matters."""

from federation.matters import MatterError, TrainingMatter, advance, fold_matter, release_digest
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    MemberOutcome,
    MetricValue,
    TrainingApproval,
    TrainingEvaluation,
    TrainingRound,
    TrainingStage,
)
from federation.statements.shape import MAX_TIME
from federation.vocabulary import (
    ModelStage,
    Purpose,
    TrainingCandidate,
    TrainingDecision,
    TrainingMetric,
    TrainingOutcome,
    TrainingReason,
)
from tests.federation.said import NOW, opaque, plan, said

COORD, A, B, C, D = (MemberId(name) for name in ("coord", "bank-a", "carrier-b", "net-c", "bank-d"))
POLICE, STRANGER = MemberId("police"), MemberId("stranger")
ROLES = {
    COORD: frozenset({Role.COORDINATOR}),
    A: frozenset({Role.BANK}),
    B: frozenset({Role.CARRIER}),
    C: frozenset({Role.INTERNET}),
    D: frozenset({Role.BANK}),
    POLICE: frozenset({Role.POLICE}),
}
PLAN = plan(rounds=2)
DIGEST = PLAN.digest()
CHECKPOINTS = [opaque(f"checkpoint {number}", 32) for number in range(4)]
CARD, ASSESSMENT = opaque("card", 32), opaque("assessment", 32)


def roles(member, _time=NOW):
    return ROLES.get(member, frozenset())


def say(body, at=0, **fields):
    """Return the statement, said ``at`` seconds after the plan; every one has an id of its own."""
    fields = {"purpose": Purpose.TRAINING, "issued_time": NOW + at} | fields
    return said(body, id=opaque(f"id of {body!r} at {at}"), **fields)


def approve(digest=DIGEST, coordinator=COORD, row_cap=100_000):
    return TrainingApproval(digest, coordinator, TrainingDecision.APPROVE, row_cap=row_cap)


def refuse(reason=TrainingReason.BY_HAND, digest=DIGEST):
    return TrainingApproval(digest, COORD, TrainingDecision.REFUSE, reason)


def enrol(*members, digest=DIGEST):
    return TrainingStage(digest, ModelStage.ENROLLED, members or (A, B, C))


def ended(number, *late, members=(A, B, C), checkpoint=None):
    """Return a round in which all were OK but those who were late."""
    outcomes = tuple(
        MemberOutcome(one, TrainingOutcome.LATE, TrainingReason.DEADLINE_PASSED)
        if one in late
        else MemberOutcome(one, TrainingOutcome.OK)
        for one in members
    )
    changed = CHECKPOINTS[number] if len(members) - len(late) >= 3 else b""
    return TrainingRound(DIGEST, number, changed if checkpoint is None else checkpoint, outcomes)


def evaluate(model=CHECKPOINTS[2], contributors=3):
    value = MetricValue(TrainingMetric.PR_AUC, TrainingCandidate.FEDERATED, 900_000)
    return TrainingEvaluation(DIGEST, model, contributors, (value,))


def stage(which, model=CHECKPOINTS[2], card=CARD, assessment=ASSESSMENT):
    if which in (ModelStage.REJECTED, ModelStage.RETIRED):
        return TrainingStage(DIGEST, which)
    return TrainingStage(
        DIGEST,
        which,
        model_digest=model,
        model_sheet_digest=card,
        assessment_digest=assessment,
    )


SHADOW, RELEASED = stage(ModelStage.SHADOW), stage(ModelStage.RELEASED)
REJECTED, RETIRED = stage(ModelStage.REJECTED), stage(ModelStage.RETIRED)


def approve_release(digest=None, decision=TrainingDecision.APPROVE_RELEASE):
    reason = TrainingReason.UNSPECIFIED
    if decision is TrainingDecision.REFUSE_RELEASE:
        reason = TrainingReason.BY_HAND
    named = digest or release_digest(SHADOW)
    return TrainingApproval(DIGEST, COORD, decision, reason, release_digest=named)


STORY = (
    (COORD, PLAN),
    (A, approve()),
    (B, approve()),
    (C, approve()),
    (COORD, enrol()),
    (COORD, ended(1)),
    (COORD, ended(2)),
    (COORD, evaluate()),
    (COORD, SHADOW),
    (A, approve_release()),
    (B, approve_release()),
    (COORD, RELEASED),
    (COORD, RETIRED),
)
"""From proposal to retirement, and the state after each step."""
STATES = (  # noqa: SIM905 - a list of words reads better as words
    "PROPOSED PROPOSED PROPOSED APPROVED ENROLLED TRAINING AGGREGATED EVALUATED SHADOW SHADOW"
    " SHADOW RELEASED RETIRED"
).split()


def timed(story, start=0):
    return [(member, say(body, at)) for at, (member, body) in enumerate(story, start)]


def after(*story) -> TrainingMatter:
    """Return the matter after statements that all must count."""
    matter = None
    for member, statement in timed(story):
        matter = advance(matter, member, roles(member), statement)
    return matter


def refusal(matter, member, body, at=50):
    """Return the rule by which the matter refuses a statement; it stays as it was."""
    try:
        advance(matter, member, roles(member), say(body, at))
    except MatterError as error:
        return error.reason
    return "ACCEPTED"


def folded(story):
    return fold_matter(story, roles, MAX_TIME)
