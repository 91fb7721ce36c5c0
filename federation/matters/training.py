"""Hold the procedure of a training plan, from its proposal to the retirement of its model.

Source: DOMAIN §2 (training round).
"""

from collections.abc import Iterable
from typing import Final

from federation.matters.procedure import (
    NEVER,
    Deadline,
    Kind,
    Matter,
    Named,
    Part,
    Procedure,
    Rule,
    State,
    Transition,
)
from federation.matters.training_facts import (
    ALL_APPROVED,
    AS_IN_SHADOW,
    COMPLETES,
    FAILED,
    FOR_USE,
    HAS_ASSESSMENT,
    HAS_CONTRIBUTORS,
    HAS_SHEET,
    IN_TIME,
    LAST,
    LEAVES_ENOUGH,
    MAJORITY,
    NAMES_RELEASE,
    NEXT_ROUND,
    OF_ENROLLED,
    QUORUM,
    ROUND_IN_TIME,
    SAME_MODEL,
    WITHIN_CAP,
    TrainingFacts,
    absorb,
)
from federation.roles import INDUSTRY, Role
from federation.statements import (
    Statement,
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
)
from federation.vocabulary import ModelStage, TrainingDecision, TrainingTask

TrainingMatter = Matter[TrainingFacts]

EXPIRY: Final = Deadline("when the plan expires", lambda facts, _issued: facts.plan.expiry_time)
ROUND: Final = Deadline("one round later", lambda facts, issued: issued + facts.plan.round_seconds)

_PROPOSERS: Final = INDUSTRY | {Role.COORDINATOR}
_BEFORE_RELEASE: Final = (
    State.PROPOSED,
    State.APPROVED,
    State.ENROLLED,
    State.TRAINING,
    State.AGGREGATED,
    State.EVALUATED,
    State.SHADOW,
)


def _decided(
    state: State,
    decision: TrainingDecision,
    rules: tuple[Rule, ...],
    to: State,
    due: Deadline = EXPIRY,
) -> Transition:
    part = Part.PARTY if state is State.SHADOW else Part.ANYONE
    body, kind = TrainingApproval, Kind.TRAINING_PLAN
    return Transition(kind, state, body, decision, INDUSTRY, part, rules, to, due)


def _led(
    state: State,
    body: type,
    choice: ModelStage | None,
    rules: tuple[Rule, ...],
    to: State,
    due: Deadline = NEVER,
) -> Transition:
    kind, part = Kind.TRAINING_PLAN, Part.ANYONE if state is State.ABSENT else Part.OPENER
    return Transition(kind, state, body, choice, _PROPOSERS, part, rules, to, due)


_APPROVE: Final = TrainingDecision.APPROVE
_REFUSE: Final = TrainingDecision.REFUSE
_IN_ROUND: Final = (ROUND_IN_TIME, NEXT_ROUND, OF_ENROLLED, QUORUM)
_ENROLMENT: Final = (IN_TIME, ALL_APPROVED)
_WITH_PAPERS: Final = (SAME_MODEL, HAS_SHEET, HAS_ASSESSMENT)

TABLE: Final[tuple[Transition, ...]] = (
    _led(State.ABSENT, TrainingPlan, None, (IN_TIME,), State.PROPOSED, EXPIRY),
    # Consent, until the run is over.
    _decided(State.PROPOSED, _APPROVE, (IN_TIME, WITHIN_CAP, COMPLETES), State.APPROVED),
    _decided(State.PROPOSED, _APPROVE, (IN_TIME, WITHIN_CAP), State.PROPOSED),
    _decided(State.PROPOSED, _REFUSE, (), State.PROPOSED),
    _decided(State.APPROVED, _APPROVE, (IN_TIME, WITHIN_CAP), State.APPROVED),
    _decided(State.APPROVED, _REFUSE, (LEAVES_ENOUGH,), State.APPROVED),
    _decided(State.APPROVED, _REFUSE, (), State.PROPOSED),
    *(
        _decided(state, decision, rules, state, ROUND)
        for state in (State.ENROLLED, State.TRAINING)
        for decision, rules in ((_APPROVE, (IN_TIME, WITHIN_CAP)), (_REFUSE, ()))
    ),
    # The run.
    *(
        _led(state, TrainingStage, ModelStage.ENROLLED, _ENROLMENT, to, ROUND)
        for state, to in (
            (State.APPROVED, State.ENROLLED),
            (State.ENROLLED, State.ENROLLED),
            (State.TRAINING, State.TRAINING),
        )
    ),
    *(
        _led(state, TrainingRound, None, (*_IN_ROUND, *more), to, due)
        for state in (State.ENROLLED, State.TRAINING)
        for more, to, due in (
            ((LAST,), State.AGGREGATED, NEVER),
            ((FAILED,), state, ROUND),
            ((), State.TRAINING, ROUND),
        )
    ),
    # The model.
    _led(
        State.AGGREGATED,
        TrainingEvaluation,
        None,
        (SAME_MODEL, HAS_CONTRIBUTORS),
        State.EVALUATED,
    ),
    *(
        _led(state, TrainingStage, ModelStage.SHADOW, _WITH_PAPERS, State.SHADOW)
        for state in (State.EVALUATED, State.SHADOW)
    ),
    _decided(
        State.SHADOW,
        TrainingDecision.APPROVE_RELEASE,
        (NAMES_RELEASE,),
        State.SHADOW,
        NEVER,
    ),
    _decided(
        State.SHADOW,
        TrainingDecision.REFUSE_RELEASE,
        (NAMES_RELEASE,),
        State.SHADOW,
        NEVER,
    ),
    _led(
        State.SHADOW,
        TrainingStage,
        ModelStage.RELEASED,
        (FOR_USE, HAS_SHEET, HAS_ASSESSMENT, AS_IN_SHADOW, MAJORITY),
        State.RELEASED,
    ),
    _led(State.RELEASED, TrainingStage, ModelStage.RETIRED, (), State.RETIRED),
    *(
        _led(state, TrainingStage, ModelStage.REJECTED, (), State.REJECTED)
        for state in _BEFORE_RELEASE
    ),
)
"""Every step that a plan can take."""


def _names(statement: Statement) -> Named:
    body = statement.body
    if isinstance(body, TrainingPlan):
        return Named(body.digest(), None)
    if isinstance(body, TrainingApproval):
        return Named(body.plan_digest, body.coordinator)
    assert isinstance(body, TrainingRound | TrainingEvaluation | TrainingStage)  # noqa: S101
    return Named(body.plan_digest, None)


def _begin(statement: Statement) -> TrainingFacts:
    assert isinstance(statement.body, TrainingPlan)  # noqa: S101  # it is what opens a matter
    return TrainingFacts(statement.body)


TRAINING: Final = Procedure(
    kind=Kind.TRAINING_PLAN,
    opens=TrainingPlan,
    bodies=frozenset(
        {TrainingPlan, TrainingApproval, TrainingRound, TrainingEvaluation, TrainingStage}
    ),
    names=_names,
    begin=_begin,
    absorb=absorb,
    table=TABLE,
    parties=lambda facts: facts.enrolled,
)


def models_in_force(
    matters: Iterable[TrainingMatter],
) -> dict[tuple[TrainingTask, bytes], TrainingMatter]:
    """Return the model released last for each task and schema, and not retired.

    Retiring it brings the one before it back: that is how a model is rolled back.
    """
    released = [one for one in matters if one.state is State.RELEASED]
    released.sort(key=lambda one: (one.facts.released_time, one.id))
    return {(one.facts.plan.task, one.facts.plan.schema_digest): one for one in released}
