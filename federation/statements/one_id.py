"""Hold what is said when a citizen asks where accounts stand under the own identity.

Who reads the logs learns that somebody asked about a token, who was asked and who answered; of a
dispute who has to decide it, and not whose it is. Every answer has one size.

Field names are those of ``one_id.proto``. Source: DOMAIN R57, R58.
"""

from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    SIGNATURE_BYTES,
    check_count,
    check_matter,
    check_member,
    check_members,
    check_opaque,
    check_sealed,
    check_time,
    refuse,
)
from federation.vocabulary import AccountKind, OneIdMove, OneIdReason
from keys.sealing import MEMBER_OVERHEAD_BYTES
from keys.sealing import PUBLIC_KEY_BYTES as RECEIVING_KEY_BYTES
from keys.signing import PUBLIC_KEY_BYTES as CONSENT_KEY_BYTES

PLAIN_BYTES: Final = 4_096
"""Bytes of everything that is sealed here, padded: a page of text, or 64 references and counts."""
SEALED_BYTES: Final = MEMBER_OVERHEAD_BYTES + PLAIN_BYTES


@dataclass(frozen=True, slots=True)
class OneIdRequest:
    """A citizen asks members about accounts; the matter's id is the statement's.

    Attributes:
        token: Of the identity card, 16 bytes.
        members: Those asked.
        receiving_key: The citizen's; answers are sealed to it.
        consent_key: The citizen's, Ed25519.
        proof_digest: SHA-256 of how the speaker proved who the citizen is, 32 bytes.
        consent_time: When the citizen was asked to sign.
        signature: The citizen's over ``federation.one_id.ConsentForm``.
        knowledge_proof: Of that under the identity's content key, 32 bytes.
    """

    token: bytes
    epoch: int
    wanted: tuple[AccountKind, ...]
    members: tuple[MemberId, ...]
    receiving_key: bytes
    consent_key: bytes
    proof_digest: bytes
    consent_time: int
    signature: bytes
    knowledge_proof: bytes

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        if not self.wanted or len(set(self.wanted)) != len(self.wanted):
            refuse("LIST_INVALID", "wanted", "does not name distinct kinds of accounts")
        check_members("members", self.members, 1)
        check_opaque("receiving_key", self.receiving_key, RECEIVING_KEY_BYTES)
        check_opaque("consent_key", self.consent_key, CONSENT_KEY_BYTES)
        check_opaque("proof_digest", self.proof_digest, DIGEST_BYTES)
        check_time("consent_time", self.consent_time)
        check_opaque("signature", self.signature, SIGNATURE_BYTES)
        check_opaque("knowledge_proof", self.knowledge_proof, DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class OneIdAnswer:
    """A member answers the citizen; nobody else can read it.

    Attributes:
        sealed_answer: Of one size, whatever the counts.
    """

    matter_id: bytes
    opener: MemberId
    sealed_answer: bytes

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        check_sealed("sealed_answer", self.sealed_answer, SEALED_BYTES, SEALED_BYTES)


@dataclass(frozen=True, slots=True)
class OneIdDispute:
    """A citizen disputes accounts, or wants them closed; the matter's id is the statement's.

    Attributes:
        holder: Who has them.
        sealed_dispute: To the holder: whose it is, what is wanted, the citizen's signature.
    """

    holder: MemberId
    sealed_dispute: bytes

    def __post_init__(self) -> None:
        check_member("holder", self.holder)
        check_sealed("sealed_dispute", self.sealed_dispute, SEALED_BYTES, SEALED_BYTES)


@dataclass(frozen=True, slots=True)
class OneIdDecision:
    """What the holder does about a dispute; nothing ends without a word to the citizen.

    Attributes:
        reason: For a rejection alone.
        sealed_feedback: To the citizen; empty for ACCEPTED, and where there is nobody to tell
            because the dispute was no citizen's.
    """

    matter_id: bytes
    opener: MemberId
    step: OneIdMove
    reason: OneIdReason = OneIdReason.UNSPECIFIED
    sealed_feedback: bytes = b""

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if (self.step is OneIdMove.REJECTED) != bool(self.reason):
            refuse("DECISION_INVALID", "reason", "does not fit the step")
        if self.step is OneIdMove.ACCEPTED or self.reason is OneIdReason.NOT_AUTHENTIC:
            if self.sealed_feedback:
                refuse("LENGTH_INVALID", "sealed_feedback", "does not belong here")
            return
        check_sealed("sealed_feedback", self.sealed_feedback, SEALED_BYTES, SEALED_BYTES)
