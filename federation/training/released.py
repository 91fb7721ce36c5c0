"""A trained model as one value and one file: all that is needed to score a table."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.errors import FederationError
from federation.training.error import TableError
from federation.training.network import model_digest
from federation.training.plan import TrainingPlan
from federation.training.schema import FeatureSchema
from federation.training.scorer import build_scorer
from federation.training.table import Rows, Table, check_table

Floats = npt.NDArray[np.float32]

FORMAT: Final = b"tocsin released model 2\n"
PARTS: Final = (
    "format",
    "plan",
    "schema",
    "scaling",
    "model",
    "threshold",
    "action_threshold",
)
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a file: sixteen million parameters, sixteen times the largest vector of a sum."""
NO_ACTION: Final = 1.0
"""An action threshold that no score reaches: nobody measured one."""


@dataclass(frozen=True)
class ReleasedModel:
    """What a run gave, with the plan it obeyed.

    Attributes:
        plan: The plan.
        schema: Of the tables it scores.
        scaling: Encoded Scaling.
        vector: All parameters.
        threshold: Probability from which a row is an alarm.
        action_threshold: Probability from which the members' blind scores held at most one false
            alarm in 10,000 (DOMAIN §8.3); NO_ACTION where that was not measured.
    """

    plan: TrainingPlan
    schema: FeatureSchema
    scaling: bytes
    vector: Floats
    threshold: float
    action_threshold: float = NO_ACTION

    def digest(self) -> bytes:
        """Give the identity of what turns a row into a score: parameters and scaling."""
        return model_digest(self.vector, self.scaling)

    def score(self, table: Table) -> Floats:
        """Give each row's probability to be positive.

        Raises:
            TableError: The table does not fit the schema; labels are not needed.
        """
        return self.score_rows(check_table(table, self.schema, labelled=False))

    def score_rows(self, rows: Rows) -> Floats:
        """Give the same for rows that were checked."""
        return build_scorer(self).score(rows)

    def encode(self) -> bytes:
        """Write the model as one file; nothing in it can be executed, or is compressed."""
        parts = (
            FORMAT,
            self.plan.encode(),
            self.schema.encode(),
            self.scaling,
            self.vector.astype("<f4").tobytes(),
            repr(self.threshold).encode(),
            repr(self.action_threshold).encode(),
        )
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, part in zip(PARTS, parts, strict=True):
                archive.writestr(zipfile.ZipInfo(name), part)  # its time is always the same
        return buffer.getvalue()

    @classmethod
    def parse(cls, data: bytes) -> "ReleasedModel":
        """Read a model.

        Raises:
            TableError: MODEL_MALFORMED.
        """
        try:
            found = _read_parts(data)
            model = cls(
                TrainingPlan.parse(found["plan"]),
                FeatureSchema.parse(found["schema"]),
                found["scaling"],
                np.frombuffer(found["model"], "<f4").astype(np.float32),
                _read_threshold(found["threshold"]),
                _read_threshold(found["action_threshold"]),
            )
            build_scorer(model)
            _check_spelling(model, data)
        except (ValueError, FederationError, zipfile.BadZipFile, NotImplementedError) as error:
            raise TableError("the file is no released model", reason="MODEL_MALFORMED") from error
        return model

    def save(self, path: Path) -> None:
        """Write the model into a file."""
        path.write_bytes(self.encode())

    @classmethod
    def load(cls, path: Path) -> "ReleasedModel":
        """Read a model from a file.

        Raises:
            TableError: MODEL_MALFORMED.
        """
        try:
            return cls.parse(path.read_bytes())
        except OSError as error:
            raise TableError("the file cannot be read", reason="MODEL_MALFORMED") from error


def _read_parts(data: bytes) -> dict[str, bytes]:
    """Return what the archive holds; uncompressed, so that it is no longer than the file."""
    if len(data) > MAX_BYTES:
        raise ValueError("longer than a model may be")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if tuple(entry.filename for entry in entries) != PARTS:
            raise ValueError("other parts")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("a part is compressed")
        found = {entry.filename: archive.read(entry) for entry in entries}
    if found["format"] != FORMAT:
        raise ValueError("another format")
    return found


def _check_spelling(model: ReleasedModel, data: bytes) -> None:
    if model.encode() != data:
        raise ValueError("another spelling of the model")


def _read_threshold(data: bytes) -> float:
    number = float(data)
    if not 0 <= number <= 1:
        raise ValueError("a threshold is no probability")
    return number
