"""``tocsin iot``: inspect own IoT cards, tell of misused ones, add the counts up with carriers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from federation.iot import (
    PROFILE_COLUMNS,
    USE_COLUMNS,
    Inspection,
    IotError,
    Misused,
    read_profile,
    read_use,
)
from federation.vocabulary import FraudType, SubjectRole
from node.cli.batch import Entry, answer_in_order
from node.cli.connection import LONG_CALL_SECONDS, InsideDoor
from node.cli.document import describe
from node.cli.import_report import Tally
from node.cli.option import json_option, pass_home, strict_option
from node.cli.output import data, json_object, say, table
from node.cli.table_file import BadRow, Layout, Row, read_rows
from node.errors import EXIT_FAILED
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2
from tocsin.desk.v1 import iot_service_pb2 as wire

_COUNTS: Final = ("checked", "abnormal", "suspended", "restored")


@dataclass(slots=True)
class _Looked:
    """What the files come to.

    Attributes:
        lines: Of the first use of each misused card that is wrong.
        bad: Rows that were left out.
    """

    inspection: Inspection = field(default_factory=Inspection)
    lines: dict[str, int] = field(default_factory=dict)
    bad: int = 0


@click.group(
    epilog="""\b
EXAMPLES
  tocsin iot check --profiles cards.csv --events uses.csv.gz
  tocsin iot sheet
  tocsin iot sheet --all --month 2026-01
"""
)
def iot_command() -> None:
    """Inspect own IoT cards, tell of misused ones, and add the counts up with all carriers."""


@iot_command.command(
    epilog="""\b
Cards and uses are compared on this machine. A card that was misused is nominated, as a token; what
its profile says, where it was and what it called never leaves. The counts stay in this node as
this month's inspection, which private sums add up: tocsin iot sheet --all.

\b
FILES
  Profiles: CSV with the columns sim and level, perhaps functions, imei, areas, status. A sim is
  namespace:id, such as carrier-a:898600...; level 1 to 3; functions data, sms and voice, separated
  by |, else data; imei of the only device, areas the beginnings of area codes separated by |, both
  empty for any; status active, suspended or restored. Cards are held in memory, about half a
  gigabyte a million.
  Events: CSV with the columns sim, function and perhaps imei, area; read as a stream, in any order.
  Either may be compressed (.gz).

\b
EXAMPLES
  tocsin iot check --profiles cards.csv --events uses.csv
  tocsin iot check --profiles cards.csv.gz --events uses.csv.gz --dry-run --json
"""
)
@click.option(
    "--profiles",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="What each card was approved for.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="How cards were used.",
)
@click.option("--dry-run", is_flag=True, help="Compare, and neither tell nor keep anything.")
@strict_option
@json_option
@pass_home
def check(
    home: Home, profiles: Path, events: Path, dry_run: bool, strict: bool, as_json: bool
) -> int:
    """Find cards that were used for what they were not approved for (carriers)."""
    looked = _look(profiles, events)
    tally = Tally()
    if not dry_run:
        with InsideDoor(home) as door:
            _tell(door, looked, tally)
            _keep(door, looked.inspection)
    bad = looked.bad + tally.refused
    _write(looked.inspection, tally, bad, as_json=as_json)
    return EXIT_FAILED if strict and bad else 0


@iot_command.command(
    epilog="""\b
Without --all: own inspections. With it, one private sum over the month's inspections of all
carriers, at least three: nobody learns another's counts.

\b
EXAMPLES
  tocsin iot sheet
  tocsin iot sheet --all --month 2026-01 --json
