"""``tocsin explain``: why is the verdict on this value what it is?"""

from __future__ import annotations

from typing import Any

import click

from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, table
from node.home import Home
from tocsin.desk.v1 import desk_service_pb2 as wire

EPILOG = """\b
EXAMPLES
  tocsin explain domain example.com
  tocsin explain phone 13000000000 --region CN --json
"""


@click.command(epilog=EPILOG)
@click.argument("kind")
@click.argument("value")
@click.option("--region", default="", metavar="CC", help="Country of a national telephone number.")
@json_option
@pass_home
def explain_command(home: Home, kind: str, value: str, region: str, as_json: bool) -> None:
    """Explain the verdict on one value, term by term."""
    asked = wire.RawIndicator(kind=kind, value=value, region=region)
    with InsideDoor(home) as door:
        answer = door.call(door.desk.Explain, wire.ExplainRequest(value=asked))
    document = describe(answer)
    if as_json:
        json_object(document)
        return
    _write(document["explanation"] or {}, document["details"])
    data(f"state: {document['indicator_state'] or 'UNKNOWN'}")
    for found in document["found_out"]:
        _write_finding(found)
    for term in document["models"]:
        _write_model(term)


def _write(explanation: dict[str, Any], details: list[dict[str, str]]) -> None:
    verdict = explanation.get("verdict") or {}
    codes = ", ".join(verdict.get("display_codes", [])) or "none"
    data(f"band {verdict.get('band') or 'NONE'}, score {explanation.get('score', 0):.3f}")
    data(f"codes: {codes}; rules: {explanation.get('rules', '')}")
    rows = [
        (
            term["member"],
            term["body"],
            f"{term['reliability']:.2f}",
            f"{term['confidence']:.2f}",
            f"{term['decay']:.3f}",
            f"{term['weight']:.3f}",
            term["excluded"] or "-",
        )
        for term in explanation.get("terms", [])
    ]
    if rows:
        header = ("member", "said", "reliability", "confidence", "decay", "weight", "excluded")
        table(header, rows)
    for opened in details:
        data(f"{opened['member']} wrote: {opened['text']}")


def _write_finding(found: dict[str, Any]) -> None:
    """Write what a round or a lifted measure came to, with its tally."""
    data(
        f"{found['state']} {found['time']}, matter {found['matter_id']} of {found['opener']}:"
        f" {found['suspect']} suspect, {found['benign']} benign, {found['no_record']} no record,"
        f" {found['declined']} declined"
    )


def _write_model(term: dict[str, Any]) -> None:
    """Write which model a nomination comes from, and what the own node knows of why."""
    data(f"{term['member']} nominated on a score of the model {term['model_digest']}")
    if term["plan_digest"]:
        reasons = ", ".join(term["reasons"]) or "none"
        data(
            f"  scored {term['score']:.6f} (threshold {term['threshold']:.6f})"
            f" {term['scored_time']}; reasons: {reasons}"
        )
