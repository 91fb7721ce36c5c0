"""Members get the model, try it in the shadow, release it, score, nominate, and roll it back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.training.released import ReleasedModel
from federation.training.schema import FeatureSchema
from federation.training.table import Table, infer_schema
from tests.end_to_end.members import Federation, Outcome, eventually, running_federation
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

COORDINATOR = "coord-c"
MEMBERS = ("carrier-a", "carrier-b", "bank-x")
SCORER = MEMBERS[0]
OTHER = MEMBERS[2]
ROWS = 300
SUBJECTS = 9_000  # more than one call
SEED_A, SEED_B = 21, 22
PLAN = """
task = "carrier_subscribers"
schema = "rows.schema"
label = {{ definition = "confirmed" }}
data_use = {{ purpose = "score_own_subjects", legal_basis = "atnfl_32" }}
expiry_time = 2099-01-31T00:00:00Z
rounds = 2
protection = "robust"
minimum_members = 2
deadline_seconds = 60
model = {{ width = 8, networks = 2, bins = 4, seed = {seed} }}
optimiser = {{ least_steps = 20, most_steps = 20, batch_rows = 64, learning_rate = 0.02 }}
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
NOMINATE = ("--nominate", "--id", "number", "--kind", "phone", "--fraud-type", "loan")

pytestmark = pytest.mark.timeout(500)


