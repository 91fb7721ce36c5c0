"""Statements: everything that one member can say to the others.

A frozen dataclass per body checks its own shape, so that holding one is proof that it is well
formed and that no raw identifier is in it.
"""

from federation.statements.alarm import Alarm
from federation.statements.briefs import CaseBrief
from federation.statements.ceremony import (
    ClassDeal,
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    QuotaGrant,
)
from federation.statements.clues import (
    Clue,
    ClueEdge,
    ClueHandOver,
    ClueOutcome,
    ClueStep,
    ClueSubject,
)
from federation.statements.codec import (
    BODY_NAMES,
    BODY_NUMBERS,
    MAX_STATEMENT_BYTES,
    decode_body,
    decode_statement,
    encode_body,
    encode_statement,
)
from federation.statements.designations import Designation, DesignationLifted
from federation.statements.disposition import (
    Appeal,
    AppealDecision,
    DispositionDecision,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
)
from federation.statements.error import StatementError
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
from federation.statements.shape import WHOLE_COUNTRY
from federation.statements.statement import (
    Body,
    Statement,
    UnknownBody,
    nomination_id,
)
from federation.statements.sums import (
    SumBody,
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
    MemberOutcome,
    MetricValue,
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

__all__ = [
    "BODY_NAMES",
    "BODY_NUMBERS",
    "MAX_STATEMENT_BYTES",
    "WHOLE_COUNTRY",
    "Alarm",
    "Appeal",
    "AppealDecision",
    "Body",
    "CaseBrief",
    "ClassDeal",
    "Clue",
    "ClueEdge",
    "ClueHandOver",
    "ClueOutcome",
    "ClueStep",
    "ClueSubject",
    "Designation",
    "DesignationLifted",
    "DispositionDecision",
    "DispositionOrder",
    "DispositionReceipt",
    "DispositionReverify",
    "DutyAdoption",
    "DutyAttestation",
    "DutyItem",
    "DutyWithdrawal",
    "FarmAlert",
    "KeyComplaint",
    "KeyConfirm",
    "KeyDeal",
    "KeyJoin",
    "KeyOpen",
    "MarkCorrection",
    "MemberOutcome",
    "MetricValue",
    "Nomination",
    "NoticeStep",
    "NumberMark",
    "OneIdAnswer",
    "OneIdDecision",
    "OneIdDispute",
    "OneIdRequest",
    "Opinion",
    "ProblemNotice",
    "ProtectedObject",
    "QuotaGrant",
    "Reassigned",
    "Report",
    "ReportCount",
    "ReportStep",
    "Retraction",
    "Sighting",
    "Statement",
    "StatementError",
    "SumBody",
    "SumCheck",
    "SumClose",
    "SumEcho",
    "SumLabels",
    "SumOpen",
    "SumPartial",
    "SumShares",
    "TraceHop",
    "TraceOpen",
    "TrainingApproval",
    "TrainingEvaluation",
    "TrainingPlan",
    "TrainingRound",
    "TrainingStage",
    "UnknownBody",
    "VerificationExamination",
    "VerificationOpen",
    "VerificationTally",
    "WarningStep",
    "WarningTask",
    "decode_body",
    "decode_statement",
    "encode_body",
    "encode_statement",
    "nomination_id",
]
