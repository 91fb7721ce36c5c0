"""Refuse sums that together would show what each alone hides.

Two totals over the same entries and two sets of contributors that differ by one member show that
member's vector. So, within a window in which vectors hardly change, labels that occurred before
occur again only in the same list and with the same contributors: contributors refuse to
contribute otherwise, and holders to answer a close. A caller whose vectors are new each time, as in
training, says so by labels that are new each time.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from federation.names import MemberId
from federation.prime_field import ELEMENT_BYTES
from federation.sums.error import SumRefusedError
from federation.sums.field import Vector

# Seconds: tallies of a bucket change by what a month brings.
REPEAT_WINDOW_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class PastSum:
    """What a member remembers of a sum it took part in.

    Attributes:
        sum_id: Which one.
        labels_digest: As in its opening.
        contributors: For a contributor those of the opening, for a holder those of the close.
        time: When it took part, seconds since 1970.
        fingerprints: Of the labels, as ``fingerprint_labels`` gives them; None: not known.
    """

    sum_id: bytes
    labels_digest: bytes
    contributors: frozenset[MemberId]
    time: int
    fingerprints: Vector | None = None


def fingerprint_labels(labels: Sequence[bytes]) -> Vector:
    """Return 64 bits of each label's SHA-256, in ascending order."""
    digests = b"".join(hashlib.sha256(label).digest()[:ELEMENT_BYTES] for label in labels)
    return np.unique(np.frombuffer(digests, dtype="<u8").astype(np.uint64))


def check_repeat(
    new: PastSum, past: Iterable[PastSum], window: int = REPEAT_WINDOW_SECONDS
) -> None:
    """Accept a sum that no past one within the window completes to somebody's vector.

    Args:
        new: The sum about to be taken part in.
        past: Everything remembered; older sums and other labels do not matter.
        window: Seconds.

    Raises:
        SumRefusedError: SUM_REPEATED; labels were summed before, in another list or with other
            contributors.
    """
    for old in past:
        if old.sum_id == new.sum_id or new.time - old.time >= window or not _overlap(old, new):
            continue
        if (old.labels_digest, old.contributors) != (new.labels_digest, new.contributors):
            raise SumRefusedError(
                "these labels were summed before with other contributors or other labels",
                reason="SUM_REPEATED",
                hint=f"the same sum can be repeated, another one after {window} seconds",
            )


def _overlap(old: PastSum, new: PastSum) -> bool:
    if old.labels_digest == new.labels_digest:
        return True
    if old.fingerprints is None or new.fingerprints is None:
        return False
    return bool(np.intersect1d(old.fingerprints, new.fingerprints, assume_unique=True).size)
