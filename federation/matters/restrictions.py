"""Say which orders about a subject hold now, of all matters together.

A lift covers every order about its subject that is not younger than it, and every order that rests
on the same basis, whenever that was given: what was wrong is not ordered again under another name.
So a lift wins over an older restriction in whatever order the two arrive. Only a lift of a police
order covers police orders. An order that ended because its members took the measure back for
another lift frees nobody further: that lift does. A lift dated ahead of the clock does not count.

How far a lift reaches, depends on who decided it:

- who oversees, the police, and a refuted verification free the subject of orders by anybody;
- a member that lifts what it ordered in its own power frees it of its own orders;
- a member that carried an order of another out, and found in an appeal or a new verification of
  identity that the subject is harmless, ends that order for everybody whom it addresses, and what
  the same member ordered on the same basis: all that derives from one suspicion (R16, R63). Other
  orders of who gave that one, on another basis or on none, are not its to end.

- a carrier that carried an order out, and says that the number has a new owner since, ends that
  order for everybody whom it addresses, but none of the police and none given later (R68).

    lifts = find_lifts(matters, now, hand_overs)
    if covering(matter, lifts) is not None: ...

Source: R63, R68; ATNFL article 32.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from federation.matters.disposition import IN_FORCE, DispositionMatter
from federation.matters.fold import AnyMatter
from federation.matters.procedure import Kind, State
from federation.measures import restricts
from federation.names import MemberId
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.vocabulary import Authority, DispositionOutcome

_ENDED: Final = frozenset({State.REJECTED, State.EXPIRED, State.LIFTED})


@dataclass(frozen=True, slots=True)
class Lift:
    """Something that frees a subject.

    Attributes:
        time: Orders up to this second end, seconds since 1970.
        by_police: Whether it covers police orders too.
        opener: Who gave the orders that it covers; None: whoever gave them.
        by_actor: Whether a member decided it that only carried the order out: then no order is
            covered but the lifted one and those on the same basis.
        member: Who decided it.
        matter_id: Where it stands, 16 bytes.
        basis_id: On what the lifted order rested; empty: on nothing that could be ordered again.
    """

    token: bytes
    time: int
    by_police: bool
    outcome: DispositionOutcome
    member: MemberId
    matter_id: bytes
    basis_id: bytes = b""
    opener: MemberId | None = None
    by_actor: bool = False

    def covers(self, matter: DispositionMatter) -> bool:
        """Say whether an order ends with it."""
        order = matter.facts.order
        if order.token != self.token or (_is_police(matter) and not self.by_police):
            return False
        if self.opener is not None and matter.opener != self.opener:
            return False
        if self.basis_id and order.basis_id == self.basis_id:
            return True
        return matter.id == self.matter_id if self.by_actor else matter.opened <= self.time


Lifts = Mapping[bytes, Sequence[Lift]]


class HandOver(NamedTuple):
    """A member says that a number has a new owner since a time."""

    token: bytes
    member: MemberId
    time: int


def find_lifts(
    matters: Iterable[AnyMatter], now: int, hand_overs: Iterable[HandOver] = ()
) -> Lifts:
    """Return by token what frees it: lifted orders, and verifications that refuted the suspicion.

    Args:
        matters: Of any kind; the others are passed over.
        now: Seconds since 1970; lifts later than it, by more than clocks may differ, are left out.
        hand_overs: By members that may say so.
    """
    found: dict[bytes, list[Lift]] = {}
    said: dict[bytes, list[HandOver]] = {}
    for one in hand_overs:
        said.setdefault(one.token, []).append(one)
    for matter in matters:
        for lift in _lifts_of(matter, said):
            if lift.time <= now + MAX_SKEW_SECONDS:
                found.setdefault(lift.token, []).append(lift)
    ordered = {
        token: tuple(sorted(lifts, key=lambda one: (one.time, one.matter_id)))
        for token, lifts in found.items()
    }
    return MappingProxyType(ordered)


def covering(matter: DispositionMatter, lifts: Lifts) -> Lift | None:
    """Return the first lift under which an order falls, its own included; None: it stands."""
    found = lifts.get(matter.facts.order.token, ())
    return next((lift for lift in found if lift.covers(matter)), None)


def state_of(matter: DispositionMatter, lifts: Lifts, now: int) -> State:
    """Return an order's state at a second, with the lifts of all matters."""
    state = matter.state_at(now)
    if state in _ENDED or covering(matter, lifts) is None:
        return state
    return State.LIFTED


def is_in_force(matter: DispositionMatter, lifts: Lifts, now: int) -> bool:
    """Say whether an order holds at a second."""
    return state_of(matter, lifts, now) in IN_FORCE


def restrictions(
    matters: Iterable[DispositionMatter], lifts: Lifts, now: int
) -> tuple[DispositionMatter, ...]:
    """Return the orders that restrict somebody at a second, in the order given."""
    return tuple(
        one
        for one in matters
        if restricts(one.facts.order.measure) and is_in_force(one, lifts, now)
    )


def _is_police(matter: DispositionMatter) -> bool:
    return matter.facts.order.authority is Authority.POLICE


def _lifts_of(matter: AnyMatter, said: Mapping[bytes, Sequence[HandOver]]) -> Iterator[Lift]:
    if matter.kind is Kind.DISPOSITION:
        own = _of_order(matter)
        hand_overs = said.get(matter.facts.order.token, ())
        yield from (_of_hand_over(matter, one) for one in hand_overs if _may_end(matter, one))
    else:
        own = _of_refutation(matter)
    if own is not None:
        yield own


def _may_end(matter: DispositionMatter, one: HandOver) -> bool:
    answer = matter.facts.answers.get(one.member)
    has_acted = answer is not None and bool(answer.executed_time)
    return has_acted and matter.opened <= one.time and not _is_police(matter)


def _of_hand_over(matter: DispositionMatter, one: HandOver) -> Lift:
    return Lift(
        one.token,
        one.time,
        by_police=False,
        outcome=DispositionOutcome.LIFTED_REASSIGNED,
        member=one.member,
        matter_id=matter.id,
        opener=matter.opener,
        by_actor=True,
    )


def _of_order(matter: DispositionMatter) -> Lift | None:
    facts = matter.facts
    if facts.lift is None or facts.lifted_by is None or facts.is_elsewhere:
        return None
    order = facts.order
    return Lift(
        order.token,
        facts.lifted_time,
        _is_police(matter),
        facts.lift,
        facts.lifted_by,
        matter.id,
        order.basis_id,
        None if facts.is_lifted_for_all else matter.opener,
        by_actor=not facts.is_lifted_for_all and facts.lifted_by != matter.opener,
    )


def _of_refutation(matter: AnyMatter) -> Lift | None:
    """A verification frees what was ordered before it began, and what rests on it."""
    if matter.kind is not Kind.VERIFICATION or matter.state is not State.REFUTED:
        return None
    return Lift(
        matter.subject,
        matter.opened,
        by_police=False,
        outcome=DispositionOutcome.LIFTED_REFUTED,
        member=matter.opener,
        matter_id=matter.id,
        basis_id=matter.id,
    )
