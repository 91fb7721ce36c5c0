"""Hold what only the police say about an indicator: that it is in a case, and no longer is.

Field names are those of ``clues.proto``. Source: DOMAIN R59.
"""

from dataclasses import dataclass

from federation.indicators.kind import Kind
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_opaque,
    check_time,
)
from federation.vocabulary import DesignationEnd, FraudType


@dataclass(frozen=True, slots=True)
class Designation:
    """The police say that an object is in a case (涉案).

    Attributes:
        token: 16 bytes.
        case_digest: Of the case's reference under a key of the police, 32 bytes: alike for
            objects of one case, and nobody else can guess the reference.
        review_time: By when the police look at it again; until they lift it, it counts.
    """

    token: bytes
    kind: Kind
    epoch: int
    fraud_type: FraudType
    case_digest: bytes
    review_time: int

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_opaque("case_digest", self.case_digest, DIGEST_BYTES)
        check_time("review_time", self.review_time)


@dataclass(frozen=True, slots=True)
class DesignationLifted:
    """The police take an own designation back; views forget it at once.

    Attributes:
        target_id: The designation's statement, in the same log.
    """

    target_id: bytes
    token: bytes
    reason: DesignationEnd

    def __post_init__(self) -> None:
        check_opaque("target_id", self.target_id, IDENTIFIER_BYTES)
        check_opaque("token", self.token, IDENTIFIER_BYTES)
