"""``tocsin train simulate``: plan for many members on Flower's simulation engine."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.output import json_object, say
from node.cli.train.on_table import plan_for, say_prepared, write_found
from node.trial.extra import require_extra

MOST_MEMBERS = 1_000

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(
    epilog="""\b
The same training as `tocsin train table`, without nodes: members are processes of Flower's
simulation engine (Ray, extra `simulate`) on this machine, or with --address on a cluster of Ray
that runs already. For planning, with hundreds of members: whoever simulates sees all rows, and
the sums of the protection secret are made plainly. The model is the one that nodes would get.

\b
EXAMPLES
  tocsin train simulate --table a.csv --member-column branch --label fraud --test b.csv
  tocsin train simulate --table a.csv --member-column branch --label fraud --test b.csv \\
    --plan plan.toml --processes 16 --json
"""
)
@click.option("--table", "file", type=_file, required=True, help="CSV or Parquet, .gz too.")
@click.option("--member-column", required=True, metavar="NAME", help="Names each row's member.")
@click.option("--label", required=True, metavar="NAME", help="The column that is learnt.")
@click.option("--test", type=_file, required=True, help="Rows that nobody trains on.")
@click.option("--plan", "plan_file", type=_file, help="TOML as of `train plan`; all is optional.")
@click.option(
    "--protection",
    type=click.Choice(["secret", "robust"]),
    help="As the plan's.  [default: secret]",
)
@click.option("--processes", type=click.IntRange(1), help="Members at once.  [default: processors]")
@click.option("--address", default="local", show_default=True, help="Of a running Ray cluster.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def simulate(
    file: Path,
    member_column: str,
    label: str,
    test: Path,
    plan_file: Path | None,
    protection: str | None,
    processes: int | None,
    address: str,
    as_json: bool,
) -> None:
    """Train over a table on Flower's simulation engine, and measure what it gains."""
    require_extra()
    from federation.training.preparation import prepare_tables
    from federation.training.released import ReleasedModel
    from federation.training.simulation_engine import run_simulated
    from federation.training.table import read_table
    from node.trial.measure import compare
    from node.trial.report import as_document

    say(f"reading {file.name} and {test.name}")
    prepared = prepare_tables(
        read_table(file), read_table(test), member_column, label, MOST_MEMBERS
    )
    say_prepared(prepared)
    plan = plan_for(prepared, plan_file, protection, None)
    say(f"simulating {len(prepared.members)} members, {plan.rounds} rounds")
    run = run_simulated(
        plan, prepared.schema, prepared.members, processes=processes, address=address
    )
    action = run.evaluation.federated.action_threshold
    model = ReleasedModel(plan, prepared.schema, run.scaling, run.model, run.threshold, action)
    say("training each member alone, and all rows in one pot, to compare")
    compared = compare(model, prepared.members, prepared.test)
    found = as_document(model, prepared.test, compared, run.seconds)
    if as_json:
        json_object(found)
    else:
        write_found(found)
