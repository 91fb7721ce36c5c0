"""Ask a short-lived process about own rows: counts for drift, a level for late fusion."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federation.matters import TrainingMatter
from federation.statements import TrainingPlan
from node.errors import ConfigError, UnavailableError
from node.home import Home
from node.training.bundle import Bundles, ModelFile
from node.training.connector import Place, locate, locate_for, subject_of
from node.training.consent import Consents
from node.training.frames import ProcessError, encode_frame, read_frame
from node.training.policy import DataSource
from node.training.process import bare_environment
from node.training.rows_main import CENSUS, ODDS

MODULE: Final = "node.training.rows_main"
SECONDS: Final = 300.0
"""Seconds for one question: reading ten million rows takes about as long."""


class OwnRows:
    """What may be asked about own rows, given a model; every method blocks."""

    def __init__(self, consents: Consents, bundles: Bundles, home: Home, country: str) -> None:
        self._consents = consents
        self._bundles = bundles
        self._home = home
        self._country = country

    def census(self, matter: TrainingMatter, now: int) -> NDArray[np.int64] | None:
        """Count own rows in the pieces of a model; None without rows or model.

        Raises:
            ConfigError: The rows are not described.
            UnavailableError: They cannot be read.
        """
        plan = matter.facts.plan
        source = self._consents.policy().source_for(plan)
        if source is None or not self._bundles.has(matter, ModelFile.MODEL):
            return None
        place = self._labelled_or_raw(source, plan, now)
        _, body = self._ask(matter, place, ask=CENSUS, column="")
        return np.frombuffer(body, "<i8").astype(np.int64)

    def _labelled_or_raw(self, source: DataSource, plan: TrainingPlan, now: int) -> Place:
        """Prefer rows with labels: without any, only the columns are compared."""
        try:
            return locate_for(source, self._home.root, plan, now)
        except ConfigError as error:
            if error.reason != "LABELS_MISSING":
                raise
            return locate(source, self._home.root)

    def level(self, kind: str, value: str) -> int | None:
        """Give the level of a subject by the model in force for its rows; None without either.

        Raises:
            ConfigError: The rows are not described.
            UnavailableError: They cannot be read.
        """
        for matter, source in self._scored_sources(kind):
            subject = subject_of(source)
            column = subject.column if subject else ""
            header, _ = self._ask(
                matter,
                locate(source, self._home.root),
                ask=ODDS,
                column=column,
                kind=kind,
                value=value,
                region=self._country,
            )
            if header["level"] is not None:
                return int(header["level"])
        return None

    def _scored_sources(self, kind: str) -> list[tuple[TrainingMatter, DataSource]]:
        """Return own sources about subjects of a kind, each with its model in force."""
        in_force = self._consents.matters.in_force()
        models = [
            one.matter
            for one in self._consents.matters.all()
            if (one.matter.id, one.matter.opener) in in_force
            and self._bundles.has(one.matter, ModelFile.MODEL)
        ]
        return [
            (matter, source)
            for source in self._consents.policy().sources
            for matter in models
            if matter.facts.plan.schema_digest == source.schema_digest
            and (subject := subject_of(source)) is not None
            and subject.kind == kind
        ]

    def _ask(
        self, matter: TrainingMatter, place: Place, **asked: Any
    ) -> tuple[dict[str, Any], bytes]:
        question = asked | {
            "model": str(self._bundles.path(matter.id, ModelFile.MODEL)),
            "address": place.address,
            "query": place.query,
            "network": place.needs_network,
        }
        directory = self._home.data / "training" / "rows"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _run(question, directory)


def _run(question: dict[str, Any], directory: Path) -> tuple[dict[str, Any], bytes]:
    with subprocess.Popen(  # noqa: S603  # this interpreter and an own module
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=directory,
        env=bare_environment(directory),
    ) as process:
        try:
            answer, _ = process.communicate(encode_frame(question), SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise UnavailableError("own rows took too long", reason="ROWS_UNREADABLE") from error
    return _parse(answer)


def _parse(answer: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        header, body = read_frame(io.BytesIO(answer))
    except ProcessError as error:
        raise UnavailableError("own rows cannot be read", reason="ROWS_UNREADABLE") from error
    if "refused" in header:
        raise UnavailableError("own rows cannot be read", reason=str(header["refused"]))
    return header, body
