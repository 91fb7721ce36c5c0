"""Say what the matter of an order remembers, and which rules its statements must keep.

``federation.matters.disposition`` has the table that names the rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from federation.indicators.kind import Kind
from federation.matters.procedure import Rule
from federation.measures import MEASURES, RESTRICTABLE, can_act, fits, restricts
from federation.names import MemberId
from federation.roles import Role
from federation.statements import (
    Appeal,
    AppealDecision,
    DispositionDecision,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
    Statement,
)
from federation.vocabulary import (
    AmountBand,
    AppealResult,
    Authority,
    DispositionOutcome,
    Exemption,
    NoticeDuty,
    OrderDecision,
    ReceiptStep,
    ReverifyResult,
    SubjectRole,
)

# Seconds [P]: an hour to answer an order, and as long to take a lifted measure back.
EXECUTE_SECONDS: Final = 3_600
RESTORE_SECONDS: Final = 3_600
# Seconds [P]: a day to authorise what a member proposes to others, and to decide an appeal.
AUTHORISE_SECONDS: Final = 86_400
APPEAL_SECONDS: Final = 86_400
# Appeals of one member on one order [P]: at first, and again with what is found later; any other
# member can take one in, too.
MAX_APPEALS: Final = 5
# Seconds [P]: a measure of half a year is ordered again, or it is over.
MAX_TERM_SECONDS: Final = 183 * 86_400


@dataclass(frozen=True, slots=True)
class Answer:
    """What one addressed member has come to. Times are seconds since 1970; 0: not so.

    Attributes:
        step: The last of EXECUTED, NOT_MINE and EXEMPT.
    """

    step: ReceiptStep
    answered_time: int
    executed_time: int = 0
    notified_time: int = 0
    restored_time: int = 0
    exemption: Exemption | None = None
    outcome: DispositionOutcome | None = None
    reverified: ReverifyResult | None = None
    amount_band: AmountBand | None = None

    @property
    def is_restricting(self) -> bool:
        """Whether the measure is in place at this member."""
        return bool(self.executed_time) and not self.restored_time


@dataclass(frozen=True, slots=True)
class DispositionFacts:
    """What the statements about one order have come to. Times are seconds; 0: not so.

    Attributes:
        authorised_time: Since when the order is in force.
        answers: Of those members that have answered.
        appealed_time: Of the first appeal that has not been decided.
        appeals: Who took appeals in, and when.
        appellants: Members whose appeal has not been decided.
        lifted_time: When it was lifted.
        lifted_by: Who lifted it.
        lift: How.
        is_elsewhere: Whether that is only what those say who took it back for another lift.
    """

    order: DispositionOrder
    opener: MemberId | None = None
    order_time: int = 0
    authorised_time: int = 0
    answers: Mapping[MemberId, Answer] = field(default_factory=lambda: MappingProxyType({}))
    appealed_time: int = 0
    appeals: tuple[tuple[MemberId, int], ...] = ()
    appellants: frozenset[MemberId] = frozenset()
    lifted_time: int = 0
    lifted_by: MemberId | None = None
    lift: DispositionOutcome | None = None
    is_elsewhere: bool = False

    @property
    def is_lifted_for_all(self) -> bool:
        """Whether who lifted it speaks for others too: who oversees, or the police.

        A member that ordered or acted decides for its own part alone: else any member could free a
        subject everywhere by ordering itself and lifting that.
        """
        if self.lifted_by is None or self.is_elsewhere:
            return False
        if self.lifted_by == self.opener:
            return self.order.authority is not Authority.MEMBER
        if self.lift is DispositionOutcome.LIFTED_DECISION:
            return True
        return self.lifted_by not in self.order.members

    @property
    def executed(self) -> frozenset[MemberId]:
        """Members that have carried it out, whether they took it back or not."""
        return frozenset(one for one, answer in self.answers.items() if answer.executed_time)

    @property
    def restricting(self) -> frozenset[MemberId]:
        """Members at which the measure is in place."""
        return frozenset(one for one, answer in self.answers.items() if answer.is_restricting)

    @property
    def unnotified(self) -> frozenset[MemberId]:
        """Members that acted and owe the person concerned a notice."""
        if self.order.notice_duty is NoticeDuty.DEFERRED:
            return frozenset()
        return frozenset(one for one in self.restricting if not self.answers[one].notified_time)

    def owed(self) -> Iterator[tuple[int, MemberId]]:
        """Yield by when each member owes its next step."""
        if self.lifted_time:
            yield from ((self.lifted_time + RESTORE_SECONDS, one) for one in self.restricting)
            return
        if not self.authorised_time:
            return
        for one in self.order.members:
            if one not in self.answers:
                yield self.authorised_time + EXECUTE_SECONDS, one
        for one in self.unnotified:
            yield self.answers[one].executed_time + self.order.notice_seconds, one
        if self.appealed_time and self.opener is not None:
            yield self.appealed_time + APPEAL_SECONDS, self.opener


def due(facts: DispositionFacts, issued: int) -> int | None:
    """Return by when the first step is owed; an order that only waits is decided in time."""
    if not facts.authorised_time and not facts.lifted_time:
        return issued + AUTHORISE_SECONDS
    return min((time for time, _ in facts.owed()), default=None)


def awaited(facts: DispositionFacts) -> frozenset[MemberId]:
    """Return the members whose step is the one that is due."""
    owed = list(facts.owed())
    first = min((time for time, _ in owed), default=0)
    return frozenset(one for time, one in owed if time == first)


def _body(statement: Statement) -> Any:
    return statement.body


def _measure_fits(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    order = facts.order
    return order.kind is not Kind.ORGANISATION and fits(order.measure, order.kind)


def _is_not_spoofed(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    return not restricts(facts.order.measure) or facts.order.subject_role is not SubjectRole.SPOOFED


def _subject_may(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    return not restricts(facts.order.measure) or facts.order.subject_role in RESTRICTABLE


def _term_fits(facts: DispositionFacts, _member: MemberId, said: Statement) -> bool:
    return 0 < facts.order.term_end_time - said.issued_time <= MAX_TERM_SECONDS


def _is_common(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    order = facts.order
    return order.notice_duty is NoticeDuty.IN_TIME and not MEASURES[order.measure].by_police


def _has_power(authority: Authority) -> Rule:
    def holds(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
        return facts.order.authority is authority

    sentence = f"the order is given in the power of {authority.name.lower()}"
    return Rule("AUTHORITY_INVALID", sentence, holds)


def _is_civil(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    return facts.order.authority is not Authority.POLICE


def _is_for_itself(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return facts.order.members == (member,)


def _can_act(role: Role) -> Rule:
    def holds(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
        return can_act(frozenset({role}), facts.order.measure)

    return Rule("MEASURE_NOT_ITS_OWN", f"the measure is one for a {role}", holds)


def _is_in_term(facts: DispositionFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.order.term_end_time


def _is_after_term(facts: DispositionFacts, _member: MemberId, said: Statement) -> bool:
    if _body(said).outcome is not DispositionOutcome.LIFTED_TERM:
        return False
    return said.issued_time >= facts.order.term_end_time


def _is_lifted_elsewhere(_facts: DispositionFacts, _member: MemberId, said: Statement) -> bool:
    return _body(said).outcome in ELSEWHERE


def _is_last(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    answered = facts.answers.keys() >= set(facts.order.members)
    return answered and facts.restricting <= {member}


def _is_free(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.restricting


def _has_acted(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return member in facts.restricting


def _owes_notice(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return member in facts.unnotified


def _notices_last(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return facts.unnotified <= {member}


def _has_no_appeal(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.appellants


def _is_partial(facts: DispositionFacts, _member: MemberId, _said: Statement) -> bool:
    return not facts.is_lifted_for_all


def _may_appeal(facts: DispositionFacts, member: MemberId, _said: Statement) -> bool:
    return sum(one == member for one, _time in facts.appeals) < MAX_APPEALS


LIFTS: Final = frozenset(
    {
        DispositionOutcome.PASS,
        DispositionOutcome.LIFTED_APPEAL,
        DispositionOutcome.LIFTED_REFUTED,
        DispositionOutcome.LIFTED_TERM,
        DispositionOutcome.LIFTED_DECISION,
        DispositionOutcome.LIFTED_REASSIGNED,
    }
)
"""Outcomes with which a measure is taken back."""
ELSEWHERE: Final = LIFTS - {DispositionOutcome.LIFTED_TERM}
"""Outcomes that say that another lift covers the subject."""

MEASURE_FITS: Final = Rule(
    "MEASURE_UNFIT", "the measure is one for this kind of indicator", _measure_fits
)
NOT_SPOOFED: Final = Rule(
    "SPOOFED_NUMBER",
    "nobody is restricted because somebody else shows their number falsely",
    _is_not_spoofed,
)
SUBJECT_MAY: Final = Rule(
    "SUBJECT_NOT_RESTRICTED",
    "who is restricted is an offender's resource or a mule",
    _subject_may,
)
TERM_FITS: Final = Rule(
    "TERM_INVALID", "the term ends after the order and within half a year", _term_fits
)
COMMON: Final = Rule("POLICE_ONLY", "neither measure nor secrecy is the police's alone", _is_common)
POWER: Final = {authority: _has_power(authority) for authority in Authority}
CIVIL: Final = Rule("POLICE_ORDER", "the order was not given in the police's power", _is_civil)
FOR_ITSELF: Final = Rule("ADDRESSED_TO_OTHERS", "the member orders itself alone", _is_for_itself)
ABLE: Final = {role: _can_act(role) for role in (Role.CARRIER, Role.BANK, Role.INTERNET)}
IN_TERM: Final = Rule("TERM_OVER", "it is said before the term is over", _is_in_term)
AFTER_TERM: Final = Rule(
    "TERM_NOT_OVER", "it is said when the term is over, and says so", _is_after_term
)
LIFTED_ELSEWHERE: Final = Rule(
    "NOT_LIFTED", "it says that another lift covers the subject", _is_lifted_elsewhere
)
LAST: Final = Rule(
    "OTHERS_REMAIN", "all have answered, and the measure is in place nowhere else", _is_last
)
FREE: Final = Rule("ALREADY_EXECUTED", "the measure is not in place at the member", _is_free)
ACTED: Final = Rule("NOT_EXECUTED", "the measure is in place at the member", _has_acted)
OWES_NOTICE: Final = Rule(
    "NOTICE_NOT_OWED", "the member acted and has not told the person concerned", _owes_notice
)
NOTICES_LAST: Final = Rule(
    "NOTICES_MISSING", "with it, all who acted have told the person concerned", _notices_last
)
APPEAL_CLOSED: Final = Rule(
    "APPEAL_OPEN",
    "no appeal that the member took in waits for its decision",
    _has_no_appeal,
    waits=True,
)
PARTIAL: Final = Rule(
    "ALREADY_LIFTED", "nobody has lifted it who decides for others, too", _is_partial
)
APPEALS_LEFT: Final = Rule(
    "APPEALS_TOO_MANY",
    f"the member took in fewer than {MAX_APPEALS} appeals on the order before",
    _may_appeal,
)


def absorb(facts: DispositionFacts, member: MemberId, said: Statement) -> DispositionFacts:
    """Add what an accepted statement says."""
    body, time = said.body, said.issued_time
    if isinstance(body, DispositionOrder):
        waits = body.authority is Authority.MEMBER and body.members != (member,)
        since = 0 if waits else time
        return replace(facts, opener=member, order_time=time, authorised_time=since)
    if isinstance(body, DispositionReceipt):
        facts = _with_answer(facts, member, _answered(facts.answers.get(member), body, time))
        return _lifted_elsewhere(facts, member, body, time)
    if isinstance(body, DispositionReverify):
        return _reverified(facts, member, body, time)
    if isinstance(body, Appeal):
        first = facts.appealed_time or (0 if facts.lifted_time else time)
        appeals, appellants = (*facts.appeals, (member, time)), facts.appellants | {member}
        return replace(facts, appealed_time=first, appeals=appeals, appellants=appellants)
    if isinstance(body, AppealDecision):
        facts = replace(facts, appealed_time=0, appellants=frozenset())
        if body.decision is AppealResult.LIFTED:
            return lifted(facts, member, time, DispositionOutcome.LIFTED_APPEAL)
    if isinstance(body, DispositionDecision):
        if body.decision is OrderDecision.AUTHORISE:
            return replace(facts, authorised_time=time)
        if body.decision is OrderDecision.LIFT:
            return lifted(facts, member, time, DispositionOutcome.LIFTED_DECISION)
    return facts


def _lifted_elsewhere(
    facts: DispositionFacts, member: MemberId, body: DispositionReceipt, time: int
) -> DispositionFacts:
    """Record the lift of another order when the last member took the measure back for it."""
    elsewhere = body.step is ReceiptStep.RESTORED and body.outcome in ELSEWHERE
    answered = facts.answers.keys() >= set(facts.order.members)
    if not elsewhere or body.outcome is None or facts.restricting or not answered:
        return facts
    if facts.lifted_time:
        return facts
    return replace(lifted(facts, member, time, body.outcome), is_elsewhere=True)


def lifted(
    facts: DispositionFacts, member: MemberId, time: int, how: DispositionOutcome
) -> DispositionFacts:
    """Record a lift; the first one stands that reaches others than who lifted it, else the last."""
    if facts.is_lifted_for_all:
        return facts
    facts = replace(facts, appealed_time=0, appellants=frozenset(), is_elsewhere=False)
    return replace(facts, lifted_time=time, lifted_by=member, lift=how)


def _with_answer(facts: DispositionFacts, member: MemberId, answer: Answer) -> DispositionFacts:
    return replace(facts, answers=MappingProxyType({**facts.answers, member: answer}))


def _answered(before: Answer | None, body: DispositionReceipt, time: int) -> Answer:
    if body.step is ReceiptStep.EXECUTED:
        return Answer(body.step, time, executed_time=time, amount_band=body.amount_band)
    if before is not None and body.step is ReceiptStep.NOTIFIED:
        return replace(before, notified_time=time)
    if before is not None and body.step is ReceiptStep.RESTORED:
        return replace(before, restored_time=time, outcome=body.outcome)
    return Answer(body.step, time, exemption=body.exemption)


def _reverified(
    facts: DispositionFacts, member: MemberId, body: DispositionReverify, time: int
) -> DispositionFacts:
    answer = facts.answers[member]
    facts = _with_answer(facts, member, replace(answer, reverified=body.decision))
    if body.decision is ReverifyResult.PASS:
        return lifted(facts, member, time, DispositionOutcome.PASS)
    return facts
