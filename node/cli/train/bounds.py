"""``tocsin train policy``: check training.toml."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import click

from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.home import Home
from node.training.policy import MILLION, load_policy


@click.command(
    epilog="""\b
The file is training.toml in the member's home:

\b
  [approval]                      # all of it must fit, else a person decides
  automatic = true
  coordinators = ["coord"]
  tasks = ["carrier_subscribers"]
  uses = ["score_own_subjects"]
  legal_bases = ["atnfl_32"]
  protections = ["secret"]
  codes = ["installed"]           # or digests, 64 hexadecimal digits
  epsilon = 8.0                   # most that one plan may spend
  without_privacy = false
  [budget]
  epsilon = 20.0                  # most that all plans over one data source spend
  [engines]
  flower = false                  # whether coordinators may ask for a Flower SuperNode
  [[data]]
  name = "subscribers"
  schema = "subscribers.schema"   # a file beside this one, or a digest
  row_cap = 1000000
  table = "rows.csv"              # CSV or Parquet; or instead of it:
  # database = "sqlite:rows.db"   # or postgresql://reader@db.example/lines?passfile=db.pass
  # query = "select ..."
  # subject = "number"            # whose rows: own identifiers, which stay; labels then come
  # subject_kind = "phone"        # from outcomes: tocsin train label NAME

\b
EXAMPLES
  tocsin train policy
  tocsin train policy --json
"""
)
@json_option
@pass_home
def policy(home: Home, as_json: bool) -> None:
    """Check training.toml, and show what it approves by itself."""
    found = load_policy(home.require().training)
    shown = {
        "automatic": found.automatic,
        "coordinators": sorted(found.coordinators),
        "tasks": _names(found.tasks),
        "uses": _names(found.uses),
        "legal_bases": _names(found.legal_bases),
        "protections": _names(found.protections),
        "codes": sorted(code.hex() for code in found.codes),
        "epsilon": found.epsilon_millionths / MILLION,
        "without_privacy": found.without_privacy,
        "budget": found.budget_millionths / MILLION,
        "flower": found.flower,
        "data": [
            {"name": one.name, "schema": one.schema_digest.hex(), "row_cap": one.row_cap}
            for one in found.sources
        ],
    }
    if as_json:
        json_object(shown)
        return
    for name, value in shown.items():
        data(f"{name:17}{value}")
    if not found.automatic:
        say("Every plan waits for: tocsin train approve DIGEST")


def _names(items: Iterable[IntEnum]) -> list[str]:
    return sorted(item.name.lower() for item in items)
