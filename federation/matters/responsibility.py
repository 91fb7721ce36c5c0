"""Hold the procedure of a duty: listed by a regulator, adopted by members, attested each period.

Each member that has adopted a duty has due times of its own; the matter is due when the first of
them is. Source: DOMAIN R39, R45.
"""

import hashlib
from collections.abc import Mapping
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
from federation.statements import (
    DutyAdoption,
    DutyAttestation,
    DutyItem,
    DutyWithdrawal,
    Statement,
    encode_body,
)
from federation.vocabulary import Sector

ROLE_OF: Final[Mapping[Sector, Role]] = MappingProxyType(
    {
        Sector.CARRIER: Role.CARRIER,
        Sector.BANK: Role.BANK,
        Sector.INTERNET: Role.INTERNET,
    }
)
"""The role that makes a member one of a sector."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """How one member keeps a duty.

    Attributes:
        time: When it was adopted.
        first: The period that was running then, the first to attest.
        attested: When each period from then on was attested.
    """

    time: int
    first: int
    attested: tuple[int, ...] = ()

    @property
    def next(self) -> int:
        """Return the period to attest next."""
        return self.first + len(self.attested)


@dataclass(frozen=True, slots=True)
class DutyFacts:
    """What the statements about one duty have come to."""

    item: DutyItem
    adopted: Mapping[MemberId, Adopted] = field(default_factory=lambda: MappingProxyType({}))

    def due(self, period: int) -> int:
        """Return the second by which a period is attested."""
        return self.item.first_due_time + (period - 1) * self.item.period_seconds

    def running(self, time: int) -> int:
        """Return the period that is running at a second; the first one before it begins, too."""
        late = time - self.item.first_due_time
        return 1 + max(0, -(-late // self.item.period_seconds))

    def red_from(self, member: MemberId) -> int:
        """Return the last second at which the member's next attestation is not overdue."""
        return self.due(self.adopted[member].next) + self.item.grace_seconds

    def deadlines(self) -> Mapping[MemberId, int]:
        """Return that second for each member that has adopted it."""
        return {member: self.red_from(member) for member in self.adopted}


DutyMatter = Matter[DutyFacts]


def item_digest(item: DutyItem) -> bytes:
    """Return SHA-256 of an item's body, 32 bytes: what an adoption names."""
    return hashlib.sha256(encode_body(item)).digest()


def _body(statement: Statement) -> Any:
    return statement.body


def _lies_ahead(facts: DutyFacts, _member: MemberId, said: Statement) -> bool:
    return said.issued_time < facts.item.first_due_time


def _is_new(facts: DutyFacts, member: MemberId, _said: Statement) -> bool:
    return member not in facts.adopted


def _is_same(facts: DutyFacts, _member: MemberId, said: Statement) -> bool:
    named: bytes = _body(said).item_digest
    return named == item_digest(facts.item)


def _is_next(facts: DutyFacts, member: MemberId, said: Statement) -> bool:
    period: int = _body(said).period
    return period == facts.adopted[member].next


def _has_begun(facts: DutyFacts, _member: MemberId, said: Statement) -> bool:
    begins = facts.due(_body(said).period) - facts.item.period_seconds
    return said.issued_time >= begins


def _for(sector: Sector) -> Rule:
    return Rule(
        "SECTOR_DIFFERS",
        f"the duty is for the sector {sector.name.lower()}",
        lambda facts, _member, _said: sector in facts.item.sectors,
    )


AHEAD: Final = Rule("DUE_TIME_PAST", "its first due time lies ahead", _lies_ahead)
NEW: Final = Rule("DUTY_ADOPTED", "the member has not adopted it yet", _is_new)
SAME: Final = Rule("DUTY_DIFFERS", "it names the digest of the duty as it was listed", _is_same)
NEXT: Final = Rule(
    "PERIOD_OUT_OF_ORDER", "it is the period after the last that the member attested", _is_next
)
BEGUN: Final = Rule("PERIOD_NOT_BEGUN", "the period has begun", _has_begun)

FIRST_DUE: Final = Deadline(
    "when the first attestation is due", lambda facts, _issued: facts.item.first_due_time
)
GRACE: Final = Deadline(
    "when the grace after the first missing attestation is over",
    lambda facts, _issued: min(facts.deadlines().values()),
)

_REGULATOR: Final = frozenset({Role.REGULATOR})


def _adopted(state: State, sector: Sector) -> Transition:
    roles, rules = frozenset({ROLE_OF[sector]}), (_for(sector), NEW, SAME)
    kind, to = Kind.RESPONSIBILITY, State.ADOPTED
    return Transition(kind, state, DutyAdoption, None, roles, Part.ANYONE, rules, to, GRACE)


def _listed(state: State, body: type, part: Part, to: State, due: Deadline) -> Transition:
    rules = (AHEAD,) if body is DutyItem else ()
    return Transition(Kind.RESPONSIBILITY, state, body, None, _REGULATOR, part, rules, to, due)


TABLE: Final[tuple[Transition, ...]] = (
    _listed(State.ABSENT, DutyItem, Part.ANYONE, State.LISTED, FIRST_DUE),
    *(_adopted(state, sector) for state in (State.LISTED, State.ADOPTED) for sector in Sector),
    Transition(
        Kind.RESPONSIBILITY,
        State.ADOPTED,
        DutyAttestation,
        None,
        INDUSTRY,
        Part.PARTY,
        (NEXT, BEGUN),
        State.ADOPTED,
        GRACE,
    ),
    *(
        _listed(state, DutyWithdrawal, Part.OPENER, State.RETIRED, NEVER)
        for state in (State.LISTED, State.ADOPTED)
    ),
)
"""Every step that a duty can take."""


def _begin(statement: Statement) -> DutyFacts:
    assert isinstance(statement.body, DutyItem)  # noqa: S101  # it is what opens a matter
    return DutyFacts(statement.body)


def _absorb(facts: DutyFacts, member: MemberId, statement: Statement) -> DutyFacts:
    time = statement.issued_time
    if isinstance(statement.body, DutyAdoption):
        return _with(facts, member, Adopted(time, facts.running(time)))
    if isinstance(statement.body, DutyAttestation):
        known = facts.adopted[member]
        return _with(facts, member, replace(known, attested=(*known.attested, time)))
    return facts


def _with(facts: DutyFacts, member: MemberId, adopted: Adopted) -> DutyFacts:
    return replace(facts, adopted=MappingProxyType({**facts.adopted, member: adopted}))


RESPONSIBILITY: Final = Procedure(
    kind=Kind.RESPONSIBILITY,
    opens=DutyItem,
    bodies=frozenset({DutyItem, DutyAdoption, DutyAttestation, DutyWithdrawal}),
    begin=_begin,
    absorb=_absorb,
    table=TABLE,
    parties=lambda facts: frozenset(facts.adopted),
    deadlines=DutyFacts.deadlines,
)
