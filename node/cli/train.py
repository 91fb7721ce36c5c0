"""``tocsin train``: propose plans, decide about them, see how they stand."""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import click

from federation.statements.codec import fill_message
from federation.vocabulary import ModelStage, TrainingDecision, TrainingReason
from node.cli.connection import InsideDoor
from node.cli.document import describe
from node.cli.option import json_option, pass_home
from node.cli.output import data, json_object, say, table
from node.cli.plan_file import read_plan_file
from node.cli.word import Word
from node.errors import EXIT_FAILED, RequestError, UnavailableError
from node.home import Home
from node.training.leaving import describe_leaving
from node.training.policy import MILLION, load_policy
from tocsin.desk.v1 import train_service_pb2 as wire
from tocsin.v1 import training_pb2

SHOWN_DIGITS: Final = 16
"""Hexadecimal digits of a digest in tables: no two plans share them by chance."""
POLL_SECONDS: Final = 0.5

_LEAST_BYTES: Final = 4


class PlanDigest(click.ParamType[bytes]):
    """A plan's digest, or its first eight digits or more."""

    name = "digest"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read hexadecimal digits; an odd last one is refused."""
        if isinstance(value, bytes):
            return value
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) < _LEAST_BYTES:
            self.fail("a digest is at least 8 hexadecimal digits, an even number", param, ctx)
        return digest


class FileDigest(click.ParamType[bytes]):
    """32 bytes, written as 64 hexadecimal digits."""

    name = "sha256"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read 64 hexadecimal digits."""
        if isinstance(value, bytes):
            return value
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            self.fail("a digest here has 64 hexadecimal digits", param, ctx)
        return digest


digest_argument = click.argument("digest", type=PlanDigest())


@click.group(
    epilog="""\b
EXAMPLES
  tocsin train plan carrier.toml --approve
  tocsin train list
  tocsin train approve 9f2c4b1a
  tocsin train run 9f2c4b1a --schema subscribers.schema
  tocsin train status
"""
)
def train_command() -> None:
    """Train a model together: plan, approve, follow, release."""