def write_table(path: Path, table: Table, numbers: list[str] | None = None) -> Path:
    columns = list(table.columns)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns if numbers is None else ["number", *columns])
        rows = zip(*(table.columns[name] for name in columns), strict=True)
        for place, row in enumerate(rows):
            cells = ["" if cell != cell else cell for cell in row]
            writer.writerow(cells if numbers is None else [numbers[place], *cells])
    return path


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("score") / "f"
    with running_federation(root, (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home = found.home(member)
            write_table(home.root / "rows.csv", planted_rows(ROWS, 7 + place, place * 0.3))
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY, encoding="utf-8")
        yield found


def trained(federation: Federation, directory: Path, schema: FeatureSchema, seed: int) -> str:
    """Run a plan to its evaluation, and return its digest."""
    (directory / "rows.schema").write_bytes(schema.encode())
    file = directory / f"plan-{seed}.toml"
    file.write_text(PLAN.format(seed=seed), encoding="utf-8")
    found = federation.do(COORDINATOR, "train", "plan", str(file), "--json").document
    digest = str(found["plan_digest"])
    eventually(lambda: set(standing(federation, COORDINATOR, digest)["approved"]) == set(MEMBERS))
    rows = str(directory / "rows.schema")
    federation.do(COORDINATOR, "train", "run", digest, "--schema", rows)
    return digest


def standing(federation: Federation, member: str, digest: str) -> dict[str, Any]:
    outcome = federation.run(member, "train", "status", digest, "--json")
    return outcome.document if outcome.code == 0 else {"approved": [], "state": None}


def to_shadow(federation: Federation, directory: Path, digest: str) -> None:
    """Assess the model at the coordinator, and say the shadow stage."""
    template = federation.do(COORDINATOR, "train", "assess", digest, "--template").out
    file = directory / f"assessment-{digest[:8]}.toml"
    filled = template.replace('reviewer = ""', 'reviewer = "desk"')
    file.write_text(filled.replace('decision = "refused"', 'decision = "approved"'))
    federation.do(COORDINATOR, "train", "assess", digest, "--file", str(file))
    federation.do(COORDINATOR, "train", "release", digest, "--stage", "shadow")


def release(federation: Federation, digest: str) -> None:
    until = ("--until", "shadow", "--wait", "30")
    for member in MEMBERS[:2]:
        federation.do(member, "train", "status", digest, *until)
        federation.do(member, "train", "approve", digest, "--release")
    eventually(lambda: federation.run(COORDINATOR, "train", "release", digest).code == 0)
    for member in MEMBERS:
        federation.do(member, "train", "status", digest, "--until", "released", "--wait", "30")


def models(federation: Federation, member: str) -> dict[str, dict[str, Any]]:
    rows = federation.do(member, "train", "models", "--json").rows
    return {one["plan_digest"]: one for one in rows}


def has_all(federation: Federation, member: str, digest: str) -> bool:
    found = models(federation, member)[digest]
    return bool(found["has_model"] and found["has_card"] and found["has_assessment"])


@pytest.fixture(scope="module")
def first(
    federation: Federation, schema: FeatureSchema, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Give the digest of a plan whose model is released, with its files at every member."""
    directory = tmp_path_factory.mktemp("first")
    digest = trained(federation, directory, schema, SEED_A)
    to_shadow(federation, directory, digest)
    release(federation, digest)
    for member in MEMBERS:
        eventually(partial(has_all, federation, member, digest))
    return digest


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = planted_rows(SUBJECTS, 99)
    del table.columns["label"]  # type: ignore[attr-defined]  # it is a dictionary
    numbers = [f"+99955{place:07}" for place in range(SUBJECTS)]
    return write_table(tmp_path_factory.mktemp("subjects") / "lines.csv", table, numbers)


def few(subjects: Path, folder: Path, rows: int) -> Path:
    path = folder / "few.csv"
    path.write_text("".join(subjects.read_text().splitlines(keepends=True)[: rows + 1]))
    return path


def score(federation: Federation, *arguments: str, member: str = SCORER) -> Outcome:
    return federation.run(member, "train", "score", *arguments)


def test_every_member_gets_the_very_files_of_the_coordinator(
    federation: Federation, first: str
) -> None:
    for name in ("model", "card.json", "assessment.json"):
        own = (federation.home(COORDINATOR).models / first / name).read_bytes()
        for member in MEMBERS:
            path = federation.home(member).models / first / name

            assert path.read_bytes() == own
            assert path.stat().st_mode & 0o077 == 0


def test_a_lost_or_damaged_file_is_fetched_again(federation: Federation, first: str) -> None:
    path = federation.home(OTHER).models / first / "model"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    eventually(lambda: path.read_bytes() == whole)
    path.unlink()
    eventually(path.exists)

    assert path.read_bytes() == whole


def test_scores_are_those_of_the_model_in_the_order_of_the_rows(
    federation: Federation, first: str, subjects: Path, tmp_path: Path
) -> None:
    from federation.training.table import read_table

    out = tmp_path / "scores.csv"
    done = score(federation, "--table", str(subjects), "--id", "number", "--out", str(out))

    assert done.code == 0, done.err

    model = ReleasedModel.load(federation.home(SCORER).models / first / "model")
    expected = model.score(read_table(subjects))
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = np.array([float(row["score"]) for row in rows])

    assert [row["id"] for row in rows] == [f"+99955{place:07}" for place in range(SUBJECTS)]
    assert np.abs(scores - expected).max() < 1e-5
    assert {row["model"] for row in rows} == {model.digest().hex()}
    assert out.stat().st_mode & 0o077 == 0
    above = expected >= model.threshold

    assert 0 < above.sum() < SUBJECTS
    assert [row["band"] != "NONE" for row in rows] == above.tolist()
    assert all(bool(row["reasons"]) == bool(alarm) for row, alarm in zip(rows, above, strict=True))
    assert f"{SUBJECTS:,} rows" in done.err


def test_an_object_a_line_names_score_band_and_reasons(
    federation: Federation, first: str, subjects: Path, tmp_path: Path
) -> None:
    table = few(subjects, tmp_path, 40)
    rows = score(federation, "--table", str(table), "--threshold", "0.000001", "--json").rows

    assert [row["id"] for row in rows] == [str(number) for number in range(1, 41)]
    assert all(row["band"] in ("VERIFY", "STRONG") for row in rows)
    sides = {one["side"] for row in rows for one in row["reasons"]}

    assert sides <= {"HIGH", "LOW", "EMPTY", "VALUE"}
    assert max(len(row["reasons"]) for row in rows) == 3


def test_a_table_that_does_not_fit_is_refused_by_column_and_row(
    federation: Federation, first: str, subjects: Path, tmp_path: Path
) -> None:
    lines = few(subjects, tmp_path, 30).read_text().splitlines()
    header = lines[0].split(",")
    without = tmp_path / "without.csv"
    place = header.index("ratio")
    without.write_text("\n".join(",".join(line.split(",")[:place]) for line in lines) + "\n")
    wrong = tmp_path / "wrong.csv"
    cells = lines[17].split(",")
    cells[place] = "secret text"
    wrong.write_text("\n".join([*lines[:17], ",".join(cells), *lines[18:]]) + "\n")
    missing = score(federation, "--table", str(without))
    no_number = score(federation, "--table", str(wrong))
    no_id = score(federation, "--table", str(wrong), "--id", "nothing")

    assert (missing.code, no_number.code, no_id.code) == (1, 2, 1)
    assert "'ratio'" in missing.err
    assert "column 'ratio', row 17: not a number" in no_number.err
    assert "secret text" not in no_number.err + no_number.out
    assert "no column 'nothing'" in no_id.err


def test_alarms_are_nominated_weakly_once_and_explained_with_their_model(
    federation: Federation, first: str, subjects: Path, tmp_path: Path
) -> None:
    table = few(subjects, tmp_path, 200)
    how = ("--table", str(table), *NOMINATE, "--threshold", "0.8", "--json")
    done = score(federation, *how)

    assert done.code == 0, done.err

    alarms = [row["id"] for row in done.rows if row["band"] != "NONE"]

    assert 1 < len(alarms) < 200
    assert f"added {len(alarms)}, unchanged 0, refused 0" in done.err

    again = score(federation, *how)

    assert f"added 0, unchanged {len(alarms)}, refused 0" in again.err

    digest = next(row["model"] for row in done.rows)
    eventually(lambda: federation.band(OTHER, "phone", alarms[0]) == "LOW")
    own = federation.do(SCORER, "explain", "phone", alarms[0], "--json").document["models"]
    others = federation.do(OTHER, "explain", "phone", alarms[0], "--json").document["models"]

    assert [(one["member"], one["model_digest"]) for one in own] == [(SCORER, digest)]
    assert own[0]["plan_digest"] == first
    assert own[0]["score"] >= 0.8 == own[0]["threshold"]
    assert own[0]["reasons"]
    assert [(one["member"], one["model_digest"]) for one in others] == [(SCORER, digest)]
    assert (others[0]["reasons"], others[0]["plan_digest"]) == ([], "")
    assert alarms[0][4:].encode() not in disk(federation, OTHER)

    federation.do(SCORER, "retract", "phone", alarms[1])
    kept = score(federation, *how)

    assert kept.code == 1
    assert "NOMINATION_WITHDRAWN" in kept.err
    assert f"added 0, unchanged {len(alarms) - 1}, refused 1" in kept.err
    assert federation.band(SCORER, "phone", alarms[1]) == "NONE"


def disk(federation: Federation, member: str) -> bytes:
    data = federation.home(member).data
    return b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())


def test_a_model_s_word_never_stands_in_a_person_s_place(
    federation: Federation, first: str, subjects: Path, tmp_path: Path
) -> None:
    table = few(subjects, tmp_path, 400)
    rows = score(federation, "--table", str(table), "--id", "number", "--json").rows
    number = max(rows[200:], key=lambda row: float(row["score"]))["id"]
    how = ("--fraud-type", "loan", "--confidence", "90")
    federation.do(SCORER, "nominate", "phone", number, *how)
    score(federation, "--table", str(table), *NOMINATE, "--threshold", "0.8")
    found = federation.do(SCORER, "explain", "phone", number, "--json").document

    assert len(found["models"]) == 1
    assert federation.band(SCORER, "phone", number) == "HIGH"


@pytest.mark.slow
def test_a_second_model_tries_itself_in_the_shadow_is_released_and_rolled_back(
    federation: Federation, first: str, schema: FeatureSchema, subjects: Path, tmp_path: Path
) -> None:
    table = ("--table", str(few(subjects, tmp_path, 500)))
    second = trained(federation, tmp_path, schema, SEED_B)
    federation.do(SCORER, "train", "status", second, "--until", "evaluated", "--wait", "30")
    early = score(federation, *table, "--model", second)

    assert "MODEL_NOT_RELEASED" in early.err or "state EVALUATED" in early.err

    to_shadow(federation, tmp_path, second)
    federation.do(SCORER, "train", "status", second, "--until", "shadow", "--wait", "30")
    eventually(lambda: has_all(federation, SCORER, second))
    refused = score(federation, *table, *NOMINATE, "--model", second)
    usage = score(federation, *table, *NOMINATE, "--shadow")
    tried = score(federation, *table, "--shadow", "--json")

    assert (refused.code, usage.code, tried.code) == (1, 2, 0), tried.err
    assert "state SHADOW" in refused.err

    counts = federation.do(SCORER, "train", "show", second, "--json").document["shadow"]
    alarms = sum(row["band"] != "NONE" for row in tried.rows)
    current = score(federation, *table, "--json").rows
    in_force = [row["band"] != "NONE" for row in current]
    both = [
        mine["band"] != "NONE" and theirs for mine, theirs in zip(tried.rows, in_force, strict=True)
    ]

    assert (counts["rows"], counts["alarms"], counts["rows_compared"]) == (500, alarms, 500)
    assert (counts["alarms_in_force"], counts["alarms_both"]) == (sum(in_force), sum(both))
    assert "of 10,000" in federation.do(SCORER, "train", "show", second).out

    release(federation, second)
    used = score(federation, *table, "--json").rows

    assert {row["model"] for row in used} == {row["model"] for row in tried.rows}
    assert {row["model"] for row in used} != {row["model"] for row in current}

    federation.do(COORDINATOR, "train", "rollback", first)
    federation.do(SCORER, "train", "status", second, "--until", "retired", "--wait", "30")
    back = score(federation, *table, "--json").rows

    assert back == current


def test_a_wrong_file_of_the_coordinator_is_dropped(
    federation: Federation, first: str, schema: FeatureSchema, tmp_path: Path
) -> None:
    folder = federation.home(COORDINATOR).models / first
    own = federation.home(OTHER).models / first / "card.json"
    right = own.read_bytes()
    (folder / "card.json").write_text("{}")
    try:
        own.unlink()
        log = federation.sandbox.home(OTHER)
        eventually(lambda: b"MODEL_FILE_WRONG" in logged(log.root))

        assert not own.exists()
    finally:
        (folder / "card.json").write_bytes(right)


def logged(root: Path) -> bytes:
    return (root / "node.out").read_bytes()
