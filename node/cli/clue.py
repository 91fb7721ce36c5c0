"""``tocsin clue``: from a find to the police, and back with what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import (
    ClueMove,
    ClueReason,
    ClueRelation,
    ClueResult,
    ClueReturn,
    FraudType,
)
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS, MatterName
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.word import Word, read_word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import case_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2
from tocsin.v1 import clues_pb2

_CLUE: Final = MatterName()
_EDGE_PARTS: Final = 3


@click.group(
    epilog="""\b
EXAMPLES
  tocsin clue create --object phone=+8613000000000 --reason mass_calling --fraud-type loan
  tocsin clue triage 9f2c4b1a
  tocsin clue hand-over 9f2c4b1a --file calls.csv
  tocsin clue open 9f2c4b1a --output evidence
  tocsin clue outcome 9f2c4b1a fraud
  tocsin clue list
"""
)
def clue_command() -> None:
    """Hand clues over to the police, and learn what came of them."""


@clue_command.command(
    epilog="""Others see tokens, codes and edges. Reports of suspicious transactions are secret by \
law: a clue that rests on one is refused.

\b
EXAMPLES
  tocsin clue create --object phone=+8613000000000 --reason mass_calling --fraud-type loan
  tocsin clue create --object phone=+8613000000000 --object domain=evil.example \\
    --edge 0,1,leads_to --reason fraud_page --reason complaint --fraud-type FT02 --source rule
"""
)
@click.option(
    "--object",
    "objects",
    multiple=True,
    required=True,
    metavar="KIND=VALUE",
    help="What it is about; several, counted from 0.",
)
@click.option(
    "--edge",
    "edges",
    multiple=True,
    metavar="I,J,RELATION",
    help="Objects I and J belong together, for example 0,1,leads_to.",
)
@click.option(
    "--reason",
    "reasons",
    type=Word(ClueReason, "reason"),
    multiple=True,
    required=True,
    help="Why it is a clue.",
)
@click.option(
    "--fraud-type", type=Word(FraudType, "fraud type"), required=True, help="Type of fraud."
)
@click.option(
    "--source",
    default="person",
    show_default=True,
    metavar="WORD",
    help="What found it: person, rule, model, match or report.",
)
@json_option
@pass_home
def create(
    home: Home,
    objects: tuple[str, ...],
    edges: tuple[str, ...],
    reasons: tuple[ClueReason, ...],
    fraud_type: FraudType,
    source: str,
    as_json: bool,
) -> None:
    """Open a clue about own finds."""
    request = wire.CreateClueRequest(
        values=[_object(text) for text in objects],
        edges=[_edge(text) for text in edges],
        source=source,
        reasons=[one.value for one in reasons],  # type: ignore[misc]  # the mirrored numbers
        fraud_type=fraud_type.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        clue = door.call(door.case.CreateClue, request).clue
    _write(clue, as_json=as_json)
    if not as_json:
        say(f"Next: tocsin clue triage {clue.clue_id.hex()[:SHOWN_DIGITS]}")


def _moving(name: str, step: ClueMove, sentence: str) -> None:
    @clue_command.command(
        name,
        help=sentence,
        epilog=f"\b\nEXAMPLES\n  tocsin clue {name} 9f2c4b1a",
    )
    @click.argument("clue_id", metavar="ID", type=_CLUE)
    @json_option
    @pass_home
    def moved(home: Home, clue_id: bytes, as_json: bool) -> None:
        _move(home, clue_id, step, ClueReturn.UNSPECIFIED, as_json=as_json)


_moving("triage", ClueMove.TRIAGED, "Say that a person has looked at a clue.")
_moving("traced", ClueMove.TRACED, "Say that a clue was followed to its source.")
_moving("accept", ClueMove.ACCEPTED, "Take a clue that was handed over (police only).")
_moving("close", ClueMove.CLOSED, "Take note of the outcome; without one no clue is closed.")


@clue_command.command(
    "return",
    epilog="""\b
EXAMPLES
  tocsin clue return 9f2c4b1a --reason evidence_missing
""",
)
@click.argument("clue_id", metavar="ID", type=_CLUE)
@click.option("--reason", type=Word(ClueReturn, "reason"), required=True, help="Why.")
@json_option
@pass_home
def give_back(home: Home, clue_id: bytes, reason: ClueReturn, as_json: bool) -> None:
    """Give a clue back to who found it (police only)."""
    _move(home, clue_id, ClueMove.RETURNED, reason, as_json=as_json)


@clue_command.command(
    "hand-over",
    epilog="""The package holds the values that this member knows by itself, the files and a
manifest with their digests. It opens with the receiver's key alone.

\b
EXAMPLES
  tocsin clue hand-over 9f2c4b1a
  tocsin clue hand-over 9f2c4b1a --to police --file calls.csv --remarks "see the second sheet"
""",
)
@click.argument("clue_id", metavar="ID", type=_CLUE)
@click.option(
    "--to",
    "receiver",
    default="",
    metavar="MEMBER",
    help="Of the police; needed where there are several.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Evidence; all together at most 256 KiB.",
)
@click.option("--remarks", default="", metavar="TEXT", help="What a person adds; sealed, too.")
@json_option
@pass_home
def hand_over(
    home: Home,
    clue_id: bytes,
    receiver: str,
    files: tuple[Path, ...],
    remarks: str,
    as_json: bool,
) -> None:
    """Hand a clue over to the police, in a package that only they can open."""
    request = wire.HandOverClueRequest(
        clue_id=clue_id,
        receiver=receiver,
        files=[wire.EvidenceFile(name=path.name, data=path.read_bytes()) for path in files],
        remarks=remarks,
    )
    with InsideDoor(home) as door:
        clue = door.call(door.case.HandOverClue, request).clue
    _write(clue, as_json=as_json)


@clue_command.command(
    "open",
    epilog="""\b
