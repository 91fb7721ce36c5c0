"""Count what a model in the shadow stage would have done; nothing of it leaves the node."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from node.store.private import PrivateStore

_KEY: Final = "shadow/"


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """Rows that a model in the shadow stage has scored here.

    Attributes:
        rows: All.
        alarms: At or above its threshold.
        rows_compared: Scored by the model in force as well.
        alarms_in_force: Of those, at or above the threshold of that model.
        alarms_both: At or above both.
        scored_time: When rows were scored last, seconds since 1970.
    """

    rows: int = 0
    alarms: int = 0
    rows_compared: int = 0
    alarms_in_force: int = 0
    alarms_both: int = 0
    scored_time: int = 0

    def plus(self, more: ShadowCounts) -> ShadowCounts:
        """Add the counts of further rows."""
        sums = {name: getattr(self, name) + number for name, number in asdict(more).items()}
        return replace(ShadowCounts(**sums), scored_time=max(self.scored_time, more.scored_time))


class Shadow:
    """The counts of each model; every method blocks."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private

    def read(self, plan: bytes) -> ShadowCounts | None:
        """Return the counts of a plan's model; None where it has scored nothing."""
        data = self._private.get(_KEY + plan.hex())
        return ShadowCounts(**json.loads(data)) if data is not None else None

    def add(self, plan: bytes, counts: ShadowCounts) -> None:
        """Count further rows, durably."""

        def add(data: bytes | None) -> bytes:
            known = ShadowCounts(**json.loads(data)) if data is not None else ShadowCounts()
            return json.dumps(asdict(known.plus(counts))).encode()

        self._private.change(_KEY + plan.hex(), add)
