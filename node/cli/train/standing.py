"""``tocsin train list``, ``status`` and ``show``: how plans stand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.train.digest import PLAN_DIGEST, digest_argument
from node.cli.train.writing import write_plans, write_status
from node.errors import EXIT_FAILED, RequestError
from node.home import Home
from node.training.own_numbers import read_own_numbers
from node.training.policy import MILLION
from tocsin.desk.v1 import train_service_pb2 as wire

POLL_SECONDS: Final = 0.5


@click.command(
    "list",
    epilog="""\b
EXAMPLES
  tocsin train list
  tocsin train list --open --json
""",
)
@click.option("--open", "open_only", is_flag=True, help="Leave out what is over.")
@json_option
@pass_home
def list_plans(home: Home, open_only: bool, as_json: bool) -> None:
    """List the plans, newest first."""
    with InsideDoor(home) as door:
        answer = door.call(door.train.ListPlans, wire.ListPlansRequest(open_only=open_only))
    write_plans(answer.plans, as_json=as_json)


@click.command(
    epilog="""\b
EXAMPLES
  tocsin train status
  tocsin train status 9f2c4b1a
  tocsin train status 9f2c4b1a --until approved --wait 60
"""
)
@click.argument("digest", type=PLAN_DIGEST, required=False)
@click.option("--until", metavar="STATE", help="Wait until the plan is in this state.")
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait with --until.",
)
@json_option
@pass_home
def status(home: Home, digest: bytes | None, until: str | None, wait: int, as_json: bool) -> int:
    """Tell how the plans that are not over stand, or one plan."""
    if digest is None:
        if until:
            raise click.UsageError("--until needs the digest of a plan")
        with InsideDoor(home) as door:
            answer = door.call(door.train.ListPlans, wire.ListPlansRequest(open_only=True))
        write_plans(answer.plans, as_json=as_json)
        return 0
    found = _wait_for_state(home, digest, until.upper() if until else None, wait)
    if as_json:
        json_object(describe(found))
    else:
        write_status(found)
    return 0 if until is None or found.state == until.upper() else EXIT_FAILED


@click.command(
    epilog="""\b
EXAMPLES
  tocsin train show 9f2c4b1a
  tocsin train show 9f2c4b1a --json
"""
)
@digest_argument
@json_option
@pass_home
def show(home: Home, digest: bytes, as_json: bool) -> None:
    """Show one plan: every field, what leaves the member, and how it stands."""
    with InsideDoor(home) as door:
        answer = door.call(door.train.GetPlan, wire.GetPlanRequest(plan_digest=digest))
    found = describe(answer)
    own = read_own_numbers(home.models / answer.status.plan_digest.hex())
    if as_json:
        json_object(found | {"own": own})
        return
    write_status(answer.status)
    if found["evaluation"]:
        data()
        _write_worth(found["evaluation"]["metrics"], own)
    data()
    for name, value in found["plan"].items():
        data(f"{name:28}{value}")
    if answer.HasField("shadow"):
        data()
        _write_shadow(answer.shadow)
    data()
    for sentence in answer.leaving:
        data(f"- {sentence}")
    for one in answer.refused_statements:
        say(f"Does not count: a statement of {one.member} [{one.rule}]")


def _write_worth(metrics: list[dict[str, Any]], own: Mapping[str, Any] | None) -> None:
    """Write what the model is worth: over all members, and on own rows, which stays here."""
    said = {(one["metric"], one["candidate"]): one["millionths"] / MILLION for one in metrics}
    rows = []
    for metric in dict.fromkeys(name for name, _candidate in said):
        field = metric.lower()
        sums = [said.get((metric, candidate)) for candidate in ("FEDERATED", "LOCAL")]
        ours = [((own or {}).get(name) or {}).get(field) for name in ("federated", "local")]
        numbers = [*sums, *ours] if own else sums
        rows.append((field.replace("_", " "), *("-" if n is None else f"{n:.4f}" for n in numbers)))
    here = ("own rows", "alone") if own else ()
    table(("measured", "federated", "alone", *here), rows)
    if own:
        say(
            f"Own rows: {own['rows']:,}, of them {own['positives']:,} positive; stays on this node."
        )


def _write_shadow(counts: wire.ShadowCounts) -> None:
    """Write what the model would have done here, and how far the one in force agrees."""
    rows, compared = counts.rows, counts.rows_compared
    data(f"in shadow    {rows:,} rows, {10_000 * counts.alarms / rows:.1f} alarms of 10,000")
    if compared:
        either = counts.alarms + counts.alarms_in_force - counts.alarms_both
        agreed = compared - either + counts.alarms_both
        data(f"in force     {10_000 * counts.alarms_in_force / compared:.1f} alarms of 10,000")
        data(f"agreement    {100 * agreed / compared:.2f} % of rows, {counts.alarms_both:,} alarms")


def _wait_for_state(home: Home, digest: bytes, until: str | None, wait: int) -> wire.PlanStatus:
    end = time.monotonic() + wait
    with InsideDoor(home) as door:
        while True:
            try:
                request = wire.GetPlanRequest(plan_digest=digest)
                found = door.call(door.train.GetPlan, request).status
                if until in (None, found.state) or time.monotonic() >= end:
                    return found
            except RequestError as error:
                # With --until, a proposal that is still under way is waited for.
                unknown = error.reason == "PLAN_UNKNOWN" and until is not None
                if not unknown or time.monotonic() >= end:
                    raise
            time.sleep(POLL_SECONDS)
