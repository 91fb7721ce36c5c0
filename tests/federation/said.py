"""Make statements for tests: well-formed by default, any field replaceable, and as strategies."""

import hashlib

from hypothesis import strategies as st

from federation.indicators.kind import Kind, KindClass
from federation.names import MemberId
from federation.statements import (
    Alarm,
    Appeal,
    AppealDecision,
    CaseBrief,
    ClassDeal,
    Clue,
    ClueEdge,
    ClueHandOver,
    ClueOutcome,
    ClueStep,
    ClueSubject,
    Designation,
    DesignationLifted,
    DispositionDecision,
    DispositionOrder,
    DispositionReceipt,
    DispositionReverify,
    DutyAdoption,
    DutyAttestation,
    DutyItem,
    DutyWithdrawal,
    FarmAlert,
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    MarkCorrection,
    MemberOutcome,
    MetricValue,
    Nomination,
    NoticeStep,
    NumberMark,
    OneIdAnswer,
    OneIdDecision,
    OneIdDispute,
    OneIdRequest,
    Opinion,
    ProblemNotice,
    ProtectedObject,
    QuotaGrant,
    Reassigned,
    Report,
    ReportCount,
    ReportStep,
    Retraction,
    Sighting,
    Statement,
    SumCheck,
    SumClose,
    SumEcho,
    SumLabels,
    SumOpen,
    SumPartial,
    SumShares,
    TraceHop,
    TraceOpen,
    TrainingApproval,
    TrainingEvaluation,
    TrainingPlan,
    TrainingRound,
    TrainingStage,
    VerificationExamination,
    VerificationOpen,
    VerificationTally,
    WarningStep,
    WarningTask,
)
from federation.statements.one_id import SEALED_BYTES
from federation.vocabulary import (
    AccountKind,
    AgeBand,
    AlarmKind,
    AmountBand,
    AppealGround,
    AppealResult,
    Authority,
    Band,
    ClueMove,
    ClueReason,
    ClueRelation,
    ClueResult,
    ClueReturn,
    ClueSource,
    CorrectionReason,
    CountBand,
    DesignationEnd,
    DispositionBasis,
    DispositionOutcome,
    DispositionReason,
    DocumentsNeeded,
    DutyEvidence,
    Exemption,
    FraudStage,
    FraudType,
    KeyAction,
    LegalBasis,
    LureClass,
    MarkLabel,
    Measure,
    ModelStage,
    NoticeAction,
    NoticeDuty,
    OneIdMove,
    OneIdReason,
    OpinionBasis,
    OpinionValue,
    OrderDecision,
    PermissibleAction,
    ProtectionGround,
    Purpose,
    ReceiptStep,
    Remedy,
    ReportAction,
    ReportChannel,
    ReportReason,
    RetractionReason,
    ReverifyResult,
    Sector,
    SightingKind,
    SubjectRole,
    SupplyRole,
    TraceAnswer,
    TrafficLight,
    TrainingCandidate,
    TrainingDecision,
    TrainingLabel,
    TrainingLeaks,
    TrainingMetric,
    TrainingModel,
    TrainingOutcome,
    TrainingProtection,
    TrainingReason,
    TrainingStrategy,
    TrainingTask,
    TrainingUse,
    VerificationDecision,
    WarningAction,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)

NOW = 1_790_000_000
DAY = 86_400


