"""``tocsin train``: propose plans, decide about them, run them, see how they stand."""

from __future__ import annotations

import click

from node.cli.train.bounds import policy
from node.cli.train.decide import approve, refuse
from node.cli.train.drawing import plot
from node.cli.train.fresh_rows import evaluate
from node.cli.train.judgement import assess
from node.cli.train.model_card import card
from node.cli.train.models_here import list_models
from node.cli.train.on_table import on_table
from node.cli.train.outcomes import label
from node.cli.train.propose import plan
from node.cli.train.rounds import run
from node.cli.train.rows import check_data
from node.cli.train.scored_rows import score
from node.cli.train.simulated import simulate
from node.cli.train.stages import release, rollback
from node.cli.train.standing import list_plans, show, status
from node.cli.train.together import drift, fuse

# What a command imports beyond the desk's contract it imports in its
# function: `tocsin train --help` loads all of these modules.
_COMMANDS: tuple[click.Command, ...] = (
    plan,
    list_plans,
    status,
    show,
    approve,
    refuse,
    run,
    on_table,
    simulate,
    list_models,
    score,
    card,
    plot,
    evaluate,
    assess,
    release,
    rollback,
    policy,
    check_data,
    label,
    drift,
    fuse,
)


@click.group(
    epilog="""\b
EXAMPLES
  tocsin train plan carrier.toml --approve
  tocsin train list
  tocsin train approve 9f2c4b1a
  tocsin train run 9f2c4b1a --schema subscribers.schema
  tocsin train status
  tocsin train table --table a.csv --member-column bank --label fraud --test b.csv
"""
)
def train_command() -> None:
    """Train a model together: plan, approve, follow, release."""


for _command in _COMMANDS:
    train_command.add_command(_command)
