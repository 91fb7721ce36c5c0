"""Hold the procedure of a trace: from holder to holder, each answering for its own hop.

Source: DOMAIN R06.
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
    Rule,
    State,
    Transition,
)
from federation.names import MemberId
from federation.roles import INDUSTRY, Role
from federation.statements import Statement, TraceHop, TraceOpen
from federation.vocabulary import TraceAnswer

HOP_SECONDS: Final = 86_400
"""Seconds for one hop: somebody looks into own records."""
TRACE_SECONDS: Final = 30 * 86_400
"""Seconds after which a trace ends by itself: no order is without end."""


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """What is known about a trace.

    Attributes:
        holder: Whose hop is next.
        hops: Those answered, in order.
        ends: When it ends by itself.
    """

    opening: TraceOpen
    holder: MemberId
    ends: int
    hops: tuple[TraceHop, ...] = ()


TraceMatter = Matter[TraceFacts]


def _in_order(facts: TraceFacts, _member: MemberId, said: Statement) -> bool:
    assert isinstance(said.body, TraceHop)  # noqa: S101  # the table asks it of no other
    return said.body.hop == len(facts.hops) + 1


def _in_time(facts: TraceFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.ends


IN_ORDER: Final = Rule("HOP_OUT_OF_ORDER", "it is the hop after the last", _in_order)
IN_TIME: Final = Rule("TRACE_EXPIRED", "it is said before the trace ends by itself", _in_time)
_HOP: Final = Deadline("a day later", lambda _facts, issued: issued + HOP_SECONDS)

_POLICE: Final = frozenset({Role.POLICE})


def _answer(step: TraceAnswer, to: State, due: Deadline) -> Transition:
    rules = (IN_ORDER, IN_TIME)
    return Transition(
        Kind.TRACE, State.TRACING, TraceHop, step, INDUSTRY, Part.PARTY, rules, to, due
    )


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.TRACE, State.ABSENT, TraceOpen, None, _POLICE, Part.ANYONE, (), State.TRACING, _HOP
    ),
    _answer(TraceAnswer.NEXT, State.TRACING, _HOP),
    _answer(TraceAnswer.END, State.TRACED, NEVER),
    _answer(TraceAnswer.NOT_HELD, State.TRACED, NEVER),
)
"""Every step that a trace can take."""


def _begin(statement: Statement) -> TraceFacts:
    body = statement.body
    assert isinstance(body, TraceOpen)  # noqa: S101  # it is what opens a matter
    return TraceFacts(body, body.holder, statement.issued_time + TRACE_SECONDS)


def _absorb(facts: TraceFacts, _member: MemberId, said: Statement) -> TraceFacts:
    body = said.body
    if not isinstance(body, TraceHop):
        return facts
    return replace(facts, holder=body.holder, hops=(*facts.hops, body))


TRACE: Final = Procedure(
    kind=Kind.TRACE,
    opens=TraceOpen,
    bodies=frozenset({TraceOpen, TraceHop}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset({facts.holder}),
    subject=lambda facts: facts.opening.token,
    ends=lambda facts: facts.ends,
)
