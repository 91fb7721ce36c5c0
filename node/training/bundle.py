"""Keep the files of trained models, each run's under its plan's digest, and know which are right.

    <home>/training/<plan digest>/model  card.json  assessment.json

A file is right if its digest is the one that stands in the log; only then is it used, whoever
wrote it and whatever happened to the disk.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from federation.errors import FederationError
from federation.matters import State, TrainingMatter
from federation.training.released import MAX_BYTES, ReleasedModel
from federation.vocabulary import TrainingCandidate, TrainingMetric
from node.errors import PeerError
from node.whole_file import write_whole

MILLION: Final = 1_000_000

EVALUATED: Final = frozenset({State.EVALUATED, State.SHADOW, State.RELEASED})
"""States of a plan whose model may be of use."""


class ModelFile(enum.IntEnum):
    """Name a file of a model; the numbers are those of the wire."""

    MODEL = 1
    CARD = 2
    ASSESSMENT = 3

    @property
    def file_name(self) -> str:
        """Its name in the run's directory."""
        return _NAMES[self]


_NAMES: Final[Mapping[ModelFile, str]] = {
    ModelFile.MODEL: "model",
    ModelFile.CARD: "card.json",
    ModelFile.ASSESSMENT: "assessment.json",
}


class ModelFileError(PeerError):
    """A file is not the one that the log names."""

    reason = "MODEL_FILE_WRONG"
    public = "A file of a model is not the one that the log names."


class Bundles:
    """The files of all models at one node; every method blocks on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, tuple[tuple[int, int], bytes]] = {}

    def directory(self, plan: bytes) -> Path:
        """Return where the files of a run lie."""
        return self._root / plan.hex()

    def path(self, plan: bytes, file: ModelFile) -> Path:
        """Return where a file lies, or will."""
        return self.directory(plan) / file.file_name

    def read(self, plan: bytes, file: ModelFile) -> bytes:
        """Return a file as it is; empty for none."""
        try:
            return self.path(plan, file).read_bytes()
        except FileNotFoundError:
            return b""

    def keep(self, plan: bytes, file: ModelFile, data: bytes) -> Path:
        """Write a file whole or not at all, durably; returns its path."""
        self.directory(plan).mkdir(mode=0o700, parents=True, exist_ok=True)
        return write_whole(self.path(plan, file), data)

    def has(self, matter: TrainingMatter, file: ModelFile) -> bool:
        """Say whether the file that the log names is here."""
        path, wanted = self.path(matter.id, file), wanted_files(matter).get(file)
        try:
            seen = path.stat()
        except FileNotFoundError:
            return False
        mark = (seen.st_mtime_ns, seen.st_size)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = (mark, self._digest(matter, file))
            self._known[path] = known
        return wanted is not None and known[1] == wanted

    def _digest(self, matter: TrainingMatter, file: ModelFile) -> bytes:
        """Return what stands in the log if the file is right; empty for a wrong one."""
        try:
            data = self.read(matter.id, file)
            check_file(matter, file, data)
        except ModelFileError:
            return b""
        return wanted_files(matter)[file]


def wanted_files(matter: TrainingMatter) -> dict[ModelFile, bytes]:
    """Return the files of a run that the log names, with their digests."""
    facts = matter.facts
    if matter.state not in EVALUATED or facts.evaluation is None:
        return {}
    found = {ModelFile.MODEL: facts.evaluation.model_digest}
    if facts.shadow is not None:
        found[ModelFile.CARD] = facts.shadow.model_sheet_digest
        found[ModelFile.ASSESSMENT] = facts.shadow.assessment_digest
    return {file: digest for file, digest in found.items() if digest}


def check_file(matter: TrainingMatter, file: ModelFile, data: bytes) -> None:
    """Hold a file to the log.

    Raises:
        ModelFileError: It is not what the log names, or nothing is named.
    """
    wanted = wanted_files(matter).get(file)
    if wanted is None or not data or len(data) > MAX_BYTES:
        raise ModelFileError("the log names no such file, or it is empty or too long")
    if file is ModelFile.MODEL:
        _check_model(matter, data, wanted)
    elif hashlib.sha256(data).digest() != wanted:
        raise ModelFileError("the digest is another than in the log")


def read_model(matter: TrainingMatter, data: bytes) -> ReleasedModel:
    """Read the model of a run.

    Raises:
        ModelFileError: It is not what the log names.
    """
    check_file(matter, ModelFile.MODEL, data)
    return ReleasedModel.parse(data)


def _check_model(matter: TrainingMatter, data: bytes, wanted: bytes) -> None:
    """Check all that decides a score: plan, schema, scaling, parameters, thresholds."""
    try:
        model = ReleasedModel.parse(data)
    except FederationError as error:
        raise ModelFileError("the file is no model") from error
    if model.plan.digest() != matter.id or model.schema.digest() != model.plan.schema_digest:
        raise ModelFileError("the model is of another plan")
    if model.digest() != wanted:
        raise ModelFileError("the model's digest is another than in the log")
    said = _said_thresholds(matter)
    for metric, number in (
        (TrainingMetric.THRESHOLD, model.threshold),
        (TrainingMetric.ACTION_THRESHOLD, model.action_threshold),
    ):
        if round(number * MILLION) != said.get(metric, MILLION):
            raise ModelFileError("a threshold is another than in the log")


def _said_thresholds(matter: TrainingMatter) -> dict[TrainingMetric, int]:
    evaluation = matter.facts.evaluation
    return {
        one.metric: one.millionths
        for one in (evaluation.metrics if evaluation else ())
        if one.candidate is TrainingCandidate.FEDERATED
    }
