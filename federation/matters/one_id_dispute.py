"""Hold the procedure of a dispute: a citizen wants an account closed that another opened.

The logs show who has to decide and by when, and not whose dispute it is or about what.

Source: DOMAIN R58.
"""

from dataclasses import dataclass, replace
from typing import Final

from federation.matters.procedure import (
    NEVER,
    Deadline,
    Kind,
    Matter,
    Part,
    Procedure,
    State,
    Transition,
)
from federation.names import MemberId
from federation.roles import INDUSTRY
from federation.statements import OneIdDecision, OneIdDispute, Statement
from federation.vocabulary import OneIdMove, OneIdReason

ACCEPT_SECONDS: Final = 3 * 86_400
"""Seconds in which the holder takes a dispute up."""
DECIDE_SECONDS: Final = 15 * 86_400
"""Seconds from its opening in which it is decided, as complaints of telecom users have to be."""


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """What is known about a dispute.

    Attributes:
        opened: Seconds since 1970.
        reason: Why it was rejected, if it was.
        feedback: To the citizen, sealed; empty before the end.
    """

    dispute: OneIdDispute
    opened: int
    reason: OneIdReason = OneIdReason.UNSPECIFIED
    feedback: bytes = b""


DisputeMatter = Matter[DisputeFacts]

_ACCEPT: Final = Deadline("3 days later", lambda facts, _issued: facts.opened + ACCEPT_SECONDS)
_DECIDE: Final = Deadline(
    "15 days after it was opened", lambda facts, _issued: facts.opened + DECIDE_SECONDS
)


def _decide(state: State, step: OneIdMove, to: State, due: Deadline = NEVER) -> Transition:
    kind, part = Kind.ONE_ID_DISPUTE, Part.PARTY
    return Transition(kind, state, OneIdDecision, step, INDUSTRY, part, (), to, due)


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.ONE_ID_DISPUTE,
        State.ABSENT,
        OneIdDispute,
        None,
        INDUSTRY,
        Part.ANYONE,
        (),
        State.OPEN,
        _ACCEPT,
    ),
    _decide(State.OPEN, OneIdMove.ACCEPTED, State.ACCEPTED, _DECIDE),
    _decide(State.OPEN, OneIdMove.REJECTED, State.REJECTED),
    _decide(State.ACCEPTED, OneIdMove.CLOSED, State.CLOSED),
    _decide(State.ACCEPTED, OneIdMove.REJECTED, State.REJECTED),
)
"""Every step that a dispute can take."""


def _begin(statement: Statement) -> DisputeFacts:
    assert isinstance(statement.body, OneIdDispute)  # noqa: S101  # it is what opens a matter
    return DisputeFacts(statement.body, statement.issued_time)


def _absorb(facts: DisputeFacts, _member: MemberId, statement: Statement) -> DisputeFacts:
    body = statement.body
    if not isinstance(body, OneIdDecision):
        return facts
    return replace(facts, reason=body.reason, feedback=body.sealed_feedback)


ONE_ID_DISPUTE: Final = Procedure(
    kind=Kind.ONE_ID_DISPUTE,
    opens=OneIdDispute,
    bodies=frozenset({OneIdDispute, OneIdDecision}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset({facts.dispute.holder}),
    awaits=lambda facts: frozenset({facts.dispute.holder}),
)