def opaque(seed, length=16):
    """Return bytes as a hash would give them."""
    blocks = [hashlib.sha256(f"{seed}/{i}".encode()).digest() for i in range(length // 32 + 1)]
    return b"".join(blocks)[:length]


TOKEN = opaque("token")


def nomination(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "fraud_type": FraudType.LOAN,
        "stage": FraudStage.CONTACT,
        "subject_role": SubjectRole.OFFENDER_RESOURCE,
        "confidence": 80,
    }
    return Nomination(**defaults | fields)


def sighting(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "sighting_kind": SightingKind.SEEN,
        "count": 3,
        "seen_time": NOW - 60,
    }
    return Sighting(**defaults | fields)


def opinion(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "value": OpinionValue.AGREE,
        "basis": OpinionBasis.OWN_RECORDS,
        "confidence": 70,
    }
    return Opinion(**defaults | fields)


def said(body, **fields):
    defaults = {
        "id": opaque(f"id of {body!r}"),
        "issued_time": NOW,
        "purpose": Purpose.NOMINATION,
        "legal_basis": LegalBasis.ATNFL_32,
        "tlp": TrafficLight.AMBER_STRICT,
        "pap": PermissibleAction.GREEN,
        "body": body,
    }
    return Statement(**defaults | fields)


def plan(**fields):
    defaults = {
        "task": TrainingTask.CARRIER_SUBSCRIBERS,
        "schema_digest": opaque("schema", 32),
        "code_digest": opaque("code", 32),
        "initial_model_digest": opaque("initial model", 32),
        "label": TrainingLabel.CONFIRMED,
        "label_maturity_days": 30,
        "use": TrainingUse.SCORE_OWN_SUBJECTS,
        "legal_basis": LegalBasis.ATNFL_32,
        "expiry_time": NOW + 7 * DAY,
        "model": TrainingModel.RESIDUAL,
        "width": 32,
        "blocks": 1,
        "networks": 4,
        "bins": 8,
        "dropout_millionths": 300_000,
        "seed": 42,
        "learning_rate_billionths": 1_000_000,
        "weight_decay_billionths": 10_000_000,
        "batch_rows": 64,
        "epochs": 1,
        "least_steps": 10,
        "most_steps": 200,
        "input_dropout_millionths": 150_000,
        "strategy": TrainingStrategy.FED_AVG,
        "proximal_millionths": 0,
        "server_rate_billionths": 10_000_000,
        "offenders": 1,
        "averaged_rounds_millionths": 250_000,
        "rounds": 3,
        "protection": TrainingProtection.SECRET,
        "epsilon_millionths": 8_000_000,
        "delta_trillionths": 10_000_000,
        "clip_norm_millionths": 1_000_000,
        "minimum_members": 3,
        "round_seconds": 600,
        "norm_bound_millionths": 8_000_000,
        "weight_cap": 1_000_000,
        "leaks": TrainingLeaks.DROP,
    }
    return TrainingPlan(**defaults | fields)


PLAN_DIGEST = opaque("plan", 32)
SUM = opaque("sum")
THREE = (MemberId("bank-a"), MemberId("bank-b"), MemberId("carrier-b"))


def sum_open(**fields):
    defaults = {
        "sum_id": SUM,
        "labels_digest": opaque("labels", 32),
        "label_count": 3,
        "contributors": THREE,
        "least_contributors": 3,
        "threshold": 2,
        "holders": THREE,
        "purpose": Purpose.VERIFICATION,
        "deadline_time": NOW + 600,
        "scale": 1,
        "largest": 1_000,
        "norm_blocks": (2, 1),
        "norm_bounds": (1_000_000, 2**60),
        "echoes": 3,
    }
    return SumOpen(**defaults | fields)


def warning(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "risk": Band.VERY_HIGH,
        "age_band": AgeBand.VULNERABLE,
        "channels": (WarningChannel.FLASH, WarningChannel.VOICE),
        "urgency": WarningUrgency.IMMEDIATE,
        "fraud_type": FraudType.GOVERNMENT,
        "stage": FraudStage.PAYMENT,
        "acknowledge_seconds": 600,
        "sealed_parameters": opaque("parameters", 529),
    }
    return WarningTask(**defaults | fields)


REPORT_ID = opaque("report")


def report(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "fraud_type": FraudType.LOAN,
        "channel": ReportChannel.HOTLINE,
        "reporters": CountBand.ONE,
        "actors": (MemberId("carrier-b"), MemberId("carrier-c")),
    }
    return Report(**defaults | fields)


def verification_open(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "sum_id": opaque("sum"),
        "members": tuple(MemberId(name) for name in ("bank-a", "carrier-b", "net-c", "net-d")),
        "quorum": 3,
        "due_time": NOW + 600,
    }
    return VerificationOpen(**defaults | fields)


def order(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "subject_role": SubjectRole.OFFENDER_RESOURCE,
        "measure": Measure.T_LIMIT,
        "reason": DispositionReason.CONFIRMED_FRAUD,
        "remedy": Remedy.REVERIFY_IDENTITY,
        "documents": DocumentsNeeded.PROOF_OF_IDENTITY,
        "authority": Authority.FEDERATION,
        "basis": DispositionBasis.VERIFICATION,
        "basis_id": opaque("verification"),
        "members": (MemberId("carrier-b"), MemberId("carrier-c")),
        "term_end_time": NOW + 30 * DAY,
        "notice_duty": NoticeDuty.IN_TIME,
        "notice_seconds": DAY,
    }
    return DispositionOrder(**defaults | fields)


ORDER, COORDINATOR = opaque("order"), MemberId("coord")
CEREMONY = opaque("ceremony")
DEALS = tuple(
    ClassDeal(
        kind_class=group,
        commitments=opaque(f"commitments {group}", 64),
        proof=opaque("proof", 64),
        sealed_shares=(opaque("share 1", 1_169), opaque("share 2", 1_169)),
    )
    for group in KindClass
)


def duty(**fields):
    defaults = {
        "code": "REAL_NAME_CHECK",
        "sectors": (Sector.BANK, Sector.CARRIER),
        "evidence": DutyEvidence.SELF_CHECK,
        "period_seconds": 90 * DAY,
        "grace_seconds": DAY,
        "first_due_time": NOW + 30 * DAY,
        "wording_digest": opaque("duty in words", 32),
    }
    return DutyItem(**defaults | fields)


CLUE = opaque("clue")
CLUE_SUBJECTS = (
    ClueSubject(TOKEN, Kind.PHONE, 1),
    ClueSubject(opaque("domain"), Kind.DOMAIN, 1),
)


def designation(**fields):
    defaults = {
        "token": TOKEN,
        "kind": Kind.PHONE,
        "epoch": 1,
        "fraud_type": FraudType.INVESTMENT,
        "case_digest": opaque("case", 32),
        "review_time": NOW + 90 * DAY,
    }
    return Designation(**defaults | fields)


def clue(**fields):
    defaults = {
        "subjects": CLUE_SUBJECTS,
        "edges": (ClueEdge(0, 1, ClueRelation.LEADS_TO, MemberId("carrier-b")),),
        "source": ClueSource.PERSON,
        "reasons": (ClueReason.MASS_CALLING, ClueReason.COMPLAINT),
        "fraud_type": FraudType.INVESTMENT,
        "references": opaque("reference"),
    }
    return Clue(**defaults | fields)


def clue_hand_over(**fields):
    defaults = {
        "matter_id": CLUE,
        "opener": MemberId("carrier-b"),
        "receiver": MemberId("police"),
        "sealed_package": opaque("package", 2_000),
        "manifest_digest": opaque("manifest", 32),
        "file_count": 2,
    }
    return ClueHandOver(**defaults | fields)


EXAMPLES = [
    nomination(last_seen_time=NOW - 40 * DAY, sealed_details=opaque("details", 80)),
    nomination(stage=FraudStage.UNSPECIFIED, subject_role=SubjectRole.UNSPECIFIED),
    sighting(seen_time=NOW - 40 * DAY),
    opinion(),
    Retraction(opaque("target"), TOKEN, RetractionReason.MISTAKEN),
    Reassigned(TOKEN, Kind.PHONE, 1, NOW - DAY),
    ProtectedObject(TOKEN, Kind.PHONE, 1, ProtectionGround.HOTLINE),
    KeyOpen(
        CEREMONY,
        KeyAction.RESHARE,
        epoch=1,
        share_epoch=2,
        threshold=2,
        holders=(MemberId("bank-a"), MemberId("carrier-b")),
        dealers=(MemberId("bank-a"),),
    ),
    KeyJoin(CEREMONY, opaque("key", 1_216)),
    KeyDeal(CEREMONY, DEALS),
    KeyConfirm(CEREMONY, opaque("digest", 32), opaque("signature", 64)),
    KeyComplaint(CEREMONY, MemberId("bank-a"), KindClass.DEVICE),
    QuotaGrant(opaque("grant"), MemberId("bank-a"), KindClass.PHONE, 5_000_000),
    Alarm(
        AlarmKind.QUOTA_EXCEEDED,
        MemberId("partner-x"),
        certificate_digest=opaque("certificate", 32),
        kind_class=KindClass.PHONE,
        observed=6_001,
        limit=6_000,
        reason="QUOTA_EXCEEDED",
    ),
    Alarm(
        AlarmKind.EVALUATION_WRONG,
        MemberId("bank-a"),
        first_evidence=opaque("answer", 200),
        evidence_path=opaque("path", 64),
    ),
    plan(),
    TrainingApproval(PLAN_DIGEST, MemberId("coord"), TrainingDecision.APPROVE, row_cap=1_000_000),
    TrainingApproval(
        PLAN_DIGEST, MemberId("coord"), TrainingDecision.REFUSE, TrainingReason.BUDGET_SPENT
    ),
    TrainingRound(
        PLAN_DIGEST,
        1,
        opaque("checkpoint", 32),
        (
            MemberOutcome(MemberId("bank-a"), TrainingOutcome.OK),
            MemberOutcome(MemberId("bank-b"), TrainingOutcome.REJECTED, TrainingReason.UPDATE_NORM),
        ),
    ),
    TrainingEvaluation(
        PLAN_DIGEST,
        opaque("checkpoint", 32),
        3,
        (MetricValue(TrainingMetric.PR_AUC, TrainingCandidate.FEDERATED, 912_345),),
    ),
    TrainingStage(PLAN_DIGEST, ModelStage.ENROLLED, (MemberId("bank-a"), MemberId("bank-b"))),
    TrainingStage(
        PLAN_DIGEST,
        ModelStage.RELEASED,
        model_digest=opaque("checkpoint", 32),
        model_sheet_digest=opaque("card", 32),
        assessment_digest=opaque("assessment", 32),
    ),
    sum_open(),
    SumShares(SUM, (opaque("share 1", 1_200), opaque("share 2", 1_200)), opaque("signature", 64)),
    SumCheck(SUM, THREE[:2], opaque("digests", 64), bytes(64), THREE[2:], opaque("digest", 32)),
    SumClose(SUM, THREE, opaque("digests", 96)),
    SumEcho(SUM, opaque("close", 32)),
    SumPartial(SUM, opaque("close", 32), bytes(24), opaque("signature", 64)),
    designation(),
    DesignationLifted(opaque("designation"), TOKEN, DesignationEnd.OVER),
    clue(),
    clue(subjects=CLUE_SUBJECTS[:1], edges=(), references=b""),
    ClueStep(CLUE, MemberId("carrier-b"), ClueMove.TRIAGED),
    ClueStep(CLUE, MemberId("carrier-b"), ClueMove.RETURNED, ClueReturn.DUPLICATE),
    clue_hand_over(),
    ClueOutcome(CLUE, MemberId("carrier-b"), ClueResult.FRAUD, CLUE_SUBJECTS),
    CaseBrief(
        FraudType.INVESTMENT,
        (FraudStage.CONTACT, FraudStage.PAYMENT),
        (LureClass.PROFIT,),
        (SupplyRole.TRAFFIC, SupplyRole.SETTLEMENT),
        CLUE_SUBJECTS,
        THREE,
        tuple(opaque(f"brief key {i}", 1_169) for i in range(3)),
        opaque("brief", 300),
    ),
    SumLabels(SUM, "CATALOGUE_KINDS", opaque("labels", 48), opaque("subject", 32)),
    report(sealed_text=opaque("told", 80)),
    ReportCount(REPORT_ID, CountBand.MANY),
    ReportStep(REPORT_ID, MemberId("carrier-b"), ReportAction.ACCEPT),
    ReportStep(
        REPORT_ID, MemberId("carrier-b"), ReportAction.UNSUBSTANTIATE, ReportReason.NO_EVIDENCE
    ),
    ReportStep(
        REPORT_ID, MemberId("carrier-b"), ReportAction.DISPOSE, basis_id=opaque("verification")
    ),
    NumberMark(TOKEN, Kind.PHONE, 1, MarkLabel.HARASSMENT, CountBand.SOME, SUM, NOW - DAY),
    MarkCorrection(TOKEN, Kind.PHONE, 1, CorrectionReason.MISTAKEN, NOW - 60),
    warning(),
    WarningStep(
        opaque("warning"), MemberId("bank-a"), WarningAction.SENT, channel=WarningChannel.FLASH
    ),
    WarningStep(
        opaque("warning"),
        MemberId("bank-a"),
        WarningAction.OUTCOME,
        outcome=WarningOutcome.DISSUADED,
    ),
    verification_open(),
    VerificationTally(opaque("round"), MemberId("bank-a"), 3, 0, 2, 1),
    VerificationExamination(opaque("round"), MemberId("bank-a"), VerificationDecision.REFUTE),
    order(),
    order(basis=DispositionBasis.CHARTER, basis_id=b"", subject_role=SubjectRole.UNSPECIFIED),
    DispositionReceipt(ORDER, COORDINATOR, ReceiptStep.EXECUTED),
    DispositionReceipt(
        ORDER, COORDINATOR, ReceiptStep.EXECUTED, amount_band=AmountBand.BELOW_10000
    ),
    DispositionReceipt(ORDER, COORDINATOR, ReceiptStep.EXEMPT, Exemption.PROTECTED_OBJECT),
    DispositionReceipt(
        ORDER, COORDINATOR, ReceiptStep.RESTORED, outcome=DispositionOutcome.LIFTED_APPEAL
    ),
    DispositionReverify(ORDER, COORDINATOR, ReverifyResult.PASS),
    Appeal(ORDER, COORDINATOR, AppealGround.NEW_OWNER),
    AppealDecision(ORDER, COORDINATOR, AppealResult.LIFTED),
    DispositionDecision(ORDER, COORDINATOR, OrderDecision.LIFT),
    duty(),
    duty(sectors=(Sector.INTERNET,), wording_digest=b"", grace_seconds=0),
    DutyAdoption(opaque("duty"), MemberId("ministry"), opaque("item", 32)),
    DutyAttestation(opaque("duty"), MemberId("ministry"), 1, opaque("evidence", 32)),
    DutyWithdrawal(opaque("duty"), MemberId("ministry")),
    Alarm(
        AlarmKind.MATTER_OVERDUE,
        MemberId("bank-a"),
        observed=3_600,
        reason="MATTER_OVERDUE",
        matter_id=opaque("matter"),
    ),
    FarmAlert(
        token=TOKEN, epoch=1, window_time=NOW - NOW % 3_600, total=34, sum_id=opaque("farm sum")
    ),
    ProblemNotice(MemberId("bank-a"), "CUSTOMER_CHECKS_MISSING", opaque("finding", 32), NOW + DAY),
    NoticeStep(
        opaque("notice"), MemberId("ministry"), NoticeAction.RECTIFIED, opaque("evidence", 32)
    ),
    NoticeStep(opaque("notice"), MemberId("ministry"), NoticeAction.CLOSED),
    TraceOpen(
        TOKEN, Kind.PHONE, 1, opaque("designated"), MemberId("carrier-b"), opaque("first", 2_161)
    ),
    TraceHop(
        opaque("trace"),
        MemberId("police"),
        TraceAnswer.NEXT,
        1,
        MemberId("bank-a"),
        opaque("next", 2_161),
    ),
    TraceHop(opaque("trace"), MemberId("police"), TraceAnswer.END, 2, MemberId("bank-a")),
    OneIdRequest(
        TOKEN,
        1,
        (AccountKind.SIM, AccountKind.INTERNET_ACCOUNT),
        (MemberId("carrier-b"), MemberId("net-c")),
        opaque("receiving", 1_216),
        opaque("consent", 32),
        opaque("proof", 32),
        NOW,
        opaque("signature", 64),
        opaque("knowledge", 32),
    ),
    OneIdAnswer(opaque("request"), MemberId("bank-a"), opaque("answer", SEALED_BYTES)),
    OneIdDispute(MemberId("carrier-b"), opaque("dispute", SEALED_BYTES)),
    OneIdDecision(
        opaque("dispute"),
        MemberId("bank-a"),
        OneIdMove.REJECTED,
        OneIdReason.NOT_HELD,
        opaque("feedback", SEALED_BYTES),
    ),
    OneIdDecision(opaque("dispute"), MemberId("bank-a"), OneIdMove.ACCEPTED),
]
"""At least one of every body."""

_times = st.integers(NOW - 30 * DAY, NOW)
_tokens = st.sampled_from([opaque(f"token {i}") for i in range(3)])
_ids = st.sampled_from([opaque(f"id {i}") for i in range(6)])
_kinds = st.sampled_from([Kind.PHONE, Kind.DOMAIN, Kind.BANK_ACCOUNT])
_confidences = st.integers(1, 100)

evidence_bodies = st.one_of(
    st.builds(
        nomination,
        token=_tokens,
        kind=_kinds,
        confidence=_confidences,
        subject_role=st.sampled_from(SubjectRole),
    ),
    st.builds(
        sighting,
        token=_tokens,
        kind=_kinds,
        sighting_kind=st.sampled_from(SightingKind),
        seen_time=st.integers(NOW - 60 * DAY, NOW - 30 * DAY),
    ),
    st.builds(
        opinion,
        token=_tokens,
        kind=_kinds,
        value=st.sampled_from(OpinionValue),
        confidence=_confidences,
    ),
    st.builds(Retraction, _ids, _tokens, st.sampled_from(RetractionReason)),
    st.builds(Reassigned, _tokens, _kinds, st.just(1), _times),
    st.builds(ProtectedObject, _tokens, _kinds, st.just(1), st.sampled_from(ProtectionGround)),
)
bodies = st.one_of(evidence_bodies, st.sampled_from(EXAMPLES))
statements = st.builds(
    said,
    bodies,
    id=_ids,
    issued_time=_times,
    expires_time=st.none() | st.integers(NOW + 1, NOW + 90 * DAY),
)
