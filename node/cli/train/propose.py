"""``tocsin train plan``: propose a plan."""

from __future__ import annotations

from pathlib import Path

import click

from federation.statements.codec import fill_message
from node.cli.connection import InsideDoor
from node.cli.digits import SHOWN_DIGITS
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say
from node.cli.plan_file import read_plan_file
from node.cli.train.writing import say_leaving
from node.home import Home
from node.training.leaving import describe_leaving
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2


@click.command(
    epilog="""\b
The file is TOML; what is left out has a good default:

\b
  task = "carrier_subscribers"    # or bank_customers, internet_pages, table
  schema = "subscribers.schema"   # a file beside this one, or 64 hexadecimal digits
  label = { definition = "confirmed", maturity_days = 30 }
  data_use = { purpose = "score_own_subjects", legal_basis = "atnfl_32" }
  expiry_time = 2027-01-31T00:00:00Z
  rounds = 20
  protection = "secret"           # or robust
  minimum_members = 3
  privacy = { epsilon = 8.0, delta = 1e-5 }

\b
EXAMPLES
  tocsin train plan carrier.toml
  tocsin train plan carrier.toml --approve
  tocsin train plan carrier.toml --dry-run
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--approve", is_flag=True, help="Approve it in your own name, too.")
@click.option("--dry-run", is_flag=True, help="Show digest and what leaves; propose nothing.")
@json_option
@pass_home
def plan(home: Home, file: Path, approve: bool, dry_run: bool, as_json: bool) -> None:
    """Propose a plan to all members."""
    body = read_plan_file(file)
    digest = body.digest()
    if not dry_run:
        message = fill_message(training_pb2.TrainingPlan(), body)
        with InsideDoor(home) as door:
            request = wire.ProposePlanRequest(plan=message, approve=approve)
            door.call(door.train.ProposePlan, request)
    leaving = describe_leaving(body)
    if as_json:
        proposed = not dry_run
        json_object({"plan_digest": digest.hex(), "proposed": proposed, "leaving": leaving})
        return
    data(digest.hex())
    say_leaving(leaving)
    if dry_run:
        say("Not proposed.")
    else:
        say(f"Proposed. Next, at each member: tocsin train approve {digest.hex()[:SHOWN_DIGITS]}")
