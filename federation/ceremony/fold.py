"""Fold a key ceremony from what its members said.

- Of what one member says, the first join, the first deal and the first verdict (confirmation or
  complaint) count. The order between members does not matter: same statements, same state.
- CONFIRMED means that every receiving holder's verdict is a confirmation of the same transcript.
  As verdicts are never replaced, nothing said later changes it.
- Anything else that is wrong makes it FAILED, and the state says who is to blame.

The fold sees shapes, not cryptography: holders verify the deals before they confirm
(``open_shares``), and ``conclude`` verifies all of it before a key is used.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from federation.ceremony.error import CeremonyError
from federation.ceremony.opening import dealers_of
from federation.ceremony.opening import opening_id as derive_id
from federation.ceremony.state import Blame, CeremonyState, Fault, Phase
from federation.names import MemberId
from federation.packing import pack
from federation.statements import (
    ClassDeal,
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    Statement,
)
from federation.vocabulary import KeyAction
from keys.group import ELEMENT_BYTES

CeremonyBody = KeyOpen | KeyJoin | KeyDeal | KeyConfirm | KeyComplaint
Verdict = KeyConfirm | KeyComplaint

_BODIES: Final = (KeyOpen, KeyJoin, KeyDeal, KeyConfirm, KeyComplaint)
_LABEL: Final = b"tocsin/ceremony/transcript/1"
_Said = Mapping[MemberId, list[CeremonyBody]]
_Body = TypeVar("_Body", KeyJoin, KeyDeal, KeyComplaint)


def fold_ceremony(
    ceremony_id: bytes, statements: Iterable[tuple[MemberId, Statement]]
) -> CeremonyState:
    """Fold one ceremony.

    Args:
        ceremony_id: Which one.
        statements: Who said what; of each member in the order of its log. What belongs to other
            ceremonies, or to none, is ignored.

    Raises:
        CeremonyError: CEREMONY_UNKNOWN; nobody opened it.
    """
    said = _collect(ceremony_id, statements)
    opener, opening = _find_opening(ceremony_id, said)
    joins = _firsts(said, opening.holders, KeyJoin)
    deals = _firsts(said, dealers_of(opening), KeyDeal)
    verdicts = _verdicts(said, opener, opening)
    digest = _digest_complete(opener, opening, joins, deals)
    is_confirmed = _is_confirmed(opening, verdicts, digest)
    blames = () if is_confirmed else _blames(said, opening, deals, verdicts, digest)
    blame = next(iter(blames), None)
    waiting = _waiting(opening, joins, deals, verdicts)
    phase = Phase.CONFIRMED if is_confirmed else waiting[0] if blame is None else Phase.FAILED
    return CeremonyState(
        id=ceremony_id,
        opener=opener,
        opening=opening,
        joins=joins,
        deals=deals,
        confirms={who: said for who, said in verdicts.items() if isinstance(said, KeyConfirm)},
        complaints={who: said for who, said in verdicts.items() if isinstance(said, KeyComplaint)},
        phase=phase,
        waiting_for=waiting[1] if phase is waiting[0] else (),
        blame=blame,
        digest=digest,
    )


def _collect(ceremony_id: bytes, statements: Iterable[tuple[MemberId, Statement]]) -> _Said:
    said: dict[MemberId, list[CeremonyBody]] = {}
    for member, statement in statements:
        body = statement.body
        if isinstance(body, _BODIES) and body.ceremony_id == ceremony_id:
            said.setdefault(member, []).append(body)
    return said


def _find_opening(ceremony_id: bytes, said: _Said) -> tuple[MemberId, KeyOpen]:
    for member in sorted(said):
        for body in said[member]:
            if isinstance(body, KeyOpen) and derive_id(member, body) == ceremony_id:
                return member, body
    raise CeremonyError("nobody opened this ceremony", reason="CEREMONY_UNKNOWN")


def _firsts(said: _Said, members: Iterable[MemberId], kind: type[_Body]) -> dict[MemberId, _Body]:
    every = {
        member: [body for body in said.get(member, ()) if isinstance(body, kind)]
        for member in members
    }
    return {member: bodies[0] for member, bodies in every.items() if bodies}


def _verdicts(said: _Said, opener: MemberId, opening: KeyOpen) -> dict[MemberId, Verdict]:
    """Return each holder's first verdict, and the other parties' complaints."""
    others = {*dealers_of(opening), opener} - set(opening.holders)
    verdicts: dict[MemberId, Verdict] = dict(_firsts(said, sorted(others), KeyComplaint))
    for holder in opening.holders:
        bodies = said.get(holder, ())
        judged = [body for body in bodies if isinstance(body, KeyConfirm | KeyComplaint)]
        if judged:
            verdicts[holder] = judged[0]
    return verdicts


def _digest_complete(
    opener: MemberId,
    opening: KeyOpen,
    joins: Mapping[MemberId, KeyJoin],
    deals: Mapping[MemberId, KeyDeal],
) -> bytes | None:
    """Digest the transcript once it is complete and every deal is in due form."""
    dealers = dealers_of(opening)
    if len(joins) < len(opening.holders) or len(deals) < len(dealers):
        return None
    if any(_find_malformed(opening, deals[dealer]) for dealer in dealers):
        return None
    content = pack(
        _LABEL,
        opener.encode(),
        # The id is a digest of the opening.
        opening.ceremony_id,
        *(joins[holder].receiving_key for holder in opening.holders),
        *(_deal_bytes(deals[dealer]) for dealer in dealers),
    )
    return hashlib.sha256(content).digest()


def _deal_bytes(deal: KeyDeal) -> bytes:
    return pack(*(pack(each.commitments, each.proof, *each.sealed_shares) for each in deal.deals))


def _find_malformed(opening: KeyOpen, deal: KeyDeal) -> ClassDeal | None:
    """Return the first class whose deal does not have the shape that the opening asks for."""
    return next((each for each in deal.deals if not _has_shape(opening, each)), None)


def _has_shape(opening: KeyOpen, deal: ClassDeal) -> bool:
    return (
        len(deal.commitments) == opening.threshold * ELEMENT_BYTES
        and len(deal.sealed_shares) == len(opening.holders)
        and bool(deal.proof) == (opening.action is not KeyAction.REFRESH)
    )


def _is_confirmed(
    opening: KeyOpen, verdicts: Mapping[MemberId, Verdict], digest: bytes | None
) -> bool:
    return digest is not None and all(
        _confirms(verdicts.get(holder), digest) for holder in opening.holders
    )


def _confirms(verdict: Verdict | None, digest: bytes | None) -> bool:
    return isinstance(verdict, KeyConfirm) and verdict.transcript_digest == digest


def _blames(
    said: _Said,
    opening: KeyOpen,
    deals: Mapping[MemberId, KeyDeal],
    verdicts: Mapping[MemberId, Verdict],
    digest: bytes | None,
) -> Iterator[Blame]:
    """Give what everybody can see, then what is said, whatever came first."""
    for dealer, deal in deals.items():
        malformed = _find_malformed(opening, deal)
        if malformed is not None:
            yield Blame(Fault.DEAL_MALFORMED, dealer, malformed.kind_class)
        if any(isinstance(body, KeyDeal) and body != deal for body in said[dealer]):
            yield Blame(Fault.DEALT_TWICE, dealer)
    for member, verdict in verdicts.items():
        is_confirming = digest is not None and isinstance(verdict, KeyConfirm)
        if is_confirming and not _confirms(verdict, digest):
            yield Blame(Fault.TRANSCRIPT_MISMATCH, member)
    for member, verdict in verdicts.items():
        if isinstance(verdict, KeyComplaint):
            yield _complaint(opening, member, verdict)


def _complaint(opening: KeyOpen, accuser: MemberId, complaint: KeyComplaint) -> Blame:
    accused = complaint.dealer
    if accused == accuser or accused not in dealers_of(opening):
        return Blame(Fault.GAVE_UP, accuser)
    return Blame(Fault.COMPLAINED_OF, accused, complaint.kind_class, accuser)


def _waiting(
    opening: KeyOpen,
    joins: Mapping[MemberId, KeyJoin],
    deals: Mapping[MemberId, KeyDeal],
    verdicts: Mapping[MemberId, Verdict],
) -> tuple[Phase, tuple[MemberId, ...]]:
    """Return the phase before any end, and whom it waits for."""
    if missing := _missing(opening.holders, joins):
        return Phase.OPEN, missing
    if missing := _missing(dealers_of(opening), deals):
        return Phase.JOINED, missing
    return Phase.DEALT, _missing(opening.holders, verdicts)


def _missing(
    members: tuple[MemberId, ...], done: Mapping[MemberId, object]
) -> tuple[MemberId, ...]:
    return tuple(member for member in members if member not in done)
