"""Hold the procedure of a warning: raised, sent by the home carrier, acknowledged, ended.

Only the carrier whose customer the number is can open a warning, so nobody else learns of it what
the log does not say: that this carrier sent something for this token. Nobody can tell either which
carrier that is, so any can claim to have sent it. Each goes on a track of its own, from which no
other can keep it; only who raised the warning ends it for all. The matter is in the state of the
best track: the one furthest along, of several the first that was sent, then by the carrier's name.

Source: DOMAIN §2 (warning), R33, R35.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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


_PROGRESS: Final = (
    State.RAISED,
    State.SENT,
    State.ESCALATED,
    State.ACKNOWLEDGED,
    State.OUTCOME_REPORTED,
)


@dataclass(frozen=True, slots=True)
class Track:
    """What one carrier says that it did about a warning.

    Attributes:
        sent: Channels in the order in which they were used, each with its second.
        acknowledged: When the customer answered; 0: not yet.
        outcome: How it ended; None: not yet.
    """

    carrier: MemberId
    sent: tuple[tuple[WarningChannel, int], ...] = ()
    acknowledged: int = 0
    outcome: WarningOutcome | None = None

    @property
    def state(self) -> State:
        """Return how far the carrier has come."""
        if self.outcome is not None:
            return State.OUTCOME_REPORTED
        if self.acknowledged:
            return State.ACKNOWLEDGED
        return _PROGRESS[min(len(self.sent), 2)]

    @property
    def channels(self) -> tuple[WarningChannel, ...]:
        """Return where it was sent, in order."""
        return tuple(channel for channel, _time in self.sent)

    @property
    def silent_since(self) -> int:
        """Return the second of the last message."""
        return self.sent[-1][1] if self.sent else 0


@dataclass(frozen=True, slots=True)
class WarningFacts:
    """What the statements about one warning have come to.

    Attributes:
        ends: Second from which it is over by itself.
        opener: Who raised it; None before it is opened.
        tracks: Of every carrier that sent it.
        conclusion: How it ended, as who raised it says; None: not said.
        concluded: When that was said; 0: not said.
    """

    warning: WarningTask
    ends: int
    opener: MemberId | None = None
    tracks: Mapping[MemberId, Track] = field(default_factory=lambda: MappingProxyType({}))
    conclusion: WarningOutcome | None = None
    concluded: int = 0

    def track(self, carrier: MemberId) -> Track:
        """Return a carrier's track, which is empty where it has sent nothing."""
        return self.tracks.get(carrier) or Track(carrier)

    @property
    def best(self) -> Track | None:
        """Return the track that the matter's state follows; None before anybody sent it."""
        return min(self.tracks.values(), key=_rank, default=None)

    @property
    def outcome(self) -> WarningOutcome | None:
        """Return how it ended, as who raised it says, else as the best track has it."""
        if self.conclusion is not None or self.best is None:
            return self.conclusion
        return self.best.outcome

    def overdue_from(self, track: Track) -> int:
        """Return the second from which silence is no acknowledgement any more."""
        return track.silent_since + self.warning.acknowledge_seconds


def _rank(track: Track) -> tuple[int, int, MemberId]:
    return -_PROGRESS.index(track.state), track.sent[0][1], track.carrier


WarningMatter = Matter[WarningFacts]


def first_channel(warning: WarningTask) -> WarningChannel:
    """Return how a carrier sends a warning first."""
    return WarningChannel.FLASH if warning.must_escalate else warning.channels[0]


def next_channel(warning: WarningTask, track: Track) -> WarningChannel | None:
    """Return how a carrier escalates in silence; None where all that is wanted was tried."""
    order = (WarningChannel.VOICE, *warning.channels)
    left = (one for one in order if one in warning.channels and one not in track.channels)
    return next(left, None)


def _body(statement: Statement) -> Any:
    return statement.body


