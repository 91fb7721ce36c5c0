"""Fold matters: processes with states, moved on by what members say.

One table says in which state which statement, by whom and under which rules, leads where and by
when the next step is due. What the table does not allow is refused with the name of the rule.

    matter = advance(None, "coord", roles, plan_statement)
    matter = advance(matter, "bank-a", roles, approval_statement)

A matter is not stored. Views keep the statements, each under its speaker, so that logs commute;
``fold_matter`` folds them when they are read. Members' clocks differ and logs arrive in any order,
so it merges the logs by what is possible: a statement waits for those of others that allow it, and
is refused only when nobody's next statement can count. The same statements give the same matter.

Source: DESIGN §7; DOMAIN §2 (training round). MATTERS.md has the diagram.
"""

import enum
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from federation.errors import PolicyError
from federation.names import MemberId
from federation.roles import INDUSTRY, Role
from federation.statements import (
    Statement,
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
)
from federation.training_matter import (
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
    Rule,
    TrainingFacts,
    absorb,
)
from federation.vocabulary import ModelStage, TrainingDecision, TrainingTask


class MatterError(PolicyError):
    """A statement does not count in its matter.

    ``reason`` is MATTER_UNKNOWN, TRANSITION_NOT_ALLOWED, ROLE_NOT_ALLOWED, NOT_THE_OPENER,
    NOT_ENROLLED, PLAN_DIFFERS, or the name of a rule.

    Attributes:
        waits: Whether statements of others that are still under way can make it count.
    """

    reason = "TRANSITION_NOT_ALLOWED"
    public = "The matter does not allow this now."

    def __init__(self, reason: str, message: str, *, waits: bool = False) -> None:
        super().__init__(message, reason=reason)
        self.waits = waits


class Kind(enum.StrEnum):
    """Name a kind of matter."""

    TRAINING_PLAN = "training-plan"


class State(enum.StrEnum):
    """Name where a matter is; ABSENT before it was opened."""

    ABSENT = "ABSENT"
    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    ENROLLED = "ENROLLED"
    TRAINING = "TRAINING"
    AGGREGATED = "AGGREGATED"
    EVALUATED = "EVALUATED"
    SHADOW = "SHADOW"
    RELEASED = "RELEASED"
    REJECTED = "REJECTED"
    RETIRED = "RETIRED"


FINAL: Final = frozenset({State.REJECTED, State.RETIRED})
"""States that nothing leaves."""


class Part(enum.Enum):
    """Say who of those in the right role may say a statement."""

    ANYONE = "anyone"
    OPENER = "opener"
    ENROLLED = "enrolled"


class Due(enum.Enum):
    """Say by when the next step is due once a state is reached."""

    NEVER = "never"
    EXPIRY = "when the plan expires"
    ROUND = "one round later"


class Transition(NamedTuple):
    """One row of the table.

    Attributes:
        choice: Value of the body's stage or decision; None where it has neither.
        roles: The speaker needs one of them.
        rules: All must hold; of several rows for a statement the first that holds counts.
    """

    kind: Kind
    state: State
    body: type
    choice: enum.IntEnum | None
    roles: frozenset[Role]
    part: Part
    rules: tuple[Rule, ...]
    next: State
    due: Due


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
    due: Due = Due.EXPIRY,
) -> Transition:
    part = Part.ENROLLED if state is State.SHADOW else Part.ANYONE
    body, kind = TrainingApproval, Kind.TRAINING_PLAN
    return Transition(kind, state, body, decision, INDUSTRY, part, rules, to, due)


def _led(
    state: State,
    body: type,
    choice: ModelStage | None,
    rules: tuple[Rule, ...],
    to: State,
    due: Due = Due.NEVER,
) -> Transition:
    kind, part = Kind.TRAINING_PLAN, Part.ANYONE if state is State.ABSENT else Part.OPENER
    return Transition(kind, state, body, choice, _PROPOSERS, part, rules, to, due)


_APPROVE: Final = TrainingDecision.APPROVE
_REFUSE: Final = TrainingDecision.REFUSE
_IN_ROUND: Final = (ROUND_IN_TIME, NEXT_ROUND, OF_ENROLLED, QUORUM)
_ENROLMENT: Final = (IN_TIME, ALL_APPROVED)
_WITH_PAPERS: Final = (SAME_MODEL, HAS_SHEET, HAS_ASSESSMENT)

