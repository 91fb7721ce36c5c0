"""Hold what members say about indicators. Field names are those of ``statement.proto``."""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_COUNT,
    MAX_EPOCH,
    check_confidence,
    check_count,
    check_opaque,
    check_sealed,
    check_time,
)
from federation.vocabulary import (
    FraudStage,
    FraudType,
    OpinionBasis,
    OpinionValue,
    Origin,
    ProtectionGround,
    RetractionReason,
    SightingKind,
    SubjectRole,
)

# Bytes: a page of text and some links; larger evidence is fetched by other ways.
MAX_DETAILS_BYTES: Final = 65_536
# Bytes: a version, a 16-byte tag and at least one byte of content; shorter is not sealed.
MIN_DETAILS_BYTES: Final = 18


def _check_subject(token: bytes, epoch: int) -> None:
    check_opaque("token", token, IDENTIFIER_BYTES)
    check_count("epoch", epoch, 1, MAX_EPOCH)


@dataclass(frozen=True, slots=True)
class Nomination:
    """A fraud indicator, by token.

    Attributes:
        token: 16 bytes.
        confidence: 1 to 100.
        last_seen_time: When the member last saw it act; None is the time of issue.
        sealed_details: Sealed under the indicator's content key, or empty.
        model_digest: Of the released model whose score led to it, 32 bytes; empty for none.
        origin: Where it was used from, whatever country a number shown belongs to.
    """

    token: bytes
    kind: Kind
    epoch: int
    fraud_type: FraudType
    stage: FraudStage
    subject_role: SubjectRole
    confidence: int
    last_seen_time: int | None = None
    sealed_details: bytes = b""
    model_digest: bytes = b""
    origin: Origin = Origin.UNSPECIFIED

    def __post_init__(self) -> None:
        _check_subject(self.token, self.epoch)
        check_confidence(self.confidence)
        if self.model_digest:
            check_opaque("model_digest", self.model_digest, DIGEST_BYTES)
        if self.last_seen_time is not None:
            check_time("last_seen_time", self.last_seen_time)
        if self.sealed_details:
            check_sealed(
                "sealed_details", self.sealed_details, MIN_DETAILS_BYTES, MAX_DETAILS_BYTES
            )


@dataclass(frozen=True, slots=True)
class Sighting:
    """An indicator was seen again, or found false."""

    token: bytes
    kind: Kind
    epoch: int
    sighting_kind: SightingKind
    count: int
    seen_time: int

    def __post_init__(self) -> None:
        _check_subject(self.token, self.epoch)
        check_count("count", self.count, 1, MAX_COUNT)
        check_time("seen_time", self.seen_time)


@dataclass(frozen=True, slots=True)
class Opinion:
    """Agreement or disagreement with what is known about an indicator."""

    token: bytes
    kind: Kind
    epoch: int
    value: OpinionValue
    basis: OpinionBasis
    confidence: int

    def __post_init__(self) -> None:
        _check_subject(self.token, self.epoch)
        check_confidence(self.confidence)


@dataclass(frozen=True, slots=True)
class Retraction:
    """A member takes an own statement back; views forget it at once."""

    target_id: bytes
    token: bytes
    reason: RetractionReason

    def __post_init__(self) -> None:
        check_opaque("target_id", self.target_id, IDENTIFIER_BYTES)
        check_opaque("token", self.token, IDENTIFIER_BYTES)


@dataclass(frozen=True, slots=True)
class Reassigned:
    """A number has a new owner since a time (R68)."""

    token: bytes
    kind: Kind
    epoch: int
    effective_time: int

    def __post_init__(self) -> None:
        _check_subject(self.token, self.epoch)
        check_time("effective_time", self.effective_time)


@dataclass(frozen=True, slots=True)
class ProtectedObject:
    """An object that must never be acted on (R69)."""

    token: bytes
    kind: Kind
    epoch: int
    ground: ProtectionGround

    def __post_init__(self) -> None:
        _check_subject(self.token, self.epoch)
