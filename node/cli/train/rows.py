"""``tocsin train check-data``: read own rows as a run would, and say what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from node.training.policy import DataSource, load_policy


@click.command(
    "check-data",
    epilog="""\b
Nothing leaves this machine, and the node need not run. Exit code 1 if a table does not fit.

\b
EXAMPLES
  tocsin train check-data
  tocsin train check-data subscribers --json
""",
)
@click.argument("name", required=False)
@json_option
@pass_home
def check_data(home: Home, name: str | None, as_json: bool) -> int:
    """Read the tables of training.toml and check every column against its schema."""
    root = home.require().training
    sources = load_policy(root).sources
    chosen = [one for one in sources if name in (None, one.name)]
    if not chosen:
        raise RequestError(
            "training.toml describes no such data" if name else "training.toml describes no data",
            reason="DATA_UNKNOWN",
            hint="tocsin train policy --help",
        )
    reports = [_check(one, root.parent) for one in chosen]
    for report in reports:
        if as_json:
            json_object(report)
        else:
            _write(report)
    return EXIT_FAILED if any(report["problems"] for report in reports) else 0


def _check(source: DataSource, home: Path) -> dict[str, Any]:
    from federation.errors import FederationError
    from federation.training.survey import survey_rows  # loads numpy
    from federation.training.table import open_table
    from node.errors import NodeError
    from node.training.connector import locate, require_schema

    report: dict[str, Any] = {"name": source.name, "rows": 0, "positives": 0, "columns": []}
    report |= {"problems": [], "reason": "", "hint": None}
    try:
        schema, place = require_schema(source), locate(source, home)
        survey = survey_rows(open_table(place.address, place.query), schema)
    except (FederationError, NodeError) as error:
        return report | {"problems": [str(error)], "reason": error.reason, "hint": error.hint}
    reason = "TABLE_MISMATCH" if survey["problems"] else ""
    return report | survey | {"reason": reason}


def _write(report: dict[str, Any]) -> None:
    state = "does not fit" if report["problems"] else "fits"
    data(f"{report['name']}  {state}: {report['rows']} rows, {report['positives']} positive")
    if report["columns"]:
        header = ("column", "kind", "unit", "empty", "outside")
        names = ("name", "kind", "unit", "empty", "outside")
        table(header, [tuple(str(one[key]) for key in names) for one in report["columns"]])
    for problem in report["problems"]:
        say(f"  - {problem}")
    if report["problems"]:
        say(f"  [{report['reason']}] {report['hint'] or ''}".rstrip())
