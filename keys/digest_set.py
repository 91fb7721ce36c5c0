"""Code a set of digests in few bits, of a length that its size alone decides (Elias-Fano).

A digest is a bucket and a rest. Sorted, the rests stand packed one after the other, and the buckets
as a row of bits: a one for each digest, a zero between a bucket and the next. That makes ``rest``
bits and two to three more for each, 0.44 more than a Golomb code (of gaps) takes; but its length
depends on nothing but the sizes, each set has one coding and each coding one set, and all is read
at once, by whole arrays.

Two digests of different values are equal with a chance of one in ``offered * asked * 2^40``, so
that all pairs of a match together make a false hit in one of 2^40 matches (up to one part in 2^19:
buckets are 40 bits of a hash scaled down).

Source: Elias 1974; Fano 1971.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keys.errors import MatchError

DIGEST_BYTES: Final = 16
"""Bytes of a hash that a digest is made of: eight for the bucket, eight for the rest."""

DISTINCT_BITS: Final = 40
"""Bits: two values that differ look equal in one of 2^40 matches."""

_BUCKET_BITS: Final = 40
"""Bits of the hash that choose a bucket: times 2^21 buckets they stay within 64."""

_CHUNK: Final = 65_536
"""Digests whose bits are spread out at once: four megabytes."""

_Words = NDArray[np.uint64]
_Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DigestShape:
    """How digests are cut and coded in a match of two padded sizes."""

    offered: int
    asked: int

    @property
    def rest_bits(self) -> int:
        """Bits of a rest."""
        return self.asked.bit_length() - 1 + DISTINCT_BITS

    @property
    def buckets(self) -> int:
        """Return how many buckets there are: with the rests they make the distance exact."""
        return -(-self.offered * self.asked >> (self.asked.bit_length() - 1))

    @property
    def rest_bytes(self) -> int:
        """Bytes of all rests."""
        return -(-self.offered * self.rest_bits // 8)

    @property
    def length(self) -> int:
        """Bytes of a coded set."""
        return self.rest_bytes + -(-(self.offered + self.buckets - 1) // 8)


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests, column by column."""

    buckets: _Words
    rests: _Words


def cut_digests(hashes: bytes, shape: DigestShape) -> Digests:
    """Return the digests that 16 bytes of a hash each stand for, in their order."""
    words = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    upper = words[:, 0] >> np.uint64(64 - _BUCKET_BITS)
    buckets = (upper * np.uint64(shape.buckets)) >> np.uint64(_BUCKET_BITS)
    return Digests(buckets, words[:, 1] & np.uint64((1 << shape.rest_bits) - 1))


def sort_digests(digests: Digests) -> Digests:
    """Return the digests ascending, each once."""
    order = np.lexsort((digests.rests, digests.buckets))
    buckets, rests = digests.buckets[order], digests.rests[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (buckets[1:] != buckets[:-1]) | (rests[1:] != rests[:-1])
    return Digests(buckets[is_first], rests[is_first])


def encode_digests(digests: Digests, shape: DigestShape) -> bytes:
    """Return the coding of as many digests as are offered, ascending, each once."""
    row = np.zeros(shape.offered + shape.buckets - 1, dtype=np.uint8)
    row[digests.buckets.astype(np.int64) + np.arange(shape.offered)] = 1
    return b"".join((*_pack_rests(digests.rests, shape.rest_bits), np.packbits(row).tobytes()))


def decode_digests(coded: bytes, shape: DigestShape) -> Digests:
    """Return the digests of a coding, ascending, each once.

    Raises:
        MatchError: MATCH_SIZE_INVALID, they are not as many as announced, or MATCH_ELEMENT_TWICE.
    """
    if len(coded) != shape.length:
        raise _not_as_many()
    row = np.unpackbits(np.frombuffer(coded, np.uint8, offset=shape.rest_bytes))
    places = np.flatnonzero(row)
    if len(places) != shape.offered or places[-1] >= shape.offered + shape.buckets - 1:
        raise _not_as_many()
    buckets = (places - np.arange(shape.offered)).astype(np.uint64)
    found = Digests(buckets, _read_rests(coded[: shape.rest_bytes], shape))
    is_above = (buckets[1:] > buckets[:-1]) | (found.rests[1:] > found.rests[:-1])
    if not is_above.all():
        raise MatchError("an element stands twice", reason="MATCH_ELEMENT_TWICE")
    return found


def common_places(own: Digests, offered: Digests) -> list[int]:
    """Return the places of the own digests that stand among the offered ones, ascending."""
    likely = np.isin(offered.rests, own.rests)
    there = set(_pairs(offered, np.flatnonzero(likely)))
    places = np.flatnonzero(np.isin(own.rests, offered.rests[likely]))
    pairs = zip(places.tolist(), _pairs(own, places), strict=True)
    return [place for place, pair in pairs if pair in there]


def _pairs(digests: Digests, places: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    return zip(digests.buckets[places].tolist(), digests.rests[places].tolist(), strict=True)


def _pack_rests(rests: _Words, width: int) -> Iterator[bytes]:
    """Yield the lowest bits of each, a chunk at a time; chunks are whole bytes."""
    for start in range(0, len(rests), _CHUNK):
        octets = rests[start : start + _CHUNK].astype(">u8").view(np.uint8).reshape(-1, 8)
        yield np.packbits(np.unpackbits(octets, axis=1)[:, -width:]).tobytes()


def _read_rests(packed: bytes, shape: DigestShape) -> _Words:
    width, found = shape.rest_bits, np.empty(shape.offered, dtype=np.uint64)
    for start in range(0, shape.offered, _CHUNK):
        count = min(_CHUNK, shape.offered - start)
        octets = np.frombuffer(packed, np.uint8, -(-count * width // 8), start * width // 8)
        bits: _Bits = np.zeros((count, 64), dtype=np.uint8)
        bits[:, -width:] = np.unpackbits(octets, count=count * width).reshape(count, width)
        found[start : start + count] = np.packbits(bits, axis=1).view(">u8").reshape(-1)
    return found


def _not_as_many() -> MatchError:
    return MatchError("the digests are not as many as announced", reason="MATCH_SIZE_INVALID")
