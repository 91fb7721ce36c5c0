"""Hold what the parties of a private sum say; who says it is known from where it stands.

Field names are those of ``sums.proto``. The bodies travel as statements in the logs, and without a
statement around them in the stream of a training run, where a vector may be longer.
"""

from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.prime_field import ELEMENT_BYTES, LARGEST_TOTAL, MAX_SCALE, PRIME
from federation.statements.shape import (
    DIGEST_BYTES,
    IDENTIFIER_BYTES,
    MAX_HOLDERS,
    SIGNATURE_BYTES,
    check_coarse,
    check_count,
    check_elements,
    check_members,
    check_opaque,
    check_packed,
    check_reason,
    check_sealed,
    check_time,
    refuse,
)
from federation.vocabulary import Purpose
from keys.sealing import MEMBER_OVERHEAD_BYTES

# Of two contributors each would see the other's vector, and of three two together the third's.
MIN_CONTRIBUTORS: Final = 3
# Entries of a vector that is proved to hold so many ones: answers to a few questions are few, and
# the work grows with the cube.
MAX_ONE_HOT: Final = 64
# Entries of a vector: eight megabytes a share, which a holder of 100 contributors still opens in
# a gigabyte of memory, one after another.
MAX_LABELS: Final = 1 << 20
# Blocks whose norms are opened: an update's and its row count's, and room for layers.
MAX_BLOCKS: Final = 64
# Bytes of a sealed share: a full vector with its masks.
MAX_SEALED_BYTES: Final = MEMBER_OVERHEAD_BYTES + ELEMENT_BYTES * (MAX_LABELS + 2 * MAX_BLOCKS)
# Combinations in one check: two kinds of combination and the norms of all contributors.
MAX_COMBINATIONS: Final = 2 * MAX_BLOCKS * MAX_HOLDERS


@dataclass(frozen=True, slots=True)
class SumOpen:
    """Opens a sum.

    Attributes:
        sum_id: 16 bytes, derived from the rest; ``open_sum`` writes it.
        labels_digest: SHA-256 of the labels in their order, 32 bytes.
        label_count: Entries of every vector.
        contributors: Who may contribute.
        least_contributors: With fewer nothing opens; from 3.
        threshold: How many holders give the total, from 2.
        holders: A holder's index is its place, from 1.
        deadline_time: Until when shares count.
        scale: Units per one; 1 for whole numbers.
        largest: The largest entry, either way, in units.
        norm_blocks: Lengths of blocks of entries, from the first; the squared norm of each is
            opened. Empty: none.
        norm_bounds: The largest squared norm of each, in squared units; like ``scale`` and
            ``largest`` rounded with ``round_coarse`` where it has more than ten digits.
        echoes: How many holders must have repeated a close before any answers it; 0: none.
        one_hot: How many ones every vector holds beside zeros, which is proved; 0: any numbers.
    """

    sum_id: bytes
    labels_digest: bytes
    label_count: int
    contributors: tuple[MemberId, ...]
    least_contributors: int
    threshold: int
    holders: tuple[MemberId, ...]
    purpose: Purpose
    deadline_time: int
    scale: int
    largest: int
    norm_blocks: tuple[int, ...] = ()
    norm_bounds: tuple[int, ...] = ()
    echoes: int = 0
    one_hot: int = 0

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_opaque("labels_digest", self.labels_digest, DIGEST_BYTES)
        check_count("label_count", self.label_count, 1, MAX_LABELS)
        check_members("contributors", self.contributors, least=MIN_CONTRIBUTORS)
        check_members("holders", self.holders, least=2)
        check_time("deadline_time", self.deadline_time)
        self._check_numbers()
        self._check_blocks()
        self._check_one_hot()

    def _check_numbers(self) -> None:
        most = len(self.contributors)
        check_count("least_contributors", self.least_contributors, MIN_CONTRIBUTORS, most)
        check_count("threshold", self.threshold, 2, len(self.holders))
        check_coarse("scale", self.scale, 1, MAX_SCALE)
        check_coarse("largest", self.largest, 1, LARGEST_TOTAL)
        check_count("echoes", self.echoes, 0, len(self.holders))

    def _check_blocks(self) -> None:
        if len(self.norm_blocks) > MAX_BLOCKS or len(self.norm_blocks) != len(self.norm_bounds):
            refuse("LIST_INVALID", "norm_bounds", f"is not one for each of {MAX_BLOCKS} blocks")
        for block in self.norm_blocks:
            check_count("norm_blocks", block, 1, self.label_count)
        if sum(self.norm_blocks) > self.label_count:
            refuse("LIST_INVALID", "norm_blocks", "is longer than a vector")
        for bound in self.norm_bounds:
            check_coarse("norm_bounds", bound, 1, PRIME - 1)

    def _check_one_hot(self) -> None:
        check_count("one_hot", self.one_hot, 0, MAX_ONE_HOT - 1)
        if self.one_hot:
            check_count("label_count", self.label_count, self.one_hot + 1, MAX_ONE_HOT)
            if self.norm_blocks:
                refuse("LIST_INVALID", "norm_blocks", "is known where a vector holds a single 1")


