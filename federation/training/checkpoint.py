"""What a run keeps after each round, and what it tells of it."""

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from federation.training.error import PlanError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

OK: Final = "ok"
REJECTED: Final = "rejected"

_MOMENT: Final = "moment-"


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
        norms_opened: False where the updates were summed without anybody measuring them.
    """

    number: int
    outcomes: dict[str, Outcome]
    moved: bool
    weight: int = 0
    loss: float | None = None
    change: float = 0.0
    norms_opened: bool = True


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
        rows: Of all members together, as the statistics counted them.
    """

    number: int
    model: Floats
    scaling: bytes
    averaged: Doubles
    averaged_count: int
    moments: dict[str, Floats] = field(default_factory=dict)
    rows: int = 0

    def final_model(self) -> Floats:
        """Give the run's model if it ended here: the mean over its last rounds."""
        if not self.averaged_count:
            return self.model
        return (self.averaged / self.averaged_count).astype(np.float32)

    def encode(self) -> bytes:
        """Write all of it; nothing in it can be executed."""
        arrays: dict[str, Any] = {
            "counts": np.array([self.number, self.averaged_count, self.rows], np.int64),
            "model": self.model,
            "scaling": np.frombuffer(self.scaling, np.uint8),
            "averaged": self.averaged,
        }
        arrays |= {f"{_MOMENT}{name}": value for name, value in self.moments.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a checkpoint.

        Raises:
            PlanError: CHECKPOINT_MALFORMED.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as found:
                number, count, rows = (int(one) for one in found["counts"])
                names = [name for name in found.files if name.startswith(_MOMENT)]
                moments = {name.removeprefix(_MOMENT): found[name] for name in names}
                return cls(
                    number,
                    found["model"],
                    found["scaling"].tobytes(),
                    found["averaged"],
                    count,
                    moments,
                    rows,
                )
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise PlanError("no checkpoint", reason="CHECKPOINT_MALFORMED") from error
