"""``tocsin report sheet`` and ``tocsin report figures``: what the members achieve together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from node.cli.batch import answer_in_order, prepare
from node.cli.connection import LONG_CALL_SECONDS, InsideDoor
from node.cli.import_report import Tally
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import json_object, say, table
from node.cli.sheet_document import Line, read_lines, write_csv, write_page, write_value
from node.cli.table_file import BadRow, Row
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from tocsin.desk.v1 import sheet_service_pb2 as wire

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a file of figures: a row is some hundred bytes, a year has a few thousand rows."""
_COLUMNS: Final = ("code", "date", "numerator", "denominator", "seconds")


def _takes_days(command: Any) -> Any:
    """Give a command the options --from and --to, as ``first`` and ``last``."""
    last = click.option(
        "--to", "last", metavar="YYYY-MM-DD", help="Last day, in UTC; default: today."
    )
    first = click.option(
        "--from", "first", metavar="YYYY-MM-DD", help="First day, in UTC; default: 30 days ago."
    )
    return first(last(command))


@click.command(
    epilog="""\b
Every member gives its own figures into two private sums: the first counts who has a figure, the
second adds up what at least three have. What fewer have is "<3 members", to everybody. False
restrictions and the time to lift come first: they are what people suffer from.

\b
EXAMPLES
  tocsin report sheet --from 2026-01-01 --to 2026-01-31
  tocsin report sheet --csv > sheet.csv
  tocsin report sheet --html sheet.html --json
"""
)
@_takes_days
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page to this file, too; with plots where matplotlib is installed.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1, 240),
    default=60,
    show_default=True,
    help="How long members have for each of the two sums.",
)
@json_option
@pass_home
def sheet_command(
    home: Home,
    first: str | None,
    last: str | None,
    as_csv: bool,
    page: Path | None,
    seconds: int,
    as_json: bool,
) -> None:
    """Evaluate what all members achieved together in a period."""
    start, end = _days(first, last)
    request = wire.MakeSheetRequest(
        from_time=_midnight(start), to_time=_midnight(end + timedelta(1)), seconds=seconds
    )
    with InsideDoor(home) as door:
        answer = door.call(door.sheet.MakeSheet, request, LONG_CALL_SECONDS)
    lines, period = read_lines(answer.cells), f"{start} to {end}"
    if page is not None:
        page.write_text(write_page(lines, period, answer.contributors), encoding="utf-8")
    if as_json:
        json_object(_document(answer, lines, start, end))
    elif as_csv:
        click.echo(write_csv(lines), nl=False)
    else:
        say(f"{period}, {answer.contributors} members")
        _write_table(lines)


@click.group(
    "figures",
    epilog="""\b
EXAMPLES
  tocsin report figures feed figures.csv
  tocsin report figures show --from 2026-01-01
""",
)
def figures_command() -> None:
    """Keep and show this member's own figures; they leave it in private sums alone."""


