"""Train together over real nodes: rows, policies, plans, runs and releases."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end.cast import CARRIERS, COORDINATOR, WAIT_SECONDS
from tests.end_to_end.members import (
    Federation,
    command,
    error_lines,
    eventually,
)

TRAINERS = (*CARRIERS, "bank-x")
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed", maturity_days = 30 }}
data_use = {{ purpose = "score_own_subjects", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
protection = "secret"
minimum_members = 3
deadline_seconds = 60
model = {{ width = 16, networks = 2, bins = 8, seed = {seed} }}
optimiser = {{ least_steps = {steps}, most_steps = {steps}, batch_rows = 64 }}
"""
POLICY = """
[approval]
automatic = true
coordinators = ["coord"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret"]
codes = ["installed"]
without_privacy = true
[[data]]
name = "rows"
schema = "rows.schema"
table = "rows.csv"
"""
SUBJECTS = 'subject = "number"\nsubject_kind = "phone"\n'
SHARED = "+999160000001"


def train(federation: Federation, *arguments: str) -> dict[str, Any]:
    act = federation.read if arguments[0] in ("status", "show") else federation.do
    return act(COORDINATOR, "train", *arguments, "--json").document


def refused(federation: Federation, *arguments: str) -> str:
    """Return the reason of a command of the coordinator that must fail."""
    outcome = federation.run(COORDINATOR, "train", *arguments)

    assert outcome.code == 1, outcome.out

    return error_lines(outcome)[0].rpartition("[")[2].rstrip("]")


def plan(federation: Federation, directory: Path, **how: int) -> str:
    """Propose a plan, and wait until every trainer's policy has approved it."""
    file = directory / "plan.toml"
    file.write_text(PLAN.format(**how), encoding="utf-8")
    digest = str(train(federation, "plan", str(file))["plan_digest"])
    eventually(
        lambda: set(train(federation, "status", digest)["approved"]) == set(TRAINERS), WAIT_SECONDS
    )
    return digest


def give_rows(federation: Federation, directory: Path) -> Path:
    """Give the trainers rows and policies, and return the file with the rows' schema."""
    from federation.training.table import infer_schema
    from tests.end_to_end.test_training_score import write_table
    from tests.training.planted import planted_rows

    schema = infer_schema(planted_rows(200, 1), "label")
    for place, member in enumerate(TRAINERS):
        home = federation.home(member)
        numbers = [f"+99917{place}{row:06}" for row in range(400)]
        write_table(home.root / "rows.csv", planted_rows(400, 7 + place, place * 0.3), numbers)
        (home.root / "rows.schema").write_bytes(schema.encode())
        home.training.write_text(POLICY, encoding="utf-8")
    file = directory / "rows.schema"
    file.write_bytes(schema.encode())
    return file


def train_and_lose_one(federation: Federation, schema_file: Path) -> str:
    """Run a plan and kill a member on the way; return the plan's digest."""
    digest = plan(federation, schema_file.parent, rounds=24, seed=1, steps=300)
    launch = command(federation.home(COORDINATOR), "train", "run", digest)
    launch += ["--schema", str(schema_file)]
    with subprocess.Popen(launch, stdout=subprocess.DEVNULL) as run:
        eventually(lambda: train(federation, "status", digest)["round"] >= 1, WAIT_SECONDS)
        federation.sandbox.kill(TRAINERS[2])

        assert run.wait(300) == 0

    federation.sandbox.start(TRAINERS[2])
    return digest


def outcomes(federation: Federation, digest: str, member: str) -> list[tuple[str, str]]:
    """Return outcome and reason of a member in each round."""
    return [
        (one["outcome"], one["reason"])
        for each in train(federation, "show", digest)["rounds"]
        for one in each["outcomes"]
        if one["member"] == member
    ]


def assess(federation: Federation, directory: Path, digest: str) -> None:
    """Fill in the template as a person would, and record it."""
    template = federation.do(COORDINATOR, "train", "assess", digest, "--template").out
    text = template.replace('reviewer = ""', 'reviewer = "risk office"')
    file = directory / "assessment.toml"
    file.write_text(text.replace('decision = "refused"', 'decision = "approved"'))
    federation.do(COORDINATOR, "train", "assess", digest, "--file", str(file))


def release(federation: Federation, directory: Path, digest: str) -> None:
    """Take a model from its evaluation to its release, and be refused on the way."""
    assert refused(federation, "release", digest, "--stage", "shadow") == "ASSESSMENT_MISSING"

    assess(federation, directory, digest)
    federation.do(COORDINATOR, "train", "release", digest, "--stage", "shadow")

    assert refused(federation, "release", digest) == "RELEASE_NOT_APPROVED"

    for member in TRAINERS:
        federation.do(member, "train", "status", digest, "--until", "shadow", "--wait", "60")
        federation.do(member, "train", "approve", digest, "--release")
    eventually(
        lambda: federation.run(COORDINATOR, "train", "release", digest).code == 0, WAIT_SECONDS
    )


def rename_worst(federation: Federation, member: str, digest: str) -> None:
    """Give the row that a member's model fears most the number that all have."""
    path = federation.home(member).root / "rows.csv"
    columns = ("--id", "number", "--model", digest, "--json")
    scored = federation.do(member, "train", "score", "--table", str(path), *columns).rows
    worst = max((row for row in scored if "score" in row), key=lambda row: row["score"])
    path.write_text(path.read_text().replace(str(worst["id"]), SHARED))
    federation.home(member).training.write_text(POLICY + SUBJECTS, encoding="utf-8")