TABLE: Final[tuple[Transition, ...]] = (
    _led(State.ABSENT, TrainingPlan, None, (IN_TIME,), State.PROPOSED, Due.EXPIRY),
    # Consent, until the run is over.
    _decided(State.PROPOSED, _APPROVE, (IN_TIME, WITHIN_CAP, COMPLETES), State.APPROVED),
    _decided(State.PROPOSED, _APPROVE, (IN_TIME, WITHIN_CAP), State.PROPOSED),
    _decided(State.PROPOSED, _REFUSE, (), State.PROPOSED),
    _decided(State.APPROVED, _APPROVE, (IN_TIME, WITHIN_CAP), State.APPROVED),
    _decided(State.APPROVED, _REFUSE, (LEAVES_ENOUGH,), State.APPROVED),
    _decided(State.APPROVED, _REFUSE, (), State.PROPOSED),
    *(
        _decided(state, decision, rules, state, Due.ROUND)
        for state in (State.ENROLLED, State.TRAINING)
        for decision, rules in ((_APPROVE, (IN_TIME, WITHIN_CAP)), (_REFUSE, ()))
    ),
    # The run.
    *(
        _led(state, TrainingStage, ModelStage.ENROLLED, _ENROLMENT, to, Due.ROUND)
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
            ((LAST,), State.AGGREGATED, Due.NEVER),
            ((FAILED,), state, Due.ROUND),
            ((), State.TRAINING, Due.ROUND),
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
        Due.NEVER,
    ),
    _decided(
        State.SHADOW,
        TrainingDecision.REFUSE_RELEASE,
        (NAMES_RELEASE,),
        State.SHADOW,
        Due.NEVER,
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
"""Every step that there is."""

_Steps = tuple[Transition, ...]


def _index() -> Mapping[tuple[State, type, enum.IntEnum | None], _Steps]:
    found: defaultdict[tuple[State, type, enum.IntEnum | None], _Steps] = defaultdict(tuple)
    for row in TABLE:
        found[row.state, row.body, row.choice] += (row,)
    return dict(found)


_STEPS: Final = _index()


@dataclass(frozen=True, slots=True)
class Matter:
    """Where one matter is, and what its statements have come to.

    Attributes:
        id: Digest of the plan, 32 bytes.
        opener: Who proposed it; the same plan of another member is another matter.
        opened: When, seconds since 1970.
        due: By when the next step is due; None: by no time.
    """

    kind: Kind
    id: bytes
    state: State
    opener: MemberId
    opened: int
    due: int | None
    facts: TrainingFacts


def advance(
    matter: Matter | None, member: MemberId, roles: frozenset[Role], statement: Statement
) -> Matter:
    """Return the matter after one more statement.

    Args:
        matter: None before the statement that opens it.
        member: Who speaks.
        roles: What the speaker is; none for one that was revoked by then.
        statement: What it says.

    Raises:
        MatterError: The statement does not count; the matter stays as it was.
    """
    before = matter or _unopened(member, statement)
    body = statement.body
    if not isinstance(body, TrainingPlan):
        _check_names(before, body)
    row = _find_row(before, member, roles, statement)
    return replace(
        before,
        state=row.next,
        due=_due(row.due, before.facts.plan, statement.issued_time),
        facts=absorb(before.facts, member, statement),
    )


def _unopened(member: MemberId, statement: Statement) -> Matter:
    plan = statement.body
    if not isinstance(plan, TrainingPlan):
        raise MatterError("MATTER_UNKNOWN", "nobody has proposed this plan yet", waits=True)
    return Matter(
        Kind.TRAINING_PLAN,
        plan.digest(),
        State.ABSENT,
        member,
        statement.issued_time,
        None,
        TrainingFacts(plan),
    )


def _check_names(matter: Matter, body: Any) -> None:
    names = (getattr(body, "plan_digest", None), getattr(body, "coordinator", matter.opener))
    if names != (matter.id, matter.opener):
        raise MatterError("PLAN_DIFFERS", "the statement names another plan or coordinator")


def _find_row(
    matter: Matter, member: MemberId, roles: frozenset[Role], statement: Statement
) -> Transition:
    body = statement.body
    choice = getattr(body, "stage", None) or getattr(body, "decision", None)
    rows = _STEPS.get((matter.state, type(body), choice), ())
    if not rows:
        raise MatterError("TRANSITION_NOT_ALLOWED", f"not in the state {matter.state}", waits=True)
    broken: Rule | None = None
    for row in rows:
        _check_speaker(row, matter, member, roles)
        broken = _broken_rule(row, matter.facts, member, statement)
        if broken is None:
            return row
    assert broken is not None  # noqa: S101  # there was a row, and it did not hold
    raise MatterError(broken.name, f"it must hold that {broken.sentence}", waits=broken.waits)


def _check_speaker(
    row: Transition, matter: Matter, member: MemberId, roles: frozenset[Role]
) -> None:
    if not roles & row.roles:
        raise MatterError("ROLE_NOT_ALLOWED", "the member's roles do not allow it")
    if row.part is Part.OPENER and member != matter.opener:
        raise MatterError("NOT_THE_OPENER", "only who proposed the plan may say this")
    if row.part is Part.ENROLLED and member not in matter.facts.enrolled:
        raise MatterError("NOT_ENROLLED", "only who is enrolled may say this")


def _broken_rule(
    row: Transition, facts: TrainingFacts, member: MemberId, statement: Statement
) -> Rule | None:
    return next((rule for rule in row.rules if not rule.holds(facts, member, statement)), None)


def _due(due: Due, plan: TrainingPlan, issued: int) -> int | None:
    if due is Due.EXPIRY:
        return plan.expiry_time
    return issued + plan.round_seconds if due is Due.ROUND else None


def models_in_force(matters: Iterable[Matter]) -> dict[tuple[TrainingTask, bytes], Matter]:
    """Return the model released last for each task and schema, and not retired.

    Retiring it brings the one before it back: that is how a model is rolled back.
    """
    released = [one for one in matters if one.state is State.RELEASED]
    released.sort(key=lambda one: (one.facts.released_time, one.id))
    return {(one.facts.plan.task, one.facts.plan.schema_digest): one for one in released}


class Refused(NamedTuple):
    """A statement that does not count, and why."""

    member: MemberId
    statement: Statement
    error: MatterError


@dataclass(frozen=True, slots=True)
class FoldedMatter:
    """A matter as all statements about it leave it; None where nobody opened it."""

    matter: Matter | None
    refused: tuple[Refused, ...]


def fold_matter(
    said: Iterable[tuple[MemberId, Statement]],
    roles: Callable[[MemberId, int], frozenset[Role]],
) -> FoldedMatter:
    """Fold all statements of one matter.

    Args:
        said: In the order of each member's log; the order between members does not matter.
        roles: What a member was at a second; none if unknown or revoked by then.
    """
    waiting: dict[MemberId, deque[Statement]] = {}
    for member, statement in said:
        waiting.setdefault(member, deque()).append(statement)
    matter: Matter | None = None
    refused: list[Refused] = []
    while waiting:
        heads = sorted((queue[0].issued_time, member) for member, queue in waiting.items())
        stuck: list[Refused] = []
        for issued, member in heads:
            try:
                matter = advance(matter, member, roles(member, issued), waiting[member][0])
            except MatterError as error:
                stuck.append(Refused(member, waiting[member][0], error))
            else:
                _drop_head(waiting, member)
                break
        else:
            refused.append(stuck[0])
            _drop_head(waiting, stuck[0].member)
    return FoldedMatter(matter, tuple(refused))


def _drop_head(waiting: dict[MemberId, deque[Statement]], member: MemberId) -> None:
    waiting[member].popleft()
    if not waiting[member]:
        del waiting[member]


def draw_states(kind: Kind) -> str:
    """Draw the table as a Mermaid state diagram, one line for each way from state to state."""
    arrows: defaultdict[tuple[State, State], list[str]] = defaultdict(list)
    for row in TABLE:
        if row.kind is kind:
            arrows[row.state, row.next].append(_label(row))
    lines = ["stateDiagram-v2"]
    for (state, to), labels in arrows.items():
        start = "[*]" if state is State.ABSENT else state
        lines.append(f"    {start} --> {to}: {', '.join(dict.fromkeys(labels))}")
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in sorted(FINAL))]) + "\n"


def list_steps(kind: Kind) -> str:
    """Write the table as one in Markdown."""
    lines = [
        "| state | statement | who | what must hold | next state | next step due |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in TABLE:
        if row.kind is kind:
            who = f"{row.part.value}: {', '.join(sorted(row.roles))}"
            rules = "; ".join(f"{rule.sentence} (`{rule.name}`)" for rule in row.rules) or "-"
            cells = (row.state, f"`{_label(row)}`", who, rules, row.next, row.due.value)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _label(row: Transition) -> str:
    return row.body.__name__ + ("" if row.choice is None else f" {row.choice.name}")
