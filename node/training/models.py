"""Find the model that rows are to be scored with, and load it once.

The model in force is what was released last for a task and schema and not retired since, so that a
release, a retirement and a roll-back count at the next batch.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from federation.matters import State, TrainingMatter, models_in_force
from federation.training.released import ReleasedModel
from federation.training.scorer import Scorer, build_scorer
from federation.vocabulary import TrainingTask
from node.errors import PolicyError, RequestError, UnavailableError
from node.training.bundle import Bundles, ModelFile, read_model
from node.training.matters import TrainingMatters

MAX_LOADED: Final = 4
"""Models in memory: the one in force, one in the shadow stage, and two more."""
LEAST_PREFIX_BYTES: Final = 4
HINT: Final = "tocsin train models"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model somebody asks for.

    Attributes:
        digest: Of its plan or of itself, or the first bytes; empty for the one in force.
        shadow: Whether a model in the shadow stage is meant.
        columns: Those of the table, to choose by; empty where that is not known.
    """

    digest: bytes = b""
    shadow: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A model that can score."""

    matter: TrainingMatter
    model: ReleasedModel
    scorer: Scorer
    in_force: bool

    def missing(self, columns: Collection[str]) -> list[str]:
        """Return the names of the model's columns that a table does not have."""
        return [one.name for one in self.model.schema.columns if one.name not in columns]


class Models:
    """The models of one node; every method blocks, and may be called from several threads."""

    def __init__(self, matters: TrainingMatters, bundles: Bundles) -> None:
        self._matters = matters
        self._bundles = bundles
        self._lock = threading.Lock()
        self._loaded: OrderedDict[bytes, tuple[ReleasedModel, Scorer]] = OrderedDict()

    def choose(self, wanted: Wanted) -> Loaded:
        """Return the model that is asked for.

        Raises:
            RequestError: MODEL_UNKNOWN, MODEL_AMBIGUOUS or MODEL_COLUMNS.
            PolicyError: MODEL_NOT_RELEASED or MODEL_NOT_IN_SHADOW.
            UnavailableError: MODEL_FILE_MISSING.
            PeerError: MODEL_FILE_WRONG.
        """
        found = self._candidates(wanted)
        if wanted.columns and len(found) > 1:
            loaded = [self._load(matter) for matter in found]
            fitting = [one for one in loaded if not one.missing(wanted.columns)]
            found = [one.matter for one in fitting] or found
        if len(found) > 1:
            raise RequestError(
                f"{len(found)} models fit", reason="MODEL_AMBIGUOUS", hint=f"{HINT}, then --model"
            )
        (matter,) = found
        model = self._load(matter)
        if wanted.columns and (missing := model.missing(wanted.columns)):
            raise RequestError(
                f"the table has no column {', '.join(repr(name) for name in missing[:20])}",
                reason="MODEL_COLUMNS",
                hint="a model wants the columns of its schema, by their names",
            )
        return model

    def in_force_beside(self, matter: TrainingMatter) -> Loaded | None:
        """Return the model in force for the same task and schema; None where there is none."""
        plan = matter.facts.plan
        current = self._in_force().get((plan.task, plan.schema_digest))
        if current is None or not self._bundles.has(current, ModelFile.MODEL):
            return None
        return self._load(current)

    def _candidates(self, wanted: Wanted) -> list[TrainingMatter]:
        if wanted.digest:
            return [self._named(wanted)]
        if wanted.shadow:
            found = [one for one in self._evaluated() if one.state is State.SHADOW]
        else:
            found = list(self._in_force().values())
        if not found:
            what = "in the shadow stage" if wanted.shadow else "in force"
            raise RequestError(f"no model is {what}", reason="MODEL_UNKNOWN", hint=HINT)
        return found

    def _named(self, wanted: Wanted) -> TrainingMatter:
        digest = wanted.digest
        if len(digest) < LEAST_PREFIX_BYTES:
            raise RequestError("the digest is too short", reason="MODEL_UNKNOWN", hint=HINT)
        found = [
            one
            for one in self._evaluated()
            if one.id.startswith(digest) or model_digest(one).startswith(digest)
        ]
        if not found:
            raise RequestError("no model has this digest", reason="MODEL_UNKNOWN", hint=HINT)
        if len(found) > 1:
            raise RequestError("several models fit", reason="MODEL_AMBIGUOUS", hint=HINT)
        (matter,) = found
        if wanted.shadow and matter.state is not State.SHADOW:
            raise PolicyError(
                f"the model is in the state {matter.state}", reason="MODEL_NOT_IN_SHADOW"
            )
        if not wanted.shadow and matter.state is not State.RELEASED:
            raise PolicyError(
                f"the model is in the state {matter.state}",
                reason="MODEL_NOT_RELEASED",
                hint="only a released model scores; --shadow tries one in the shadow stage",
            )
        return matter

    def _evaluated(self) -> list[TrainingMatter]:
        matters = (one.matter for one in self._matters.all())
        return [one for one in matters if one.facts.evaluation is not None]

    def _in_force(self) -> dict[tuple[TrainingTask, bytes], TrainingMatter]:
        return models_in_force(one.matter for one in self._matters.all())

    def _load(self, matter: TrainingMatter) -> Loaded:
        if not self._bundles.has(matter, ModelFile.MODEL):
            raise UnavailableError(
                "the model is not on this node, or is not the one that the log names",
                reason="MODEL_FILE_MISSING",
                hint=f"it comes from {matter.opener} by itself while that node can be reached",
            )
        key = matter.id + model_digest(matter)
        with self._lock:
            known = self._loaded.get(key)
            if known is None:
                model = read_model(matter, self._bundles.read(matter.id, ModelFile.MODEL))
                known = self._loaded[key] = (model, build_scorer(model))
            self._loaded.move_to_end(key)
            while len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
        in_force = (matter.id, matter.opener) in self._matters.in_force()
        return Loaded(matter, *known, in_force)


def model_digest(matter: TrainingMatter) -> bytes:
    """Return the digest of an evaluated model; empty before."""
    evaluation = matter.facts.evaluation
    return evaluation.model_digest if evaluation is not None else b""
