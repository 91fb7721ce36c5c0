"""Find sites where the carriers together see many suspect SIMs, without saying who sees how many.

Suspect SIMs are counted by site bucket (a cell, an hour, a device class), and buckets are known by
their tokens. Nobody says which buckets it has seen. Instead every carrier adds its counts into
*slots*, the tokens' first bits, and the private sum gives the totals of all slots. A slot whose
total reaches the threshold is looked at again, alone, in finer slots, this time with the tokens
themselves among the summands, each times its count: where a slot holds one bucket only, the total
divided by the count is its token. So the sums show a token only where the threshold is reached::

    totals  = sum(root_vector(counts) of each carrier)
    totals' = sum(part_vector(counts, children) of each), children = split(reached(ROOT, totals))
    sites, mixed = read_parts(children, totals')      # mixed: two buckets in one slot, split again

Everybody who can read the sums learns the totals of slots below the threshold, too: plain sums
hide parts, not small totals. A slot says nothing about a place, and no token below it is shown.
One carrier that lies can hide a site or make one up, as in any sum (``sums/README.md``).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.packing import pack
from federation.statements.shape import IDENTIFIER_BYTES
from federation.sums import label_of

THRESHOLD: Final = 20
"""Suspect SIMs at one site in one hour, over all carriers. Source: DOMAIN R26."""
WINDOW_SECONDS: Final = 3_600
"""Seconds of a window: site buckets name an hour."""
ROOT_BITS: Final = 12
"""First bits of a token that make a slot: 4,096 slots are 100 kB of shares for each carrier."""
STEP_BITS: Final = 6
"""Bits by which slots are split: a slot becomes 64."""
MAX_SPLIT: Final = 32
"""Slots that are split at once, the fullest: 12,288 entries, which fit into a statement."""
MAX_STEPS: Final = 4
"""Splits in a row: then 36 bits of a token tell buckets apart, enough for a million of them."""
MAX_SIMS: Final = 10_000
"""Suspect SIMs that one carrier claims at one site in an hour: more is a mistake."""

_CHUNKS: Final = 4
_CHUNK_BITS: Final = 32
_PARTS: Final = 1 + _CHUNKS + 1  # the count, the token, its check
LARGEST_PART: Final = MAX_SIMS << _CHUNK_BITS
"""The largest entry of a sum over parts, in units, for one bucket in a slot of one carrier."""

_TOKEN_BITS: Final = 8 * IDENTIFIER_BYTES
_WINDOW: Final = b"tocsin/farm/window/1"
_SPLIT: Final = b"tocsin/farm/split/1"
_CHECK: Final = b"tocsin/farm/check/1"
_SLOT: Final = b"farm/slot"
_PART: Final = b"farm/part"

Counts = Mapping[bytes, int]
"""Suspect SIMs by bucket token, of one carrier in one window."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """All tokens whose first ``bits`` bits are ``prefix``."""

    bits: int
    prefix: int

    def holds(self, token: bytes) -> bool:
        """Say whether a token is one of them."""
        return prefix_of(token, self.bits) == self.prefix


@dataclass(frozen=True, slots=True)
class Site:
    """A site over the threshold: its bucket's token and the suspect SIMs of all carriers."""

    token: bytes
    total: int


ROOT: Final = tuple(Slot(ROOT_BITS, prefix) for prefix in range(1 << ROOT_BITS))
"""The slots of the first sum of a window."""


def prefix_of(token: bytes, bits: int) -> int:
    """Return the first bits of a token as a number."""
    return int.from_bytes(token) >> (_TOKEN_BITS - bits)


def window_subject(window: int) -> bytes:
    """Return what the first sum of a window is about, 32 bytes.

    Args:
        window: Seconds since 1970 of the hour's beginning.
    """
    return hashlib.sha256(pack(_WINDOW, window.to_bytes(8))).digest()


def split_subject(sum_id: bytes) -> bytes:
    """Return what the sum is about that splits the slots of another, 32 bytes."""
    return hashlib.sha256(pack(_SPLIT, sum_id)).digest()


