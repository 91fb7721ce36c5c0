"""Write how plans stand."""

from __future__ import annotations

from typing import Any

from node.cli.digits import SHOWN_DIGITS
from node.cli.document import describe
from node.cli.output import data, json_object, say, table
from tocsin.desk.v1 import train_service_pb2 as wire


def write_plans(plans: Any, *, as_json: bool) -> None:
    """Write a table of plans."""
    if as_json:
        for one in plans:
            json_object(describe(one))
        return
    rows = [
        (
            one.plan_digest.hex()[:SHOWN_DIGITS],
            one.coordinator,
            one.state.lower(),
            (describe(one)["task"] or "").lower(),
            f"{len(one.approved)} of {one.minimum_members}",
            f"{one.round} of {one.rounds}",
            one.own_decision.lower() or one.policy_reason or "-",
        )
        for one in plans
    ]
    if rows:
        header = ("plan", "coordinator", "state", "task", "approved", "rounds", "here")
        table(header, rows)
    else:
        say("There are no plans. Next: tocsin train plan FILE")


def write_status(status: wire.PlanStatus) -> None:
    """Write how one plan stands."""
    found = describe(status)
    data(f"plan         {status.plan_digest.hex()}")
    data(f"coordinator  {status.coordinator}")
    data(f"state        {status.state}{', expired' if status.expired else ''}")
    data(f"due          {found['due_time'] or '-'}")
    data(f"approved     {', '.join(status.approved) or '-'} (needs {status.minimum_members})")
    for one in found["refused"]:
        data(f"refused      {one['member']} ({(one['reason'] or '').lower()})")
    data(f"rounds       {status.round} of {status.rounds}")
    data(f"here         {status.own_decision or status.policy_reason or '-'}")


def write_result(status: wire.PlanStatus, *, as_json: bool) -> None:
    """Write how a plan stands after a command."""
    if as_json:
        json_object(describe(status))
    else:
        write_status(status)


def say_leaving(leaving: tuple[str, ...]) -> None:
    """Tell a person what a plan lets out of the node."""
    say("What leaves each member's node:")
    for sentence in leaving:
        say(f"  - {sentence}")
