"""Hold the procedure of a clue: found, handed over to the police, and never closed without outcome.

Source: DOMAIN §2 (clue), R53; ATNFL article 26: who receives a clue reports back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from federation.matters.procedure import (
    NEVER,
    Deadline,
    Kind,
    Matter,
    Part,
    Procedure,
    Rule,
    State,
    Transition,
)
from federation.names import MemberId
from federation.roles import INDUSTRY, Role
from federation.statements import Clue, ClueHandOver, ClueOutcome, ClueStep, Statement
from federation.vocabulary import ClueMove, ClueResult, ClueReturn

DAY_SECONDS: Final = 86_400
TRIAGE_DAYS: Final = 1
"""Days until a person has looked at a clue: numbers of fraud live for days."""
HAND_OVER_DAYS: Final = 3
"""Days until a clue that was looked at is with the police."""
ANSWER_DAYS: Final = 3
"""Days that the police have to take a clue or to give it back."""
RETURN_DAYS: Final = 7
"""Days to mend a clue that came back."""
OUTCOME_DAYS: Final = 30
"""Days until the police report what came of it; the term for a decision to open a case."""
NOTE_DAYS: Final = 7
"""Days to take note of the outcome."""


@dataclass(frozen=True, slots=True)
class ClueFacts:
    """What is known about a clue.

    Attributes:
        receiver: Of the police; None before it was handed over.
        manifest_digest: Of the last package, 32 bytes, or empty.
        returned: Why it came back last.
        results: What the police found, by token.
    """

    clue: Clue
    receiver: MemberId | None = None
    manifest_digest: bytes = b""
    returned: ClueReturn = ClueReturn.UNSPECIFIED
    results: Mapping[bytes, ClueResult] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def tokens(self) -> frozenset[bytes]:
        """Return the tokens of its objects."""
        return frozenset(one.token for one in self.clue.subjects)


ClueMatter = Matter[ClueFacts]


def _of_clue(facts: ClueFacts, _member: MemberId, said: Statement) -> bool:
    assert isinstance(said.body, ClueOutcome)  # noqa: S101  # the table asks it of no other
    return facts.tokens >= {one.token for one in said.body.subjects}


OF_CLUE: Final = Rule("SUBJECTS_DIFFER", "the outcome is about objects of the clue", _of_clue)


def _within(days: int) -> Deadline:
    word = "day" if days == 1 else "days"
    return Deadline(f"{days} {word} later", lambda _facts, issued: issued + days * DAY_SECONDS)


_FINDERS: Final = INDUSTRY | {Role.COORDINATOR, Role.REGULATOR}
_POLICE: Final = frozenset({Role.POLICE})


def _found(
    state: State, body: type, choice: ClueMove | None, to: State, due: Deadline
) -> Transition:
    part = Part.ANYONE if state is State.ABSENT else Part.OPENER
    return Transition(Kind.CLUE, state, body, choice, _FINDERS, part, (), to, due)


def _judged(
    state: State, body: type, choice: ClueMove | None, to: State, due: Deadline
) -> Transition:
    rules = (OF_CLUE,) if body is ClueOutcome else ()
    return Transition(Kind.CLUE, state, body, choice, _POLICE, Part.PARTY, rules, to, due)


TABLE: Final[tuple[Transition, ...]] = (
    _found(State.ABSENT, Clue, None, State.RECEIVED, _within(TRIAGE_DAYS)),
    _found(State.RECEIVED, ClueStep, ClueMove.TRIAGED, State.TRIAGED, _within(HAND_OVER_DAYS)),
    _found(State.TRIAGED, ClueStep, ClueMove.TRACED, State.TRACED, _within(HAND_OVER_DAYS)),
    *(
        _found(state, ClueHandOver, None, State.HANDED_OVER, _within(ANSWER_DAYS))
        for state in (State.TRIAGED, State.TRACED, State.RETURNED)
    ),
    _judged(State.HANDED_OVER, ClueStep, ClueMove.ACCEPTED, State.ACCEPTED, _within(OUTCOME_DAYS)),
    _judged(State.HANDED_OVER, ClueStep, ClueMove.RETURNED, State.RETURNED, _within(RETURN_DAYS)),
    *(
        _judged(state, ClueOutcome, None, State.OUTCOME_REPORTED, _within(NOTE_DAYS))
        for state in (State.ACCEPTED, State.RETURNED, State.OUTCOME_REPORTED)
    ),
    _found(State.OUTCOME_REPORTED, ClueStep, ClueMove.CLOSED, State.CLOSED, NEVER),
)
"""Every step that a clue can take."""


def _begin(statement: Statement) -> ClueFacts:
    assert isinstance(statement.body, Clue)  # noqa: S101  # it is what opens a matter
    return ClueFacts(statement.body)


def _absorb(facts: ClueFacts, _member: MemberId, said: Statement) -> ClueFacts:
    body = said.body
    if isinstance(body, ClueHandOver):
        return replace(facts, receiver=body.receiver, manifest_digest=body.manifest_digest)
    if isinstance(body, ClueStep) and body.step is ClueMove.RETURNED:
        return replace(facts, returned=body.reason)
    if isinstance(body, ClueOutcome):
        found = {one.token: body.result for one in body.subjects}
        return replace(facts, results=MappingProxyType({**facts.results, **found}))
    return facts


CLUE: Final = Procedure(
    kind=Kind.CLUE,
    opens=Clue,
    bodies=frozenset({Clue, ClueStep, ClueHandOver, ClueOutcome}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset({facts.receiver} - {None}),  # type: ignore[arg-type]  # without None
    subject=lambda facts: facts.clue.subjects[0].token,
)
