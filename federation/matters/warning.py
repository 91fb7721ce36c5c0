"""Hold the procedure of a warning: raised, sent by the home carrier, acknowledged, ended.

Only the carrier whose customer the number is can open a warning, so nobody else learns of it what
the log does not say: that this carrier sent something for this token. The first that sends leads.

Source: DOMAIN §2 (warning), R33, R35.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
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
from federation.roles import INDUSTRY, Role
from federation.statements import Statement, WarningStep, WarningTask
from federation.vocabulary import WarningAction, WarningChannel, WarningOutcome, WarningUrgency

SEND_SECONDS: Final[Mapping[WarningUrgency, int]] = MappingProxyType(
    {
        WarningUrgency.ROUTINE: 86_400,  # a day: something is being prepared
        WarningUrgency.PROMPT: 1_800,  # half an hour: somebody is being talked to these days
        WarningUrgency.IMMEDIATE: 300,  # five minutes: somebody is on the telephone now
    }
)
"""Seconds within which the carrier sends."""
OUTCOME_SECONDS: Final = 86_400
"""Seconds from the last step to the outcome: by the next day the customer was asked."""
LONGEST_SECONDS: Final = 604_800
"""Seconds after which a warning without a term of its own is over: what it warned of is."""


@dataclass(frozen=True, slots=True)
class WarningFacts:
    """What the statements about one warning have come to.

    Attributes:
        ends: Second from which it is over by itself.
        opener: Who raised it; None before it is opened.
        carrier: Who sent it; None before.
        sent: Channels in the order in which they were used, each with its second.
        acknowledged: When the customer answered; 0: not yet.
        outcome: How it ended; None: not yet.
        concluded: Who said how it ended; None: nobody yet.
    """

    warning: WarningTask
    ends: int
    opener: MemberId | None = None
    carrier: MemberId | None = None
    sent: tuple[tuple[WarningChannel, int], ...] = ()
    acknowledged: int = 0
    outcome: WarningOutcome | None = None
    concluded: MemberId | None = None

    @property
    def silent_since(self) -> int:
        """Return the second of the last message."""
        return self.sent[-1][1] if self.sent else 0

    @property
    def overdue_from(self) -> int:
        """Return the second from which silence is no acknowledgement any more."""
        return self.silent_since + self.warning.acknowledge_seconds


WarningMatter = Matter[WarningFacts]


def first_channel(warning: WarningTask) -> WarningChannel:
    """Return how a carrier sends a warning first."""
    return WarningChannel.FLASH if warning.must_escalate else warning.channels[0]


def next_channel(facts: WarningFacts) -> WarningChannel | None:
    """Return how a silent warning is escalated; None where everything that is wanted was tried."""
    used = {channel for channel, _time in facts.sent}
    order = (WarningChannel.VOICE, *facts.warning.channels)
    left = (one for one in order if one in facts.warning.channels and one not in used)
    return next(left, None)


def _body(statement: Statement) -> Any:
    return statement.body


def _in_time(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.ends


def _is_wanted(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return _body(said).channel in facts.warning.channels


def _is_first(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return not facts.warning.must_escalate or _body(said).channel is WarningChannel.FLASH


def _is_call(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return _body(said).channel is next_channel(facts)


def _is_senders(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return member == facts.carrier


def _is_party(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return member in _parties(facts)


def _is_overdue(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time >= facts.overdue_from


def _was_called(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    gave_up = _body(said).outcome is WarningOutcome.UNREACHED
    return not (gave_up and facts.warning.must_escalate and len(facts.sent) < 2)


IN_TIME: Final = Rule("WARNING_EXPIRED", "it is said before the warning expires", _in_time)
WANTED: Final = Rule("CHANNEL_NOT_WANTED", "the channel is one that is wanted", _is_wanted)
FLASH_FIRST: Final = Rule(
    "FLASH_MISSING", "a vulnerable person at very high risk gets a flash message first", _is_first
)
CALL_NEXT: Final = Rule(
    "CALL_MISSING", "a call comes next where one is wanted, then the others in order", _is_call
)
SENDER: Final = Rule(
    "OTHER_CARRIER", "it is said by the carrier that sent the warning", _is_senders, waits=True
)
CONCERNED: Final = Rule(
    "NOT_CONCERNED", "it is said by who raised or sent the warning", _is_party, waits=True
)
OVERDUE: Final = Rule(
    "ESCALATION_TOO_EARLY", "the time to acknowledge the last message is over", _is_overdue
)
CALLED: Final = Rule(
    "ESCALATION_MISSING",
    "a vulnerable person at very high risk was called before it is given up",
    _was_called,
)

SEND: Final = Deadline(
    "by its urgency: 5 minutes, 30 minutes or a day later",
    lambda facts, issued: issued + SEND_SECONDS[facts.warning.urgency],
)
ANSWER: Final = Deadline(
    "when the warning's time to acknowledge is over", lambda facts, _issued: facts.overdue_from
)
CONCLUDE: Final = Deadline("a day later", lambda _facts, issued: issued + OUTCOME_SECONDS)

_OPENERS: Final = INDUSTRY | {Role.POLICE}
_CARRIERS: Final = frozenset({Role.CARRIER})
_UNDER_WAY: Final = (State.SENT, State.ESCALATED)


def _step(
    state: State, step: WarningAction, rules: tuple[Rule, ...], to: State, due: Deadline
) -> Transition:
    roles = _OPENERS if step is WarningAction.OUTCOME else _CARRIERS
    kind, part = Kind.WARNING, Part.ANYONE
    return Transition(kind, state, WarningStep, step, roles, part, rules, to, due)


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.WARNING, State.ABSENT, WarningTask, None, _OPENERS, Part.ANYONE, (), State.RAISED, SEND
    ),
    _step(State.RAISED, WarningAction.SENT, (IN_TIME, WANTED, FLASH_FIRST), State.SENT, ANSWER),
    *(
        row
        for state in _UNDER_WAY
        for row in (
            _step(
                state,
                WarningAction.ESCALATED,
                (SENDER, IN_TIME, OVERDUE, CALL_NEXT),
                State.ESCALATED,
                ANSWER,
            ),
            _step(state, WarningAction.ACKNOWLEDGED, (SENDER,), State.ACKNOWLEDGED, CONCLUDE),
        )
    ),
    *(
        _step(state, WarningAction.OUTCOME, (CONCERNED, CALLED), State.OUTCOME_REPORTED, NEVER)
        for state in (State.RAISED, *_UNDER_WAY, State.ACKNOWLEDGED)
    ),
)
"""Every step that a warning can take."""


def _begin(statement: Statement) -> WarningFacts:
    body = statement.body
    assert isinstance(body, WarningTask)  # noqa: S101  # it is what opens a matter
    return WarningFacts(body, statement.expires_time or statement.issued_time + LONGEST_SECONDS)


def _absorb(facts: WarningFacts, member: MemberId, said: Statement) -> WarningFacts:
    body = said.body
    if not isinstance(body, WarningStep):
        return replace(facts, opener=member)
    if body.channel is not None:
        sent = (*facts.sent, (body.channel, said.issued_time))
        return replace(facts, carrier=member, sent=sent)
    if body.step is WarningAction.ACKNOWLEDGED:
        return replace(facts, acknowledged=said.issued_time)
    return replace(facts, outcome=body.outcome, concluded=member)


def _parties(facts: WarningFacts) -> frozenset[MemberId]:
    return frozenset(one for one in (facts.opener, facts.carrier) if one is not None)


_subject: Callable[[WarningFacts], bytes] = lambda facts: facts.warning.token  # noqa: E731

WARNING: Final = Procedure(
    kind=Kind.WARNING,
    opens=WarningTask,
    bodies=frozenset({WarningStep, WarningTask}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=_parties,
    subject=_subject,
    ends=lambda facts: facts.ends,
)