"""
)
@click.option("--all", "of_all", is_flag=True, help="Add up with all carriers.")
@click.option("--month", default="", metavar="YYYY-MM", help="With --all; default: this month.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 240),
    default=60,
    show_default=True,
    help="With --all: how long carriers have.",
)
@json_option
@pass_home
def sheet(home: Home, of_all: bool, month: str, seconds: int, as_json: bool) -> None:
    """Show inspections: cards checked, abnormal, suspended and restored."""
    with InsideDoor(home) as door:
        if of_all:
            request = wire.AddUpInspectionsRequest(month=month, seconds=seconds)
            found = describe(door.call(door.iot.AddUpInspections, request, LONG_CALL_SECONDS))
            rows = [found]
        else:
            answer = door.call(door.iot.ListInspections, wire.ListInspectionsRequest())
            rows = [describe(one) for one in answer.inspections]
    if as_json:
        for row in rows:
            json_object(row)
    elif rows:
        table(("month", *_COUNTS), [_line(row) for row in rows])
        if of_all:
            say(f"{rows[0]['contributors']} carriers together; nobody's part is known")
    else:
        say("There was no inspection. Next: tocsin iot check --profiles FILE --events FILE")


def _look(profiles: Path, events: Path) -> _Looked:
    looked = _Looked()
    inspection, lines = looked.inspection, looked.lines

    def take_profile(_line: int, cells: Mapping[str, str]) -> None:
        inspection.add_profile(read_profile(cells))

    def take_use(line: int, cells: Mapping[str, str]) -> None:
        use = read_use(cells)
        if inspection.add_use(use):
            lines.setdefault(use.sim, line)

    _read(looked, profiles, PROFILE_COLUMNS, take_profile)
    _read(looked, events, USE_COLUMNS, take_use)
    return looked


def _read(
    looked: _Looked,
    file: Path,
    columns: tuple[str, ...],
    take: Callable[[int, Mapping[str, str]], None],
) -> None:
    """Take the rows of a file one by one; say of bad ones why."""
    layout = Layout(required=columns[:2], columns=columns)
    for row in read_rows(file, layout):
        if isinstance(row, BadRow):
            looked.bad += 1
            say(f"{file.name} line {row.line}: {row.reason} {row.message}")
            continue
        try:
            take(row.line, row.cells)
        except IotError as error:
            looked.bad += 1
            say(f"{file.name} line {row.line}: {error.reason} {error}")


def _tell(door: InsideDoor, looked: _Looked, tally: Tally) -> None:
    """Nominate every misused card, once."""

    def send(items: Sequence[desk_service_pb2.NominationRow]) -> Any:
        return door.start(door.desk.Nominate, desk_service_pb2.NominateRequest(rows=items))

    for answer in answer_in_order(_entries(looked), send):
        tally.take(answer)


def _entries(looked: _Looked) -> Iterator[Entry]:
    for one in looked.inspection.misused():
        claim = one.claim
        item = desk_service_pb2.NominationRow(
            indicator=desk_service_pb2.RawIndicator(kind="iot_sim", value=one.sim),
            fraud_type=FraudType.BLACK_INDUSTRY.value,  # type: ignore[arg-type]  # the mirrored number
            stage=claim.stage.value,  # type: ignore[arg-type]  # the mirrored number
            subject_role=SubjectRole.OFFENDER_RESOURCE.value,  # type: ignore[arg-type]  # the mirrored number
            confidence=claim.confidence,
            details=f"IoT card: {', '.join(one.violations)}",
        )
        yield Entry(Row(looked.lines[one.sim], {}), item)


def _keep(door: InsideDoor, inspection: Inspection) -> None:
    counts = inspection.sheet()
    if counts.checked:
        sheet = wire.InspectionSheet(**counts._asdict())
        door.call(door.iot.KeepInspection, wire.KeepInspectionRequest(sheet=sheet))


def _write(inspection: Inspection, tally: Tally, bad: int, *, as_json: bool) -> None:
    counts = inspection.sheet()._asdict()
    nominated = {"nominated": tally.added, "unchanged": tally.unchanged, "refused": bad}
    if as_json:
        cards = [_card(one) for one in inspection.abnormal()]
        json_object({**counts, **nominated, "cards": cards})
        return
    for one in inspection.abnormal():
        data(f"{one.sim}  {', '.join(one.violations)}")
    say(", ".join(f"{name} {count}" for name, count in (counts | nominated).items()))
    say("Next: tocsin dispose order iot_sim SIM --measure t_iot_suspend; tocsin iot sheet --all")


def _card(one: Misused) -> dict[str, Any]:
    return {"sim": one.sim, "violations": list(one.violations), "uses": one.uses}


def _line(row: Mapping[str, Any]) -> tuple[object, ...]:
    return (row["month"], *(row["sheet"][name] for name in _COUNTS))
