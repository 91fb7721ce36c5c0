"""Hold what is said to trace a source, from holder to holder; each sees its own hop alone.

Field names are those of ``clues.proto``. Source: DOMAIN R06.
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
    check_member,
    check_opaque,
    check_sealed,
    refuse,
)
from federation.vocabulary import TraceAnswer
from keys.sealing import MEMBER_OVERHEAD_BYTES

MAX_HOPS: Final = 16
"""Hops of one trace: a chain of accounts in a case; more is another order."""
SEALED_HOP_BYTES: Final = MEMBER_OVERHEAD_BYTES + 1_024
"""Bytes of every sealed hop, padded: its length does not tell what kind of value is in it."""


@dataclass(frozen=True, slots=True)
class TraceOpen:
    """The police ask a holder where an object leads; the matter's id is the statement's.

    Attributes:
        token: Of the first object, 16 bytes.
        order_id: What allows it, 16 bytes: the designation of this object, or an order about it.
        holder: Who holds the first object.
        sealed_first: The object itself, sealed to that holder.
    """

    token: bytes
    kind: Kind
    epoch: int
    order_id: bytes
    holder: MemberId
    sealed_first: bytes

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_opaque("order_id", self.order_id, IDENTIFIER_BYTES)
        check_member("holder", self.holder)
        check_sealed("sealed_first", self.sealed_first, SEALED_HOP_BYTES, SEALED_HOP_BYTES)


@dataclass(frozen=True, slots=True)
class TraceHop:
    """A holder answers for its hop.

    Attributes:
        matter_id: The trace's, 16 bytes.
        hop: From 1.
        holder: Who holds what comes next; for other answers the speaker itself.
        sealed_next: What comes next, sealed to that holder; for other answers empty.
    """

    matter_id: bytes
    opener: MemberId
    step: TraceAnswer
    hop: int
    holder: MemberId
    sealed_next: bytes = b""

    def __post_init__(self) -> None:
        check_matter(self.matter_id, self.opener)
        check_count("hop", self.hop, 1, MAX_HOPS)
        check_member("holder", self.holder)
        if (self.step is TraceAnswer.NEXT) != bool(self.sealed_next):
            refuse("DECISION_INVALID", "sealed_next", "does not fit the step")
        if self.sealed_next:
            check_sealed("sealed_next", self.sealed_next, SEALED_HOP_BYTES, SEALED_HOP_BYTES)
