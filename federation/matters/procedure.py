"""Say what a matter is made of: words, rules, rows of the table, and one procedure for each kind.

A procedure is data. ``federation.matters.fold`` walks it; it knows none of them by name.
"""

import enum
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar

from federation.errors import PolicyError
from federation.names import MemberId
from federation.packing import pack
from federation.roles import Role
from federation.statements import Statement
from federation.statements.shape import IDENTIFIER_BYTES

Facts = TypeVar("Facts")


class MatterError(PolicyError):
    """A statement does not count in its matter.

    ``reason`` is MATTER_UNKNOWN, TRANSITION_NOT_ALLOWED, ROLE_NOT_ALLOWED, NOT_THE_OPENER,
    NOT_A_PARTY, MATTER_DIFFERS, NOT_YET_VALID, or the name of a rule.

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
    VERIFICATION = "verification"
    DISPOSITION = "disposition"
    REPORT = "report"
    WARNING = "warning"
    CLUE = "clue"
    TRACE = "trace"
    RESPONSIBILITY = "responsibility"
    NOTICE = "notice"
    ONE_ID = "one-id"
    ONE_ID_DISPUTE = "one-id-dispute"


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
    VERIFYING = "VERIFYING"
    CONFLICT = "CONFLICT"
    CONFIRMED = "CONFIRMED"
    REFUTED = "REFUTED"
    INSUFFICIENT = "INSUFFICIENT"
    AUTHORISED = "AUTHORISED"
    EXECUTED = "EXECUTED"
    NOTIFIED = "NOTIFIED"
    APPEALED = "APPEALED"
    UPHELD = "UPHELD"
    LIFTED = "LIFTED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    DISPOSED = "DISPOSED"
    UNSUBSTANTIATED = "UNSUBSTANTIATED"
    RECTIFYING = "RECTIFYING"
    RECTIFIED = "RECTIFIED"
    ACCOUNTABILITY = "ACCOUNTABILITY"
    FED_BACK = "FED_BACK"
    RAISED = "RAISED"
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ESCALATED = "ESCALATED"
    OUTCOME_REPORTED = "OUTCOME_REPORTED"
    RECEIVED = "RECEIVED"
    TRIAGED = "TRIAGED"
    TRACING = "TRACING"
    TRACED = "TRACED"
    HANDED_OVER = "HANDED_OVER"
    RETURNED = "RETURNED"
    CLOSED = "CLOSED"
    WITHDRAWN = "WITHDRAWN"
    LISTED = "LISTED"
    ADOPTED = "ADOPTED"
    OPEN = "OPEN"
    ANSWERED = "ANSWERED"
    EXPIRED = "EXPIRED"


class Part(enum.Enum):
    """Say who of those in the right role may say a statement."""

    ANYONE = "anyone"
    OPENER = "opener"
    PARTY = "party"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a statement must keep to count.

    Attributes:
        name: What a refusal is called.
        sentence: What holds where the rule is kept.
        holds: Asked with what was known before the statement.
        waits: Whether statements of others that are still under way can make it hold.
    """

    name: str
    sentence: str
    holds: Callable[[Any, MemberId, Statement], bool]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when the next step is due once a state is reached.

    Attributes:
        sentence: As the drawn table shows it.
        at: Asked with the facts after the statement, and the second at which it was said; None
            is no deadline.
    """

    sentence: str
    at: Callable[[Any, int], int | None]


NEVER: Final = Deadline("never", lambda _facts, _issued: None)


class Transition(NamedTuple):
    """One row of the table.

    Attributes:
        choice: Value of the body's stage, decision or step; None where it has none of them.
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
    due: Deadline


_HANDLE: Final = b"tocsin/matter/1"


class Named(NamedTuple):
    """Which matter a statement names; opener None: that of who speaks."""

    id: bytes
    opener: MemberId | None


def name_by_id(statement: Statement) -> Named:
    """Name the matter as a body's ``matter_id`` and ``opener`` do; one without opens its own."""
    body: Any = statement.body
    if not hasattr(body, "matter_id"):
        return Named(statement.id, None)
    return Named(body.matter_id, getattr(body, "opener", None))


def handle_of(opener: MemberId, matter_id: bytes) -> bytes:
    """Return what names a matter of an opener and no other's, 16 bytes.

    Whoever opens a matter chooses its id, and may choose that of another member's; the same plan
    proposed by two members has one digest. Nobody can choose the handle.
    """
    content = pack(_HANDLE, opener.encode(), matter_id)
    return hashlib.sha256(content).digest()[:IDENTIFIER_BYTES]


def _no_members(_facts: Any) -> frozenset[MemberId]:
    return frozenset()


class Turn(NamedTuple):
    """Who may take the next step.

    Attributes:
        members: These very members.
        roles: Any member with one of these roles.
    """

    members: frozenset[MemberId]
    roles: frozenset[Role]

    def includes(self, member: MemberId, roles: frozenset[Role]) -> bool:
        """Whether it is a member's turn, given its roles."""
        return member in self.members or bool(roles & self.roles)


_NOBODY: Final = Turn(frozenset(), frozenset())


