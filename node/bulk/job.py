"""Tokenise a file of values and match it against a catalogue, part by part, in a directory.

DIRECTORY/job.json       what the job is about; another job in the same place is refused
DIRECTORY/parts/0000007  tokens of a part with their lines, sorted, and the lines refused
DIRECTORY/found/0000003  what of a range of keys is in the catalogue
DIRECTORY/matches.csv    all of it: token and line, ascending by token

Every file is written beside its place, synced and renamed: it is there whole or not at all. So a
job that was ended at any moment goes on with the parts that are missing, and one that is done
does nothing. Nothing but tokens, line numbers and counts is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from federation.key_set import KeySet
from node.bulk.engine import Engine
from node.bulk.part import PART_ROWS, Part, cut
from node.bulk.records import each_record, join_range, key_range
from node.bulk.token_file import TokenFile
from node.bulk.tokenising import Tokenised, TokenSource, tokenise_part
from node.cli.table_file import Layout, read_rows
from node.errors import ConfigError, RequestError
from node.whole_file import whole_file, write_whole

RANGE_TOKENS: Final = 1 << 22
"""Tokens of values and catalogue in a range: 160 MB in a process that joins them."""

OnProgress = Callable[[int, int], None]
"""Told rows done, and bytes of the file up to which all are, as they grow."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a job reads and where it writes.

    Attributes:
        layout: How the columns of the values are found.
        catalogue: The tokens to look for.
        directory: Where the job keeps what is done.
        part_rows: Rows of a part.
    """

    values: Path
    layout: Layout
    catalogue: TokenFile
    directory: Path
    part_rows: int = PART_ROWS


@dataclass(slots=True)
class Summary:
    """What a job came to; ``fresh_rows`` and ``cpu_seconds`` are those of this run alone."""

    rows: int = 0
    refused: int = 0
    matched: int = 0
    parts: int = 0
    fresh_rows: int = 0
    cpu_seconds: float = 0.0
    blamed: tuple[str, ...] = ()


def run_job(files: Files, source: TokenSource, engine: Engine, on_progress: OnProgress) -> Summary:
    """Do what of a job is not done yet.

    Raises:
        ConfigError: JOB_DIFFERS, another job is kept in the directory; DIRECTORY_TAKEN, other
            files are.
        RequestError: As ``read_rows``.
        UnavailableError: Holders or a process are not there; what was done is kept.
        PolicyError: The holders refuse more; what was done is kept.
    """
    # A wrong column is found out before the directory is claimed for it.
    next(read_rows(files.values, files.layout), None)
    files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _claim(files, source)
    for name in ("parts", "found"):
        (files.directory / name).mkdir(mode=0o700, exist_ok=True)
    summary = Summary()
    _tokenise(files, source, engine, _Progress(summary, on_progress))
    for path in _parts(files):
        head = _head(path)
        summary.parts += 1
        summary.rows += head["rows"]
        summary.refused += len(head["refused"])
    summary.matched = _match(files, engine, summary)
    return summary


def refused_lines(directory: Path) -> Iterator[tuple[int, str]]:
    """Yield line and reason of every row that was refused, in the order of the lines."""
    for path in sorted((directory / "parts").glob("*.json")):
        yield from _head(path)["refused"]


def _claim(files: Files, source: TokenSource) -> None:
    """Write what the job is about, or see that it is the one that is kept here."""
    about = {
        "values": _digest(files.values),
        "catalogue": _digest(files.catalogue.path),
        "federation": source.federation,
        "epoch": source.key_set.epoch,
        "keys": _digest_keys(source.key_set),
        "country": source.country,
        "part_rows": files.part_rows,
        "layout": _json(asdict(files.layout)),
    }
    path = files.directory / "job.json"
    if not path.exists():
        _require_free(files.directory)
        write_whole(path, _json(about).encode())
    elif path.read_text(encoding="utf-8") != _json(about):
        raise ConfigError(
            "the directory keeps a job about other files, other settings or another key epoch",
            reason="JOB_DIFFERS",
            hint="name an empty --output for a new job",
        )


def _digest_keys(key_set: KeySet) -> str:
    """Digest what the tokens rest on: a refresh changes the shares and not these elements."""
    elements = [key.element for _, key in sorted(key_set.keys.items())]
    return hashlib.sha256(b"".join(elements)).hexdigest()


def _require_free(directory: Path) -> None:
    """See that a new job is not strewn among other files; hidden ones are half-written."""
    if any(not path.name.startswith(".") for path in directory.iterdir()):
        raise ConfigError(
            "the directory holds files that are of no job",
            reason="DIRECTORY_TAKEN",
            hint="name an empty --output, or one that is not there yet",
        )


@dataclass(slots=True)
class _Progress:
    """Keep the sums of a run and pass them on."""

    summary: Summary
    told: OnProgress

    def add(self, done: Tokenised) -> None:
        summary = self.summary
        summary.fresh_rows += done.rows
        summary.cpu_seconds += done.cpu_seconds
        summary.blamed = tuple(sorted({*summary.blamed, *done.blamed}))
        self.told(done.rows, done.position)


def _tokenise(files: Files, source: TokenSource, engine: Engine, progress: _Progress) -> None:
    for done in engine.each(partial(tokenise_part, source), _missing(files)):
        path = _part_path(files, done.number)
        write_whole(path, done.records)
        # Written last: a part without its head is not done.
        head = {"rows": done.rows, "refused": done.refused, "position": done.position}
        write_whole(path.with_suffix(".json"), _json(head).encode())
        progress.add(done)


def _missing(files: Files) -> Iterator[Part]:
    """Read the file, and yield the parts that are not done."""
    place = [0]

    def note(position: int) -> None:
        place[0] = position

    rows = read_rows(files.values, files.layout, note)
    for part in cut(rows, lambda: place[0], files.part_rows):
        if not _part_path(files, part.number).with_suffix(".json").exists():
            yield part


def _match(files: Files, engine: Engine, summary: Summary) -> int:
    """Join what is not joined yet, and write all matches into one file; return how many."""
    ranges = 1 + (summary.rows + files.catalogue.count) // RANGE_TOKENS
    parts = [path.with_suffix("") for path in _parts(files)]
    missing = [number for number in range(ranges) if not _found_path(files, number).exists()]
    join = partial(join_number, parts, files.catalogue, ranges)
    for number, records in engine.each(join, missing):
        write_whole(_found_path(files, number), records)
    return _gather(files, ranges)


def join_number(
    parts: list[Path], catalogue: TokenFile, ranges: int, number: int
) -> tuple[int, bytes]:
    """Join the range of this number; every machine of a cluster reads the same directory."""
    low, high = key_range(number, ranges)
    return number, join_range(parts, catalogue.tokens(), low, high)


def _gather(files: Files, ranges: int) -> int:
    target, count = files.directory / "matches.csv", 0
    with whole_file(target) as file:
        file.write(b"token,line\n")
        for number in range(ranges):
            for token, line in each_record(_found_path(files, number).read_bytes()):
                file.write(f"{token.hex()},{line}\n".encode())
                count += 1
    return count


def _parts(files: Files) -> list[Path]:
    return sorted((files.directory / "parts").glob("*.json"))


def _part_path(files: Files, number: int) -> Path:
    return files.directory / "parts" / f"{number:07}"


def _found_path(files: Files, number: int) -> Path:
    return files.directory / "found" / f"{number:07}"


def _head(path: Path) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return head


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, hashlib.sha256).hexdigest()
    except OSError as error:
        raise RequestError(
            f"the file cannot be read: {error.strerror}",
            reason="FILE_UNREADABLE",
            hint="a job reads its files more than once: standard input will not do",
        ) from error


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
