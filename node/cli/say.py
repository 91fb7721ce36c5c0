"""``tocsin sight``, ``opine``, ``retract``, ``reassign`` and ``protect``: say more about values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from federation.vocabulary import (
    OpinionBasis,
    OpinionValue,
    ProtectionGround,
    RetractionReason,
    SightingKind,
)
from node.cli.connection import InsideDoor
from node.cli.import_report import send_values
from node.cli.nominate import MAX_CONFIDENCE
from node.cli.option import json_option, pass_home, strict_option
from node.cli.take_back import takes_back
from node.cli.values import FILE_HELP, Source, takes_values
from node.cli.word import Moment, Word
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire

Request = Callable[[Sequence[wire.RawIndicator]], Message]

_NOT_SHARED = "Not shared: the values, which went to this node's own desk only."


@click.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin sight domain example.com
  tocsin sight phone +8613000000000 --as false_positive
  tocsin sight --file seen.csv --count 3
"""
)
@takes_values
@click.option(
    "--as",
    "sighting_kind",
    type=Word(SightingKind, "kind of sighting"),
    default="seen",
    show_default=True,
    help="What was found.",
)
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How often.")
@strict_option
@json_option
@pass_home
def sight_command(
    home: Home, source: Source, sighting_kind: SightingKind, count: int, strict: bool, as_json: bool
) -> int:
    """Say that values were seen again, or found false."""

    def request(values: Sequence[wire.RawIndicator]) -> Message:
        return wire.SightRequest(values=values, sighting_kind=_number(sighting_kind), count=count)

    return _say(home, source, "Sight", request, strict=strict, as_json=as_json)


@click.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin opine domain example.com --opinion disagree --basis known_benign
  tocsin opine --file examined.csv --opinion strongly_agree --basis own_records
"""
)
@takes_values
@click.option(
    "--opinion",
    type=Word(OpinionValue, "opinion"),
    required=True,
    help="How strongly.",
)
@click.option("--basis", type=Word(OpinionBasis, "basis"), required=True, help="On what ground.")
@click.option(
    "--confidence",
    type=click.IntRange(1, MAX_CONFIDENCE),
    default=80,
    show_default=True,
    help="How sure, in percent.",
)
@strict_option
@json_option
@pass_home
def opine_command(
    home: Home,
    source: Source,
    opinion: OpinionValue,
    basis: OpinionBasis,
    confidence: int,
    strict: bool,
    as_json: bool,
) -> int:
    """Agree or disagree with what is known about values."""

    def request(values: Sequence[wire.RawIndicator]) -> Message:
        return wire.OpineRequest(
            values=values,
            value=_number(opinion),
            basis=_number(basis),
            confidence=confidence,
        )

    return _say(home, source, "Opine", request, strict=strict, as_json=as_json)


@click.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin retract domain example.com
  tocsin retract --file wrong.csv --reason mistaken
"""
)
@takes_back(RetractionReason)
def retract_command(
    home: Home, source: Source, reason: RetractionReason, strict: bool, as_json: bool
) -> int:
    """Take own nominations back."""

    def request(values: Sequence[wire.RawIndicator]) -> Message:
        return wire.RetractRequest(values=values, reason=_number(reason))

    return _say(home, source, "Retract", request, strict=strict, as_json=as_json)


@click.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin reassign phone +8613000000000 --since 2026-11-01
  tocsin reassign --file recycled.csv.gz --map value=number --kind phone
"""
)
@takes_values
@click.option("--since", type=Moment(), metavar="TIME", help="Since when; default: now.")
@strict_option
@json_option
@pass_home
def reassign_command(
    home: Home, source: Source, since: int | None, strict: bool, as_json: bool
) -> int:
    """Say that numbers have a new owner (carriers)."""
    effective = None if since is None else Timestamp(seconds=since)

    def request(values: Sequence[wire.RawIndicator]) -> Message:
        return wire.ReassignRequest(values=values, effective_time=effective)

    return _say(home, source, "Reassign", request, strict=strict, as_json=as_json)


@click.command(
    epilog=f"""{FILE_HELP}
\b
EXAMPLES
  tocsin protect phone 96110 --ground emergency
  tocsin protect --file hotlines.csv --ground hotline --local
"""
)
@takes_values
@click.option("--ground", type=Word(ProtectionGround, "ground"), required=True, help="Why.")
@click.option("--local", is_flag=True, help="Guard this node's desk only; say nothing to others.")
@strict_option
@json_option
@pass_home
def protect_command(
    home: Home, source: Source, ground: ProtectionGround, local: bool, strict: bool, as_json: bool
) -> int:
    """Declare values that must never be acted on."""

    def request(values: Sequence[wire.RawIndicator]) -> Message:
        return wire.ProtectRequest(values=values, ground=_number(ground), local_only=local)

    return _say(home, source, "Protect", request, strict=strict, as_json=as_json)


def _number(word: Any) -> Any:
    return word.value  # the enumerations of the contract are mirrored number by number


def _say(
    home: Home, source: Source, method: str, request: Request, *, strict: bool, as_json: bool
) -> int:
    def start(door: InsideDoor, items: Sequence[wire.RawIndicator]) -> Any:
        return door.start(getattr(door.desk, method), request(items))

    closing = f"{_NOT_SHARED}\nNext: tocsin explain KIND VALUE"
    return send_values(home, source, start, strict=strict, as_json=as_json, closing=closing)
