"""A table read in batches is the table, however small the batches."""

import gzip
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import federation.training.batches as batches_module
from federation.training.batches import query_batches, read_batches
from federation.training.error import TableError

TEXT = "id,calls,plan\n007,1.5,pre\n008,,\n009, NA ,post\n\n010,2e3,pre\n"


def csv_file(folder: Path, text: str = TEXT, name: str = "rows.csv") -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize("part", [1, 3, 100])
@pytest.mark.parametrize("numeric", [(), ("calls",)])
def test_batches_have_every_row_once_with_its_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    part: int,
    numeric: tuple[str, ...],
) -> None:
    monkeypatch.setattr(batches_module, "PART_ROWS", part)
    found = read_batches(csv_file(tmp_path, name=name), part)
    batches = list(found.read(numeric))
    numbers = np.concatenate([batch.numbers("calls") for batch in batches])

    assert found.names == ("id", "calls", "plan")
    assert [text for batch in batches for text in batch.texts("id")] == ["007", "008", "009", "010"]
    assert [text for batch in batches for text in batch.texts("plan")] == ["pre", "", "post", "pre"]
    assert np.array_equal(numbers, [1.5, np.nan, np.nan, 2000], equal_nan=True)
    assert [batch.first for batch in batches] == list(range(1, 5, part))


def test_what_is_no_number_is_named_by_its_column_and_row_and_not_repeated(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,calls\n1,2\n2,3\n3,secret\n")
    with pytest.raises(TableError) as caught:
        list(read_batches(path, 2).read(["calls"]))

    assert str(caught.value) == "column 'calls', row 3: not a number"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "header"),
        ("a,a\n1,2\n", "header"),
        ("a,b\n1,2\n1,2,3\n", "row 2 has 3 cells, the header 2"),
        ('a,b\n"1,2\n', "cannot read"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = csv_file(tmp_path, text)
    with pytest.raises(TableError, match=what) as caught:
        list(read_batches(path, 10).read())

    assert caught.value.reason == "TABLE_UNREADABLE"


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    whole = csv_file(tmp_path, TEXT * 50, "rows.csv.gz")
    whole.write_bytes(whole.read_bytes()[:-20])
    for path in (tmp_path / "none.csv", whole):
        with pytest.raises(TableError) as caught:
            list(read_batches(path, 10).read())

        assert caught.value.reason == "TABLE_UNREADABLE"


def test_reading_tells_how_far_it_is(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b\n" + "1,2\n" * 50_000)
    seen: list[int] = []
    batches = list(read_batches(path, 10_000, seen.append).read())

    assert max(map(len, batches)) <= 10_000
    assert sum(map(len, batches)) == 50_000

    assert len(set(seen)) > 5
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size


def test_a_query_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "PART_ROWS", 3)
    file = tmp_path / "rows.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table rows (id text, calls real)")
        values = [(f"0{number}", number if number % 2 else None) for number in range(7)]
        connection.executemany("insert into rows values (?, ?)", values)
    connection.close()
    found = query_batches(f"sqlite:{file}", "select * from rows", 3)
    batches = list(found.read())

    assert found.names == ("id", "calls")
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert batches[0].texts("id") == ["00", "01", "02"]
    assert np.array_equal(batches[0].numbers("calls"), [np.nan, 1, np.nan], equal_nan=True)


def test_parquet_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "PART_ROWS", 2)
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    columns = {"id": ["a", None, "c"], "calls": [1.0, None, 3.0], "count": [1, 2, 3]}
    parquet.write_table(arrow.table(columns), path)
    batches = list(read_batches(path, 2).read())

    assert [batch.first for batch in batches] == [1, 3]
    assert batches[0].texts("id") == ["a", ""]
    assert np.array_equal(batches[0].numbers("calls"), [1, np.nan], equal_nan=True)
    assert batches[1].numbers("count").tolist() == [3]
    assert batches[0].texts("count") == ["1", "2"]