def _in_time(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.ends


def _is_wanted(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return _body(said).channel in facts.warning.channels


def _is_first(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return not facts.warning.must_escalate or _body(said).channel is WarningChannel.FLASH


def _is_call(facts: WarningFacts, member: MemberId, said: Statement) -> bool:
    return _body(said).channel is next_channel(facts.warning, facts.track(member))


def _is_open(facts: WarningFacts, _member: MemberId, _said: Statement) -> bool:
    return facts.conclusion is None


def _is_new(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.tracks


def _has_sent(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return member in facts.tracks


def _is_silent(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return not facts.track(member).acknowledged


def _goes_on(facts: WarningFacts, member: MemberId, _said: Statement) -> bool:
    return facts.track(member).outcome is None


def _is_overdue(facts: WarningFacts, member: MemberId, said: Statement) -> bool:
    return said.issued_time >= facts.overdue_from(facts.track(member))


def _called(facts: WarningFacts, member: MemberId, said: Statement) -> bool:
    return _may_give_up(facts, said) or len(facts.track(member).sent) > 1


def _was_called(facts: WarningFacts, _member: MemberId, said: Statement) -> bool:
    return _may_give_up(facts, said) or any(len(one.sent) > 1 for one in facts.tracks.values())


def _may_give_up(facts: WarningFacts, said: Statement) -> bool:
    gives_up = _body(said).outcome is WarningOutcome.UNREACHED
    return not (gives_up and facts.warning.must_escalate)


IN_TIME: Final = Rule("WARNING_EXPIRED", "it is said before the warning expires", _in_time)
WANTED: Final = Rule("CHANNEL_NOT_WANTED", "the channel is one that is wanted", _is_wanted)
FLASH_FIRST: Final = Rule(
    "FLASH_MISSING", "a vulnerable person at very high risk gets a flash message first", _is_first
)
CALL_NEXT: Final = Rule(
    "CALL_MISSING", "a call comes next where one is wanted, then the others in order", _is_call
)
OPEN: Final = Rule("WARNING_ENDED", "who raised the warning has not said how it ended", _is_open)
NEW: Final = Rule("ALREADY_SENT", "the carrier has not sent the warning before", _is_new)
SENDER: Final = Rule("NOT_SENT", "the carrier itself has sent the warning", _has_sent)
SILENT: Final = Rule("ALREADY_ANSWERED", "the carrier's customer has not answered yet", _is_silent)
GOES_ON: Final = Rule(
    "ALREADY_ENDED", "the carrier has not said how it ended for its customer", _goes_on
)
OVERDUE: Final = Rule(
    "ESCALATION_TOO_EARLY",
    "the time to acknowledge the carrier's last message is over",
    _is_overdue,
)
CALLED: Final = Rule(
    "ESCALATION_MISSING",
    "the carrier called a vulnerable person at very high risk before it gives up",
    _called,
)
CALLED_BY_ONE: Final = Rule(
    "ESCALATION_MISSING",
    "a vulnerable person at very high risk was called before it is given up",
    _was_called,
    waits=True,
)

SEND: Final = Deadline(
    "by its urgency: 5 minutes, 30 minutes or a day later",
    lambda facts, issued: issued + SEND_SECONDS[facts.warning.urgency],
)
BEST: Final = Deadline(
    "as for the best track: when its time to acknowledge is over, or a day after the answer",
    lambda facts, _issued: _due(facts),
)

_OPENERS: Final = INDUSTRY | {Role.POLICE}
_CARRIERS: Final = frozenset({Role.CARRIER})


def _due(facts: WarningFacts) -> int | None:
    best = facts.best
    if best is None or best.outcome is not None:
        return None
    return best.acknowledged + OUTCOME_SECONDS if best.acknowledged else facts.overdue_from(best)


def _by_carrier(
    state: State, step: WarningAction, rules: tuple[Rule, ...], reached: State
) -> Transition:
    """Return the row of a step on the speaker's own track, which may be behind the best one."""
    to = max(state, reached, key=_PROGRESS.index)
    due = NEVER if to is State.OUTCOME_REPORTED else BEST
    still = (OPEN, *rules) if state is State.OUTCOME_REPORTED else rules
    return Transition(
        Kind.WARNING, state, WarningStep, step, _CARRIERS, Part.ANYONE, still, to, due
    )


def _by_opener(state: State) -> Transition:
    rules = (OPEN, CALLED_BY_ONE) if state is State.OUTCOME_REPORTED else (CALLED_BY_ONE,)
    step, to = WarningAction.OUTCOME, State.OUTCOME_REPORTED
    return Transition(
        Kind.WARNING, state, WarningStep, step, _OPENERS, Part.OPENER, rules, to, NEVER
    )


_FIRST: Final = (IN_TIME, WANTED, FLASH_FIRST)
_LATER: Final = (SENDER, GOES_ON, SILENT)

TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.WARNING, State.ABSENT, WarningTask, None, _OPENERS, Part.ANYONE, (), State.RAISED, SEND
    ),
    _by_carrier(State.RAISED, WarningAction.SENT, _FIRST, State.SENT),
    *(
        row
        for state in _PROGRESS[1:]
        for row in (
            _by_carrier(state, WarningAction.SENT, (NEW, *_FIRST), State.SENT),
            _by_carrier(
                state,
                WarningAction.ESCALATED,
                (*_LATER, IN_TIME, OVERDUE, CALL_NEXT),
                State.ESCALATED,
            ),
            _by_carrier(state, WarningAction.ACKNOWLEDGED, _LATER, State.ACKNOWLEDGED),
        )
    ),
    *(_by_opener(state) for state in _PROGRESS),
    *(
        _by_carrier(state, WarningAction.OUTCOME, (SENDER, GOES_ON, CALLED), State.OUTCOME_REPORTED)
        for state in _PROGRESS[1:]
    ),
)
"""Every step that a warning can take."""


def _begin(statement: Statement) -> WarningFacts:
    body = statement.body
    assert isinstance(body, WarningTask)  # noqa: S101  # it is what opens a matter
    return WarningFacts(body, statement.expires_time or statement.issued_time + LONGEST_SECONDS)


def _absorb(facts: WarningFacts, member: MemberId, said: Statement) -> WarningFacts:
    body, time = said.body, said.issued_time
    if not isinstance(body, WarningStep):
        return replace(facts, opener=member)
    if body.outcome is not None and member == facts.opener:
        return replace(facts, conclusion=body.outcome, concluded=time)
    track = _moved(facts.track(member), body, time)
    return replace(facts, tracks=MappingProxyType({**facts.tracks, member: track}))


def _moved(track: Track, body: WarningStep, time: int) -> Track:
    if body.channel is not None:
        return replace(track, sent=(*track.sent, (body.channel, time)))
    if body.outcome is not None:
        return replace(track, outcome=body.outcome)
    return replace(track, acknowledged=time)


def _parties(facts: WarningFacts) -> frozenset[MemberId]:
    opener = frozenset() if facts.opener is None else frozenset({facts.opener})
    return opener | facts.tracks.keys()


def _ends_at(facts: WarningFacts) -> int:
    return facts.ends if facts.conclusion is None else min(facts.ends, facts.concluded)


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
    ends=_ends_at,
    settled=frozenset({State.OUTCOME_REPORTED}),
)