@dataclass(frozen=True, slots=True)
class SumShares:
    """A contributor's vector, shared.

    Attributes:
        sealed_shares: One for each holder, in their order.
        signature: Ed25519 over all of them, 64 bytes, whoever passes them on.
    """

    sum_id: bytes
    sealed_shares: tuple[bytes, ...]
    signature: bytes

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        if not 2 <= len(self.sealed_shares) <= MAX_HOLDERS:
            refuse("LIST_INVALID", "sealed_shares", "is not one for each holder")
        for sealed in self.sealed_shares:
            check_sealed("sealed_shares", sealed, MEMBER_OVERHEAD_BYTES, MAX_SEALED_BYTES)
        check_opaque("signature", self.signature, SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class SumCheck:
    """What a holder found in the shares it opened.

    Attributes:
        contributors: Whose shares opened.
        shares_digests: Of their shares, 32 bytes each, packed.
        combinations: Of the shares with their masks; as many words for each, packed.
        refused: Whose shares did not open or held no vector.
        refused_digests: Of those shares, 32 bytes each, packed.
    """

    sum_id: bytes
    contributors: tuple[MemberId, ...]
    shares_digests: bytes
    combinations: bytes
    refused: tuple[MemberId, ...] = ()
    refused_digests: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        accepted, refused = len(self.contributors), len(self.refused)
        check_members("contributors", self.contributors, least=0)
        check_members("refused", self.refused, least=0)
        check_packed("shares_digests", self.shares_digests, DIGEST_BYTES, accepted, accepted)
        check_packed("refused_digests", self.refused_digests, DIGEST_BYTES, refused, refused)
        check_elements("combinations", self.combinations, 0, MAX_COMBINATIONS)
        if len(self.combinations) % (ELEMENT_BYTES * max(accepted, 1)):
            refuse("LENGTH_INVALID", "combinations", "is not as long for every contributor")


@dataclass(frozen=True, slots=True)
class SumClose:
    """Names whose vectors are added up: one for a sum, ever.

    Attributes:
        shares_digests: Which shares of each contributor, 32 bytes each, packed.
    """

    sum_id: bytes
    contributors: tuple[MemberId, ...]
    shares_digests: bytes

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_members("contributors", self.contributors, least=1)
        count = len(self.contributors)
        check_packed("shares_digests", self.shares_digests, DIGEST_BYTES, count, count)


@dataclass(frozen=True, slots=True)
class SumEcho:
    """A holder repeats the close that it saw, and will answer no other."""

    sum_id: bytes
    close_digest: bytes

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_opaque("close_digest", self.close_digest, DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class SumPartial:
    """A holder's share of the total.

    Attributes:
        vector: Field elements of eight bytes, little-endian, packed.
        signature: Ed25519 over the close and the vector's digest, 64 bytes.
    """

    sum_id: bytes
    close_digest: bytes
    vector: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_opaque("close_digest", self.close_digest, DIGEST_BYTES)
        check_opaque("signature", self.signature, SIGNATURE_BYTES)
        check_elements("vector", self.vector, 1, MAX_LABELS)


@dataclass(frozen=True, slots=True)
class SumLabels:
    """Says what the entries of a sum's vectors are, where the parties do not know it otherwise.

    Attributes:
        source: Which numbers of a contributor's, a code.
        subject: What they are about, 32 bytes, for example a plan's digest; or empty.
        labels: One for each entry, 16 bytes each, packed: tokens, or hashes of what the source
            counts.
    """

    sum_id: bytes
    source: str
    labels: bytes
    subject: bytes = b""

    def __post_init__(self) -> None:
        check_opaque("sum_id", self.sum_id, IDENTIFIER_BYTES)
        check_reason(self.source, "source")
        check_packed("labels", self.labels, IDENTIFIER_BYTES, 1, MAX_LABELS)
        if self.subject:
            check_opaque("subject", self.subject, DIGEST_BYTES)


SumBody = SumOpen | SumShares | SumCheck | SumClose | SumEcho | SumPartial | SumLabels
