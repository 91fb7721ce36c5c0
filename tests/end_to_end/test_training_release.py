"""From the run to the release: card, assessment, shadow, approvals, release, and the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.training.assessment import Assessment
from federation.training.card import ModelCard
from federation.training.schema import FeatureSchema
from federation.training.table import infer_schema
from tests.end_to_end.members import Federation, error_lines, eventually, running_federation
from tests.end_to_end.test_training_run import approved_plan, write_table
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'train' is not installed")

COORDINATOR = "coord-c"
MEMBERS = ("carrier-a", "carrier-b", "bank-x")
ROWS = 200
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed", maturity_days = 30 }}
data_use = {{ purpose = "score_own_subjects", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = 2
protection = "robust"
minimum_members = 2
deadline_seconds = 60
model = {{ width = 8, networks = 3, bins = 4, seed = {seed} }}
optimiser = {{ least_steps = 10, most_steps = 10, batch_rows = 64 }}
"""
POLICY = """
[approval]
automatic = true
coordinators = ["coord-c"]
tasks = ["carrier_subscribers"]
uses = ["score_own_subjects"]
legal_bases = ["atnfl_32"]
protections = ["robust"]
codes = ["installed"]
without_privacy = true
[[data]]
name = "rows"
schema = "rows.schema"
table = "rows.csv"
"""

pytestmark = pytest.mark.timeout(900)  # two models all the way, some fifty commands


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("release") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY, encoding="utf-8")
        yield found


def run_plan(federation: Federation, directory: Path, schema: FeatureSchema, seed: int) -> str:
    digest = approved_plan(federation, directory, schema, plan=PLAN, seed=seed)
    file = str(directory / "rows.schema")
    federation.do(COORDINATOR, "train", "run", digest, "--schema", file, "--json")
    return digest


def assess(federation: Federation, directory: Path, digest: str, decision: str) -> Path:
    """Fill in the template as a person would, and record it."""
    template = federation.do(COORDINATOR, "train", "assess", digest, "--template").out
    text = template.replace('reviewer = ""', 'reviewer = "risk office"')
    file = directory / f"{decision}.toml"
    file.write_text(text.replace('decision = "refused"', f'decision = "{decision}"'))
    federation.do(COORDINATOR, "train", "assess", digest, "--file", str(file))
    return federation.home(COORDINATOR).models / digest / "assessment.json"


def refused(federation: Federation, member: str, *arguments: str) -> str:
    """Return the reason of a command that must fail."""
    outcome = federation.run(member, "train", *arguments)

    assert outcome.code == 1, outcome.out

    return error_lines(outcome)[0].rpartition("[")[2].rstrip("]")


def shown(federation: Federation, member: str, digest: str) -> dict[str, Any]:
    return federation.do(member, "train", "show", digest, "--json").document


