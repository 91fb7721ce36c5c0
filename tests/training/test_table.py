"""Tables are read from files and queries; what does not fit is named by column and row."""

import gzip
import sqlite3
from pathlib import Path

import pytest

numpy = pytest.importorskip("numpy")

from federation.training.error import TableError  # noqa: E402
from federation.training.schema import CATEGORICAL, Column, FeatureSchema  # noqa: E402
from federation.training.table import (  # noqa: E402
    Table,
    check_table,
    infer_schema,
    query_table,
    read_table,
    split_rows,
)
from tests.training.plans import SCHEMA  # noqa: E402

TEXT = "calls,ratio,plan,label\n3,0.5,pre,1\n,0.25,post,0\n-4,1,gift,0\n"


def _write(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_csv_becomes_values_marks_and_labels(tmp_path: Path) -> None:
    rows = check_table(read_table(_write(tmp_path, TEXT)), SCHEMA)

    assert rows.values.tolist() == [[3, 0.5, 1], [0, 0.25, 0], [0, 1, -1]]  # -4 is clipped to 0
    assert rows.empty.tolist() == [[False] * 3, [True, False, False], [False] * 3]
    assert rows.labels.tolist() == [1, 0, 0]


def test_gzip_parquet_and_sqlite_give_the_same_rows(tmp_path: Path) -> None:
    plain = read_table(_write(tmp_path, TEXT))
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        connection.execute("create table rows (calls real, ratio real, plan text, label integer)")
        records = [(3, 0.5, "pre", 1), (None, 0.25, "post", 0), (-4, 1, "gift", 0)]
        connection.executemany("insert into rows values (?, ?, ?, ?)", records)
    connection.close()
    wanted = check_table(plain, SCHEMA)
    others = [
        read_table(tmp_path / "rows.csv.gz"),
        query_table(f"sqlite:{tmp_path / 'rows.db'}", "select * from rows"),
        _through_parquet(tmp_path, plain),
    ]

    for other in others:
        rows = check_table(other, SCHEMA)
        assert (rows.values == wanted.values).all()
        assert (rows.empty == wanted.empty).all()
        assert (rows.labels == wanted.labels).all()


def _through_parquet(folder: Path, table: Table) -> Table:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        name: [None if cell != cell else cell for cell in cells.tolist()]  # NaN
        for name, cells in table.columns.items()
    }
    parquet.write_table(arrow.table(columns), folder / "rows.parquet")
    return read_table(folder / "rows.parquet")


def test_a_query_cannot_write(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "rows.db").close()

    with pytest.raises(TableError) as refusal:
        query_table(f"sqlite:{tmp_path / 'rows.db'}", "create table stolen (x)")

    assert refusal.value.reason == "TABLE_UNREADABLE"


def test_every_problem_is_reported_at_once_without_its_value(tmp_path: Path) -> None:
    text = "calls,ratio,label\n3,,1\n13800138000x,0.25,7\n"

    with pytest.raises(TableError) as refusal:
        check_table(read_table(_write(tmp_path, text)), SCHEMA)

    message = str(refusal.value)
    assert "column 'calls', row 2: not a number" in message
    assert "column 'ratio', row 1: empty, which the schema refuses" in message
    assert "column 'plan' is missing" in message
    assert "column 'label', row 2: a label is neither 0 nor 1" in message
    assert "13800138000" not in message


@pytest.mark.parametrize(
    "text",
    ["", "a,a\n1,2\n", "a,b\n1\n", "a,b\n1,2,3\n"],
)
def test_a_table_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError) as refusal:
        read_table(_write(tmp_path, text))

    assert refusal.value.reason == "TABLE_UNREADABLE"


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.parquet", "missing.csv"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    if not name.startswith("missing"):
        _write(tmp_path, "no archive", name)

    with pytest.raises(TableError) as refusal:
        read_table(tmp_path / name)

    assert refusal.value.reason == "TABLE_UNREADABLE"


def test_an_empty_or_infinite_number_is_refused(tmp_path: Path) -> None:
    schema = FeatureSchema((Column("calls"),))

    with pytest.raises(TableError, match="row 1: not a finite number"):
        check_table(read_table(_write(tmp_path, "calls,label\ninf,1\n2,0\n")), schema)
    with pytest.raises(TableError, match="no row"):
        check_table(read_table(_write(tmp_path, "calls,label\n")), schema)


def test_texts_of_few_kinds_are_categories_and_others_are_refused_by_name() -> None:
    table = Table(
        {
            "number": numpy.array([f"1380013{n:04}" for n in range(100)], object),
            "plan": numpy.array(["pre", "post"] * 50, object),
            "label": numpy.array([0.0, 1.0] * 50),
        }
    )
    with pytest.raises(TableError) as refusal:
        infer_schema(table, "label")
    schema = infer_schema(table, "label", ["number"])

    assert refusal.value.reason == "COLUMN_REFUSED"
    assert "number" in str(refusal.value)
    assert "1380013" not in str(refusal.value)
    assert schema.columns == (Column("plan", CATEGORICAL, categories=("post", "pre")),)


def test_a_category_written_as_a_number_is_found() -> None:
    column = Column("kind", CATEGORICAL, categories=("1", "2"))
    cells = numpy.array([2.0, 1.0, numpy.nan, 3.0])
    rows = check_table(Table({"kind": cells}), FeatureSchema((column,)), labelled=False)

    assert rows.values[:, 0].tolist() == [1, 0, 0, -1]
    assert rows.empty[:, 0].tolist() == [False, False, True, False]


def test_a_split_keeps_shares_and_repeats_by_seed() -> None:
    labels = numpy.array([1.0] * 100 + [0.0] * 300)
    members = numpy.array(["a", "b"] * 200)
    train, test = split_rows([members, labels], 0.2, 42)
    again, _ = split_rows([members, labels], 0.2, 42)
    other, _ = split_rows([members, labels], 0.2, 1)

    assert len(test) == 80
    assert labels[test].sum() == 20
    assert (members[test] == "a").sum() == 40
    assert sorted([*train, *test]) == list(range(400))
    assert (train == again).all()
    assert not (train == other).all()


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)

    with pytest.raises(TableError) as refusal:
        query_table("postgresql://localhost/none", "select 1")

    assert refusal.value.reason == "DRIVER_MISSING"
    assert refusal.value.hint == "pip install psycopg"
