"""Hold the procedure of a verification round: asked, added up in secret, read alike, decided.

The answers stand in a private sum (``federation.sums``); here stand only totals. Whoever can read
the sum says its tally, and a tally decides once more than half of those asked have said the same:
no member's lie, nor that of a few, is the tally, and everybody else's shows it for what it is.

An answer NO_RECORD agrees with nobody. One benign answer keeps an indicator out of CONFIRMED; one
suspecting answer alone does not keep it out of REFUTED where a quorum calls it benign. A conflict
is examined by a person: at the opener, but only for what a quorum of the answers says too, or one
benign answer and the opener would undo what everybody else suspects; or at a coordinator or
regulator that did not open the round.

Source: DOMAIN §2 (indicator), R03.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
from federation.roles import OVERSEEING, SPEAKING
from federation.statements import (
    Statement,
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
)
from federation.statements.sums import MIN_CONTRIBUTORS
from federation.vocabulary import VerificationDecision

DEFAULT_QUORUM: Final = 3
"""Members that must agree unless the opener asks for others: two may repeat each other."""
LONGEST_SECONDS: Final = 604_800
"""Seconds that members have to answer at most: after a week they have come and gone."""
OPENING_SECONDS: Final = 86_400
"""Seconds after the answers are due in which the sum may open: as long as it can be closed."""
EXAMINE_SECONDS: Final = 86_400
"""Seconds within which a conflict is to be examined: a benign person may be cut off meanwhile."""
CONFLICT_SECONDS: Final = 604_800
"""Seconds after which a conflict that nobody examined is over."""


class Tally(NamedTuple):
    """How many gave each answer."""

    suspect: int
    benign: int
    no_record: int
    declined: int

    def judge(self, quorum: int) -> State:
        """Return what a round comes to."""
        if self.suspect >= quorum and not self.benign:
            return State.CONFIRMED
        if self.benign >= quorum > self.suspect:
            return State.REFUTED
        if self.suspect and self.benign:
            return State.CONFLICT
        return State.INSUFFICIENT


@dataclass(frozen=True, slots=True)
class VerificationFacts:
    """What the statements about one round have come to.

    Attributes:
        opener: Who opened it; None before it is opened.
        tallies: What each member read, as long as the round was undecided.
        tally: What more than half of those asked read; None before.
        decided: When the last of these said so, or the conflict was examined; 0 before.
        examined: What a person decided; None where nobody had to.
        examiner: Where that person is.
    """

    opening: VerificationOpen
    opener: MemberId | None = None
    tallies: Mapping[MemberId, Tally] = field(default_factory=lambda: MappingProxyType({}))
    tally: Tally | None = None
    decided: int = 0
    examined: VerificationExamination | None = None
    examiner: MemberId | None = None

    @property
    def majority(self) -> int:
        """Return how many must have read the same: more than half, and never two alone."""
        return max(MIN_CONTRIBUTORS, len(self.opening.members) // 2 + 1)


VerificationMatter = Matter[VerificationFacts]


def read_tally(body: VerificationTally) -> Tally:
    """Return the counts of a statement."""
    return Tally(body.suspect, body.benign, body.no_record, body.declined)


def is_sound(tally: Tally, asked: int) -> bool:
    """Say whether counts can be the answers of so many members, and of enough of them."""
    return min(tally) >= 0 and MIN_CONTRIBUTORS <= sum(tally) <= asked


def _tally(statement: Statement) -> Tally:
    assert isinstance(statement.body, VerificationTally)  # noqa: S101  # rows name the body
    return read_tally(statement.body)


def _is_asked_for(facts: VerificationFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.opening.due_time <= said.issued_time + LONGEST_SECONDS


def _was_asked(facts: VerificationFacts, member: MemberId, _said: Statement) -> bool:
    return member in facts.opening.members


def _is_possible(facts: VerificationFacts, _member: MemberId, said: Statement) -> bool:
    return is_sound(_tally(said), len(facts.opening.members))


def _is_first(facts: VerificationFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.tallies


def _is_majority(facts: VerificationFacts, _member: MemberId, said: Statement) -> bool:
    return Counter(facts.tallies.values())[_tally(said)] + 1 >= facts.majority


def _comes_to(state: State) -> Callable[[VerificationFacts, MemberId, Statement], bool]:
    def holds(facts: VerificationFacts, _member: MemberId, said: Statement) -> bool:
        return _tally(said).judge(facts.opening.quorum) is state

    return holds


def _has_quorum(facts: VerificationFacts, _member: MemberId, _said: Statement) -> bool:
    return facts.tally is not None and facts.tally.suspect >= facts.opening.quorum


def _has_benign_quorum(facts: VerificationFacts, _member: MemberId, _said: Statement) -> bool:
    return facts.tally is not None and facts.tally.benign >= facts.opening.quorum


def _is_not_opener(facts: VerificationFacts, member: MemberId, _said: Statement) -> bool:
    return member != facts.opener


TERM: Final = Rule("TERM_INVALID", "answers are due later, and within a week", _is_asked_for)
WAS_ASKED: Final = Rule("NOT_ASKED", "the member is one of those asked", _was_asked)
POSSIBLE: Final = Rule(
    "TALLY_IMPOSSIBLE",
    "it counts at least three answers, and none that was not asked",
    _is_possible,
)
FIRST: Final = Rule("TALLY_TWICE", "the member has said no tally before", _is_first)
MAJORITY: Final = Rule(
    "TALLY_UNCONFIRMED",
    "more than half of those asked, and three at least, have read the same",
    _is_majority,
    waits=True,
)
CONFIRMS: Final = Rule(
    "SUSPECTS_TOO_FEW",
    "a quorum suspects it and nobody knows it as benign",
    _comes_to(State.CONFIRMED),
)
REFUTES: Final = Rule(
    "BENIGN_TOO_FEW",
    "a quorum knows it as benign, and no quorum suspects it",
    _comes_to(State.REFUTED),
)
CONFLICTS: Final = Rule(
    "NO_CONFLICT", "some suspect it and some know it as benign", _comes_to(State.CONFLICT)
)
LITTLE: Final = Rule("QUORUM_REACHED", "too few know it", _comes_to(State.INSUFFICIENT))
QUORUM: Final = Rule("SUSPECTS_TOO_FEW", "a quorum of those asked suspects it", _has_quorum)
BENIGN_QUORUM: Final = Rule(
    "BENIGN_TOO_FEW", "a quorum of those asked knows it as benign", _has_benign_quorum
)
OTHERS_ROUND: Final = Rule("OWN_ROUND", "another member has opened the round", _is_not_opener)

ANSWERS: Final = Deadline("when the answers are due", lambda facts, _issued: facts.opening.due_time)
EXAMINE: Final = Deadline("a day later", lambda _facts, issued: issued + EXAMINE_SECONDS)

_OUTCOMES: Final = (
    (CONFIRMS, State.CONFIRMED, NEVER),
    (REFUTES, State.REFUTED, NEVER),
    (CONFLICTS, State.CONFLICT, EXAMINE),
    (LITTLE, State.INSUFFICIENT, NEVER),
)


def _read(rules: tuple[Rule, ...], to: State, due: Deadline) -> Transition:
    kind, state, body = Kind.VERIFICATION, State.VERIFYING, VerificationTally
    return Transition(kind, state, body, None, SPEAKING, Part.PARTY, rules, to, due)


def _examined(
    decision: VerificationDecision, rule: Rule, to: State, *more: Rule
) -> tuple[Transition, Transition]:
    """Return the opener's row, under a rule, and that of who oversees, under other rules."""
    kind, state, body = Kind.VERIFICATION, State.CONFLICT, VerificationExamination
    other = (OTHERS_ROUND, *more)
    return (
        Transition(kind, state, body, decision, SPEAKING, Part.OPENER, (rule,), to, NEVER),
        Transition(kind, state, body, decision, OVERSEEING, Part.ANYONE, other, to, NEVER),
    )


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.VERIFICATION,
        State.ABSENT,
        VerificationOpen,
        None,
        SPEAKING,
        Part.ANYONE,
        (TERM,),
        State.VERIFYING,
        ANSWERS,
    ),
    *(_read((WAS_ASKED, POSSIBLE, FIRST, MAJORITY, rule), to, due) for rule, to, due in _OUTCOMES),
    _read((WAS_ASKED, POSSIBLE, FIRST), State.VERIFYING, ANSWERS),
    *_examined(VerificationDecision.CONFIRM, QUORUM, State.CONFIRMED, QUORUM),
    *_examined(VerificationDecision.REFUTE, BENIGN_QUORUM, State.REFUTED),
)
"""Every step that a round can take."""


