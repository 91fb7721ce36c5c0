"""Hold what members say about warnings to likely victims. Field names are those of the contract."""

from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_matter,
    check_opaque,
    refuse,
)
from federation.vocabulary import (
    AgeBand,
    Band,
    FraudStage,
    FraudType,
    WarningAction,
    WarningChannel,
    WarningOutcome,
    WarningUrgency,
)

# Bytes of the sealed parameters, always: 512 of padded text, a version and a 16-byte tag.
SEALED_PARAMETERS_BYTES: Final = 529
# Seconds until a warning counts as not acknowledged: a message takes one to arrive.
MIN_ACKNOWLEDGE_SECONDS: Final = 1
# The same: a warning that nobody acknowledged for a week warns nobody.
MAX_ACKNOWLEDGE_SECONDS: Final = 604_800

_SENDING: Final = frozenset({WarningAction.SENT, WarningAction.ESCALATED})
_CALLED_BACK: Final = frozenset({WarningChannel.FLASH, WarningChannel.VOICE})


@dataclass(frozen=True, slots=True)
class WarningTask:
    """Whoever serves this telephone number: its owner is about to be defrauded.

    Attributes:
        token: Of the likely victim's telephone number, 16 bytes.
        channels: Wanted, the first one first.
        acknowledge_seconds: After this long without an answer the warning is escalated.
        sealed_parameters: What the text says beyond the template, sealed under the content key.
    """

    token: bytes
    kind: Kind
    epoch: int
    risk: Band
    age_band: AgeBand
    channels: tuple[WarningChannel, ...]
    urgency: WarningUrgency
    fraud_type: FraudType
    stage: FraudStage
    acknowledge_seconds: int
    sealed_parameters: bytes

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_count("kind", self.kind, Kind.PHONE, Kind.PHONE)
        check_count("risk", self.risk, Band.LOW, Band.VERY_HIGH)
        check_count(
            "acknowledge_seconds",
            self.acknowledge_seconds,
            MIN_ACKNOWLEDGE_SECONDS,
            MAX_ACKNOWLEDGE_SECONDS,
        )
        # Sealed to a fixed length, so even its length says nothing.
        check_opaque("sealed_parameters", self.sealed_parameters, SEALED_PARAMETERS_BYTES)
        if not self.channels or len(set(self.channels)) != len(self.channels):
            refuse("LIST_INVALID", "channels", "does not name one or more distinct channels")
        if self.must_escalate and not set(self.channels) >= _CALLED_BACK:
            refuse("LIST_INVALID", "channels", "lacks FLASH or VOICE, which this risk demands")

    @property
    def must_escalate(self) -> bool:
        """Whether silence leads to a call: very high risk, and somebody easily misled."""
        return self.risk is Band.VERY_HIGH and self.age_band is AgeBand.VULNERABLE


@dataclass(frozen=True, slots=True)
class WarningStep:
    """What became of a warning, as codes only.

    Attributes:
        matter_id: Id of the statement that raised it, 16 bytes.
        opener: Who raised it.
        channel: Where it was sent or escalated; else None.
        outcome: How it ended; else None.
    """

    matter_id: bytes
    opener: MemberId
    step: WarningAction
    channel: WarningChannel | None = None
    outcome: WarningOutcome | None = None

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        if (self.channel is not None) is not (self.step in _SENDING):
            refuse("DECISION_INVALID", "channel", "is there exactly where something was sent")
        if (self.outcome is not None) is not (self.step is WarningAction.OUTCOME):
            refuse("DECISION_INVALID", "outcome", "is there exactly where the warning has ended")
