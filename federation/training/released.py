"""A trained model as one value and one file: all that is needed to score a table."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.training.error import TableError
from federation.training.fitting import probabilities
from federation.training.models import build_model, model_digest, restore
from federation.training.plan import TrainingPlan
from federation.training.scaling import Scaling
from federation.training.schema import FeatureSchema
from federation.training.table import Rows, Table, check_table

Floats = npt.NDArray[np.float32]

FORMAT: Final = b"tocsin released model 1\n"


@dataclass(frozen=True)
class ReleasedModel:
    """What a run gave, with the plan it obeyed.

    Attributes:
        plan: The plan.
        schema: Of the tables it scores.
        scaling: Encoded Scaling.
        vector: All parameters.
        threshold: Probability from which a row is an alarm.
    """

    plan: TrainingPlan
    schema: FeatureSchema
    scaling: bytes
    vector: Floats
    threshold: float

    def digest(self) -> bytes:
        """Give the identity of the parameters."""
        return model_digest(self.vector)

    def score(self, table: Table) -> Floats:
        """Give each row's probability to be positive.

        Raises:
            TableError: The table does not fit the schema; labels are not needed.
        """
        return self.score_rows(check_table(table, self.schema, labelled=False))

    def score_rows(self, rows: Rows) -> Floats:
        """Give the same for rows that were checked."""
        scaling = Scaling.parse(self.schema, self.plan.model.bins, self.scaling)
        inputs = scaling.apply(self.schema, rows)
        return probabilities(self.plan, self.vector, inputs, scaling.prior)

    def save(self, path: Path) -> None:
        """Write the model into one file; nothing in it can be executed."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("format", FORMAT)
            archive.writestr("plan", self.plan.encode())
            archive.writestr("schema", self.schema.encode())
            archive.writestr("scaling", self.scaling)
            archive.writestr("model", self.vector.astype("<f4").tobytes())
            archive.writestr("threshold", repr(self.threshold))
        path.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "ReleasedModel":
        """Read a model.

        Raises:
            TableError: MODEL_MALFORMED.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                _check_format(archive.read("format"))
                plan = TrainingPlan.parse(archive.read("plan"))
                schema = FeatureSchema.parse(archive.read("schema"))
                scaling = archive.read("scaling")
                Scaling.parse(schema, plan.model.bins, scaling)
                vector = np.frombuffer(archive.read("model"), "<f4").astype(np.float32)
                threshold = float(archive.read("threshold"))
                restore(build_model(plan.model, schema.width(plan.model.bins)), vector)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TableError("the file is no released model", reason="MODEL_MALFORMED") from error
        return cls(plan, schema, scaling, vector, threshold)


def _check_format(header: bytes) -> None:
    if header != FORMAT:
        raise ValueError("another format")
