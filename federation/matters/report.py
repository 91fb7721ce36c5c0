"""Hold the loop of a citizen's report: whoever reports is told what came of it before it is closed.

The member that takes a report in opens the matter and names those able to act. One of them takes it
on and leads it; the opener alone knows the reporter, so feedback is the opener's.

Source: DOMAIN §2 (report), R50 to R52; N2018 nine; ATNFL art. 26.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

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
from federation.roles import INDUSTRY, SPEAKING, Role
from federation.statements import Report, ReportCount, ReportStep, Statement
from federation.vocabulary import CountBand, ReportAction, ReportReason

_HOUR: Final = 3_600
_DAY: Final = 24 * _HOUR

# Seconds that each step may take [P]; what is late is listed first and counted as a breach.
ACCEPT_SECONDS: Final = _DAY
BEGIN_SECONDS: Final = _DAY
VERIFY_SECONDS: Final = 7 * _DAY
MEND_SECONDS: Final = 30 * _DAY
FEEDBACK_SECONDS: Final = 2 * _DAY
CLOSE_SECONDS: Final = 7 * _DAY


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the statements about one report have come to.

    Attributes:
        report: The opening.
        reporters: How many reported it by the last word.
        opener: Who took it in.
        entered: When the state was reached: a count does not put off what is due.
        declined: Why each actor turned it down that did.
        handler: The actor that took it on; None before.
        reason: Why it was turned down or could not be substantiated; 0 where it was not.
        basis_id: The verification or disposition that it rests on; empty for none.
        ended: How it ended, DISPOSE, UNSUBSTANTIATE, REJECT or WITHDRAW; None before.
        fed_back_time: When the reporters were told; 0 before.
    """

    report: Report
    reporters: CountBand
    entered: int
    opener: MemberId | None = None
    declined: frozenset[MemberId] = frozenset()
    handler: MemberId | None = None
    reason: ReportReason = ReportReason.UNSPECIFIED
    basis_id: bytes = b""
    ended: ReportAction | None = None
    fed_back_time: int = 0


ReportMatter = Matter[ReportFacts]


def _body(statement: Statement) -> Any:
    return statement.body


def _is_last_to_decline(facts: ReportFacts, member: MemberId, _said: Statement) -> bool:
    return facts.declined | {member} >= frozenset(facts.report.actors)


def _is_handler(facts: ReportFacts, member: MemberId, _said: Statement) -> bool:
    return member == facts.handler


def _has_basis(_facts: ReportFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).basis_id)


def _raises_count(facts: ReportFacts, _member: MemberId, said: Statement) -> bool:
    return bool(_body(said).reporters > facts.reporters)


ALL_DECLINE: Final = Rule(
    "ACTORS_LEFT", "with it, everyone able to act has turned it down", _is_last_to_decline
)
OF_HANDLER: Final = Rule("NOT_THE_HANDLER", "the member took the report on", _is_handler)
CORROBORATED: Final = Rule(
    "BASIS_MISSING",
    "it names the verification or disposition that it rests on: a report alone is none",
    _has_basis,
)
RAISED: Final = Rule("COUNT_NOT_RAISED", "more citizens than before report it", _raises_count)


def _due(sentence: str, seconds: int) -> Deadline:
    return Deadline(sentence, lambda facts, _issued: facts.entered + seconds)


_ACCEPT: Final = _due("a day after it came in", ACCEPT_SECONDS)
_BEGIN: Final = _due("a day after it was accepted", BEGIN_SECONDS)
_CONCLUDE: Final = _due("seven days after verification began", VERIFY_SECONDS)
_MEND: Final = _due("thirty days later", MEND_SECONDS)
_FEED_BACK: Final = _due("two days later", FEEDBACK_SECONDS)
_CLOSE: Final = _due("seven days after the feedback", CLOSE_SECONDS)
_DEADLINES: Final = {
    State.SUBMITTED: _ACCEPT,
    State.ACCEPTED: _BEGIN,
    State.VERIFYING: _CONCLUDE,
    State.REJECTED: _FEED_BACK,
    State.DISPOSED: _FEED_BACK,
    State.UNSUBSTANTIATED: _FEED_BACK,
    State.RECTIFYING: _MEND,
    State.ACCOUNTABILITY: _FEED_BACK,
    State.FED_BACK: _CLOSE,
    State.CLOSED: NEVER,
}

_SUPERVISING: Final = frozenset({Role.COORDINATOR, Role.REGULATOR})
_TURNED_DOWN: Final = (
    ReportAction.REJECT,
    ReportAction.UNSUBSTANTIATE,
    ReportAction.WITHDRAW,
)


def _row(
    state: State,
    body: type,
    step: ReportAction | None,
    part: Part,
    roles: frozenset[Role],
    rules: tuple[Rule, ...],
    to: State,
) -> Transition:
    return Transition(Kind.REPORT, state, body, step, roles, part, rules, to, _DEADLINES[to])


