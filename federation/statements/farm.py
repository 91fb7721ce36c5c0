"""Hold what is said about a site where many suspect SIMs are; field names are those of the wire."""

from dataclasses import dataclass
from typing import Final

from federation.statements.shape import (
    IDENTIFIER_BYTES,
    MAX_COUNT,
    MAX_EPOCH,
    check_count,
    check_opaque,
    check_time,
    refuse,
)

# Seconds: site buckets name an hour.
_WINDOW_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class FarmAlert:
    """The carriers together saw more suspect SIMs at one site than the threshold (R26).

    Attributes:
        token: Of the site bucket, 16 bytes.
        window_time: The beginning of the hour.
        total: Suspect SIMs of all carriers; who saw how many nobody knows.
        sum_id: Of the hour's first sum, 16 bytes.
    """

    token: bytes
    epoch: int
    window_time: int
    total: int
    sum_id: bytes

    def __post_init__(self) -> None:
        check_opaque("token", self.token, IDENTIFIER_BYTES)
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_count("epoch", self.epoch, 1, MAX_EPOCH)
        check_time("window_time", self.window_time)
        if self.window_time % _WINDOW_SECONDS:
            refuse("TIME_INVALID", "window_time", "is not the beginning of an hour")
        check_count("total", self.total, 1, MAX_COUNT)
