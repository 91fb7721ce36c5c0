"""Take values from the command line or from a file, the same way in every command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli.option import KindName
from node.cli.output import Progress
from node.cli.table_file import (
    KNOWN_COLUMNS,
    STANDARD_INPUT,
    BadRow,
    Layout,
    Row,
    parse_mapping,
    read_rows,
)
from tocsin.desk.v1 import desk_service_pb2 as wire

_Command = TypeVar("_Command", bound=Callable[..., Any])

FILE_HELP = """\b
FILES
  CSV with a header, UTF-8, columns kind and value (others by --map), or, where the name ends
  in .txt, one value a line with --kind. Either may be compressed (.gz); - is standard input.
  Values given as arguments can be seen by other users of this machine: use a file for those.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a command come from: one from its arguments, or a file."""

    kind: str | None
    value: str | None = field(repr=False)
    file: Path | None
    mapping: Mapping[str, str]
    default_kind: str | None
    region: str

    @property
    def is_file(self) -> bool:
        """Say whether there may be many."""
        return self.file is not None

    def mapped(self, name: str, column: str) -> Source:
        """Return this source with one more column named."""
        return replace(self, mapping={**self.mapping, name: column})

    def rows(
        self,
        defaults: Mapping[str, str] | None = None,
        required: tuple[str, ...] = (),
        progress: str | None = None,
    ) -> Iterator[Row | BadRow]:
        """Yield the rows.

        Args:
            defaults: Texts that stand in for missing or empty cells.
            required: Columns beside kind and value that a file must have.
            progress: Label of a bar; None: no bar.

        Raises:
            RequestError: As ``read_rows``.
        """
        texts = {**(defaults or {}), "region": self.region}
        if self.default_kind is not None:
            texts["kind"] = self.default_kind
        if self.file is None:
            cells = {**dict.fromkeys(KNOWN_COLUMNS, ""), **texts}
            cells |= {"kind": self.kind or "", "value": self.value or ""}
            yield Row(0, cells)
            return
        layout = Layout(self.mapping, texts, ("kind", "value", *required))
        with ExitStack() as stack:
            meter = _Meter(self.file)
            if progress is not None and meter.length:
                meter.bar = stack.enter_context(Progress(progress, meter.length, in_percent=True))
            yield from read_rows(self.file, layout, meter.move)


class _Meter:
    """Move a bar to where a file has been read."""

    def __init__(self, path: Path) -> None:
        known = str(path) != STANDARD_INPUT and path.is_file()
        self.length = path.stat().st_size if known else 0
        self.bar: Progress | None = None
        self._position = 0

    def move(self, position: int) -> None:
        if self.bar is not None:
            self.bar.advance(position - self._position)
            self._position = position


def raw_indicator(row: Row) -> wire.RawIndicator:
    """Return the value of a row as the inside door takes it."""
    cells = row.cells
    return wire.RawIndicator(kind=cells["kind"], value=cells["value"], region=cells["region"])


def takes_values(command: _Command) -> _Command:
    """Give a command the arguments KIND VALUE and the options of files, as ``source``."""

    @click.argument("kind", required=False)
    @click.argument("value", required=False)
    @click.option(
        "--file",
        "file",
        type=click.Path(path_type=Path, allow_dash=True),
        metavar="F",
        help="Take the values from a file.",
    )
    @click.option(
        "--map",
        "mapping",
        default="",
        metavar="NAME=COLUMN,...",
        help="Names of the file's columns.",
    )
    @click.option(
        "--kind",
        "default_kind",
        type=KindName(),
        metavar="KIND",
        help="Kind where a row of the file names none.",
    )
    @click.option(
        "--region",
        default="",
        metavar="CC",
        help="Country of telephone numbers in national form, for example CN.",
    )
    @functools.wraps(command)
    def gathered(
        *arguments: Any,
        kind: str | None,
        value: str | None,
        file: Path | None,
        mapping: str,
        default_kind: str | None,
        region: str,
        **rest: Any,
    ) -> Any:
        if (file is None) == (value is None):
            raise click.UsageError("give either KIND VALUE or --file FILE")
        if file is not None and kind is not None:
            raise click.UsageError("with --file there is no KIND VALUE")
        source = Source(kind, value, file, parse_mapping(mapping), default_kind, region)
        return command(*arguments, source=source, **rest)

    return gathered  # type: ignore[return-value]  # click calls it with keywords only
