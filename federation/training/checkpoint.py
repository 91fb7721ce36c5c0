"""What a run keeps after each round, and what it tells of it."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

OK: Final = "ok"
REJECTED: Final = "rejected"


@dataclass(frozen=True)
class Outcome:
    """What became of one member's part in a round: ok, late, lost, refused, failed, rejected."""

    status: str
    reason: str = ""


@dataclass(frozen=True)
class RoundReport:
    """One finished round.

    Attributes:
        number: From 1.
        outcomes: By member name.
        moved: Whether the round changed the model; False with fewer than the plan's members.
        weight: Rows behind the new model.
        loss: Mean training loss, None in a round that did not move.
        change: Euclidean length of the model's change.
    """

    number: int
    outcomes: dict[str, Outcome]
    moved: bool
    weight: int = 0
    loss: float | None = None
    change: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """All that the next round needs.

    Attributes:
        number: The last finished round.
        model: The model after it.
        scaling: Encoded Scaling of the run.
        averaged: Sum of the models of the averaged rounds so far.
        averaged_count: How many.
        moments: State of the server's optimiser, by name; empty for strategies without.
    """

    number: int
    model: Floats
    scaling: bytes
    averaged: Doubles
    averaged_count: int
    moments: dict[str, Floats] = field(default_factory=dict)