def _begin(statement: Statement) -> VerificationFacts:
    assert isinstance(statement.body, VerificationOpen)  # noqa: S101  # it is what opens a matter
    return VerificationFacts(statement.body)


def _absorb(facts: VerificationFacts, member: MemberId, said: Statement) -> VerificationFacts:
    body = said.body
    if isinstance(body, VerificationOpen):
        return replace(facts, opener=member)
    if isinstance(body, VerificationExamination):
        return replace(facts, examined=body, examiner=member, decided=said.issued_time)
    tally = _tally(said)
    tallies = MappingProxyType({**facts.tallies, member: tally})
    if Counter(tallies.values())[tally] < facts.majority:
        return replace(facts, tallies=tallies)
    return replace(facts, tallies=tallies, tally=tally, decided=said.issued_time)


def _ends(facts: VerificationFacts) -> int:
    if facts.tally is None:
        return facts.opening.due_time + OPENING_SECONDS
    return facts.decided + CONFLICT_SECONDS


def _parties(facts: VerificationFacts) -> frozenset[MemberId]:
    opener = frozenset() if facts.opener is None else frozenset({facts.opener})
    return frozenset(facts.opening.members) | opener


def _subject(facts: Any) -> bytes:
    token: bytes = facts.opening.token
    return token


VERIFICATION: Final = Procedure(
    kind=Kind.VERIFICATION,
    opens=VerificationOpen,
    bodies=frozenset({VerificationOpen, VerificationTally, VerificationExamination}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=_parties,
    subject=_subject,
    ends=_ends,
)
