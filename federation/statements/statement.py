"""Hold one thing that a member says: who may read it, why it was said, and what it says."""

import hashlib
from dataclasses import dataclass

from federation.indicators.kind import PERSONS, Kind
from federation.statements.alarm import Alarm
from federation.statements.briefs import CaseBrief
from federation.statements.ceremony import (
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    QuotaGrant,
)
from federation.statements.clues import Clue, ClueHandOver, ClueOutcome, ClueStep
from federation.statements.designations import Designation, DesignationLifted
from federation.statements.disposition import (
    Appeal,
    AppealDecision,
    DispositionDecision,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
)
from federation.statements.evidence import (
    Nomination,
    Opinion,
    ProtectedObject,
    Reassigned,
    Retraction,
    Sighting,
)
from federation.statements.farm import FarmAlert
from federation.statements.marks import MarkCorrection, NumberMark
from federation.statements.notice import NoticeStep, ProblemNotice
from federation.statements.one_id import (
    OneIdAnswer,
    OneIdDecision,
    OneIdDispute,
    OneIdRequest,
)
from federation.statements.reports import Report, ReportCount, ReportStep
from federation.statements.responsibility import (
    DutyAdoption,
    DutyAttestation,
    DutyItem,
    DutyWithdrawal,
)
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_SKEW_SECONDS,
    WHOLE_COUNTRY,
    check_opaque,
    check_region,
    check_time,
    refuse,
)
from federation.statements.sums import (
    SumCheck,
    SumClose,
    SumEcho,
    SumLabels,
    SumOpen,
    SumPartial,
    SumShares,
)
from federation.statements.traces import TraceHop, TraceOpen
from federation.statements.training import (
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
)
from federation.statements.verification import (
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
)
from federation.statements.warning import WarningStep, WarningTask
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    PermissibleAction,
    Purpose,
    SubjectRole,
    TrafficLight,
)


@dataclass(frozen=True, slots=True)
class UnknownBody:
    """A body from a newer node: kept, replicated and shown, but not understood.

    Attributes:
        field_number: Its number in ``Statement``, from 16.
    """

    field_number: int


Body = (
    Nomination
    | Sighting
    | Opinion
    | Retraction
    | Reassigned
    | ProtectedObject
    | KeyOpen
    | KeyJoin
    | KeyDeal
    | KeyConfirm
    | KeyComplaint
    | QuotaGrant
    | Alarm
    | TrainingPlan
    | TrainingApproval
    | TrainingRound
    | TrainingEvaluation
    | TrainingStage
    | SumOpen
    | SumShares
    | SumCheck
    | SumClose
    | SumEcho
    | SumPartial
    | SumLabels
    | VerificationOpen
    | VerificationTally
    | VerificationExamination
    | Report
    | ReportCount
    | ReportStep
    | NumberMark
    | MarkCorrection
    | WarningTask
    | WarningStep
    | DispositionOrder
    | DispositionReceipt
    | DispositionReverify
    | Appeal
    | AppealDecision
    | DispositionDecision
    | FarmAlert
    | DutyItem
    | DutyAdoption
    | DutyAttestation
    | DutyWithdrawal
    | ProblemNotice
    | NoticeStep
    | OneIdRequest
    | OneIdAnswer
    | OneIdDispute
    | OneIdDecision
    | Designation
    | DesignationLifted
    | Clue
    | ClueStep
    | ClueHandOver
    | ClueOutcome
    | CaseBrief
    | TraceOpen
    | TraceHop
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One typed thing that a member says. Times are whole seconds since 1970 UTC.

    Attributes:
        id: 16 bytes, unique in the member's logs.
        expires_time: When it stops to count; None: not by itself.
        region: GB/T 2260 code, six digits; 000000 is the whole country.

    Raises:
        StatementError: A field breaks its shape.
    """

    id: bytes
    issued_time: int
    purpose: Purpose
    legal_basis: LegalBasis
    tlp: TrafficLight
    pap: PermissibleAction
    body: Body | UnknownBody
    expires_time: int | None = None
    region: str = WHOLE_COUNTRY

    def __post_init__(self) -> None:
        check_opaque("id", self.id, IDENTIFIER_BYTES)
        check_time("issued_time", self.issued_time)
        check_region(self.region)
        if self.expires_time is not None:
            check_time("expires_time", self.expires_time)
            if self.expires_time <= self.issued_time:
                refuse("TIME_INVALID", "expires_time", "is not after issued_time")
        self._check_seen()
        self._check_person()

    def _check_seen(self) -> None:
        """Refuse to have seen what lies ahead: it would hold off the decay."""
        if isinstance(self.body, Nomination):
            seen, field = self.body.last_seen_time, "last_seen_time"
        elif isinstance(self.body, Sighting):
            seen, field = self.body.seen_time, "seen_time"
        else:
            return
        if seen is not None and seen > self.issued_time + MAX_SKEW_SECONDS:
            refuse("TIME_INVALID", field, "is after issued_time")

    def _check_person(self) -> None:
        """Refuse to speak of a person as of an indicator, as the object or one of several."""
        for one in (self.body, *getattr(self.body, "subjects", ())):
            if getattr(one, "kind", None) in PERSONS:
                refuse("KIND_NOT_ALLOWED", "kind", "names a person, who is no indicator")


def nomination_id(
    member: str,
    token: bytes,
    *,
    kind: Kind,
    epoch: int,
    fraud_type: FraudType,
    stage: FraudStage = FraudStage.UNSPECIFIED,
    subject_role: SubjectRole = SubjectRole.UNSPECIFIED,
    model_digest: bytes = b"",
) -> bytes:
    """Derive the 16-byte id of a nomination from what it claims.

    The same claim has the same id, so that a member that repeats one (after a crash, or with a
    new confidence, sealed text or time) replaces its row instead of adding one.
    """
    digest = hashlib.sha256(b"tocsin/nomination-id\0")
    digest.update(len(member).to_bytes(1) + member.encode("ascii"))
    digest.update(len(token).to_bytes(1) + token)
    for number in (kind, epoch, fraud_type, stage, subject_role):
        digest.update(int(number).to_bytes(4))
    digest.update(model_digest)  # what a model's score says replaces no person's word
    return digest.digest()[:IDENTIFIER_BYTES]