@figures_command.command(
    epilog="""\b
FILES
  CSV with the columns code, date, numerator and denominator, or seconds for durations, several
  of them parted by spaces; or JSON lines with these fields where the name ends in .jsonl. The same
  code and date again replaces what was fed before. What the logs hold, the node counts by itself:
  feed only what they do not, such as C-1, I-1 and B-1 with the numerator 0 and how many customers
  there are, C-6, I-2-ACCEPT, I-2-VERIFY, B-2 and E-6.

\b
EXAMPLES
  tocsin report figures feed figures.csv
  tocsin report figures feed figures.jsonl --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@strict_option
@json_option
@pass_home
def feed(home: Home, file: Path, strict: bool, as_json: bool) -> int:
    """Feed own figures that the logs do not hold."""
    tally = Tally()
    with InsideDoor(home) as door:

        def send(items: Sequence[wire.FigureRow]) -> Any:
            return door.start(door.sheet.AddFigures, wire.AddFiguresRequest(rows=items))

        for answer in answer_in_order(prepare(_rows(file), _figure_row), send):
            tally.take(answer)
    tally.write(as_json=as_json)
    return EXIT_FAILED if strict and tally.refused else 0


@figures_command.command(
    epilog="""\b
EXAMPLES
  tocsin report figures show
  tocsin report figures show --from 2026-01-01 --to 2026-01-31 --json
"""
)
@_takes_days
@json_option
@pass_home
def show(home: Home, first: str | None, last: str | None, as_json: bool) -> None:
    """Show this member's own figures of a period."""
    start, end = _days(first, last)
    request = wire.ListFiguresRequest(
        from_time=_midnight(start), to_time=_midnight(end + timedelta(1))
    )
    with InsideDoor(home) as door:
        answer = door.call(door.sheet.ListFigures, request)
    lines = read_lines(answer.cells)
    if as_json:
        for line in lines:
            json_object(asdict(line))
    else:
        _write_table(lines)


def _write_table(lines: Sequence[Line]) -> None:
    rows = [
        (line.code, write_value(line), _cases(line), line.contributors or "-", line.title)
        for line in lines
    ]
    if rows:
        table(("code", "value", "cases", "members", "indicator"), rows)
    else:
        say("there are no figures of these days. Next: tocsin report figures feed FILE")


def _cases(line: Line) -> str:
    if line.numerator is None:
        return "-"
    return str(line.numerator) + ("" if line.denominator is None else f" of {line.denominator}")


def _document(
    answer: wire.MakeSheetResponse, lines: Sequence[Line], start: date, end: date
) -> dict[str, Any]:
    return {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "contributors": answer.contributors,
        "count_sum_id": answer.count_sum_id.hex(),
        "sum_id": answer.sum_id.hex() or None,
        "indicators": [asdict(line) for line in lines],
    }


def _days(first: str | None, last: str | None) -> tuple[date, date]:
    end = _day(last) if last else datetime.now(UTC).date()
    start = _day(first) if first else end - timedelta(29)
    return start, end


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            "this is no day", reason="TIME_INVALID", hint="write it as 2026-01-31"
        ) from error


def _midnight(day: date) -> Timestamp:
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Timestamp(seconds=int(begins.timestamp()))


def _rows(file: Path) -> Iterator[Row | BadRow]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise RequestError("the file is too long", reason="FILE_UNREADABLE")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError("the file cannot be read", reason="FILE_UNREADABLE") from error
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        lines = enumerate(text.splitlines(), 1)
        yield from (_json_row(number, line) for number, line in lines if line.strip())
        return
    try:
        yield from (
            Row(number, {name: (cells.get(name) or "").strip() for name in _COLUMNS})
            for number, cells in enumerate(csv.DictReader(io.StringIO(text), strict=True), 2)
        )
    except csv.Error as error:
        raise RequestError("the file is not CSV", reason="FILE_UNREADABLE") from error


def _json_row(number: int, line: str) -> Row | BadRow:
    try:
        found = json.loads(line)
        seconds = found.get("seconds", [])
        cells = {name: str(found.get(name, "")) for name in _COLUMNS}
        cells["seconds"] = " ".join(map(str, seconds if isinstance(seconds, list) else [seconds]))
    except (ValueError, AttributeError, RecursionError):
        return BadRow(number, "ROW_MALFORMED", f"no object with the fields {', '.join(_COLUMNS)}")
    return Row(number, cells)


def _figure_row(row: Row) -> wire.FigureRow:
    cells = row.cells
    try:
        return wire.FigureRow(
            code=cells["code"],
            counted_time=_midnight(_day(cells["date"])),
            numerator=int(cells["numerator"] or 0),
            denominator=int(cells["denominator"] or 0),
            seconds=[int(one) for one in cells["seconds"].split()],
        )
    except ValueError as error:
        raise RequestError("a cell is no whole number", reason="FIGURE_INVALID") from error
