"""Remember why a model's score led to a nomination, by token: for explanations, on this node alone.

Source: DOMAIN R65: whoever is concerned by a decision must be told the reasons and the model's
version, also 90 days later. What is here stays for as long as the member's own values do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from node.store.private import PrivateStore

_KEY: Final = "scored/"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a nomination rests on.

    Attributes:
        plan_digest: Of the model's plan, 64 hexadecimal digits.
        score: Of the row, 0 to 1.
        threshold: From which rows were nominated.
        scored_time: Seconds since 1970.
        reasons: The columns that raised the score most, such as "calls HIGH".
    """

    plan_digest: str
    score: float
    threshold: float
    scored_time: int
    reasons: tuple[str, ...]


class Grounds:
    """The grounds of this member's nominations; every method blocks."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private

    def keep(self, model_digest: bytes, found: Iterable[tuple[bytes, Ground]]) -> None:
        """Remember grounds by token, in place of earlier ones of the same model."""
        self._private.put_all(
            (_key(token, model_digest), json.dumps(asdict(ground), ensure_ascii=False).encode())
            for token, ground in found
        )

    def read(self, token: bytes, model_digest: bytes) -> Ground | None:
        """Return what a nomination by a model rests on; None where this node does not know."""
        data = self._private.get(_key(token, model_digest))
        if data is None:
            return None
        found = json.loads(data)
        return Ground(**{**found, "reasons": tuple(found["reasons"])})


def _key(token: bytes, model_digest: bytes) -> str:
    return f"{_KEY}{token.hex()}/{model_digest.hex()}"
