"""Members agree on a plan: proposed at one, approved by policy at two, by hand at another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.training.schema import Column, FeatureSchema
from tests.end_to_end.members import Federation, error_lines, eventually, running_federation

COORDINATOR, CARRIER, BANK, NET = MEMBERS = ("coord-c", "carrier-a", "bank-x", "net-p")
SCHEMA = FeatureSchema((Column("calls", unit="a day"), Column("age", unit="days")))
PLAN = """
task = "carrier_subscribers"
schema = "subscribers.schema"
initial_model = "{model}"
label = {{ definition = "confirmed", maturity_days = 30 }}
data_use = {{ purpose = "score_own_subjects", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = {rounds}
minimum_members = 3
privacy = {{ epsilon = 6.0, delta = 1e-5 }}
"""
POLICY = """
[approval]
automatic = true
coordinators = ["coord-c"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["secret"]
codes = ["installed"]
epsilon = 8.0
"""
DATA = """
[budget]
epsilon = 10.0
[[data]]
name = "subscribers"
schema = "subscribers.schema"
row_cap = 200000
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("training") / "f", MEMBERS) as found:
        for member, text in ((CARRIER, POLICY + DATA), (BANK, POLICY + DATA), (NET, DATA)):
            home = found.home(member)
            (home.root / "subscribers.schema").write_bytes(SCHEMA.encode())
            home.training.write_text(text, encoding="utf-8")
        yield found


def write_plan(directory: Path, rounds: int = 5) -> Path:
    (directory / "subscribers.schema").write_bytes(SCHEMA.encode())
    file = directory / f"plan-{rounds}.toml"
    file.write_text(PLAN.format(model="9f" * 31 + "00", rounds=rounds), encoding="utf-8")
    return file


def state(federation: Federation, member: str, digest: str) -> dict[str, Any]:
    outcome = federation.run(member, "train", "status", digest, "--json")
    return outcome.document if outcome.code == 0 else {"state": None, "approved": []}


def propose(federation: Federation, file: Path) -> str:
    proposed = federation.do(COORDINATOR, "train", "plan", str(file), "--json").document
    return str(proposed["plan_digest"])


def test_a_plan_is_approved_by_policy_and_by_hand_and_everyone_sees_it(
    federation: Federation, tmp_path: Path
) -> None:
    digest = propose(federation, write_plan(tmp_path))
    eventually(lambda: set(state(federation, NET, digest)["approved"]) == {CARRIER, BANK})
    waiting = state(federation, NET, digest)

    assert waiting["state"] == "PROPOSED"
    assert waiting["own_decision"] == ""
    assert waiting["policy_reason"] == "NOT_AUTOMATIC"

    shown = federation.do(NET, "train", "show", digest[:8]).out

    assert "minimum_members             3" in shown
    assert "the coordinator sees only the sum" in shown

    federation.do(NET, "train", "approve", digest[:16])
    for member in MEMBERS:
        until = ("--until", "approved", "--wait", "30")
        found = federation.do(member, "train", "status", digest, *until, "--json").document

        assert found["state"] == "APPROVED"
        assert found["approved"] == [BANK, CARRIER, NET]
        assert found["coordinator"] == COORDINATOR

    changed = propose(federation, write_plan(tmp_path, rounds=6))
    eventually(lambda: state(federation, NET, changed)["state"] == "PROPOSED")
    eventually(
        lambda: state(federation, CARRIER, changed)["policy_reason"] == "PRIVACY_BUDGET_SPENT"
    )

    assert changed != digest
    assert state(federation, NET, changed)["approved"] == []

    refused = federation.run(BANK, "train", "approve", changed)
    error, hint = error_lines(refused)

    assert refused.code == 1
    assert error.endswith("[PRIVACY_BUDGET_SPENT]")
    assert "training.toml" in hint

    federation.do(BANK, "train", "refuse", changed, "--reason", "budget_spent")
    eventually(
        lambda: (
            state(federation, COORDINATOR, changed)["refused"]
            == [{"member": BANK, "reason": "BUDGET_SPENT"}]
        )
    )
    policy = federation.do(BANK, "train", "policy", "--json").document
    listed = federation.do(CARRIER, "train", "list", "--json").rows

    assert (policy["automatic"], policy["budget"]) == (True, 10.0)
    assert policy["data"][0]["schema"] == SCHEMA.digest().hex()
    assert [row["plan_digest"] for row in listed] == [changed, digest]
    assert federation.do(COORDINATOR, "train", "status").out.count("\n") == 3


def test_what_the_rules_refuse_is_said_at_the_desk(federation: Federation, tmp_path: Path) -> None:
    digest = propose(federation, write_plan(tmp_path, rounds=7))
    again = propose(federation, write_plan(tmp_path, rounds=7))

    assert again == digest

    eventually(lambda: state(federation, NET, digest)["state"] == "PROPOSED")
    for member, words, reason in (
        (COORDINATOR, ("approve", digest), "TRAINING_DATA_MISSING"),
        (COORDINATOR, ("refuse", digest), "ROLE_NOT_ALLOWED"),
        (COORDINATOR, ("release", digest), "TRANSITION_NOT_ALLOWED"),
        (NET, ("release", digest, "--stage", "rejected"), "NOT_THE_OPENER"),
        (NET, ("approve", digest, "--release"), "TRANSITION_NOT_ALLOWED"),
        (NET, ("rollback", digest), "MODEL_NOT_RELEASED"),
        (NET, ("show", "00000000"), "PLAN_UNKNOWN"),
    ):
        refused = federation.run(member, "train", *words)

        assert refused.code == 1
        assert f"[{reason}]" in refused.err

    federation.do(COORDINATOR, "train", "release", digest, "--stage", "rejected")
    eventually(lambda: state(federation, NET, digest)["state"] == "REJECTED")
    listed = federation.do(NET, "train", "list", "--open", "--json").rows

    assert digest not in [row["plan_digest"] for row in listed]
    assert federation.run(NET, "train", "approve", digest).code == 1


def test_a_dry_run_proposes_nothing_and_a_plan_survives_a_restart(
    federation: Federation, tmp_path: Path
) -> None:
    file = str(write_plan(tmp_path, rounds=8))
    dry = federation.do(COORDINATOR, "train", "plan", file, "--dry-run", "--json").document

    assert dry["proposed"] is False
    assert state(federation, COORDINATOR, dry["plan_digest"])["state"] is None

    before = federation.do(CARRIER, "train", "list", "--json").out
    federation.sandbox.kill(CARRIER)
    federation.sandbox.start(CARRIER)
    rebuilt = federation.do(CARRIER, "log", "rebuild", "--json").document

    assert federation.do(CARRIER, "train", "list", "--json").out == before
    assert rebuilt["digest_before"] == rebuilt["digest_after"]
