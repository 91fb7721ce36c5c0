"""Say what matters have found out about a token, for whoever judges it.

A finding is read from a folded matter, so it is the same on every node with the same logs:

- a verification round that ended (``federation.matters.verification``): CONFIRMED supports,
  REFUTED cuts off what was said before it, CONFLICT is a doubt, the others weigh nothing;
- an order that who oversees or the police lifted in an appeal (``federation.matters.disposition``):
  RELEASED, which cuts off like REFUTED.

What a finding cuts off is what was seen up to its second: whoever sees the token act again later
is heard. A police nomination stays, as only the police designate and take that back.

Source: DESIGN §7; DOMAIN §2 (indicator).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.matters.disposition_facts import DispositionFacts
from federation.matters.procedure import Kind, Matter, State
from federation.matters.verification import Tally, VerificationFacts
from federation.names import MemberId
from federation.vocabulary import DispositionOutcome

FINDING_KINDS: Final = (Kind.DISPOSITION, Kind.VERIFICATION)
"""Kinds of matters that findings come from; the catalogue root covers their statements."""

_CUTTING: Final = frozenset({State.REFUTED, State.RELEASED})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one matter has found out about its token.

    Attributes:
        state: VERIFYING, CONFIRMED, REFUTED, CONFLICT, INSUFFICIENT, EXPIRED or RELEASED.
        matter: Its id.
        opener: Who opened it.
        kind: Number of the indicator's kind.
        time: When it came to this; for VERIFYING when it was opened.
        examined: Whether a person decided it, not the tally alone.
        examiner: Where that person is; None: at the opener, if at all.
        tally: Of a round that was added up.
    """

    token: bytes
    state: State
    matter: bytes
    opener: MemberId
    kind: int
    epoch: int
    time: int
    examined: bool = False
    examiner: MemberId | None = None
    tally: Tally | None = None


def find(matter: Matter[Any], now: int) -> Finding | None:
    """Return what a matter has found out by a second; None where it says nothing of its token."""
    facts = matter.facts
    if isinstance(facts, VerificationFacts):
        opening, state = facts.opening, matter.state_at(now)
        return Finding(
            token=opening.token,
            state=state,
            matter=matter.id,
            opener=matter.opener,
            kind=int(opening.kind),
            epoch=opening.epoch,
            time=facts.decided or matter.opened,
            examined=facts.examined is not None,
            examiner=facts.examiner,
            tally=facts.tally,
        )
    if isinstance(facts, DispositionFacts) and _is_released(facts):
        order = facts.order
        return Finding(
            token=order.token,
            state=State.RELEASED,
            matter=matter.id,
            opener=matter.opener,
            kind=int(order.kind),
            epoch=order.epoch,
            time=facts.lifted_time,
        )
    return None


def _is_released(facts: DispositionFacts) -> bool:
    return facts.lift is DispositionOutcome.LIFTED_APPEAL and facts.is_lifted_for_all


def cut_time(findings: Iterable[Finding]) -> int:
    """Return the second up to which what was seen does not count any more; 0: all counts."""
    return max((one.time for one in findings if one.state in _CUTTING), default=0)


def latest(findings: Sequence[Finding]) -> Finding | None:
    """Return the last outcome; None where there is none. Of two in a second REFUTED counts."""
    ended = (State.CONFIRMED, State.CONFLICT, State.RELEASED, State.REFUTED)
    found = [one for one in findings if one.state in ended]
    return max(found, key=lambda one: (one.time, ended.index(one.state), one.matter), default=None)


def confirmation(findings: Sequence[Finding]) -> Finding | None:
    """Return the last confirmation that nothing later took back; None where there is none."""
    cut = cut_time(findings)
    found = [one for one in findings if one.state is State.CONFIRMED and one.time > cut]
    return max(found, key=lambda one: (one.time, one.matter), default=None)
