"""Name the sums of a run, so that no two of them together show one member's vector.

Whoever contributes a vector to a sum contributes to no other of the same labels in other company
(``federation.sums.history``). The sums of statistics count the same rows in two ways, so they have
the same labels; each attempt of a round has its own, and its own seed, so its own vectors.
"""

import hashlib
from typing import Final

from federation.packing import pack

_TAG: Final = b"tocsin/training/sum/1"
_QUERY: Final = "query."
_ROUND: Final = "round-"
_STATISTICS: Final = "statistics"


def round_label(number: int, attempt: int) -> str:
    """Name the sum of a round's updates."""
    return f"{_ROUND}{number}-{attempt}"


def is_new_each_time(label: str) -> bool:
    """Say whether the vectors of this name are never those of another sum."""
    return label.startswith(_ROUND)


def labels_digest(plan_digest: bytes, label: str) -> bytes:
    """Give what the opening of a sum names its labels by, 32 bytes.

    Args:
        plan_digest: Of the plan.
        label: Of ``round_label``, or the type of the message that asks for the vectors.
    """
    name = _STATISTICS if label.startswith(_QUERY) else label
    return hashlib.sha256(pack(_TAG, plan_digest, name.encode())).digest()