@dataclass(frozen=True)  # without slots: what follows from the table is reckoned once
class Procedure(Generic[Facts]):
    """Everything about one kind of matter.

    Attributes:
        opens: The body that opens a matter.
        bodies: All bodies that move it, that one included.
        names: Which matter a statement is about; an opening one names its own.
        begin: The facts before the opening statement counts.
        absorb: The facts after a statement that counts.
        table: Its rows.
        parties: Whom ``Part.PARTY`` means.
        subject: Token that it is about; empty: none.
        ends: Second from which the matter is over by itself; None: it is not.
        awaits: Members whose step is due by the deadline, and who are named where it is late; none
            though a step is due: that of whoever the table lets speak. None: the table alone says
            whose turn it is, and a deadline missed is nobody's fault.
        deadlines: Where each member has a deadline of its own: the last second at which its step is
            in time. The matter is due at the first of them.
        settled: States in which it waits for nobody, though more may be said, and in which it
            stays, rather than read EXPIRED, when its term is over.
    """

    kind: Kind
    opens: type
    bodies: frozenset[type]
    begin: Callable[[Statement], Facts]
    absorb: Callable[[Facts, MemberId, Statement], Facts]
    table: tuple[Transition, ...]
    names: Callable[[Statement], Named] = name_by_id
    parties: Callable[[Facts], frozenset[MemberId]] = _no_members
    subject: Callable[[Facts], bytes] = lambda _facts: b""
    ends: Callable[[Facts], int | None] = lambda _facts: None
    awaits: Callable[[Facts], frozenset[MemberId]] | None = None
    deadlines: Callable[[Facts], Mapping[MemberId, int]] | None = None
    settled: frozenset[State] = frozenset()

    @cached_property
    def final(self) -> frozenset[State]:
        """States that nothing leaves."""
        reached = {row.next for row in self.table} | {State.EXPIRED}
        return frozenset(reached - {row.state for row in self.table})

    @cached_property
    def speakers(self) -> Mapping[State, tuple[frozenset[Part], frozenset[Role]]]:
        """For every state the parts that may say something, and the roles in which anyone may."""
        found: dict[State, tuple[frozenset[Part], frozenset[Role]]] = {}
        for row in self.table:
            parts, roles = found.get(row.state, (frozenset(), frozenset()))
            anyone = row.roles if row.part is Part.ANYONE else frozenset()
            found[row.state] = parts | {row.part}, roles | anyone
        return found


@dataclass(frozen=True, slots=True)
class Matter(Generic[Facts]):
    """Where one matter is, and what its statements have come to.

    Attributes:
        id: Of the matter, in its opener's name: another member's with this id is another matter.
        opener: Who opened it.
        opened: When, seconds since 1970.
        due: By when the next step is due; None: by no time.
        ends: Second from which it reads EXPIRED unless it is over before; None: never.
    """

    procedure: Procedure[Facts]
    id: bytes
    state: State
    opener: MemberId
    opened: int
    due: int | None
    ends: int | None
    facts: Facts

    @property
    def kind(self) -> Kind:
        """What kind of matter it is."""
        return self.procedure.kind

    @property
    def handle(self) -> bytes:
        """What names it whoever else opens one with its id, 16 bytes."""
        return handle_of(self.opener, self.id)

    @property
    def is_over(self) -> bool:
        """Whether no statement can change it any more."""
        return self.state in self.procedure.final

    @property
    def subject(self) -> bytes:
        """Return the token that it is about, or nothing."""
        return self.procedure.subject(self.facts)

    @property
    def turn(self) -> Turn:
        """Say whose step is next."""
        procedure = self.procedure
        if self.is_over or self.state in procedure.settled:
            return _NOBODY
        if procedure.deadlines is not None:
            return Turn(frozenset(procedure.deadlines(self.facts)), frozenset())
        if procedure.awaits is not None:
            awaited = procedure.awaits(self.facts)
            if awaited or self.due is None:
                return Turn(awaited, frozenset())
        parts, roles = procedure.speakers[self.state]
        opener = frozenset({self.opener} if Part.OPENER in parts else ())
        parties = procedure.parties(self.facts) if Part.PARTY in parts else frozenset()
        return Turn(opener | parties, roles)

    def state_at(self, now: int) -> State:
        """Return the state at a second: EXPIRED once its term is over."""
        keeps = self.is_over or self.state in self.procedure.settled
        return State.EXPIRED if not keeps and self._has_ended(now) else self.state

    def is_over_at(self, now: int) -> bool:
        """Whether no statement can change it any more at a second."""
        return self.is_over or self._has_ended(now)

    def is_overdue_at(self, now: int) -> bool:
        """Whether the next step has been missed at a second."""
        return self.due is not None and self.due < now and not self.is_over_at(now)

    def late_at(self, now: int) -> Mapping[MemberId, int]:
        """Return who has missed a deadline at a second, each with that deadline."""
        procedure, due = self.procedure, self.due
        if due is None or not self.is_overdue_at(now):
            return {}
        if procedure.deadlines is not None:
            found = procedure.deadlines(self.facts)
            return {member: by for member, by in found.items() if by < now}
        awaited = procedure.awaits(self.facts) if procedure.awaits is not None else ()
        return dict.fromkeys(awaited, due)

    def _has_ended(self, now: int) -> bool:
        return self.ends is not None and self.ends <= now