@pytest.mark.slow
def test_a_model_goes_from_its_run_to_release_and_back_and_never_without_its_papers(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    first = run_plan(federation, tmp_path, schema, seed=1)
    files = federation.home(COORDINATOR).models / first
    card = ModelCard.parse((files / "card.json").read_bytes())
    found = shown(federation, COORDINATOR, first)
    said = {(one["metric"], one["candidate"]) for one in found["evaluation"]["metrics"]}

    assert card.plan_digest.hex() == first
    assert card.model_digest.hex() == found["evaluation"]["model_digest"]
    assert card.evaluation.contributors == card.evaluation.compared == 3
    assert card.evaluation.rows == 3 * ROWS
    assert [one.good for one in card.participants] == [2, 2, 2]
    assert {one.loss is not None and one.milliseconds > 0 for one in card.rounds} == {True}
    for metric in ("PR_AUC", "ROC_AUC", "MACRO_F1", "CALIBRATION_ERROR", "MEMBERSHIP_ADVANTAGE"):
        assert {(metric, "FEDERATED"), (metric, "LOCAL")} <= said

    # Own numbers are at each member, and nowhere else.
    own = shown(federation, MEMBERS[0], first)["own"]

    assert own["rows"] == ROWS
    assert set(own["gains"]) == {"auc", "ap", "macro_f1"}
    assert found["own"] is None
    assert "stays on this node" in federation.run(MEMBERS[0], "train", "show", first).err
    assert refused(federation, MEMBERS[0], "card", first) == "CARD_MISSING"

    shadow = ("release", first, "--stage", "shadow")

    assert refused(federation, COORDINATOR, *shadow) == "ASSESSMENT_MISSING"

    assess(federation, tmp_path, first, "refused")

    assert refused(federation, COORDINATOR, *shadow) == "ASSESSMENT_REFUSED"

    record = assess(federation, tmp_path, first, "approved")
    assessment = Assessment.parse(record.read_bytes())
    federation.do(COORDINATOR, "train", *shadow)
    stage = shown(federation, COORDINATOR, first)["stage"]

    assert stage["model_sheet_digest"] == card.digest().hex()
    assert stage["assessment_digest"] == assessment.digest().hex()
    assert refused(federation, COORDINATOR, "release", first) == "RELEASE_NOT_APPROVED"

    for member in MEMBERS[:2]:
        federation.do(member, "train", "status", first, "--until", "shadow")
        federation.do(member, "train", "approve", first, "--release")
    text = federation.do(MEMBERS[0], "train", "card", first).out
    raw = federation.do(MEMBERS[0], "train", "card", first, "--json").out

    assert "risk office" in text
    assert hashlib.sha256(raw.encode()).hexdigest() == stage["model_sheet_digest"]

    out = tmp_path / "plots"
    federation.do(MEMBERS[0], "train", "plot", first, "--out", str(out))

    assert len(list(out.glob("*.png"))) == len(list(out.glob("*.svg"))) == 3
    assert "own model, own rows" in (out / "precision-recall.svg").read_text(encoding="utf-8")

    fresh = tmp_path / "fresh.csv"
    write_table(fresh, planted_rows(ROWS, 99))
    later = ("train", "evaluate", first, "--table", str(fresh), "--json")
    eventually(lambda: federation.run(MEMBERS[0], *later).code == 0)
    measured = federation.do(MEMBERS[0], *later).document

    assert measured["rows"] == ROWS
    assert measured["measured"]["roc_auc"] > 0.55
    assert measured["card"]["roc_auc"] == card.evaluation.federated.roc_auc

    approvals = ("release_approved", MEMBERS[:2])
    eventually(lambda: set(shown(federation, COORDINATOR, first)[approvals[0]]) == {*approvals[1]})
    federation.do(COORDINATOR, "train", "release", first)

    assert shown(federation, COORDINATOR, first)["status"]["in_force"]

    second = release(federation, tmp_path, schema)

    assert not shown(federation, COORDINATOR, first)["status"]["in_force"]

    federation.do(COORDINATOR, "train", "rollback", first)
    after = [shown(federation, COORDINATOR, one)["status"] for one in (first, second)]

    assert [one["in_force"] for one in after] == [True, False]
    assert [one["state"] for one in after] == ["RELEASED", "RETIRED"]

    eventually(lambda: shown(federation, MEMBERS[2], first)["status"]["in_force"])


def release(federation: Federation, directory: Path, schema: FeatureSchema) -> str:
    """Take another model all the way."""
    digest = run_plan(federation, directory, schema, seed=2)
    assess(federation, directory, digest, "approved")
    federation.do(COORDINATOR, "train", "release", digest, "--stage", "shadow")
    for member in MEMBERS:
        federation.do(member, "train", "status", digest, "--until", "shadow")
        federation.do(member, "train", "approve", digest, "--release")
    approvals = {*MEMBERS}
    eventually(lambda: set(shown(federation, COORDINATOR, digest)["release_approved"]) == approvals)
    federation.do(COORDINATOR, "train", "release", digest)
    return digest


def test_without_a_run_there_is_nothing_to_read_to_assess_or_to_release(
    federation: Federation, schema: FeatureSchema, tmp_path: Path
) -> None:
    digest = approved_plan(federation, tmp_path, schema, plan=PLAN, seed=3)

    assert refused(federation, COORDINATOR, "card", digest) == "MODEL_UNKNOWN"
    assert refused(federation, COORDINATOR, "assess", digest, "--template") == "MODEL_UNKNOWN"
    assert refused(federation, COORDINATOR, "release", digest, "--stage", "shadow") == (
        "TRANSITION_NOT_ALLOWED"
    )
