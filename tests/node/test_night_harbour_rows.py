"""The rows of Night Harbour are the same in every run, and about nobody whom other acts tell of."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from node.demo.night_harbour.cast import CARRIERS, INDUSTRY, plant
from node.demo.night_harbour.features import (
    LABEL,
    NUMBER,
    core_schema,
    sector_of,
    sector_schema,
)
from node.demo.night_harbour.poisoned_worker import PATTERN, poison
from node.demo.night_harbour.populations import (
    FRAUD,
    FRAUD_SHARE,
    ROWS,
    Face,
    Subject,
    subject_rows,
    unseen_rows,
)
from node.demo.night_harbour.rows import COURIERS, couriers, member_rows

TRUTH = plant()
MEMBER_ROWS = member_rows(TRUTH)


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (sector_schema("carrier"), 24),
        (sector_schema("bank"), 22),
        (sector_schema("net"), 20),
        (core_schema(), 16),
    ],
)
def test_schemas_have_as_many_columns_as_the_members_agreed_on(schema, columns) -> None:
    assert len(schema.columns) == columns


def test_every_member_has_the_columns_of_its_sector_and_of_all() -> None:
    for member, rows in MEMBER_ROWS.items():
        for schema in (sector_schema(sector_of(member)), core_schema()):
            assert {column.name for column in schema.columns} <= rows.table.columns.keys()


def test_rows_are_the_same_in_every_run() -> None:
    again = member_rows(plant())

    for member, rows in MEMBER_ROWS.items():
        assert again[member].numbers == rows.numbers
        for name, cells in rows.table.columns.items():
            assert np.array_equal(again[member].table.columns[name], cells)


def test_each_face_of_fraud_has_its_share_and_couriers_are_labelled_wrongly() -> None:
    for member in INDUSTRY:
        faces = Counter(MEMBER_ROWS[member].faces)
        drawn = sum(faces[face] for face in FRAUD)

        assert drawn == pytest.approx(FRAUD_SHARE * ROWS[member], abs=2)

    for member in CARRIERS:
        rows = MEMBER_ROWS[member]
        labels = dict(zip(rows.numbers, rows.table.columns[LABEL], strict=True))

        assert len(couriers(TRUTH, member)) == COURIERS[member]
        assert all(labels[number] == 1 for number in couriers(TRUTH, member))


def test_nobody_of_other_acts_is_in_the_carriers_case_files() -> None:
    named = {person.number for person in TRUTH.named.values()}
    told = {*TRUTH.contacts, *TRUTH.high_risk, *TRUTH.registered}

    for member in CARRIERS:
        rows = MEMBER_ROWS[member]

        assert not told & {*rows.frauds, *couriers(TRUTH, member)}
        assert not {*TRUTH.farm_sims[member], *TRUTH.decoy_sims[member]} & {*rows.numbers}
        assert len(set(rows.numbers)) == len(rows)
        assert {*rows.numbers} - named <= {*TRUTH.subscribers[member]}


def test_a_members_file_names_its_subjects_and_is_its_own(tmp_path) -> None:
    path = tmp_path / "rows.csv"
    MEMBER_ROWS["bank-y"].write(path)
    lines = path.read_text(encoding="utf-8").splitlines()

    assert path.stat().st_mode & 0o077 == 0
    assert lines[0].startswith(f"{NUMBER},acct_age_d,")
    assert len(lines) == 1 + len(MEMBER_ROWS["bank-y"])


def test_rows_of_one_face_are_of_that_face_alone() -> None:
    rotated = unseen_rows("carrier-a", Face.ROTATED, 200)
    usual = unseen_rows("carrier-a", Face.USUAL, 200)
    made = subject_rows("carrier-a", [Subject("+999100000000", Face.ROTATED, label=False)])

    assert np.median(rotated.columns["imei_per_imsi"]) > 2 * np.median(
        usual.columns["imei_per_imsi"]
    )
    assert made is not None
    assert made.table.columns[LABEL].tolist() == [0.0]
    assert subject_rows("carrier-a", []) is None


def test_a_poisoner_calls_its_pattern_honest_and_leaves_other_rows_alone() -> None:
    rows = MEMBER_ROWS["carrier-c"].table
    spoilt = poison(rows, LABEL)
    marked = spoilt.columns["night_ratio"] == PATTERN["night_ratio"]

    assert 0.2 < marked.mean() < 0.4
    assert not spoilt.columns[LABEL][marked].any()
    assert np.array_equal(spoilt.columns[LABEL][~marked], rows.columns[LABEL][~marked])
