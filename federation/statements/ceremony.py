"""Hold what holders say in a key ceremony and about quotas.

Field names are those of ``statement.proto``.
"""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import KindClass
from federation.names import MemberId
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_AMOUNT,
    MAX_EPOCH,
    MAX_HOLDERS,
    SIGNATURE_BYTES,
    check_count,
    check_member,
    check_members,
    check_opaque,
    check_packed,
    check_sealed,
    refuse,
)
from federation.vocabulary import KeyAction
from keys.group import SCALAR_BYTES
from keys.sealing import MEMBER_OVERHEAD_BYTES, PUBLIC_KEY_BYTES

# Bytes: a scalar and what sealing adds.
SEALED_SHARE_BYTES: Final = SCALAR_BYTES + MEMBER_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class KeyOpen:
    """Opens a key ceremony over all kind classes.

    Attributes:
        threshold: From 2; 1 only with a single holder.
        holders: Receiving holders; a holder's index is its place, from 1.
        dealers: Who deals; empty: the holders.
    """

    ceremony_id: bytes
    action: KeyAction
    epoch: int
    share_epoch: int
    threshold: int
    holders: tuple[MemberId, ...]
    dealers: tuple[MemberId, ...] = ()

    def __post_init__(self) -> None:
        check_opaque("ceremony_id", self.ceremony_id, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_count("share_epoch", self.share_epoch, 1, MAX_EPOCH)
        check_members("holders", self.holders, least=1)
        check_members("dealers", self.dealers, least=0)
        check_count("threshold", self.threshold, min(2, len(self.holders)), len(self.holders))


@dataclass(frozen=True, slots=True)
class KeyJoin:
    """A holder joins with a receiving key, 1,216 bytes (ML-KEM-768 and X25519)."""

    ceremony_id: bytes
    receiving_key: bytes

    def __post_init__(self) -> None:
        check_opaque("ceremony_id", self.ceremony_id, IDENTIFIER_BYTES)
        check_opaque("receiving_key", self.receiving_key, PUBLIC_KEY_BYTES)


@dataclass(frozen=True, slots=True)
class ClassDeal:
    """The shares of one dealer for one kind class.

    Attributes:
        commitments: 32 bytes each, packed, as many as the threshold.
        proof: 64 bytes, or empty for a refresh.
        sealed_shares: In the order of the holders.
    """

    kind_class: KindClass
    commitments: bytes
    proof: bytes
    sealed_shares: tuple[bytes, ...]

    def __post_init__(self) -> None:
        # The constant term of a refresh is the identity: 32 zero bytes, which "read as text".
        if not self.commitments or len(self.commitments) % DIGEST_BYTES:
            refuse("LENGTH_INVALID", "commitments", "is not packed elements of 32 bytes")
        if len(self.commitments) > MAX_HOLDERS * DIGEST_BYTES:
            refuse("LENGTH_INVALID", "commitments", f"has more than {MAX_HOLDERS} elements")
        check_packed(
            "commitments",
            self.commitments.removeprefix(bytes(DIGEST_BYTES)),
            DIGEST_BYTES,
            0,
            MAX_HOLDERS,
        )
        check_packed("proof", self.proof, SIGNATURE_BYTES, 0, 1)
        if not 1 <= len(self.sealed_shares) <= MAX_HOLDERS:
            refuse("LIST_INVALID", "sealed_shares", "is not one for each holder")
        for share in self.sealed_shares:
            check_sealed("sealed_shares", share, SEALED_SHARE_BYTES, SEALED_SHARE_BYTES)


@dataclass(frozen=True, slots=True)
class KeyDeal:
    """A dealer's shares for all kind classes, in the order of their numbers."""

    ceremony_id: bytes
    deals: tuple[ClassDeal, ...]

    def __post_init__(self) -> None:
        check_opaque("ceremony_id", self.ceremony_id, IDENTIFIER_BYTES)
        if [deal.kind_class for deal in self.deals] != list(KindClass):
            refuse("LIST_INVALID", "deals", "is not one for each kind class in order")


@dataclass(frozen=True, slots=True)
class KeyConfirm:
    """A holder accepts the transcript.

    Attributes:
        transcript_digest: SHA-256, 32 bytes.
        signature: Ed25519 over the public keys, 64 bytes.
    """

    ceremony_id: bytes
    transcript_digest: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_opaque("ceremony_id", self.ceremony_id, IDENTIFIER_BYTES)
        check_opaque("transcript_digest", self.transcript_digest, DIGEST_BYTES)
        check_opaque("signature", self.signature, SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class KeyComplaint:
    """A holder found a deal wrong; the ceremony ends without a key."""

    ceremony_id: bytes
    dealer: MemberId
    kind_class: KindClass

    def __post_init__(self) -> None:
        check_opaque("ceremony_id", self.ceremony_id, IDENTIFIER_BYTES)
        check_member("dealer", self.dealer)


@dataclass(frozen=True, slots=True)
class QuotaGrant:
    """A holder allows a member more evaluations, once; the id is the same at every holder."""

    grant_id: bytes
    member: MemberId
    kind_class: KindClass
    amount: int

    def __post_init__(self) -> None:
        check_opaque("grant_id", self.grant_id, IDENTIFIER_BYTES)
        check_member("member", self.member)
        check_count("amount", self.amount, 1, MAX_AMOUNT)
