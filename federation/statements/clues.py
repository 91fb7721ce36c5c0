"""Hold what members say about a clue, from finding it to the outcome that the police report.

Field names are those of ``clues.proto``. Source: DOMAIN R05, R53.
"""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_matter,
    check_member,
    check_opaque,
    check_packed,
    check_sealed,
    refuse,
)
from federation.vocabulary import (
    ClueMove,
    ClueReason,
    ClueRelation,
    ClueResult,
    ClueReturn,
    ClueSource,
    FraudType,
)
from keys.sealing import MEMBER_OVERHEAD_BYTES

MAX_SUBJECTS: Final = 64
"""Objects in one clue: a SIM farm; more is another clue."""
MAX_EDGES: Final = 256
"""Edges in one clue: each object to four others."""
MAX_REFERENCES: Final = 256
"""Statements that a clue rests on."""
MAX_PACKAGE_BYTES: Final = 393_216
"""Bytes of a sealed package: 256 KiB of files, written as text, and a statement still fits."""


@dataclass(frozen=True, slots=True)
class ClueSubject:
    """An object of a clue, by token."""

    token: bytes
    kind: Kind
    epoch: int

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)


@dataclass(frozen=True, slots=True)
class ClueEdge:
    """Two objects of a clue belong together.

    Attributes:
        first: Place of an object in the clue, from 0.
        second: Place of the other.
        member: Who sees both ends.
    """

    first: int
    second: int
    relation: ClueRelation
    member: MemberId

    def __post_init__(self) -> None:
        check_count("first", self.first, 0, MAX_SUBJECTS - 1)
        check_count("second", self.second, 0, MAX_SUBJECTS - 1)
        check_member("member", self.member)


@dataclass(frozen=True, slots=True)
class Clue:
    """Opens a clue; the matter's id is the statement's.

    Attributes:
        source: What found it. There is no value for what an institution reports about suspicious
            transactions: the law keeps that secret (R67).
        references: Ids of statements that it rests on, 16 bytes each, packed.
    """

    subjects: tuple[ClueSubject, ...]
    edges: tuple[ClueEdge, ...]
    source: ClueSource
    reasons: tuple[ClueReason, ...]
    fraud_type: FraudType
    references: bytes = b""

    def __post_init__(self) -> None:
        _check_subjects(self.subjects)
        if len(self.edges) > MAX_EDGES:
            refuse("LIST_INVALID", "edges", f"has more than {MAX_EDGES} items")
        for edge in self.edges:
            if edge.first == edge.second or max(edge.first, edge.second) >= len(self.subjects):
                refuse("LIST_INVALID", "edges", "does not join two objects of the clue")
        if not self.reasons or len(set(self.reasons)) != len(self.reasons):
            refuse("LIST_INVALID", "reasons", "names no reason, or one twice")
        check_packed("references", self.references, IDENTIFIER_BYTES, 0, MAX_REFERENCES)


@dataclass(frozen=True, slots=True)
class ClueStep:
    """A clue goes on, without anything to hand over.

    Attributes:
        matter_id: The clue's, 16 bytes.
        opener: Who found it.
        reason: Why it is returned; for other steps there is none.
    """

    matter_id: bytes
    opener: MemberId
    step: ClueMove
    reason: ClueReturn = ClueReturn.UNSPECIFIED

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if (self.step is ClueMove.RETURNED) != bool(self.reason):
            refuse("REASON_INVALID", "reason", "is missing, or given for another step")


@dataclass(frozen=True, slots=True)
class ClueHandOver:
    """A clue goes to the police (移送): evidence in a package that only they can open.

    Attributes:
        receiver: The member of the police.
        sealed_package: To the receiver's sealing key.
        manifest_digest: SHA-256 of the manifest in the package, 32 bytes.
        file_count: Files in it.
    """

    matter_id: bytes
    opener: MemberId
    receiver: MemberId
    sealed_package: bytes
    manifest_digest: bytes
    file_count: int = 0

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        check_member("receiver", self.receiver)
        check_sealed(
            "sealed_package", self.sealed_package, MEMBER_OVERHEAD_BYTES + 1, MAX_PACKAGE_BYTES
        )
        check_opaque("manifest_digest", self.manifest_digest, DIGEST_BYTES)
        check_count("file_count", self.file_count, 0, MAX_SUBJECTS)


@dataclass(frozen=True, slots=True)
class ClueOutcome:
    """The police report what came of a clue, to whom it came from and to all who learn from it.

    Attributes:
        result: What they found about the objects named.
        subjects: Some or all of the clue's.
    """

    matter_id: bytes
    opener: MemberId
    result: ClueResult
    subjects: tuple[ClueSubject, ...]

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        _check_subjects(self.subjects)


def _check_subjects(subjects: tuple[ClueSubject, ...]) -> None:
    distinct = {one.token for one in subjects}
    if not 1 <= len(subjects) <= MAX_SUBJECTS or len(distinct) != len(subjects):
        refuse("LIST_INVALID", "subjects", f"does not hold 1 to {MAX_SUBJECTS} distinct objects")
