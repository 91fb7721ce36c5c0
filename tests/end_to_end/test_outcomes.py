"""Members learn from outcomes: labels by token, a model of them, its drift, and late fusion."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.training.schema import FeatureSchema
from federation.training.table import infer_schema
from tests.end_to_end.members import Federation, eventually, running_federation, write_lines
from tests.training.planted import planted_rows

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

from tests.end_to_end.test_training_score import (
    COORDINATOR,
    MEMBERS,
    POLICY,
    ROWS,
    release,
    to_shadow,
    trained,
    write_table,
)

CARRIER, SECOND, BANK = MEMBERS
SUBJECTS = 'subject = "number"\nsubject_kind = "phone"\n'
SHARED, LONELY = "+99955000000", "+99955000001"

pytestmark = pytest.mark.timeout(500)


def number_of(place: int, row: int) -> str:
    """Give a subscriber's number; the first row of carrier and bank is the same person."""
    if row == 0 and place in (0, 2):
        return SHARED
    return f"+99955{place}{row:05}"


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return infer_schema(planted_rows(200, 1), "label")


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, bool]]:
    """Give by member which of its numbers are fraudulent."""
    return {
        member: {
            number_of(place, row): bool(label)
            for row, label in enumerate(planted_rows(ROWS, 7 + place).columns["label"])
        }
        for place, member in enumerate(MEMBERS)
    }


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory,
    schema: FeatureSchema,
    truth: dict[str, dict[str, bool]],
) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("outcomes")
    with running_federation(root / "f", (COORDINATOR, *MEMBERS)) as found:
        for place, member in enumerate(MEMBERS):
            home, table = found.home(member), planted_rows(ROWS, 7 + place)
            del table.columns["label"]  # type: ignore[attr-defined]  # it is a dictionary
            numbers = [number_of(place, row) for row in range(ROWS)]
            write_table(home.root / "rows.csv", table, numbers)
            (home.root / "rows.schema").write_bytes(schema.encode())
            home.training.write_text(POLICY + SUBJECTS, encoding="utf-8")
        fraud = {number for numbers in truth.values() for number, bad in numbers.items() if bad}
        fraud |= {SHARED, LONELY}
        lines = ["kind,value,fraud_type,confidence", *(f"phone,{one},loan,80" for one in fraud)]
        file = write_lines(root / "fraud.csv", lines)
        for member in (CARRIER, BANK):
            found.do(member, "nominate", "--file", str(file))
        eventually(lambda: found.band(SECOND, "phone", SHARED) == "VERY_HIGH")
        yield found


def label(federation: Federation, member: str, *words: str) -> dict[str, Any]:
    return federation.do(member, "train", "label", "rows", *words, "--json").document


def labelled(federation: Federation, member: str) -> list[dict[str, str]]:
    path = federation.home(member).root / "data" / "labelled" / "rows-confirmed-0d.csv"

    assert path.stat().st_mode & 0o077 == 0

    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_get_the_labels_of_their_subjects_and_lifted_ones_leave(
    federation: Federation, truth: dict[str, dict[str, bool]], schema: FeatureSchema
) -> None:
    expected = Counter(truth[CARRIER] | {SHARED: True, LONELY: True}).total()
    first = label(federation, CARRIER, "--maturity-days", "0")
    rows = labelled(federation, CARRIER)

    assert first["positive"] == expected
    assert (first["unknown"], first["rows"]) == (ROWS - expected, ROWS)
    assert sum(row["label"] == "1" for row in rows) == expected
    assert list(rows[0]) == [*(column.name for column in schema.columns), "label"]
    assert "99955" not in "".join(cell for row in rows for cell in row.values())

    # Matured outcomes alone count, and the police has said nothing.
    assert label(federation, CARRIER, "--maturity-days", "30")["left_out"] == expected
    assert label(federation, CARRIER, "--definition", "designated")["positive"] == 0

    lifted, doubtful = [
        number for number, bad in truth[CARRIER].items() if bad and number not in (SHARED, LONELY)
    ][:2]
    federation.do(CARRIER, "retract", "phone", lifted)
    federation.do(CARRIER, "retract", "phone", doubtful)
    federation.do(BANK, "retract", "phone", lifted)
    eventually(lambda: federation.band(CARRIER, "phone", lifted) == "NONE")
    again = label(federation, CARRIER, "--maturity-days", "0")

    assert (again["positive"], again["cleared"], again["left_out"]) == (expected - 2, 1, 1)
    assert again["rows"] == ROWS - 1


def test_a_model_of_outcomes_is_trained_watched_and_fused(
    federation: Federation,
    tmp_path: Path,
    schema: FeatureSchema,
    truth: dict[str, dict[str, bool]],
) -> None:
    for member in MEMBERS:
        label(federation, member, "--maturity-days", "0")
    digest = trained(federation, tmp_path, schema, 5)
    to_shadow(federation, tmp_path, digest)
    release(federation, digest)
    for member in MEMBERS:
        path = federation.home(member).models / digest / "model"
        eventually(path.exists)
    drift = federation.do(BANK, "train", "drift", digest, "--seconds", "60", "--json").document
    again = federation.do(CARRIER, "train", "drift", digest, "--seconds", "60", "--json").document

    assert (drift["is_reference"], drift["contributors"], drift["alarm"]) == (True, 3, False)
    assert [one["column"] for one in drift["columns"]] == [one.name for one in schema.columns]
    assert drift["rows"] >= 3 * ROWS - 3
    assert 0 < drift["label_rate"] < 1
    # The same day has one sum: no two that differ by a member.
    assert again["sum_id"] == drift["sum_id"]
    assert not again["is_reference"]

    fuse = ("--seconds", "60", "--json")
    quiet = next(number for number, bad in truth[SECOND].items() if not bad)
    shared = federation.do(SECOND, "train", "fuse", "phone", SHARED, *fuse).document
    lonely = federation.run(SECOND, "train", "fuse", "phone", LONELY, *fuse)
    unknown = federation.run(SECOND, "train", "fuse", "phone", quiet, *fuse)

    assert (shared["contributors"], shared["is_fused"]) == (2, True)
    assert -4 <= shared["level_sum"] <= 4
    assert (lonely.code, lonely.document["contributors"], lonely.document["is_fused"]) == (
        1,
        1,
        False,
    )
    assert unknown.code == 1
    assert "[NOT_NOMINATED]" in unknown.err
