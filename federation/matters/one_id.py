"""Hold the procedure of a citizen's question where accounts stand under the own identity.

Every member asked answers, also the one that has nothing, and nobody but the citizen can read an
answer. The citizen's signature binds token, members, desk and key; a request without it never
opens. That a desk asks about one token once a day is a matter between requests: ``first_of_day``;
that of a desk's requests in 24 hours no more than ``REQUESTS_A_DAY`` stand is one, too.

Source: DOMAIN R57.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
from federation.one_id import is_consented
from federation.roles import INDUSTRY
from federation.statements import OneIdAnswer, OneIdRequest, Statement
from federation.statements.shape import MAX_SKEW_SECONDS

ANSWER_SECONDS: Final = 48 * 3_600
"""Seconds in which every member answers. Source: one-ID query 2.0, DOMAIN §7."""
KEEP_SECONDS: Final = 7 * 86_400
"""Seconds after which a request ends by itself: a late answer is still one for a week."""
REPEAT_SECONDS: Final = 24 * 3_600
"""Seconds until the same token may be asked about again. Source: DOMAIN R57."""
REQUESTS_A_DAY: Final = 1_000
"""Requests of one desk that stand in 24 hours: one each 86 seconds, which is more than people come
to a desk, and makes a desk that copies tokens no more than 1,000 answers in every member's log."""
CONSENT_SECONDS: Final = 3_600
"""Seconds for which a citizen's signature may be used: the time at a desk."""


@dataclass(frozen=True, slots=True)
class OneIdFacts:
    """What is known about a request.

    Attributes:
        ends: When it ends by itself.
        answers: When each member answered; what it sealed stays in its log.
    """

    request: OneIdRequest
    ends: int
    answers: Mapping[MemberId, int]

    @property
    def awaited(self) -> frozenset[MemberId]:
        """Return who was asked and has not answered."""
        return frozenset(self.request.members) - self.answers.keys()


OneIdMatter = Matter[OneIdFacts]


def _is_signed(facts: OneIdFacts, member: MemberId, _said: Statement) -> bool:
    return is_consented(facts.request, member)


def _is_fresh(facts: OneIdFacts, _member: MemberId, said: Statement) -> bool:
    age = said.issued_time - facts.request.consent_time
    return -MAX_SKEW_SECONDS <= age <= CONSENT_SECONDS


def _is_first(facts: OneIdFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.answers


def _is_last(facts: OneIdFacts, member: MemberId, _said: Statement) -> bool:
    return facts.awaited <= {member}


def _in_time(facts: OneIdFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.ends


SIGNED: Final = Rule("CONSENT_INVALID", "the citizen signed it for who says it", _is_signed)
FRESH: Final = Rule("CONSENT_STALE", "the citizen signed it within the hour", _is_fresh)
FIRST: Final = Rule("ANSWERED_ALREADY", "the member has not answered before", _is_first)
IN_TIME: Final = Rule("REQUEST_EXPIRED", "it is said before the request ends by itself", _in_time)
LAST: Final = Rule("ANSWERS_MISSING", "everybody else has answered", _is_last, waits=True)

_TWO_DAYS: Final = Deadline(
    "48 hours after it was opened",
    lambda facts, _issued: facts.ends - KEEP_SECONDS + ANSWER_SECONDS,
)


def _answer(rules: tuple[Rule, ...], to: State, due: Deadline) -> Transition:
    kind, part = Kind.ONE_ID, Part.PARTY
    return Transition(kind, State.OPEN, OneIdAnswer, None, INDUSTRY, part, rules, to, due)


TABLE: Final[tuple[Transition, ...]] = (
    Transition(
        Kind.ONE_ID,
        State.ABSENT,
        OneIdRequest,
        None,
        INDUSTRY,
        Part.ANYONE,
        (SIGNED, FRESH),
        State.OPEN,
        _TWO_DAYS,
    ),
    _answer((FIRST, IN_TIME, LAST), State.ANSWERED, NEVER),
    _answer((FIRST, IN_TIME), State.OPEN, _TWO_DAYS),
)
"""Every step that a request can take."""


def first_of_day(matters: Iterable[OneIdMatter]) -> frozenset[tuple[bytes, MemberId]]:
    """Return the requests that stand: of those of one desk about one token, one in 24 hours.

    The earliest stands, and of equal ones the first by id; what does not stand keeps none back. No
    desk's request keeps another's back: anybody can copy a token out of a log and date a request of
    its own before the citizen's. The same requests give the same answer on every node.

    Args:
        matters: Requests, in any order.

    Returns:
        Id and opener of each.
    """
    last: dict[tuple[MemberId, bytes], int] = {}
    standing = set()
    for one in sorted(matters, key=lambda each: (each.opened, each.id)):
        before = last.get((one.opener, one.subject))
        if before is None or one.opened >= before + REPEAT_SECONDS:
            last[one.opener, one.subject] = one.opened
            standing.add((one.id, one.opener))
    return frozenset(standing)


def _begin(statement: Statement) -> OneIdFacts:
    body = statement.body
    assert isinstance(body, OneIdRequest)  # noqa: S101  # it is what opens a matter
    return OneIdFacts(body, statement.issued_time + KEEP_SECONDS, MappingProxyType({}))


def _absorb(facts: OneIdFacts, member: MemberId, statement: Statement) -> OneIdFacts:
    body = statement.body
    if not isinstance(body, OneIdAnswer):
        return facts
    answers = {**facts.answers, member: statement.issued_time}
    return replace(facts, answers=MappingProxyType(answers))


ONE_ID: Final = Procedure(
    kind=Kind.ONE_ID,
    opens=OneIdRequest,
    bodies=frozenset({OneIdRequest, OneIdAnswer}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset(facts.request.members),
    subject=lambda facts: facts.request.token,
    ends=lambda facts: facts.ends,
    awaits=lambda facts: facts.awaited,
)
