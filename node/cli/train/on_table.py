"""``tocsin train table``: try joint training on one table with a member column."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from node.cli.output import data, json_object, say, table
from node.cli.train.rounds import Progress
from node.trial.error import TrialSetupError
from node.trial.extra import require_extra

if TYPE_CHECKING:
    from federation.training.plan import TrainingPlan
    from federation.training.preparation import Prepared

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(
    "table",
    epilog="""\b
A throw-away federation of real nodes on this machine: one for each name in the member column, which
gets its own rows only, and a coordinator without any. Nothing is asked of you: numbers, dates and
texts of few kinds become features; identifiers, free text and constant columns are left out, each
by name on stderr. Empty cells are allowed. The label has two values: of 0 and 1, no and yes, false
and true the second is positive; of two numbers the larger; of two other texts the rarer one.

\b
What is measured, all of it on the test file:
  local             the plan's model trained on the member's own rows alone
  federated         the model that the members trained together
  pooled            the plan's model trained on all rows in one process, which nobody may do
  pooled_lightgbm   LightGBM on all rows, where it is installed

\b
EXAMPLES
  tocsin train table --table a.csv --member-column bank --label fraud --test b.csv
  tocsin train table --table a.parquet --member-column bank --label fraud --test b.parquet --json
  tocsin train table --table two.csv --member-column bank --label fraud --test b.csv \\
    --protection robust
""",
)
@click.option("--table", "file", type=_file, required=True, help="CSV or Parquet, .gz too.")
@click.option("--member-column", required=True, metavar="NAME", help="Names each row's member.")
@click.option("--label", required=True, metavar="NAME", help="The column that is learnt.")
@click.option("--test", type=_file, required=True, help="Rows that nobody trains on.")
@click.option("--plan", "plan_file", type=_file, help="TOML as of `train plan`; all is optional.")
@click.option(
    "--protection",
    type=click.Choice(["secret", "robust"]),
    help="secret: updates only as sums, three members or more; robust: visible.  [default: secret]",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Of the first weights.")
@click.option(
    "--members-at-most",
    type=click.IntRange(1, 60),
    default=20,
    show_default=True,
    help="More names in the member column are an error: each is a node.",
)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the homes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def on_table(
    file: Path,
    member_column: str,
    label: str,
    test: Path,
    plan_file: Path | None,
    protection: str | None,
    seed: int | None,
    members_at_most: int,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Train over a table in a throw-away federation, and measure what it gains."""
    require_extra()
    signal.signal(signal.SIGTERM, _end_in_order)
    from federation.training.preparation import prepare_tables
    from federation.training.table import read_table

    say(f"reading {file.name} and {test.name}")
    prepared = prepare_tables(
        read_table(file), read_table(test), member_column, label, members_at_most
    )
    say_prepared(prepared)
    plan = plan_for(prepared, plan_file, protection, seed)
    # Only now: torch takes seconds to load, and what does not fit is said before.
    from federation.training.released import ReleasedModel
    from node.trial.federation import Audience, train_in_sandbox
    from node.trial.measure import compare
    from node.trial.report import as_document

    progress = Progress(as_json=False, write=say)
    audience = Audience(say, progress.show)
    trained = train_in_sandbox(plan, prepared.schema, prepared.members, audience, keep)
    model = ReleasedModel.parse(trained.model)
    say("training each member alone, and all rows in one pot, to compare")
    compared = compare(model, prepared.members, prepared.test)
    found = as_document(model, prepared.test, compared, trained.seconds)
    if as_json:
        json_object(found)
    else:
        write_found(found)


def plan_for(
    prepared: Prepared, file: Path | None, protection: str | None, seed: int | None
) -> TrainingPlan:
    """Propose a plan for prepared tables, with what a file and the options change in it.

    Raises:
        TrialSetupError: TOO_FEW_MEMBERS.
    """
    from federation.training.plan import ROBUST, SECRET, TREES, PrivacyTarget
    from federation.training.proposal import TableShape, change_plan, propose_for
    from federation.training.tree_plan import as_trees
    from node.cli.plan_file import read_plan_changes

    changes = read_plan_changes(file) if file is not None else {}
    trees = changes.get("model", {}).get("name") == TREES
    usual = ROBUST if trees else SECRET
    wanted = protection or str(changes.get("protection", usual))
    shape = TableShape({name: len(rows) for name, rows in prepared.members.items()})
    _check_members(wanted, shape.members)
    privacy = PrivacyTarget(**changes.pop("privacy")) if "privacy" in changes else None
    proposed = propose_for(prepared.schema, shape, protection=wanted, privacy=privacy)
    if trees:
        proposed = as_trees(proposed, shape.members)
    if protection is not None:
        changes = {**changes, "protection": protection}
    if seed is not None:
        changes = {**changes, "model": {**changes.get("model", {}), "seed": seed}}
    plan = change_plan(proposed, prepared.schema, changes)
    if plan.minimum_members > shape.members:
        raise TrialSetupError(
            f"the plan wants {plan.minimum_members} members, the table has {shape.members}",
            reason="TOO_FEW_MEMBERS",
            hint="leave minimum_members out of the plan",
        )
    return plan


def _check_members(protection: str, members: int) -> None:
    from federation.training.proposal import has_enough_members

    if not has_enough_members(protection, members):
        raise TrialSetupError(
            f"the protection 'secret' needs three members, the table has {members}: "
            "a sum of fewer would show each its neighbour's update",
            reason="TOO_FEW_MEMBERS",
            hint="--protection robust, which shows updates to the coordinator",
        )


def say_prepared(prepared: Prepared) -> None:
    """Tell what the tables are, and what of them is left out."""
    for note in prepared.left_out:
        say(f"warning: column '{note.subject}' is left out: {note.text}")
    for note in prepared.notes:
        say(f"note: {note.subject}: {note.text}")
    counts = ", ".join(f"{name} {len(rows):,}" for name, rows in prepared.members.items())
    say(f"{prepared.rows:,} rows, {len(prepared.schema.columns)} features, members: {counts}")
    say(f"label 1 is '{prepared.positive}'")


def write_found(found: Mapping[str, Any]) -> None:
    """Write what was measured as a table."""
    from node.trial.report import HEADER, as_rows

    table(HEADER, as_rows(found))
    data(f"{found['rounds']} rounds, {found['seconds']:.0f} s, protection {found['protection']}")


def _end_in_order(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every `finally`: the nodes are processes of their own and would stay."""
    sys.exit(128 + number)
