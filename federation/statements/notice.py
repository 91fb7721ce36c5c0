"""Hold what is said about problems that a regulator found at a member.

Field names are those of ``notice.proto``. Source: DOMAIN R40.
"""

from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.statements.shape import (
    DIGEST_BYTES,
    check_matter,
    check_member,
    check_opaque,
    check_reason,
    check_time,
    refuse,
)
from federation.vocabulary import NoticeAction

_WITH_PAPER: Final = (NoticeAction.REPLIED, NoticeAction.RECTIFIED)


@dataclass(frozen=True, slots=True)
class ProblemNotice:
    """A regulator tells a member what is wrong there; its statement's id names the matter.

    Attributes:
        member: To whom it is addressed.
        code: Of the finding, upper-case snake, for example CUSTOMER_CHECKS_MISSING.
        finding_digest: SHA-256 of the finding in words with its evidence, 32 bytes.
        deadline_time: By when the member has to have mended it.
    """

    member: MemberId
    code: str
    finding_digest: bytes
    deadline_time: int

    def __post_init__(self) -> None:
        check_member("member", self.member)
        check_reason(self.code, "code")
        check_opaque("finding_digest", self.finding_digest, DIGEST_BYTES)
        check_time("deadline_time", self.deadline_time)


@dataclass(frozen=True, slots=True)
class NoticeStep:
    """What became of a notice.

    Attributes:
        paper_digest: SHA-256 of the plan of a reply, or of the evidence that it is mended, 32
            bytes; for these two alone.
    """

    matter_id: bytes
    opener: MemberId
    step: NoticeAction
    paper_digest: bytes = b""

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if self.step in _WITH_PAPER:
            check_opaque("paper_digest", self.paper_digest, DIGEST_BYTES)
        elif self.paper_digest:
            refuse("LENGTH_INVALID", "paper_digest", "does not belong here")
