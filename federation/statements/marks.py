"""Hold what members say about marks of numbers. Field names are those of ``reports.proto``."""

from dataclasses import dataclass

from federation.indicators.kind import Kind
from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_EPOCH,
    check_count,
    check_opaque,
    check_time,
    refuse,
)
from federation.vocabulary import CorrectionReason, CountBand, MarkLabel


def _check_number(token: bytes, kind: Kind, epoch: int) -> None:
    check_opaque("token", token, IDENTIFIER_BYTES)
    check_count("epoch", epoch, 1, MAX_EPOCH)
    if kind is not Kind.PHONE:
        refuse("KIND_INVALID", "kind", "is no telephone number")


@dataclass(frozen=True, slots=True)
class NumberMark:
    """Customers of several members together marked a number.

    Attributes:
        reporters: How many, from SOME on: fewer are never said.
        sum_id: 16 bytes, the private sum that shows it.
        counted_time: When the sum was opened: marks given until then are in it.
    """

    token: bytes
    kind: Kind
    epoch: int
    label: MarkLabel
    reporters: CountBand
    sum_id: bytes
    counted_time: int

    def __post_init__(self) -> None:
        _check_number(self.token, self.kind, self.epoch)
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_time("counted_time", self.counted_time)
        if self.reporters < CountBand.SOME:
            refuse("COUNT_INVALID", "reporters", "is below the least number of reporters")


@dataclass(frozen=True, slots=True)
class MarkCorrection:
    """Every mark of a number up to a time does not count any more, whoever gave it."""

    token: bytes
    kind: Kind
    epoch: int
    reason: CorrectionReason
    effective_time: int

    def __post_init__(self) -> None:
        _check_number(self.token, self.kind, self.epoch)
        check_time("effective_time", self.effective_time)
