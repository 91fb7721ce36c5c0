"""Statements, keys and ledgers for the tests of storage; nothing here is random unless asked."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId, Origin
from federation.statements import (
    Body,
    Nomination,
    Opinion,
    ProtectedObject,
    Reassigned,
    Retraction,
    Statement,
)
from federation.statements.codec import encode_statement
from federation.vocabulary import (
    FraudStage,
    FraudType,
    LegalBasis,
    OpinionBasis,
    OpinionValue,
    PermissibleAction,
    ProtectionGround,
    Purpose,
    RetractionReason,
    SubjectRole,
    TrafficLight,
)
from keys.secret import Secret
from keys.signing import SigningKey
from node.log.ledger import Ledger
from node.store.sqlite import SqliteStore

FEDERATION = "night"
MEMBERS = ("carrier-a", "bank-b", "web-c")
NOW = 1_800_000_000
KEYS = {
    member: SigningKey.from_seed(Secret(hashlib.sha256(member.encode()).digest()))
    for member in MEMBERS
}


def public_of(member: str) -> bytes:
    return KEYS[member].public


def origin_of(member: str) -> Origin:
    return Origin(FederationName(FEDERATION), MemberId(member))


def opaque(*parts: object) -> bytes:
    """Return 16 bytes that stand for these parts."""
    return hashlib.sha256(repr(parts).encode()).digest()[:16]


def token(number: int) -> bytes:
    return opaque("token", number)


def statement(
    body: Body, identifier: bytes, issued: int = NOW, expires: int | None = None
) -> bytes:
    return encode_statement(
        Statement(
            id=identifier,
            issued_time=issued,
            purpose=next(one for one in Purpose if one),
            legal_basis=next(one for one in LegalBasis if one),
            tlp=next(one for one in TrafficLight if one),
            pap=next(one for one in PermissibleAction if one),
            body=body,
            expires_time=expires,
        )
    )


def nomination(
    member: str, number: int, *, confidence: int = 60, expires: int | None = None
) -> bytes:
    body = Nomination(
        token=token(number),
        kind=next(iter(Kind)),
        epoch=1,
        fraud_type=next(one for one in FraudType if one),
        stage=FraudStage.UNSPECIFIED,
        subject_role=SubjectRole.UNSPECIFIED,
        confidence=confidence,
    )
    return statement(body, opaque(member, "nomination", number), expires=expires)


def opinion(member: str, number: int) -> bytes:
    body = Opinion(
        token=token(number),
        kind=next(iter(Kind)),
        epoch=1,
        value=OpinionValue.DISAGREE,
        basis=OpinionBasis.EXAMINED,
        confidence=50,
    )
    return statement(body, opaque(member, "opinion", number))


def retraction(
    member: str, number: int, reason: RetractionReason = RetractionReason.MISTAKEN
) -> bytes:
    body = Retraction(
        target_id=opaque(member, "nomination", number), token=token(number), reason=reason
    )
    return statement(body, opaque(member, "retraction", number, reason))


def erasure(member: str, number: int) -> bytes:
    return retraction(member, number, RetractionReason.ERASURE)


def reassigned(member: str, number: int) -> bytes:
    body = Reassigned(token=token(number), kind=next(iter(Kind)), epoch=1, effective_time=NOW)
    return statement(body, opaque(member, "reassigned", number))


def protection(member: str, number: int) -> bytes:
    ground = next(one for one in ProtectionGround if one)
    body = ProtectedObject(token=token(number), kind=next(iter(Kind)), epoch=1, ground=ground)
    return statement(body, opaque(member, "protection", number))


def nominations(member: str, first: int, count: int) -> list[bytes]:
    return [nomination(member, number) for number in range(first, first + count)]


def open_ledger(path: Path, member: str = MEMBERS[0], now: int = NOW) -> tuple[SqliteStore, Ledger]:
    store = SqliteStore(path)
    return store, Ledger(store, FEDERATION, member, KEYS[member], public_of, lambda: now)


def replicate(source: Ledger, target: Ledger, member: str, max_bytes: int = 1 << 20) -> int:
    """Read one member's log from one ledger into another, run by run."""
    origin, rounds = origin_of(member), 0
    while target.size(origin) < source.size(origin):
        run = source.read(origin, target.size(origin), max_bytes)
        target.ingest(origin, run.bodies, run.compacted, run.checkpoint)
        rounds += 1
    return rounds


def in_batches(bodies: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [bodies[begin : begin + size] for begin in range(0, len(bodies), size)]
