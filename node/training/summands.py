"""Keep the vectors that this member's training processes gave for private sums, in memory alone.

They never leave the node but in shares. One vector stands under each name of labels: the newest.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.int64]

MAX_SUMMANDS: Final = 8
"""Vectors at once: two for each of the runs that a member works for at a time."""
WIRE: Final = np.dtype("<i8")


class Summands:
    """The vectors that wait for their sums; used from any thread."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[tuple[bytes, bytes], Vector] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, plan: bytes, labels: bytes, vector: Vector) -> None:
        """Keep a vector in place of an older one; the oldest of too many goes.

        Args:
            plan: Digest of the plan.
            labels: What the opening of its sum names the labels by.
            vector: Whole numbers.
        """
        with self._lock:
            self._vectors.pop((plan, labels), None)
            self._vectors[plan, labels] = vector
            while len(self._vectors) > MAX_SUMMANDS:
                self._vectors.popitem(last=False)

    def find(self, plan: bytes, labels: bytes) -> Vector | None:
        """Return a copy of a vector; None where there is none."""
        with self._lock:
            found = self._vectors.get((plan, labels))
            return None if found is None else found.copy()

    def drop(self, plan: bytes) -> None:
        """Forget the vectors of a run that is over."""
        with self._lock:
            for key in [key for key in self._vectors if key[0] == plan]:
                self._vectors.pop(key).fill(0)