def root_labels() -> tuple[bytes, ...]:
    """Return the labels of a window's first sum, 16 bytes each."""
    return tuple(label_of(_SLOT, slot.prefix.to_bytes(8)) for slot in ROOT)


def part_labels(slots: Iterable[Slot]) -> tuple[bytes, ...]:
    """Return the labels of a sum over parts: six for each slot."""
    return tuple(
        label_of(_PART, bytes([slot.bits]), slot.prefix.to_bytes(8), bytes([part]))
        for slot in slots
        for part in range(_PARTS)
    )


def root_vector(counts: Counts) -> NDArray[np.int64]:
    """Return one carrier's entries of a window's first sum."""
    vector = np.zeros(len(ROOT), np.int64)
    for token, count in counts.items():
        vector[prefix_of(token, ROOT_BITS)] += min(count, MAX_SIMS)
    return vector


def part_vector(counts: Counts, slots: Sequence[Slot]) -> NDArray[np.int64]:
    """Return one carrier's entries of a sum over parts."""
    vector = np.zeros((len(slots), _PARTS), np.int64)
    place_of = {slot: place for place, slot in enumerate(slots)}
    bits = {slot.bits for slot in slots}
    for token, count in counts.items():
        for slot in (Slot(one, prefix_of(token, one)) for one in bits):
            if slot in place_of:
                vector[place_of[slot]] += min(count, MAX_SIMS) * np.array(_parts(token), np.int64)
    # A slot that many buckets share is split again; what it clips here only spoils its token.
    return vector.clip(max=LARGEST_PART).reshape(-1)


def reached(slots: Sequence[Slot], totals: NDArray[np.int64]) -> tuple[Slot, ...]:
    """Return the slots whose total reaches the threshold: the fullest, in ascending order."""
    found = [(int(total), slot) for slot, total in zip(slots, totals, strict=True)]
    full = sorted((one for one in found if one[0] >= THRESHOLD), key=lambda one: (-one[0], one[1]))
    return tuple(sorted(slot for _, slot in full[:MAX_SPLIT]))


def split(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """Return the finer slots that these are made of."""
    return tuple(
        Slot(slot.bits + STEP_BITS, slot.prefix << STEP_BITS | rest)
        for slot in slots
        for rest in range(1 << STEP_BITS)
    )


def read_parts(
    slots: Sequence[Slot], totals: NDArray[np.int64]
) -> tuple[tuple[Site, ...], tuple[Slot, ...]]:
    """Return the sites over the threshold, and the slots over it that several buckets share."""
    sites: list[Site] = []
    mixed: list[Slot] = []
    for slot, row in zip(slots, totals.reshape(-1, _PARTS).tolist(), strict=True):
        if row[0] < THRESHOLD:
            continue
        token = _single_token(slot, row)
        if token is None:
            mixed.append(slot)
        else:
            sites.append(Site(token, row[0]))
    return tuple(sites), tuple(mixed[:MAX_SPLIT])


def _parts(token: bytes) -> tuple[int, ...]:
    size = _CHUNK_BITS // 8
    chunks = (token[start : start + size] for start in range(0, IDENTIFIER_BYTES, size))
    check = hashlib.sha256(pack(_CHECK, token)).digest()[:size]
    return (1, *(int.from_bytes(chunk) for chunk in (*chunks, check)))


def _single_token(slot: Slot, row: Sequence[int]) -> bytes | None:
    """Return the token of a slot that holds one bucket; None where it holds more."""
    count, *rest = row
    values = [value // count for value in rest]
    if any(value * count != summed for value, summed in zip(values, rest, strict=True)):
        return None
    if not all(0 <= value < 1 << _CHUNK_BITS for value in values):
        return None
    token = b"".join(value.to_bytes(_CHUNK_BITS // 8) for value in values[:_CHUNKS])
    return token if slot.holds(token) and _parts(token) == (1, *values) else None
