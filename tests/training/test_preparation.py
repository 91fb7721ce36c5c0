"""One table becomes each member's own rows, labels 0 and 1, and a schema; misfits are named."""

import numpy as np
import pytest

from federation.training.error import TableError
from federation.training.preparation import prepare_tables, read_labels
from federation.training.table import Cells, Table, parse_cells

ROWS = 120
SOURCE = np.random.default_rng(8)


def table(rows: int = ROWS, **columns: object) -> Table:
    usual: dict[str, object] = {
        "member": [f"bank {place % 3}" for place in range(rows)],
        "amount": SOURCE.normal(size=rows),
        "colour": [("red", "blue")[place % 2] for place in range(rows)],
        "label": [float(place % 4 == 0) for place in range(rows)],
    }
    return Table({name: as_cells(values) for name, values in (usual | columns).items()})


def as_cells(values: object) -> Cells:
    return values if isinstance(values, np.ndarray) else parse_cells([str(one) for one in values])


def test_each_member_gets_its_own_rows_alone() -> None:
    prepared = prepare_tables(table(), table(), "member", "label")

    assert list(prepared.members) == ["bank 0", "bank 1", "bank 2"]
    assert [len(rows) for rows in prepared.members.values()] == [40, 40, 40]
    assert [column.name for column in prepared.schema.columns] == ["amount", "colour"]
    assert set(prepared.test.columns) == {"amount", "colour", "label"}
    assert prepared.rows == ROWS


def test_columns_that_are_no_features_are_left_out_by_name() -> None:
    words = [f"comment {place}" for place in range(ROWS)]
    found = table(comment=words, same=[1] * ROWS, row=list(range(ROWS)))
    prepared = prepare_tables(found, table(), "member", "label")

    assert {note.subject for note in prepared.left_out} == {"comment", "same", "row"}


def test_a_test_table_needs_no_member_and_no_column_that_was_left_out() -> None:
    test = Table({name: cells for name, cells in table().columns.items() if name != "member"})
    prepared = prepare_tables(table(same=[1] * ROWS), test, "member", "label")

    assert len(prepared.test) == ROWS


@pytest.mark.parametrize("missing", ["amount", "label"])
def test_a_test_table_that_lacks_columns_is_refused_by_name(missing: str) -> None:
    test = Table({name: cells for name, cells in table().columns.items() if name != missing})

    with pytest.raises(TableError, match=f"the test table has no column '{missing}'") as refusal:
        prepare_tables(table(), test, "member", "label")

    assert "colour" in str(refusal.value.hint)


@pytest.mark.parametrize(("member", "label"), [("bank", "label"), ("member", "fraud")])
def test_a_column_that_is_not_there_is_named(member: str, label: str) -> None:
    with pytest.raises(TableError, match=f"'{member if member != 'member' else label}'"):
        prepare_tables(table(), table(), member, label)


@pytest.mark.parametrize(
    ("texts", "positive"),
    [
        (("0", "1"), "1"),
        (("1", "0"), "1"),
        (("no", "yes"), "yes"),
        (("yes", "no"), "yes"),
        (("TRUE", "FALSE"), "TRUE"),
        (("2", "1"), "2"),
        (("-1", "1"), "1"),
        (("10", "9"), "10"),
        (("good", "bad"), "bad"),
        (("normal", "anomaly"), "anomaly"),
    ],
)
def test_labels_of_many_spellings_are_read(texts: tuple[str, str], positive: str) -> None:
    common, rare = texts
    cells = parse_cells([common] * 6 + [rare] * 2 + [""])
    train, test, found = read_labels(cells, cells)

    assert found == positive
    assert np.nansum(train) == (2 if rare == positive else 6)
    assert np.isnan(train[-1])
    assert np.array_equal(train, test, equal_nan=True)


@pytest.mark.parametrize("values", [["1", "2", "3"], ["1", "1"], ["", ""]])
def test_a_label_without_two_values_is_refused(values: list[str]) -> None:
    cells = parse_cells(values * 10)

    with pytest.raises(TableError, match="different values instead of two") as refusal:
        read_labels(cells, cells)

    assert refusal.value.reason == "LABEL_INVALID"


def test_labels_that_only_the_test_table_has_are_refused() -> None:
    with pytest.raises(TableError, match="values that the training rows have not"):
        read_labels(parse_cells(["a", "b"]), parse_cells(["a", "c"]))


def test_a_test_table_of_one_label_is_refused() -> None:
    with pytest.raises(TableError, match="only one of the two labels"):
        prepare_tables(table(), table(label=[0] * ROWS), "member", "label")


def test_rows_without_label_or_member_are_left_out_and_counted() -> None:
    members = [""] * 2 + ["a", "b"] * ((ROWS - 2) // 2)
    labels = ["", "0"] + ["1", "0"] * ((ROWS - 4) // 2) + ["", ""]
    prepared = prepare_tables(table(member=members, label=labels), table(), "member", "label")
    notes = {note.subject: note.text for note in prepared.notes}

    assert prepared.rows == ROWS - 4
    assert notes["member"] == "2 rows without a member are left out"
    assert notes["training rows"] == "2 without a label are left out"


def test_too_many_members_are_refused_with_what_to_do() -> None:
    with pytest.raises(TableError, match="120 members, more than 20") as refusal:
        prepare_tables(table(member=list(range(ROWS))), table(), "member", "label")

    assert refusal.value.reason == "MEMBERS_INVALID"
    assert "--members-at-most" in str(refusal.value.hint)


def test_a_member_with_one_label_is_kept_and_said() -> None:
    labels = [0 if place % 3 == 0 else place % 2 for place in range(ROWS)]
    prepared = prepare_tables(table(label=labels), table(), "member", "label")

    assert len(prepared.members) == 3
    assert [note.subject for note in prepared.notes] == ["bank 0"]


def test_members_named_by_numbers_keep_them() -> None:
    prepared = prepare_tables(
        table(member=[place % 3 for place in range(ROWS)]), table(), "member", "label"
    )

    assert list(prepared.members) == ["0", "1", "2"]


def test_a_table_without_any_feature_is_refused_with_every_reason() -> None:
    only = {"member": ["a", "b", "c"] * 20, "label": [0, 1] * 30, "same": [1] * 60}
    found = Table({name: as_cells(values) for name, values in only.items()})

    with pytest.raises(TableError, match="same: every cell is the same"):
        prepare_tables(found, found, "member", "label")
