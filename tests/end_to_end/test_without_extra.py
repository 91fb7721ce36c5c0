"""A node without any extra does all but train, and says what it would need for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from federation.training.schema import Column, FeatureSchema
from tests.end_to_end.members import eventually, running_federation
from tests.without_extra import PACKAGES, blocked_path

COORDINATOR, *OTHERS = MEMBERS = ("coord-c", "carrier-a", "bank-x", "net-p")
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
initial_model = "{model}"
label = {{ definition = "confirmed" }}
data_use = {{ purpose = "trial", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
"""
DATA = '[[data]]\nname = "rows"\nschema = "rows.schema"\ntable = "rows.csv"\n'
IMPORTS = """
import importlib, pkgutil, sys
import federation, keys, node

failed = {}
for floor in (keys, federation, node):
    for module in pkgutil.walk_packages(floor.__path__, floor.__name__ + ".", onerror=print):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            failed[module.name] = error.name
for name, missing in failed.items():
    print(name, missing)
"""
# Only what trains may need the extra: the app, its engines, the trial that runs them, its plots.
TRAINING = (
    "federation.training.",
    "node.trial.",
    "node.demo.plot",
    "node.demo.night_harbour.measuring",
    "node.demo.night_harbour.plans",
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", blocked_path(tmp_path / "blocked"))


@pytest.mark.usefixtures("bare")
def test_only_what_trains_needs_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=True)
    failed = dict(line.split() for line in done.stdout.decode().splitlines())

    assert failed["federation.training.client_app"] == "flwr"
    assert {missing.partition(".")[0] for missing in failed.values()} <= set(PACKAGES)
    assert [name for name in failed if not name.startswith(TRAINING)] == []


@pytest.mark.usefixtures("bare")
def test_nodes_agree_and_share_but_do_not_train(tmp_path: Path) -> None:
    schema = FeatureSchema((Column("calls"),)).encode()
    (tmp_path / "rows.schema").write_bytes(schema)
    (tmp_path / "plan.toml").write_text(PLAN.format(model="9f" * 31 + "00"))
    (tmp_path / "open.toml").write_text(PLAN.replace("initial_model", "# ").format(model=""))
    with running_federation(tmp_path / "f", MEMBERS) as federation:
        for member in OTHERS:
            home = federation.home(member)
            (home.root / "rows.schema").write_bytes(schema)
            (home.root / "rows.csv").write_text("calls,label\n1,0\n2,1\n")
            home.training.write_text(DATA)
        federation.nominate("carrier-a", "phone", "+9990000001")
        eventually(lambda: federation.band("bank-x", "phone", "+9990000001") == "HIGH")
        plan = federation.do(COORDINATOR, "train", "plan", str(tmp_path / "plan.toml"), "--json")
        digest = plan.document["plan_digest"]
        for member in OTHERS:
            eventually(lambda one=member: federation.run(one, "train", "show", digest).code == 0)
            federation.do(member, "train", "approve", digest)
        wait = ("--until", "approved", "--wait", "30", "--json")
        status = federation.do(COORDINATOR, "train", "status", digest, *wait).document
        checked = federation.do("bank-x", "train", "check-data", "--json").document
        run = federation.run(
            COORDINATOR, "train", "run", digest, "--schema", str(tmp_path / "rows.schema")
        )
        proposed = federation.run(COORDINATOR, "train", "plan", str(tmp_path / "open.toml"))

    assert status["state"] == "APPROVED"
    assert (checked["rows"], checked["problems"]) == (2, [])
    for refused in (run, proposed):
        assert refused.code == 1
        assert "[TRAIN_EXTRA_MISSING]" in refused.err
