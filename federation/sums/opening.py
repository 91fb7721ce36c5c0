"""Open a sum, and derive from the opening what everything else in it is bound to.

A sum's id is a digest of its opening, its opener and its federation: nobody can open another one
under the same id, and shares sealed for one open in no other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.names import FederationName, MemberId
from federation.packing import pack
from federation.statements.shape import DIGEST_BYTES, IDENTIFIER_BYTES
from federation.statements.sums import SumClose, SumOpen
from federation.sums.error import SumRefusedError
from federation.sums.fixed_point import check_capacity
from federation.sums.form import Layout
from federation.sums.norms import check_norm_capacity, holders_for_norms

# Bytes of a whole number in what is digested.
_NUMBER_BYTES: Final = 8
_OPENING: Final = b"tocsin/sum/opening/1"
_LABELS: Final = b"tocsin/sum/labels/1"
_SHARES: Final = b"tocsin/sum/shares/1"
_SEALING: Final = b"tocsin/sum/share/1"
_ONE_HOT: Final = b"tocsin/sum/one-hot/1"
_CHALLENGE: Final = b"tocsin/sum/challenge/1"
_CLOSE: Final = b"tocsin/sum/close/1"
_PARTIAL: Final = b"tocsin/sum/partial/1"


@dataclass(frozen=True, slots=True)
class Sum:
    """One sum in its federation."""

    federation: FederationName
    opener: MemberId
    opening: SumOpen

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything that was opened, 32 bytes; the id is its beginning."""
        return _digest(self.federation, self.opener, self.opening)

    @property
    def layout(self) -> Layout:
        """What stands where in a share."""
        opening = self.opening
        return Layout(opening.label_count, opening.norm_blocks, bool(opening.one_hot))

    def index(self, holder: MemberId) -> int:
        """Return a holder's index, from 1.

        Raises:
            SumRefusedError: SUM_NOT_PARTY.
        """
        if holder not in self.opening.holders:
            raise SumRefusedError("this member holds no shares here", reason="SUM_NOT_PARTY")
        return self.opening.holders.index(holder) + 1

    def share_context(self, contributor: MemberId, holder: MemberId) -> bytes:
        """Return what a sealed share is bound to."""
        names = (contributor.encode(), holder.encode())
        length = self.layout.length.to_bytes(_NUMBER_BYTES)
        labels = self.opening.labels_digest
        federation, sum_id = self.federation.encode(), self.opening.sum_id
        return pack(_SEALING, federation, sum_id, *names, labels, length, self.digest)

    def shares_digest(self, contributor: MemberId, sealed_shares: Sequence[bytes]) -> bytes:
        """Return the SHA-256 that names these shares of this contributor, 32 bytes."""
        sealed = (hashlib.sha256(each).digest() for each in sealed_shares)
        content = pack(_SHARES, self.digest, contributor.encode(), *sealed)
        return hashlib.sha256(content).digest()

    def challenge(self, shares_digest: bytes) -> bytes:
        """Return the seed of the combinations: nobody knows it before the shares are sealed."""
        return hashlib.sha256(pack(_CHALLENGE, self.digest, shares_digest)).digest()

    def one_hot_challenge(self, shares_digest: bytes) -> bytes:
        """Return the seed of the places at which one-hot vectors are looked at, 32 bytes."""
        return hashlib.sha256(pack(_ONE_HOT, self.digest, shares_digest)).digest()

    def close_digest(self, close: SumClose) -> bytes:
        """Return the SHA-256 that names a close, 32 bytes."""
        names = pack(*(name.encode() for name in close.contributors))
        return hashlib.sha256(pack(_CLOSE, self.digest, names, close.shares_digests)).digest()

    def partial_message(self, holder: MemberId, close_digest: bytes, vector: bytes) -> bytes:
        """Return what a holder signs."""
        content = hashlib.sha256(vector).digest()
        return pack(_PARTIAL, self.digest, holder.encode(), close_digest, content)


def open_sum(federation: FederationName, opener: MemberId, draft: SumOpen) -> Sum:
    """Open a sum; the draft's own id is replaced.

    Raises:
        SumRefusedError: SUM_REFUSED, its numbers do not go together; VECTOR_OVERFLOW, the total
            could wrap around.
        StatementError: The derived id reads as text, once in 10^8: move the deadline by a second.
    """
    sum_id = _digest(federation, opener, draft)[:IDENTIFIER_BYTES]
    opened = Sum(federation, opener, replace(draft, sum_id=sum_id))
    check_opening(opened)
    return opened


def check_opening(opened: Sum) -> None:
    """Accept only a sum under its own id whose total fits and whose norms mean something.

    Raises:
        SumRefusedError: SUM_REFUSED or VECTOR_OVERFLOW.
    """
    opening = opened.opening
    if opened.digest[:IDENTIFIER_BYTES] != opening.sum_id:
        raise SumRefusedError("the id is not that of the opening", reason="SUM_REFUSED")
    check_capacity(len(opening.contributors), opening.largest)
    for block in opening.norm_blocks:
        check_norm_capacity(len(opening.contributors), opening.largest, block)
    is_proved = opening.norm_blocks or opening.one_hot
    if is_proved and len(opening.holders) < holders_for_norms(opening.threshold):
        raise SumRefusedError(
            "norms and proofs take twice the threshold less one holders",
            reason="SUM_REFUSED",
            hint="open the sum without them, or with more holders",
        )


def digest_labels(labels: Sequence[bytes]) -> bytes:
    """Return the SHA-256 of labels in their order, 32 bytes.

    Raises:
        SumRefusedError: SUM_REFUSED; a label stands twice.
    """
    if len(set(labels)) != len(labels):
        raise SumRefusedError("a label stands twice", reason="SUM_REFUSED")
    return hashlib.sha256(pack(_LABELS, *labels)).digest()


def split_digests(packed: bytes) -> list[bytes]:
    """Split packed digests of 32 bytes."""
    return [packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES)]


def _digest(federation: FederationName, opener: MemberId, opening: SumOpen) -> bytes:
    numbers = (
        opening.label_count,
        opening.least_contributors,
        opening.threshold,
        opening.purpose,
        opening.deadline_time,
        opening.scale,
        opening.largest,
        opening.echoes,
        *([opening.one_hot] if opening.one_hot else []),  # ids of sums without stay as they were
    )
    content = pack(
        _OPENING,
        federation.encode(),
        opener.encode(),
        opening.labels_digest,
        _pack_numbers(numbers),
        _pack_numbers(opening.norm_blocks),
        _pack_numbers(opening.norm_bounds),
        pack(*(name.encode() for name in opening.contributors)),
        pack(*(name.encode() for name in opening.holders)),
    )
    return hashlib.sha256(content).digest()


def _pack_numbers(numbers: Sequence[int]) -> bytes:
    return b"".join(number.to_bytes(_NUMBER_BYTES) for number in numbers)