EXAMPLES
  tocsin clue open 9f2c4b1a
  tocsin clue open 9f2c4b1a --output evidence
""",
)
@click.argument("clue_id", metavar="ID", type=_CLUE)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write manifest.json and the files into this new or empty directory.",
)
@pass_home
def open_package(home: Home, clue_id: bytes, output: Path | None) -> None:
    """Open the package of a clue that was handed over to this member."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.OpenPackage, wire.OpenPackageRequest(clue_id=clue_id))
    if output is None:
        data(answer.manifest)
        return
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise RequestError("the directory is not empty", reason="OUTPUT_EXISTS")
    (output / "manifest.json").write_text(answer.manifest, encoding="utf-8")
    for one in answer.files:
        (output / "files").mkdir(mode=0o700, exist_ok=True)
        # Only a plain name gets here: whatever read the package has refused all others.
        (output / "files" / Path(one.name).name).write_bytes(one.data)
    say(f"Written: manifest.json and {len(answer.files)} files.")


@clue_command.command(
    epilog="""The outcome stands in the log: it goes back to who found the clue, and all members
learn from it.

\b
EXAMPLES
  tocsin clue outcome 9f2c4b1a fraud
  tocsin clue outcome 9f2c4b1a not_fraud --object 1
"""
)
@click.argument("clue_id", metavar="ID", type=_CLUE)
@click.argument("result", type=Word(ClueResult, "result"))
@click.option(
    "--object",
    "places",
    multiple=True,
    type=click.IntRange(0),
    metavar="I",
    help="Only about this object, counted from 0; several.",
)
@json_option
@pass_home
def outcome(
    home: Home, clue_id: bytes, result: ClueResult, places: tuple[int, ...], as_json: bool
) -> None:
    """Report what came of a clue (police only)."""
    request = wire.ReportClueOutcomeRequest(
        clue_id=clue_id,
        result=result.value,  # type: ignore[arg-type]  # the mirrored number
        places=places,
    )
    with InsideDoor(home) as door:
        clue = door.call(door.case.ReportClueOutcome, request).clue
    _write(clue, as_json=as_json)


@clue_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin clue list
  tocsin clue list --json
""",
)
@json_option
@pass_home
def list_clues(home: Home, as_json: bool) -> None:
    """List clues, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.ListClues, wire.ListCluesRequest())
    if as_json:
        for one in answer.clues:
            json_object(describe(one))
        return
    rows = [_row(one) for one in answer.clues]
    if rows:
        table(("clue", "finder", "objects", "state", "police", "due"), rows)
    else:
        say("There are no clues.")


@clue_command.command(
    epilog="""\b
EXAMPLES
  tocsin clue show 9f2c4b1a
  tocsin clue show 9f2c4b1a --json
"""
)
@click.argument("clue_id", metavar="ID", type=_CLUE)
@json_option
@pass_home
def show(home: Home, clue_id: bytes, as_json: bool) -> None:
    """Show one clue: its objects, how they belong together, and where it is."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.ListClues, wire.ListCluesRequest(clue_id=clue_id))
    _write(answer.clues[0], as_json=as_json)


def _move(home: Home, clue_id: bytes, step: ClueMove, reason: ClueReturn, *, as_json: bool) -> None:
    request = wire.MoveClueRequest(
        clue_id=clue_id,
        step=step.value,  # type: ignore[arg-type]  # the mirrored number
        reason=reason.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        clue = door.call(door.case.MoveClue, request).clue
    _write(clue, as_json=as_json)


def _write(clue: wire.ClueStatus, *, as_json: bool) -> None:
    found = describe(clue)
    if as_json:
        json_object(found)
        return
    data(f"clue      {found['clue_id']}")
    data(f"finder    {found['opener']}")
    data(f"state     {found['state']}")
    data(f"due       {found['due_time'] or '-'}{' (overdue)' if found['is_overdue'] else ''}")
    data(f"found by  {_word(found['source'])}: {', '.join(map(_word, found['reasons']))}")
    data(f"police    {found['receiver'] or '-'}")
    data()
    table(("object", "kind", "value or token", "outcome"), _objects(found))
    for edge in found["edges"]:
        data(f"{edge['first']} {_word(edge['relation'])} {edge['second']}, says {edge['member']}")


def _objects(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (place, one["kind"], one["value"] or one["token"], _word(one["result"]))
        for place, one in enumerate(found["subjects"])
    ]


def _row(clue: wire.ClueStatus) -> tuple[Any, ...]:
    found = describe(clue)
    due = (found["due_time"] or "-") + (" (overdue)" if found["is_overdue"] else "")
    return (
        found["clue_id"][:SHOWN_DIGITS],
        found["opener"],
        len(found["subjects"]),
        found["state"],
        found["receiver"] or "-",
        due,
    )


def _word(name: str | None) -> str:
    return name.lower() if name else "-"


def _object(text: str) -> desk_service_pb2.RawIndicator:
    kind, equal, value = text.partition("=")
    if not equal:
        raise RequestError("an object is KIND=VALUE", reason="OBJECT_INVALID")
    return desk_service_pb2.RawIndicator(kind=kind, value=value)


def _edge(text: str) -> clues_pb2.ClueEdge:
    parts = text.split(",")
    if len(parts) != _EDGE_PARTS or not all(one.isdecimal() for one in parts[:2]):
        raise RequestError("an edge is I,J,RELATION", reason="EDGE_INVALID")
    relation = read_word(ClueRelation, parts[2], "relation")
    return clues_pb2.ClueEdge(
        first=int(parts[0]),
        second=int(parts[1]),
        relation=relation.value,  # type: ignore[arg-type]  # the mirrored number
    )
