"""Train over the rows of several members in a throw-away sandbox of real nodes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.statements import TrainingPlan
from federation.statements.codec import fill_message
from federation.training.plan import TrainingPlan as PlanValue
from federation.training.schema import FeatureSchema
from federation.training.table import Table
from federation.training.table_writing import write_table
from keys.keystore import Cost
from node.home import Home
from node.sandbox import Sandbox
from node.trial.error import TrialError
from node.trial.following import follow_run
from node.trial.names import COORDINATOR, member_ids
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2

APPROVAL_SECONDS: Final = 90.0
"""Seconds until every member's policy has approved, on a machine that runs twenty nodes."""
LOOK_SECONDS: Final = 0.1
PASSPHRASE_COST: Final = Cost(memory_kib=64, iterations=1, lanes=1)
"""A passphrase of 16 random bytes, in a directory that is removed, is not to be guessed anyway."""
MAX_PLACE_CHARACTERS: Final = 45
"""Characters of the place for temporary files: a socket's path below it has 107."""
SHORT_PLACE: Final = "/tmp"  # noqa: S108  # a directory of its own is made there, for this user
ROWS_NAME: Final = "rows.parquet"
SCHEMA_NAME: Final = "rows.schema"

_POLICY: Final = """\
[approval]
automatic = true
coordinators = ["{coordinator}"]
tasks = ["{task}"]
uses = ["{use}"]
legal_bases = ["{basis}"]
protections = ["{protection}"]
codes = ["installed"]
epsilon = {epsilon}
without_privacy = true
[budget]
epsilon = {epsilon}
[[data]]
name = "rows"
schema = "{schema}"
row_cap = {rows}
table = "{table}"
"""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told how a trial goes on.

    Attributes:
        step: Called with a sentence when something begins.
        round: Called with what the run's coordinator says after each round, and the members' names
            in the table by their ids.
    """

    step: Callable[[str], None] = lambda _: None
    round: Callable[[wire.RunResponse, Mapping[str, str]], None] = lambda _response, _names: None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trial gave: the file of the model as bytes, and the seconds it took in all."""

    model: bytes
    seconds: float


def train_in_sandbox(
    plan: PlanValue,
    schema: FeatureSchema,
    members: Mapping[str, Table],
    audience: Audience,
    keep: Path | None = None,
) -> Trained:
    """Found a federation, give each member its own rows, agree on the plan and run it.

    Args:
        plan: Proposed by a coordinator that has no rows; every member's policy approves it.
        schema: The plan's.
        members: Each member's own rows, by any name.
        audience: Is told.
        keep: A new or empty directory for the homes; else they are removed.

    Raises:
        SandboxError: The nodes do not start.
        TrialError: The members do not approve, or the run gave no model.
    """
    started = time.monotonic()
    ids = member_ids(list(members))
    with _directory(keep) as directory:
        names = (COORDINATOR, *ids.values())
        sandbox = Sandbox(directory, names, cost=PASSPHRASE_COST)
        try:
            audience.step(f"starting {len(names)} nodes, one for each member and a coordinator")
            sandbox.build()
            for name, rows in members.items():
                _give_rows(sandbox.home(ids[name]), plan, schema, rows)
            sandbox.up()
            audience.step("proposing the plan")
            digest = _propose(sandbox, plan)
            _wait_approved(sandbox, digest, ids)
            audience.step(f"training {plan.rounds} rounds, protection {plan.protection}")
            shown = {identifier: name for name, identifier in ids.items()}
            file = _run(sandbox, digest, schema, audience, shown)
            model = Path(file).read_bytes()
        finally:
            if sandbox.exists:
                sandbox.down()
    return Trained(model, time.monotonic() - started)


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-", dir=_short_place()) as name:
        yield Path(name) / "f"


def _short_place() -> str | None:
    """Give the system's shortest place where the usual one leaves no room for sockets' paths."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= MAX_PLACE_CHARACTERS or os.name != "posix" else SHORT_PLACE


def _give_rows(home: Home, plan: PlanValue, schema: FeatureSchema, rows: Table) -> None:
    (home.root / SCHEMA_NAME).write_bytes(schema.encode())
    write_table(home.root / ROWS_NAME, rows)
    epsilon = plan.privacy.epsilon if plan.privacy is not None else 0.0
    policy = _POLICY.format(
        coordinator=COORDINATOR,
        task=plan.task,
        use=plan.data_use.purpose,
        basis=plan.data_use.legal_basis,
        protection=plan.protection,
        epsilon=epsilon,
        schema=SCHEMA_NAME,
        rows=len(rows),
        table=ROWS_NAME,
    )
    home.training.write_text(policy, encoding="utf-8")


def _propose(sandbox: Sandbox, plan: PlanValue) -> bytes:
    body = TrainingPlan.of(plan)
    message = fill_message(training_pb2.TrainingPlan(), body)
    with sandbox.door(COORDINATOR) as door:
        door.call(door.train.ProposePlan, wire.ProposePlanRequest(plan=message))
    return body.digest()


def _wait_approved(sandbox: Sandbox, digest: bytes, ids: Mapping[str, str]) -> None:
    until = time.monotonic() + APPROVAL_SECONDS
    wanted = set(ids.values())
    with sandbox.door(COORDINATOR) as door:
        while True:
            request = wire.GetPlanRequest(plan_digest=digest)
            status = door.call(door.train.GetPlan, request).status
            missing = wanted - set(status.approved)
            if not missing:
                return
            if time.monotonic() > until:
                break
            time.sleep(LOOK_SECONDS)
    names = ", ".join(name for name, identifier in ids.items() if identifier in missing)
    raise TrialError(f"not approved in time by {names}", reason="NOT_APPROVED")


def _run(
    sandbox: Sandbox,
    digest: bytes,
    schema: FeatureSchema,
    audience: Audience,
    names: Mapping[str, str],
) -> str:
    request = wire.RunRequest(plan_digest=digest, schema=schema.encode())
    last = wire.RunResponse()
    for response in follow_run(sandbox.home(COORDINATOR), request):
        audience.round(response, names)
        last = response
    if last.failure:
        raise TrialError(
            "the run ended without a model",
            reason=last.failure,
            hint="keep the homes with --keep DIRECTORY, and see */training/*/process.log there",
        )
    return last.model_file
