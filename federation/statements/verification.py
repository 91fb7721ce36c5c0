"""Hold what members say about a verification round; no body has room for one member's answer.

Field names are those of ``verification.proto``. Answers travel in the private sum alone.
"""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    MAX_HOLDERS,
    check_count,
    check_matter,
    check_members,
    check_opaque,
    check_time,
)
from federation.statements.sums import MIN_CONTRIBUTORS
from federation.vocabulary import VerificationDecision

# Members that must agree: one alone may be wrong, or lie.
LEAST_QUORUM: Final = 2


@dataclass(frozen=True, slots=True)
class VerificationOpen:
    """Asks the members what their own data say about an indicator. Its statement's id names it.

    Attributes:
        token: Of the indicator, 16 bytes.
        sum_id: Of the private sum that adds the answers up, 16 bytes, by the same member.
        members: Who is asked, and who may contribute to the sum.
        quorum: How many must agree, for either outcome.
        due_time: Until when answers count.
    """

    token: bytes
    kind: Kind
    epoch: int
    sum_id: bytes
    members: tuple[MemberId, ...]
    quorum: int
    due_time: int

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_members("members", self.members, least=MIN_CONTRIBUTORS)
        check_count("quorum", self.quorum, LEAST_QUORUM, len(self.members))
        check_time("due_time", self.due_time)


@dataclass(frozen=True, slots=True)
class VerificationTally:
    """What one member read from the private sum of a round.

    Attributes:
        matter_id: Id of the statement that opened the round, 16 bytes.
        opener: Who opened it.
        suspect: How many answered HIT_SUSPECT.
        benign: How many answered HIT_BENIGN.
        no_record: How many answered NO_RECORD.
        declined: How many answered DECLINE.
    """

    matter_id: bytes
    opener: MemberId
    suspect: int
    benign: int
    no_record: int
    declined: int

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        for field in ("suspect", "benign", "no_record", "declined"):
            check_count(field, getattr(self, field), 0, MAX_HOLDERS)


@dataclass(frozen=True, slots=True)
class VerificationExamination:
    """Decides a conflict: a person has examined it, at the opener or at who oversees.

    Attributes:
        matter_id: Id of the statement that opened the round, 16 bytes.
        opener: Who opened it.
    """

    matter_id: bytes
    opener: MemberId
    decision: VerificationDecision

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