@train_command.command(
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
    _say_leaving(leaving)
    if dry_run:
        say("Not proposed.")
    else:
        say(f"Proposed. Next, at each member: tocsin train approve {digest.hex()[:SHOWN_DIGITS]}")


@train_command.command(
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
    _write_plans(answer.plans, as_json=as_json)


@train_command.command(
    epilog="""\b
EXAMPLES
  tocsin train status
  tocsin train status 9f2c4b1a
  tocsin train status 9f2c4b1a --until approved --wait 60
"""
)
@click.argument("digest", type=PlanDigest(), required=False)
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
        _write_plans(answer.plans, as_json=as_json)
        return 0
    found = _wait_for_state(home, digest, until.upper() if until else None, wait)
    if as_json:
        json_object(describe(found))
    else:
        _write_status(found)
    return 0 if until is None or found.state == until.upper() else EXIT_FAILED


@train_command.command(
    epilog="""\b
The run is the node's: it goes on when this command ends, and after a crash of the node. The same
command shows it again.

\b
EXAMPLES
  tocsin train run 9f2c4b1a --schema subscribers.schema
  tocsin train run 9f2c4b1a
  tocsin train run 9f2c4b1a --json
"""
)
@digest_argument
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The plan's schema; not needed to go on with a run.",
)
@json_option
@pass_home
def run(home: Home, digest: bytes, schema: Path | None, as_json: bool) -> int:
    """Run an own plan, or what is left of it, and show its rounds."""
    text = schema.read_bytes() if schema is not None else b""
    request = wire.RunRequest(plan_digest=digest, schema=text)
    shown = _Progress(as_json)
    while True:
        try:
            with InsideDoor(home) as door:
                for response in door.stream(door.train.Run, request):
                    shown.show(response)
                    if response.ended:
                        return _write_end(response, as_json=as_json)
        except UnavailableError as error:
            if error.reason != "DEADLINE_EXCEEDED":  # one look at a run may last ten minutes
                raise


@train_command.command(
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
    if as_json:
        json_object(found)
        return
    _write_status(answer.status)
    data()
    for name, value in found["plan"].items():
        data(f"{name:28}{value}")
    data()
    for sentence in answer.leaving:
        data(f"- {sentence}")
    for one in answer.refused_statements:
        say(f"Does not count: a statement of {one.member} [{one.rule}]")


@train_command.command(
    epilog="""\b
Bounds of training.toml hold here, too: data that fits, and the privacy budget.

\b
EXAMPLES
  tocsin train approve 9f2c4b1a
  tocsin train approve 9f2c4b1a --release
"""
)
@digest_argument
@click.option("--release", is_flag=True, help="Approve the release of its model, not the plan.")
@json_option
@pass_home
def approve(home: Home, digest: bytes, release: bool, as_json: bool) -> None:
    """Approve a plan, or the release of its model, in your member's name."""
    decision = TrainingDecision.APPROVE_RELEASE if release else TrainingDecision.APPROVE
    _decide(home, digest, decision, TrainingReason.UNSPECIFIED, as_json=as_json)


@train_command.command(
    epilog="""\b
EXAMPLES
  tocsin train refuse 9f2c4b1a
  tocsin train refuse 9f2c4b1a --reason data_missing
  tocsin train refuse 9f2c4b1a --release
"""
)
@digest_argument
@click.option("--release", is_flag=True, help="Refuse the release of its model, not the plan.")
@click.option(
    "--reason",
    type=Word(TrainingReason, "reason"),
    default="by_hand",
    show_default=True,
    help="What the others are told.",
)
@json_option
@pass_home
def refuse(home: Home, digest: bytes, release: bool, reason: TrainingReason, as_json: bool) -> None:
    """Refuse a plan, withdraw an approval, or refuse the release of its model."""
    decision = TrainingDecision.REFUSE_RELEASE if release else TrainingDecision.REFUSE
    _decide(home, digest, decision, reason, as_json=as_json)


@train_command.command(
    epilog="""\b
Stages: shadow (the model scores without acting), released (needs card, assessment and the approval
of most participants), rejected, retired.

\b
EXAMPLES
  tocsin train release 9f2c4b1a --stage shadow --card SHA256 --assessment SHA256
  tocsin train release 9f2c4b1a
  tocsin train release 9f2c4b1a --stage rejected
"""
)
@digest_argument
@click.option(
    "--stage",
    type=Word(ModelStage, "stage"),
    default="released",
    show_default=True,
    help="Where the plan or its model goes.",
)
@click.option("--card", type=FileDigest(), default=b"", help="SHA-256 of the model card.")
@click.option("--assessment", type=FileDigest(), default=b"", help="SHA-256 of the assessment.")
@json_option
@pass_home
def release(
    home: Home, digest: bytes, stage: ModelStage, card: bytes, assessment: bytes, as_json: bool
) -> None:
    """Take an own plan or its model to a stage."""
    request = wire.ReleaseRequest(
        plan_digest=digest,
        stage=stage.value,  # type: ignore[arg-type]  # the mirrored number
        model_sheet_digest=card,
        assessment_digest=assessment,
    )
    with InsideDoor(home) as door:
        answer = door.call(door.train.Release, request)
    _write_result(answer.status, as_json=as_json)


@train_command.command(
    epilog="""\b
EXAMPLES
  tocsin train rollback 9f2c4b1a
"""
)
@digest_argument
@json_option
@pass_home
def rollback(home: Home, digest: bytes, as_json: bool) -> None:
    """Bring an earlier model back: retire the own ones released after it."""
    with InsideDoor(home) as door:
        answer = door.call(door.train.RollBack, wire.RollBackRequest(plan_digest=digest))
    if as_json:
        json_object(describe(answer))
        return
    _write_status(answer.status)
    say(f"Retired: {len(answer.retired_digests)}.")


@train_command.command(
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
  [[data]]
  name = "subscribers"
  schema = "subscribers.schema"   # a file beside this one, or a digest
  row_cap = 1000000
  table = "rows.csv"              # CSV or Parquet; or instead of it:
  # database = "sqlite:rows.db"   # or postgresql://...
  # query = "select ..."

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


def _decide(
    home: Home,
    digest: bytes,
    decision: TrainingDecision,
    reason: TrainingReason,
    *,
    as_json: bool,
) -> None:
    request = wire.ApproveRequest(
        plan_digest=digest,
        decision=decision.value,  # type: ignore[arg-type]  # the mirrored number
        reason=reason.value,  # type: ignore[arg-type]  # the mirrored number
    )
    with InsideDoor(home) as door:
        answer = door.call(door.train.Approve, request)
    _write_result(answer.status, as_json=as_json)


class _Progress:
    """Writes what is new: who is attached, and each round that ended."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._attached: list[str] | None = None
        self._round = b""

    def show(self, response: wire.RunResponse) -> None:
        """Write it."""
        attached = list(response.attached)
        if attached != self._attached and not self._as_json:
            absent = set(response.status.enrolled) - set(attached)
            without = f"; without {', '.join(sorted(absent))}" if absent else ""
            say(f"Attached: {', '.join(attached) or 'nobody'}{without}.")
        self._attached = attached
        last = response.last_round.SerializeToString()
        if last in (b"", self._round):
            return
        self._round = last
        if self._as_json:
            json_object(describe(response))
        else:
            data(_round_line(response))


def _round_line(response: wire.RunResponse) -> str:
    found = describe(response)
    outcomes = (
        f"{one['member']} {one['outcome'].lower()}"
        + (f" ({one['reason'].lower()})" if one["reason"] else "")
        for one in found["last_round"]["outcomes"]
    )
    number, rounds = response.last_round.round, response.status.rounds
    moved = "" if response.last_round.checkpoint_digest else "  nothing changed"
    loss = f"loss {response.loss_millionths / MILLION:.4f}" if response.loss_millionths else ""
    seconds = f"{response.round_milliseconds / 1_000:.1f} s"
    return f"round {number} of {rounds}  {seconds}  {loss}{moved}  {', '.join(outcomes)}"


def _write_end(response: wire.RunResponse, *, as_json: bool) -> int:
    if as_json:
        json_object(describe(response))
    elif response.failure:
        say(f"error: the run ended without a model [{response.failure}]")
        say("hint: the run goes on from its last round with the same command")
    else:
        data(f"state        {response.status.state}")
        data(f"model        {response.model_file}")
        say("Next: tocsin train show DIGEST")
    return EXIT_FAILED if response.failure else 0


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


def _write_plans(plans: Any, *, as_json: bool) -> None:
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


def _write_status(status: wire.PlanStatus) -> None:
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


def _write_result(status: wire.PlanStatus, *, as_json: bool) -> None:
    if as_json:
        json_object(describe(status))
    else:
        _write_status(status)


def _say_leaving(leaving: tuple[str, ...]) -> None:
    say("What leaves each member's node:")
    for sentence in leaving:
        say(f"  - {sentence}")
