"""Name what carriers add up about IoT cards: four counts of a month's inspection (DOMAIN R18)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from federation.iot import Sheet
from federation.packing import pack
from federation.sums import label_of

OLDEST_MONTHS: Final = 24
"""Months that a carrier looks back: an inspection of the year before is compared with."""
LARGEST: Final = 1_000_000_000
"""The largest count of one carrier: there are two thousand million IoT cards in a country."""

_MONTHS: Final = 12
_MONTH: Final = b"tocsin/iot/month/1"
_COUNT: Final = b"iot/count"


def month_of(time: int) -> int:
    """Return the month of a second since 1970, in UTC, counted from the year 0."""
    day = datetime.fromtimestamp(time, UTC)
    return _MONTHS * day.year + day.month - 1


def month_start(month: int) -> int:
    """Return the second since 1970 in which a month begins."""
    return int(datetime(month // _MONTHS, month % _MONTHS + 1, 1, tzinfo=UTC).timestamp())


def month_subject(month: int) -> bytes:
    """Return what a sum over a month's inspections is about, 32 bytes."""
    return hashlib.sha256(pack(_MONTH, month.to_bytes(4))).digest()


def read_month(subject: bytes, now: int) -> int | None:
    """Return the month that a subject stands for; None for one too old, to come, or no month."""
    this = month_of(now)
    months = range(this, this - OLDEST_MONTHS, -1)
    return next((month for month in months if month_subject(month) == subject), None)


def sheet_labels() -> Mapping[bytes, str]:
    """Return a label for each count of a sheet, in its order, with its name."""
    return {label_of(_COUNT, name.encode()): name for name in Sheet._fields}
