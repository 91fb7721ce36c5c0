"""Hold what members say about measures: order, receipts, new verification, appeal, decisions.

Field names are those of ``disposition.proto``. What a person gives in an appeal (a name, a number
to be called back at) has no field here: it stays with the member that took the appeal in.
"""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_matter,
    check_members,
    check_opaque,
    check_time,
    refuse,
)
from federation.vocabulary import (
    AmountBand,
    AppealGround,
    AppealResult,
    Authority,
    DispositionBasis,
    DispositionOutcome,
    DispositionReason,
    DocumentsNeeded,
    Exemption,
    Measure,
    NoticeDuty,
    OrderDecision,
    ReceiptStep,
    Remedy,
    ReverifyResult,
    SubjectRole,
)

# Seconds that a member may be given to tell the person concerned: a week, at most.
MAX_NOTICE_SECONDS: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class DispositionOrder:
    """An order to act on a subject; its statement's id is the matter's.

    Attributes:
        basis_id: Of the matter that it rests on, 16 bytes; empty for CHARTER.
        members: Who is to act.
        term_end_time: When the measure ends by itself.
        notice_seconds: How long a member that acted has to tell the person concerned.
    """

    token: bytes
    kind: Kind
    epoch: int
    subject_role: SubjectRole
    measure: Measure
    reason: DispositionReason
    remedy: Remedy
    documents: DocumentsNeeded
    authority: Authority
    basis: DispositionBasis
    members: tuple[MemberId, ...]
    term_end_time: int
    notice_duty: NoticeDuty
    notice_seconds: int
    basis_id: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_members("members", self.members, 1)
        check_time("term_end_time", self.term_end_time)
        check_count("notice_seconds", self.notice_seconds, 1, MAX_NOTICE_SECONDS)
        if (self.basis is DispositionBasis.CHARTER) is bool(self.basis_id):
            refuse("DECISION_INVALID", "basis_id", "does not fit the basis")
        if self.basis_id:
            check_opaque("basis_id", self.basis_id, IDENTIFIER_BYTES)


@dataclass(frozen=True, slots=True)
class DispositionReceipt:
    """What an addressed member did about an order.

    Attributes:
        exemption: Why it does not act; only where it does not.
        outcome: How the measure ended; only where it was taken back.
        amount_band: How much money it holds; only where it is in place on an order of the police.
    """

    matter_id: bytes
    opener: MemberId
    step: ReceiptStep
    exemption: Exemption | None = None
    outcome: DispositionOutcome | None = None
    amount_band: AmountBand | None = None

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if (self.step is ReceiptStep.EXEMPT) is (self.exemption is None):
            refuse("DECISION_INVALID", "exemption", "does not fit the step")
        if (self.step is ReceiptStep.RESTORED) is (self.outcome is None):
            refuse("DECISION_INVALID", "outcome", "does not fit the step")
        if self.amount_band is not None and self.step is not ReceiptStep.EXECUTED:
            refuse("DECISION_INVALID", "amount_band", "does not fit the step")


@dataclass(frozen=True, slots=True)
class DispositionReverify:
    """How the person concerned came out of a new verification of identity."""

    matter_id: bytes
    opener: MemberId
    decision: ReverifyResult

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)


@dataclass(frozen=True, slots=True)
class Appeal:
    """Somebody contests a measure; the member speaks on behalf of the person concerned."""

    matter_id: bytes
    opener: MemberId
    ground: AppealGround

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)


@dataclass(frozen=True, slots=True)
class AppealDecision:
    """How an appeal was decided."""

    matter_id: bytes
    opener: MemberId
    decision: AppealResult

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)


@dataclass(frozen=True, slots=True)
class DispositionDecision:
    """An order is authorised or rejected, or its measure lifted by who may decide it."""

    matter_id: bytes
    opener: MemberId
    decision: OrderDecision

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
