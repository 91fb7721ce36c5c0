"""Night Harbour, told whole with real processes: every assertion of acts 0 to 17 by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from node.demo.night_harbour.acts import ACTS
from node.trial.extra import missing_packages

# The whole story is minutes long: `make test-all`.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

LAUNCH = "from node.cli import main; main()"
STORY_SECONDS = 1_700
CAN_TRAIN = not missing_packages()
PLAIN = {
    *("act-00-unsigned-member-refused", "act-00-coordinator-holds-no-key"),
    *("act-01-hashes-recovered-10000", "act-01-tokens-recovered-0"),
    *("act-04-nominations-4", "act-04-no-alarm"),
    *("act-05-alert-total-34", "act-05-decoy-19-silent", "act-05-coord-sees-bucket-and-total"),
    *("act-05-cells-sealed-to-police", "act-06-n1-confirmed", "act-06-n2-conflict"),
    *("act-07-receipts-p95", "act-07-96110-refused", "act-07-psi-37-of-37"),
    *("act-08-bank-never-learns-caller", "act-08-carrier-never-learns-amount"),
    *("act-08-text-has-no-link", "act-08-outcome-dissuaded"),
    *("act-09-only-police-designate", "act-09-trace-one-hop-each", "act-09-urgent-stop-second-hop"),
    *("act-10-one-of-200-contacts-is-high", "act-10-walk-stopped-at-quota"),
    *("act-10-alarm-raised", "act-10-alarm-at-coordinator", "act-10-certificate-revoked"),
    "act-10-honest-quota-unchanged",
    *("act-12-lifted-within-one-sync", "act-12-spouse-still-none", "act-12-e1-e2-updated"),
    *("act-13-stays-nominated", "act-13-reporter-reliability-drops"),
    *("act-14-lookups-continue", "act-14-appeals-continue", "act-14-sealed-warnings-continue"),
    *("act-14-peers-synchronise", "act-14-orders-queue"),
    *("act-15-totals-equal-planted-truth", "act-15-cell-of-fewer-than-three-suppressed"),
    *("act-15-duty-overdue", "act-15-notice-and-rectification", "act-15-annual-report-excerpt"),
    *("act-16-checkpoints-verified", "act-16-edit-found-at-its-index"),
    "act-16-proof-fails-for-the-edited-copy-alone",
    *("end-catalogue-roots-equal", "end-only-the-contract-spoken", "end-no-raw-identifiers"),
}
TRAINED = {
    *("act-02-gain-largest-for-carrier-c", "act-02-gain-largest-for-bank-y"),
    *("act-02-one-client-drops-mid-round", "act-03-release-without-approval-refused"),
    *("act-11-update-times-minus-ten-clipped-out", "act-11-precision-recall-holds"),
    *("act-11-client-quarantined-with-notice", "act-17-recall-on-rotated-sims-rises"),
    "act-17-lifted-subjects-scores-fall",
}


def tell(directory: Path, words: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, "demo", "--story", "night-harbour", "--json", *words],
        capture_output=True,
        text=True,
        timeout=STORY_SECONDS,
        check=False,
        env={**os.environ, "TMPDIR": str(directory)},
    )

    assert list(directory.iterdir()) == [], done.stderr

    return done.returncode, json.loads(done.stdout)


def failed(report: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["detail"] for one in report["checks"] if not one["passed"]}


def test_every_assertion_of_every_act_passes(tmp_path: Path) -> None:
    code, report = tell(tmp_path)
    names = [check["name"] for check in report["checks"]]
    played = {act["act"] for act in report["acts"]}

    assert failed(report) == {}
    assert code == 0
    assert len(set(names)) == len(names)
    assert set(names) >= PLAIN
    assert (set(names) >= TRAINED) is CAN_TRAIN
    assert played >= set(range(18))
    assert bool(report["skipped"]) is not CAN_TRAIN
    assert report["raw_identifiers_found"] == 0
    assert "SYNTHETIC" in report["synthetic"]


def test_without_the_coordinator_only_what_it_alone_can_open_waits(tmp_path: Path) -> None:
    code, report = tell(tmp_path, ["--coordinator-down"])
    names = {check["name"] for check in report["checks"]}
    waited = {name for name in names if name.endswith("waits-for-the-coordinator")}

    assert failed(report) == {}
    assert code == 0
    assert names >= PLAIN
    assert waited == {
        f"{act.name}-waits-for-the-coordinator"
        for act in ACTS
        if act.needs_coordinator and not act.why_not()
    }