def _acted(state: State, step: ReportAction, to: State, *rules: Rule) -> Transition:
    return _row(state, ReportStep, step, Part.PARTY, INDUSTRY, rules, to)


def _led(state: State, step: ReportAction, to: State) -> Transition:
    return _row(state, ReportStep, step, Part.OPENER, SPEAKING, (), to)


_OPEN: Final = (State.SUBMITTED, State.ACCEPTED, State.VERIFYING)
_ENDED: Final = (
    State.REJECTED,
    State.DISPOSED,
    State.UNSUBSTANTIATED,
    State.RECTIFYING,
    State.ACCOUNTABILITY,
)

TABLE: Final[tuple[Transition, ...]] = (
    _row(State.ABSENT, Report, None, Part.ANYONE, SPEAKING, (), State.SUBMITTED),
    *(
        _row(state, ReportCount, None, Part.OPENER, SPEAKING, (RAISED,), state)
        for state in (State.SUBMITTED, State.ACCEPTED, State.VERIFYING)
    ),
    _acted(State.SUBMITTED, ReportAction.ACCEPT, State.ACCEPTED),
    _acted(State.SUBMITTED, ReportAction.REJECT, State.REJECTED, ALL_DECLINE),
    _acted(State.SUBMITTED, ReportAction.REJECT, State.SUBMITTED),
    _acted(State.ACCEPTED, ReportAction.REJECT, State.REJECTED, OF_HANDLER),
    _acted(State.ACCEPTED, ReportAction.VERIFY, State.VERIFYING, OF_HANDLER),
    _acted(State.VERIFYING, ReportAction.DISPOSE, State.DISPOSED, OF_HANDLER, CORROBORATED),
    _acted(State.VERIFYING, ReportAction.UNSUBSTANTIATE, State.UNSUBSTANTIATED, OF_HANDLER),
    _acted(State.DISPOSED, ReportAction.RECTIFY, State.RECTIFYING, OF_HANDLER),
    *(
        _row(
            state,
            ReportStep,
            ReportAction.ACCOUNT,
            Part.ANYONE,
            _SUPERVISING,
            (),
            State.ACCOUNTABILITY,
        )
        for state in (State.DISPOSED, State.RECTIFYING)
    ),
    *(_led(state, ReportAction.WITHDRAW, State.REJECTED) for state in _OPEN),
    *(_led(state, ReportAction.FEED_BACK, State.FED_BACK) for state in _ENDED),
    _led(State.FED_BACK, ReportAction.CLOSE, State.CLOSED),
)
"""Every step that a report can take; all ways to CLOSED lead through FED_BACK."""


def _begin(statement: Statement) -> ReportFacts:
    assert isinstance(statement.body, Report)  # noqa: S101  # it is what opens a matter
    return ReportFacts(statement.body, statement.body.reporters, statement.issued_time)


def _absorb(facts: ReportFacts, member: MemberId, said: Statement) -> ReportFacts:
    body = said.body
    if isinstance(body, ReportCount):
        return replace(facts, reporters=body.reporters)
    if not isinstance(body, ReportStep):
        return replace(facts, opener=member)
    if body.step is ReportAction.REJECT and not _ends(facts, member, said):
        return replace(facts, declined=facts.declined | {member})
    return _absorb_step(replace(facts, entered=said.issued_time), member, body)


def _ends(facts: ReportFacts, member: MemberId, said: Statement) -> bool:
    return member == facts.handler or _is_last_to_decline(facts, member, said)


def _absorb_step(facts: ReportFacts, member: MemberId, body: ReportStep) -> ReportFacts:
    if body.step is ReportAction.ACCEPT:
        return replace(facts, handler=member)
    if body.step in _TURNED_DOWN:
        basis = body.basis_id or facts.basis_id
        return replace(facts, ended=body.step, reason=body.reason, basis_id=basis)
    if body.step is ReportAction.DISPOSE:
        return replace(facts, ended=body.step, basis_id=body.basis_id)
    if body.step is ReportAction.FEED_BACK:
        return replace(facts, fed_back_time=facts.entered)
    return replace(facts, basis_id=body.basis_id or facts.basis_id)


def _awaits(facts: ReportFacts) -> frozenset[MemberId]:
    """Return whose step is due: those able to act, who took it on, or who knows the reporter."""
    if facts.ended is not None and facts.opener is not None:
        return frozenset({facts.opener})
    if facts.handler is not None:
        return frozenset({facts.handler})
    return frozenset(facts.report.actors) - facts.declined


REPORT: Final = Procedure(
    kind=Kind.REPORT,
    opens=Report,
    bodies=frozenset({Report, ReportCount, ReportStep}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset(facts.report.actors),
    subject=lambda facts: facts.report.token,
    awaits=_awaits,
)
