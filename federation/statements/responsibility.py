"""Hold what is said about duties: items that a regulator lists, adoptions, attestations.

Field names are those of ``responsibility.proto``. Source: DOMAIN R39, R45.
"""

from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.statements.shape import (
    DIGEST_BYTES,
    check_count,
    check_matter,
    check_opaque,
    check_reason,
    check_time,
    refuse,
)
from federation.vocabulary import DutyEvidence, Sector

# Seconds between two attestations: five years; a duty that is shown more rarely is none.
MAX_PERIOD_SECONDS: Final = 5 * 366 * 86_400
# Seconds after which a missing attestation is overdue: a year.
MAX_GRACE_SECONDS: Final = 366 * 86_400
# Periods of one item: daily for a century.
MAX_PERIODS: Final = 36_600


@dataclass(frozen=True, slots=True)
class DutyItem:
    """A duty that a regulator lists; its statement's id names the matter.

    Attributes:
        code: Upper-case snake, for example REAL_NAME_CHECK.
        sectors: Whose members it is for.
        evidence: What an attestation rests on.
        period_seconds: From one attestation's due time to the next.
        grace_seconds: After a due time, until a missing attestation is overdue.
        first_due_time: When the first attestation is due.
        wording_digest: SHA-256 of the duty in words, 32 bytes, or empty.
    """

    code: str
    sectors: tuple[Sector, ...]
    evidence: DutyEvidence
    period_seconds: int
    grace_seconds: int
    first_due_time: int
    wording_digest: bytes = b""

    def __post_init__(self) -> None:
        check_reason(self.code, "code")
        if not self.sectors or len(set(self.sectors)) != len(self.sectors):
            refuse("LIST_INVALID", "sectors", "does not name one or more distinct sectors")
        check_count("period_seconds", self.period_seconds, 1, MAX_PERIOD_SECONDS)
        check_count("grace_seconds", self.grace_seconds, 0, MAX_GRACE_SECONDS)
        check_time("first_due_time", self.first_due_time)
        if self.wording_digest:
            check_opaque("wording_digest", self.wording_digest, DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class DutyAdoption:
    """The member takes a duty on; the signed checkpoint of its log is its signature.

    Attributes:
        item_digest: SHA-256 of the item's body, so that what was adopted can be shown alone.
    """

    matter_id: bytes
    opener: MemberId
    item_digest: bytes

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        check_opaque("item_digest", self.item_digest, DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class DutyAttestation:
    """The member states that it did its duty in a period, and keeps the evidence.

    Attributes:
        period: From 1, the period whose end is the item's first due time.
        evidence_digest: SHA-256 of the evidence, 32 bytes.
    """

    matter_id: bytes
    opener: MemberId
    period: int
    evidence_digest: bytes

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        check_count("period", self.period, 1, MAX_PERIODS)
        check_opaque("evidence_digest", self.evidence_digest, DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class DutyWithdrawal:
    """The regulator takes an item off its list."""

    matter_id: bytes
    opener: MemberId

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
