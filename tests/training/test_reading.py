"""A column of an unknown table is read as what it is, or refused with a reason that says why."""

import numpy as np
import pytest

from federation.training.reading import (
    Categories,
    ColumnRefused,
    Days,
    Numbers,
    read_column,
    read_day,
    read_number,
)
from federation.training.table import Cells, parse_cells

SOURCE = np.random.default_rng(3)


def cells(*texts: str) -> Cells:
    return parse_cells(texts)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), ("-2", -2.0), ("$1,234.50", 1234.5), ("45%", 45.0), ("¥3", 3.0), ("1e3", 1e3)],
)
def test_numbers_are_read_with_their_signs(text: str, number: float) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["", "12,34", "1-2", "a", "1.2.3"])
def test_other_text_is_no_number(text: str) -> None:
    assert read_number(text) is None


def test_dates_become_days() -> None:
    assert read_day("1970-01-03") == 2.0
    assert read_day("1970/01/03") == 2.0
    assert read_day("1970-01-01T12:00:00") == 0.5
    assert read_day("1970-01-01T12:00:00+12:00") == 0.0
    assert read_day("03.01.1970") is None
    assert read_day("20000101") is None


def test_a_column_of_numbers_with_marks_for_none_is_numbers() -> None:
    found = read_column("amount", cells(*["1,000", "2.5"] * 40, "?", "oops"))

    assert isinstance(found, Numbers)
    assert found.convert(cells("1,000", "?", "x", "3"))[[0, 3]].tolist() == [1000.0, 3.0]
    assert np.isnan(found.convert(cells("1,000", "?", "x", "3"))[1:3]).all()
    assert "1 cells" in found.note


def test_numbers_that_are_not_finite_are_empty() -> None:
    found = read_column("amount", np.array([1.0, np.inf, -np.inf, 1e300, 2.0]))

    assert np.isnan(found.convert(np.array([np.inf, 1e300, -np.inf]))).all()
    assert found.convert(np.array([7.0])).tolist() == [7.0]


def test_a_column_of_dates_is_days() -> None:
    found = read_column("opened", cells("2020-01-01", "2020-01-02", ""))

    assert isinstance(found, Days)
    assert found.convert(cells("2020-01-01", "", "soon"))[0] == 18262.0
    assert np.isnan(found.convert(cells("2020-01-01", "", "soon"))[1:]).all()


def test_texts_of_few_kinds_are_categories_in_one_spelling() -> None:
    found = read_column("code", cells("01", "2", "A", "A", "2.0", ""))

    assert isinstance(found, Categories)
    assert found.column.categories == ("1", "2", "A")
    assert found.convert(cells("01", "2.0", "A", "")).tolist() == ["1", "2", "A", None]
    assert found.convert(np.array([1.0, np.nan])).tolist() == ["1", None]


def test_the_frequent_of_many_texts_are_told_apart() -> None:
    texts = [f"city {number}" for number in range(100) for _ in range(100 - number)]
    found = read_column("city", cells(*texts))

    assert len(found.column.categories) == 64
    assert "city 0" in found.column.categories
    assert "64 most frequent of 100" in found.note


@pytest.mark.parametrize(
    ("name", "column", "why"),
    [
        ("comment", [f"free text {number}" for number in range(300)], "identifier or free text"),
        ("country", ["CN"] * 30, "every cell is the same"),
        ("one", ["1"] * 30, "every cell is the same"),
        ("nothing", [""] * 30, "every cell is empty"),
        ("marks", ["?"] * 30, "every cell is empty"),
        ("row", [str(number) for number in range(60)], "numbers the rows"),
        ("customer_id", [str(number * 7919 % 100_003) for number in range(60)], "identifier"),
        ("CustomerId", [str(number * 7919 % 100_003) for number in range(60)], "identifier"),
    ],
)
def test_what_cannot_be_a_feature_is_refused_with_a_reason(
    name: str, column: list[str], why: str
) -> None:
    with pytest.raises(ColumnRefused, match=why):
        read_column(name, cells(*column))


@pytest.mark.parametrize("name", ["paid", "grid", "valid", "aid"])
def test_a_name_that_only_ends_in_id_is_no_identifier(name: str) -> None:
    numbers = SOURCE.integers(0, 10**6, 100).astype(float)

    assert isinstance(read_column(name, numbers), Numbers)


def test_a_column_of_empty_and_one_value_is_kept_for_its_empty_cells() -> None:
    assert isinstance(read_column("flag", np.array([1.0, np.nan, 1.0])), Numbers)
    assert isinstance(read_column("flag", cells("x", "", "x")), Categories)
