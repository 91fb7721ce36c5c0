"""Make statements for tests: well-formed by default, any field replaceable, and as strategies."""

import hashlib

from hypothesis import strategies as st

from federation.indicators.kind import Kind, KindClass
from federation.names import MemberId
from federation.statements import (
    Alarm,
    ClassDeal,
    KeyComplaint,
    KeyConfirm,
    KeyDeal,
    KeyJoin,
    KeyOpen,
    Nomination,
    Opinion,
    ProtectedObject,
    QuotaGrant,
    Reassigned,
    Retraction,
    Sighting,
    Statement,
)
from federation.vocabulary import (
    AlarmKind,
    FraudStage,
    FraudType,
    KeyAction,
    LegalBasis,
    OpinionBasis,
    OpinionValue,
    PermissibleAction,
    ProtectionGround,
    Purpose,
    RetractionReason,
    SightingKind,
    SubjectRole,
    TrafficLight,
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
