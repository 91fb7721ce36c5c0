"""Hold what members say about citizens' reports. Field names are those of ``reports.proto``.

Nothing here names a reporter: who reported stays with the member that took the report in.
"""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_matter,
    check_members,
    check_opaque,
    check_sealed,
    refuse,
)
from federation.vocabulary import (
    CountBand,
    FraudType,
    ReportAction,
    ReportChannel,
    ReportReason,
)

# Bytes of a sealed text: a page or two of what a citizen tells, with the seal around it.
MAX_SEALED_TEXT_BYTES: Final = 20_000
# Bytes: a version, a 16-byte tag and at least one byte of content; shorter is not sealed.
MIN_SEALED_TEXT_BYTES: Final = 18

_WITH_REASON: Final = (ReportAction.REJECT, ReportAction.UNSUBSTANTIATE, ReportAction.WITHDRAW)
_WITH_BASIS: Final = (ReportAction.VERIFY, ReportAction.DISPOSE, ReportAction.UNSUBSTANTIATE)


@dataclass(frozen=True, slots=True)
class Report:
    """A citizen reported an indicator; opens a matter whose id is the statement's.

    Attributes:
        token: 16 bytes.
        fraud_type: As the citizen tells it.
        reporters: How many reported it so far.
        actors: Members able to act on it.
        sealed_text: What was told, or empty: sealed to the one actor, or, where there are several,
            under the indicator's content key.
    """

    token: bytes
    kind: Kind
    epoch: int
    fraud_type: FraudType
    channel: ReportChannel
    reporters: CountBand
    actors: tuple[MemberId, ...]
    sealed_text: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_members("actors", self.actors, least=1)
        if self.sealed_text:
            check_sealed(
                "sealed_text", self.sealed_text, MIN_SEALED_TEXT_BYTES, MAX_SEALED_TEXT_BYTES
            )


@dataclass(frozen=True, slots=True)
class ReportCount:
    """More citizens reported the same; said by who opened the matter."""

    matter_id: bytes
    reporters: CountBand

    def __post_init__(self) -> None:
        check_opaque("matter_id", self.matter_id, IDENTIFIER_BYTES)


@dataclass(frozen=True, slots=True)
class ReportStep:
    """A member takes a report one step on.

    Attributes:
        opener: Who opened the matter.
        reason: For REJECT, UNSUBSTANTIATE and WITHDRAW alone.
        basis_id: 16 bytes, the verification or disposition that it rests on, or empty. Whether a
            step may go without, the matter says: it refuses by a rule's name.
    """

    matter_id: bytes
    opener: MemberId
    step: ReportAction
    reason: ReportReason = ReportReason.UNSPECIFIED
    basis_id: bytes = b""

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if bool(self.reason) is not (self.step in _WITH_REASON):
            refuse("REASON_INVALID", "reason", "is there exactly where a step turns a report down")
        if self.basis_id and self.step not in _WITH_BASIS:
            refuse("LENGTH_INVALID", "basis_id", "does not belong here")
        if self.basis_id:
            check_opaque("basis_id", self.basis_id, IDENTIFIER_BYTES)
