"""Keep what a coordinator's run needs to go on after a crash: schema, checkpoint, model."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from federation.training.schema import FeatureSchema
from node.errors import RequestError
from node.training.bundle import Bundles, ModelFile
from node.training.card_writer import RoundNote
from node.training.frames import read_frame
from node.whole_file import write_whole

_SCHEMA: Final = "schema"
_CHECKPOINT: Final = "checkpoint"
_ROUNDS: Final = "rounds"
_RUNNING: Final = "running"
_STARTS: Final = "starts"
_FLOWER: Final = "flower"


class RunFiles:
    """The files of one run, in a directory named by its plan's digest."""

    def __init__(self, root: Path, digest: bytes, bundles: Bundles) -> None:
        self.directory = root / digest.hex()
        self._digest = digest
        self._bundles = bundles

    def begin(self, schema: bytes, digest: bytes) -> None:
        """Keep the schema, if one is given, and that the run has begun.

        Raises:
            RequestError: SCHEMA_MISSING or SCHEMA_DIFFERS.
            FederationError: It is no schema.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = schema or self._read(_SCHEMA)
        if not found:
            raise RequestError(
                "the run needs the schema itself",
                reason="SCHEMA_MISSING",
                hint="tocsin train run DIGEST --schema FILE",
            )
        if FeatureSchema.parse(found).digest() != digest:
            raise RequestError("this is not the plan's schema", reason="SCHEMA_DIFFERS")
        self._write(_SCHEMA, found)
        self._write(_RUNNING, b"")

    def choose_flower(self) -> None:
        """Note that the run is on Flower's deployment engine, however often it is taken up."""
        self._write(_FLOWER, b"")

    @property
    def on_flower(self) -> bool:
        """Whether the run is on Flower's deployment engine."""
        return (self.directory / _FLOWER).exists()

    def end(self) -> None:
        """Note that the run is not to be taken up again."""
        (self.directory / _RUNNING).unlink(missing_ok=True)

    def schema(self) -> FeatureSchema:
        """Return the schema of a run that has begun."""
        return FeatureSchema.parse(self._read(_SCHEMA))

    def count_start(self) -> int:
        """Count one more start of the run, durably; return how many there were before."""
        before = int(self._read(_STARTS) or b"0")
        self._write(_STARTS, b"%d" % (before + 1))
        return before

    def checkpoint(self) -> bytes:
        """Return the last checkpoint; empty before the first."""
        return self._read(_CHECKPOINT)

    def keep_checkpoint(self, data: bytes) -> None:
        """Replace the checkpoint; durable."""
        self._write(_CHECKPOINT, data)

    def keep_model(self, data: bytes) -> Path:
        """Keep the trained model, and return its file."""
        return self._bundles.keep(self._digest, ModelFile.MODEL, data)

    def keep_card(self, data: bytes) -> None:
        """Keep the model card, beside the model."""
        self._bundles.keep(self._digest, ModelFile.CARD, data)

    def add_round(self, number: int, note: RoundNote) -> None:
        """Note what the coordinator alone knows of a round."""
        line = json.dumps({"round": number} | asdict(note))
        with (self.directory / _ROUNDS).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def rounds(self) -> dict[int, RoundNote]:
        """Return the notes, the last of each round."""
        lines = self._read(_ROUNDS).decode(errors="replace").splitlines()
        found: dict[int, RoundNote] = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a crash cut it off
                note = json.loads(line)
                number = note.pop("round")
                found[number] = RoundNote(**note)
        return found

    def _read(self, name: str) -> bytes:
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return b""

    def _write(self, name: str, data: bytes) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.directory / name, data)


def read_kept(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return a round's report and the checkpoint after it, as they were kept; empty for none.

    Raises:
        ProcessError: The file is damaged.
    """
    return read_frame(io.BytesIO(data)) if data else ({}, b"")


def unfinished(root: Path) -> Iterator[bytes]:
    """Yield the digests of the plans whose runs a crash has cut off."""
    for marker in sorted(root.glob(f"*/{_RUNNING}")):
        yield bytes.fromhex(marker.parent.name)
