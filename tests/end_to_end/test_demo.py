"""The demonstration, told with real processes: every check passes, and it says what it found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.sandbox import Sandbox
from node.trial.extra import missing_packages
from tests.end_to_end.members import eventually

pytestmark = pytest.mark.timeout(600)

LAUNCH = "from node.cli import main; main()"
MEMBERS = ["carrier-a", "carrier-b", "bank-x", "net-p", "net-q", "partner-k"]
REQUIRED = {
    *("members-ready", "keys-2-of-3", "indicators-nominated", "protected-refused"),
    *("popular-domains-guarded", "catalogue-roots-equal", "hits-found", "partner-checks"),
    *("partner-spelling", "retraction-everywhere", "reassigned-clean", "one-holder-down"),
    *("no-raw-identifiers", "log-sound", "log-edit-found"),
}
TRAINED = {"training-beats-local", "training-near-pooled", "training-in-secret"}
CAN_TRAIN = not missing_packages()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, "demo", "--json"],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "TMPDIR": str(directory)},
    ), directory


def test_every_check_of_the_generated_demonstration_passes(told):
    done, _ = told
    report = json.loads(done.stdout)
    failed = [check for check in report["checks"] if not check["passed"]]

    assert not failed
    assert done.returncode == 0, done.stderr
    names = {check["name"] for check in report["checks"]}

    assert names >= REQUIRED
    assert (names >= TRAINED) is CAN_TRAIN


def test_members_that_train_are_compared_or_the_act_is_skipped_by_name(told):
    report = json.loads(told[0].stdout)

    if CAN_TRAIN:
        assert set(report["training"]["members"]) == {"carrier-a", "carrier-b", "bank-x"}
        assert report["skipped"] == {}
    else:
        assert report["training"] is None
        assert "tocsin[train]" in report["skipped"]["train"]


def test_the_report_for_programs_has_its_numbers(told):
    report = json.loads(told[0].stdout)

    assert [member["member"] for member in report["members"]] == MEMBERS
    assert report["catalogue_roots_equal"] is True
    assert report["tokens"] == 9_921
    assert report["statements"] > report["indicators"] == 9_981
    assert report["raw_identifiers_found"] == 0
    assert "generated" in report["source"]
    assert report["timings"]["total"] > 0
    assert all(report["bytes_sent"][member] for member in MEMBERS)


def test_nothing_is_left_behind(told):
    _, directory = told

    assert list(Path(directory).iterdir()) == []


def test_a_demonstration_that_is_ended_takes_its_nodes_with_it(tmp_path):
    demo = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, "demo", "--keep", str(tmp_path / "d")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sandbox = Sandbox(tmp_path / "d")
    eventually(lambda: sandbox.exists and sandbox.status()[-1].process_id, 60)
    demo.send_signal(signal.SIGTERM)
    code = demo.wait(60)

    assert code == 128 + signal.SIGTERM
    assert not [state for state in sandbox.status() if state.process_id]
