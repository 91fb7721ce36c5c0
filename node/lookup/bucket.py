"""Pack the verdicts below a prefix into buckets of one size, and read them again.

A record is 24 bytes: token 16, band 1, display codes as a bit field 1, expiry as unsigned days
since 1970 2 (big-endian), and four zero bytes. A record of zeros is padding.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from federation.verdict import DISPLAY_CODES, code_bits
from federation.vocabulary import Band
from node.errors import PeerError
from node.metering import SECONDS_A_DAY

MAX_PREFIX_BITS = 13  # a bucket keeps at least 1,221 numbers of a list of 10^7 (CRYPTO section 5)
TARGET_BUCKET_TOKENS = 16  # below this a longer prefix shows more than it saves
MIN_RECORDS = 32  # buckets are padded to a power of two from here: their size says little
# Standard deviations above the mean up to which buckets are padded: tokens are as good as random,
# so one bucket in a billion is larger, and all replies have one size whatever was asked.
SPREAD = 6

_RECORD = struct.Struct(">16sBBH4x")
RECORD_BYTES = _RECORD.size


@dataclass(frozen=True, slots=True)
class Record:
    """What a bucket tells about one token."""

    token: bytes
    band: Band
    codes: tuple[str, ...]
    expires_time: int


def recommended_bits(token_count: int) -> int:
    """Return the prefix length: buckets of about sixteen tokens, and 13 bits at most."""
    bits = 0
    while bits < MAX_PREFIX_BITS and token_count >> (bits + 1) >= TARGET_BUCKET_TOKENS:
        bits += 1
    return bits


def prefix_of(token: bytes, bits: int) -> int:
    """Return the first ``bits`` bits of a token as a number."""
    return int.from_bytes(token[:2], "big") >> (16 - bits)


def largest_bucket(token_count: int, bits: int) -> int:
    """Return how many tokens the largest bucket has, unless somebody chose tokens to fill one."""
    mean = token_count / (1 << bits)
    return math.ceil(mean + SPREAD * math.sqrt(mean))


def pack(buckets: Sequence[Sequence[Record]], least: int = 0) -> list[bytes]:
    """Pack buckets, all padded to one size: that of the largest, rounded up to a power of two.

    Args:
        buckets: Records, by bucket.
        least: Records that one is taken to have, even if none has so many.
    """
    size = padded_size(max((len(bucket) for bucket in buckets), default=0))
    size = max(size, padded_size(least))
    return [
        b"".join(map(_pack_record, bucket)).ljust(size * RECORD_BYTES, b"\0") for bucket in buckets
    ]


def padded_size(largest: int) -> int:
    """Return how many records every bucket of a reply has."""
    return max(MIN_RECORDS, 1 << max(0, largest - 1).bit_length())


def unpack(packed: bytes, prefix: int, bits: int) -> dict[bytes, Record]:
    """Read the bucket of a prefix.

    Raises:
        PeerError: BUCKET_INVALID; not made of records, or one is of another bucket or comes twice.
    """
    if len(packed) % RECORD_BYTES:
        raise _invalid()
    found: dict[bytes, Record] = {}
    for token, band, codes, days in _RECORD.iter_unpack(packed):
        if band == 0:
            continue
        try:
            known = Band(band)
        except ValueError as error:
            raise _invalid() from error
        if token in found or prefix_of(token, bits) != prefix:
            raise _invalid()
        found[token] = Record(token, known, _codes(codes), days * SECONDS_A_DAY)
    return found


def _pack_record(record: Record) -> bytes:
    days = min(-(-record.expires_time // SECONDS_A_DAY), 0xFFFF)
    return _RECORD.pack(record.token, record.band.value, _bits(record.codes), days)


_bits = functools.cache(code_bits)  # of a few combinations


def _codes(bits: int) -> tuple[str, ...]:
    return tuple(code for place, code in enumerate(DISPLAY_CODES) if bits >> place & 1)


def _invalid() -> PeerError:
    return PeerError("a bucket does not hold what it should", reason="BUCKET_INVALID")
