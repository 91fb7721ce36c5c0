"""Write scored rows: CSV for tables, an object a line for programs; a file appears only whole."""

from __future__ import annotations

import csv
import json
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from node.cli.output import say
from node.errors import RequestError
from node.whole_file import whole_file
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import train_service_pb2 as wire

HEADER = ("id", "score", "band", "reasons", "model")
NONE, VERIFY, STRONG = "NONE", "VERIFY", "STRONG"


@dataclass(slots=True)
class Tally:
    """What all rows came to."""

    rows: int = 0
    alarms: int = 0
    added: int = 0
    unchanged: int = 0
    refused: int = 0
    threshold: float = 0.0
    model: bytes = b""
    started: float = field(default_factory=time.monotonic)

    def nominated(self, line: int, result: desk_service_pb2.RowResult) -> None:
        """Count what became of a nomination; name a refused one by its row alone."""
        if result.outcome == desk_service_pb2.ROW_OUTCOME_ADDED:
            self.added += 1
        elif result.outcome == desk_service_pb2.ROW_OUTCOME_UNCHANGED:
            self.unchanged += 1
        else:
            self.refused += 1
            say(f"row {line}: {result.error.reason} {result.error.message}")


class ScoreWriter:
    """Writes the rows of each batch in their order."""

    def __init__(self, file: TextIO, tally: Tally, *, as_json: bool) -> None:
        self._file = file
        self._tally = tally
        self._as_json = as_json
        self._rows = csv.writer(file, lineterminator="\n")
        self._model = wire.ScoredWith()

    def begin(self, model: wire.ScoredWith) -> None:
        """Hear which model scores all of them."""
        self._model = model
        self._tally.model, self._tally.threshold = model.model_digest, model.threshold
        if not self._as_json:
            self._rows.writerow(HEADER)

    def write(self, names: list[str], first: int, response: wire.ScoreResponse) -> None:
        """Write a batch.

        Args:
            names: What each row is called.
            first: Number of the first row.
            response: The node's answer.
        """
        scores = array("f", response.scores)
        if sys.byteorder == "big":
            scores.byteswap()
        alarms = {alarm.row: alarm for alarm in response.alarms}
        self._tally.rows += len(scores)
        self._tally.alarms += len(alarms)
        for row, (name, score) in enumerate(zip(names, scores, strict=True)):
            alarm = alarms.get(row)
            self._write_row(name, score, alarm)
            if alarm is not None and alarm.HasField("nomination"):
                self._tally.nominated(first + row, alarm.nomination)

    def _write_row(self, name: str, score: float, alarm: wire.ScoreAlarm | None) -> None:
        reasons = [] if alarm is None else list(alarm.reasons)
        band, digest = self._band(score, alarm), self._model.model_digest.hex()
        if not self._as_json:
            texts = "; ".join(f"{one.column} {one.side}" for one in reasons)
            self._rows.writerow((name, f"{score:.6f}", band, texts, digest))
            return
        document = {
            "id": name,
            "score": round(score, 6),
            "band": band,
            "reasons": [
                {"column": one.column, "side": one.side, "weight": round(one.weight, 4)}
                for one in reasons
            ],
            "model": digest,
        }
        self._file.write(json.dumps(document, ensure_ascii=False) + "\n")

    def _band(self, score: float, alarm: wire.ScoreAlarm | None) -> str:
        if alarm is None:
            return NONE
        action = self._model.action_threshold
        return STRONG if action < 1 and score >= action else VERIFY


@contextmanager
def opened_output(path: Path | None) -> Iterator[TextIO]:
    """Open what is written to; a file is put in its place at the end, for its owner alone.

    Raises:
        RequestError: FILE_UNWRITABLE.
    """
    if path is None:
        yield sys.stdout
        return
    with ExitStack() as opened:
        try:
            file = opened.enter_context(whole_file(path))
        except OSError as error:
            message = f"the file cannot be written: {error.strerror}"
            raise RequestError(message, reason="FILE_UNWRITABLE", hint="check --out") from error
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()
