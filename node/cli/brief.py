"""``tocsin brief``: tell the others about a case, without anybody in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import click

from federation.vocabulary import FraudStage, FraudType, LureClass, SupplyRole, TrafficLight
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.word import read_word
from node.errors import RequestError
from node.home import Home
from tocsin.desk.v1 import case_service_pb2 as wire
from tocsin.desk.v1 import desk_service_pb2

TEMPLATE: Final = """\
fraud_type = "investment"          # or FT01 to FT12, FT99
stages = ["contact", "payment"]
lures = ["profit"]                 # profit, threat, care
supply_roles = ["traffic"]         # material, tech, traffic, settlement
tlp = "amber_strict"               # clear, green, amber, amber_strict, red
readers = []                       # member ids; none: every member with a log
indicators = []                    # for example ["domain=evil.example"]: they become tokens

[en]
title = "What it is called"
text = "What happened, without numbers, addresses and names."
lessons = "What to learn from it."

# [zh] likewise
"""

_FIELDS: Final = frozenset(
    {"fraud_type", "stages", "lures", "supply_roles", "tlp", "readers", "indicators", "en", "zh"}
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin brief template
  tocsin brief publish case.toml
  tocsin brief list
"""
)
def brief_command() -> None:
    """Tell the others about a case, and read what they tell."""


@brief_command.command(
    epilog="""\b
EXAMPLES
  tocsin brief template
"""
)
def template() -> None:
    """Write a file to fill in."""
    data(TEMPLATE.rstrip("\n"))


@brief_command.command(
    epilog="""Numbers, addresses, accounts and names of persons are refused; what is found is named
by rule and place. The words are sealed to the readers; codes and tokens stand in the log.

\b
EXAMPLES
  tocsin brief publish case.toml
  tocsin brief publish case.toml --json
"""
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@pass_home
def publish(home: Home, file: Path, as_json: bool) -> None:
    """Publish a case brief from a file."""
    request = read_brief(file.read_bytes())
    with InsideDoor(home) as door:
        statement_id = door.call(door.case.PublishBrief, request).statement_id
    if as_json:
        json_object({"statement_id": statement_id.hex()})
    else:
        data(f"published  {statement_id.hex()}")
        say("Next: tocsin brief list")


@brief_command.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin brief list
  tocsin brief list --json
""",
)
@json_option
@pass_home
def list_briefs(home: Home, as_json: bool) -> None:
    """List case briefs with the words that this member may read, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.case.ListBriefs, wire.ListBriefsRequest())
    found = [describe(one) for one in answer.briefs]
    for one in found:
        if as_json:
            json_object(one)
        else:
            _write(one)
    if not found and not as_json:
        say("There are no briefs. Next: tocsin brief template")


def read_brief(encoded: bytes) -> wire.PublishBriefRequest:
    """Read a brief's file.

    Raises:
        RequestError: BRIEF_FILE_INVALID, or what is wrong with a word of it.
    """
    try:
        found = tomllib.loads(encoded.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad_file("it is no TOML") from error
    if not _FIELDS.issuperset(found):
        raise _bad_file("it has a field that a brief has not")
    try:
        return _request(found)
    except (TypeError, AttributeError) as error:
        raise _bad_file("a field has the wrong type") from error


def _request(found: dict[str, Any]) -> wire.PublishBriefRequest:
    request = wire.PublishBriefRequest(
        fraud_type=read_word(FraudType, found.get("fraud_type", ""), "fraud type").value,  # type: ignore[arg-type]  # the mirrored number
        tlp=read_word(TrafficLight, found.get("tlp", "amber_strict"), "traffic light").value,  # type: ignore[arg-type]  # the mirrored number
        readers=found.get("readers", []),
    )
    for text in found.get("stages", []):
        request.stages.append(read_word(FraudStage, text, "stage").value)  # type: ignore[arg-type]  # the mirrored number
    for text in found.get("lures", []):
        request.lures.append(read_word(LureClass, text, "lure").value)  # type: ignore[arg-type]  # the mirrored number
    for text in found.get("supply_roles", []):
        request.supply_roles.append(read_word(SupplyRole, text, "supply role").value)  # type: ignore[arg-type]  # the mirrored number
    for text in found.get("indicators", []):
        kind, equal, value = text.partition("=")
        if not equal:
            raise _bad_file("an indicator is KIND=VALUE")
        request.values.append(desk_service_pb2.RawIndicator(kind=kind, value=value))
    for language in ("zh", "en"):
        if words := found.get(language):
            request.texts.add(
                language=language,
                title=words.get("title", ""),
                text=words.get("text", ""),
                lessons=words.get("lessons", ""),
            )
    return request


def _bad_file(why: str) -> RequestError:
    return RequestError(
        f"the brief's file cannot be used: {why}",
        reason="BRIEF_FILE_INVALID",
        hint="tocsin brief template",
    )


def _write(one: dict[str, Any]) -> None:
    codes = [*one["stages"], *one["lures"], *one["supply_roles"]]
    data(f"brief      {one['statement_id'][:SHOWN_DIGITS]}, {one['member']}, {one['issued_time']}")
    data(f"codes      {', '.join(map(str.lower, (one['fraud_type'], *codes)))}")
    data(f"objects    {one['subject_count']}, TLP:{one['tlp'].replace('_', '+')}")
    if one["withheld"]:
        data(f"withheld   {one['withheld']}")
    for text in one["texts"]:
        data(f"{text['language']}         {_plain(text['title'])}")
        for part in ("text", "lessons"):
            if text[part]:
                data(f"           {_plain(text[part])}")
    data()


def _plain(text: str) -> str:
    """Drop what could steer a terminal: another member wrote the text."""
    return "".join(letter for letter in text if letter.isprintable())
