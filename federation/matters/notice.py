"""Hold the procedure of a notice: a regulator names a problem, a member plans and mends it.

A notice closes with evidence that the problem is mended, or is withdrawn; there is no third way.
Source: DOMAIN R40.
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
from federation.statements import NoticeStep, ProblemNotice, Statement
from federation.vocabulary import NoticeAction

JUDGE_SECONDS: Final = 30 * 86_400
"""Seconds in which the regulator says whether the evidence is enough: a month."""


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What the statements about one notice have come to.

    Attributes:
        opener: Who gave it; None before it is opened.
        plan: Digest of the plan that was replied, or nothing.
        evidence: Digest of the evidence that is to be judged, or was; or nothing.
    """

    notice: ProblemNotice
    opener: MemberId | None = None
    plan: bytes = b""
    evidence: bytes = b""

    @property
    def awaited(self) -> frozenset[MemberId]:
        """Return whose step is due: the member's, until there is evidence to judge."""
        judge = self.opener if self.evidence else None
        return frozenset({judge or self.notice.member})


NoticeMatter = Matter[NoticeFacts]


def _lies_ahead(facts: NoticeFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.notice.deadline_time


AHEAD: Final = Rule("DUE_TIME_PAST", "its deadline lies ahead", _lies_ahead)

MEND: Final = Deadline("the notice's deadline", lambda facts, _issued: facts.notice.deadline_time)
JUDGE: Final = Deadline("a month later", lambda _facts, issued: issued + JUDGE_SECONDS)

_REGULATOR: Final = frozenset({Role.REGULATOR})


def _by_member(state: State, step: NoticeAction, to: State, due: Deadline) -> Transition:
    kind, part = Kind.NOTICE, Part.PARTY
    return Transition(kind, state, NoticeStep, step, INDUSTRY, part, (), to, due)


def _by_opener(state: State, step: NoticeAction, to: State, due: Deadline = NEVER) -> Transition:
    kind, part = Kind.NOTICE, Part.OPENER
    return Transition(kind, state, NoticeStep, step, _REGULATOR, part, (), to, due)


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.NOTICE,
        State.ABSENT,
        ProblemNotice,
        None,
        _REGULATOR,
        Part.ANYONE,
        (AHEAD,),
        State.RAISED,
        MEND,
    ),
    _by_member(State.RAISED, NoticeAction.REPLIED, State.RECTIFYING, MEND),
    _by_member(State.RECTIFYING, NoticeAction.RECTIFIED, State.RECTIFIED, JUDGE),
    _by_opener(State.RECTIFIED, NoticeAction.RETURNED, State.RECTIFYING, MEND),
    _by_opener(State.RECTIFIED, NoticeAction.CLOSED, State.CLOSED),
    *(
        _by_opener(state, NoticeAction.WITHDRAWN, State.WITHDRAWN)
        for state in (State.RAISED, State.RECTIFYING, State.RECTIFIED)
    ),
)
"""Every step that a notice can take."""


def _begin(statement: Statement) -> NoticeFacts:
    assert isinstance(statement.body, ProblemNotice)  # noqa: S101  # it is what opens a matter
    return NoticeFacts(statement.body)


def _absorb(facts: NoticeFacts, member: MemberId, statement: Statement) -> NoticeFacts:
    body = statement.body
    if isinstance(body, ProblemNotice):
        return replace(facts, opener=member)
    assert isinstance(body, NoticeStep)  # noqa: S101  # the kind has no other
    if body.step is NoticeAction.REPLIED:
        return replace(facts, plan=body.paper_digest)
    if body.step is NoticeAction.RECTIFIED:
        return replace(facts, evidence=body.paper_digest)
    if body.step is NoticeAction.RETURNED:
        return replace(facts, evidence=b"")
    return facts


NOTICE: Final = Procedure(
    kind=Kind.NOTICE,
    opens=ProblemNotice,
    bodies=frozenset({ProblemNotice, NoticeStep}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset({facts.notice.member}),
    awaits=lambda facts: facts.awaited,
)
