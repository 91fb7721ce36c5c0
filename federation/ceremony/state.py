"""Say how a key ceremony stands: who has joined, dealt and accepted, and who is to blame."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from federation.ceremony.error import CeremonyError
from federation.ceremony.opening import dealers_of
from federation.indicators.kind import KindClass
from federation.names import MemberId
from federation.statements import KeyComplaint, KeyConfirm, KeyDeal, KeyJoin, KeyOpen


class Phase(enum.StrEnum):
    """Say how far a ceremony is."""

    OPEN = "OPEN"
    JOINED = "JOINED"
    DEALT = "DEALT"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"


class Fault(enum.StrEnum):
    """Say what somebody is blamed for; stable, for programs."""

    DEAL_MALFORMED = "DEAL_MALFORMED"
    DEALT_TWICE = "DEALT_TWICE"
    COMPLAINED_OF = "COMPLAINED_OF"
    GAVE_UP = "GAVE_UP"
    TRANSCRIPT_MISMATCH = "TRANSCRIPT_MISMATCH"


@dataclass(frozen=True, slots=True)
class Blame:
    """Why a ceremony failed.

    Attributes:
        fault: What happened.
        accused: Whose doing it is said to be.
        kind_class: Which deal, where it is one.
        accuser: Who says so; None where everybody can see it.
    """

    fault: Fault
    accused: MemberId
    kind_class: KindClass | None = None
    accuser: MemberId | None = None


@dataclass(frozen=True, slots=True)
class CeremonyState:
    """How a ceremony stands; ``fold_ceremony`` makes it.

    Attributes:
        id: 16 bytes.
        opener: Who opened it.
        opening: What it is to do.
        joins: Receiving holders that joined.
        deals: Dealers that dealt.
        confirms: Receiving holders whose verdict is a confirmation.
        complaints: Parties whose verdict is a complaint.
        phase: How far it is.
        waiting_for: Whose next statement is missing, in the order of the holders or dealers.
        blame: Why it failed; None unless it did.
        digest: Of the transcript, 32 bytes; None until everyone has joined and dealt in due form.
    """

    id: bytes
    opener: MemberId
    opening: KeyOpen
    joins: Mapping[MemberId, KeyJoin]
    deals: Mapping[MemberId, KeyDeal]
    confirms: Mapping[MemberId, KeyConfirm]
    complaints: Mapping[MemberId, KeyComplaint]
    phase: Phase
    waiting_for: tuple[MemberId, ...]
    blame: Blame | None
    digest: bytes | None

    @property
    def holders(self) -> tuple[MemberId, ...]:
        """Who receives; a holder's index is its place, from 1."""
        return self.opening.holders

    @property
    def dealers(self) -> tuple[MemberId, ...]:
        """Who deals."""
        return dealers_of(self.opening)

    def has_judged(self, member: MemberId) -> bool:
        """Say whether the member has given its verdict."""
        return member in self.confirms or member in self.complaints

    def has_same_outcome(self, other: "CeremonyState") -> bool:
        """Say whether both would bring the same epoch and share epoch."""
        mine, theirs = self.opening, other.opening
        return (mine.epoch, mine.share_epoch) == (theirs.epoch, theirs.share_epoch)


def transcript_digest(state: CeremonyState) -> bytes:
    """Return the SHA-256 of opening, receiving keys and deals, which every holder confirms.

    Raises:
        CeremonyError: CEREMONY_NOT_READY; not everyone has joined and dealt in due form.
    """
    if state.digest is None:
        raise CeremonyError("the transcript is not complete", reason="CEREMONY_NOT_READY")
    return state.digest
