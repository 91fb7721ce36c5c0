"""Files of values: every good row is read, every bad one named, and memory stays bounded."""

import gzip
import re
import tracemalloc

import pytest

from node.cli.table_file import (
    MAX_LINE_BYTES,
    BadRow,
    Layout,
    Row,
    parse_mapping,
    read_rows,
)
from node.errors import RequestError

PLAIN = Layout()


def write(tmp_path, content, name="values.csv"):
    path = tmp_path / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path, layout=PLAIN):
    return list(read_rows(path, layout))


def values(rows):
    return [row.cells["value"] for row in rows if isinstance(row, Row)]


def bad(rows):
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("name", ["values.csv", "values.csv.gz", "VALUES.CSV.GZ"])
def test_plain_and_packed_files_give_the_same_rows(tmp_path, name):
    name = name if not name.isupper() else "VALUES.csv.gz"
    rows = read(write(tmp_path, "kind,value\ndomain,a.example\n\nip,192.0.2.1\n", name))

    assert [(row.line, row.cells["kind"], row.cells["value"]) for row in rows] == [
        (2, "domain", "a.example"),
        (4, "ip", "192.0.2.1"),
    ]


def test_byte_order_mark_case_blanks_and_line_ends_do_not_matter(tmp_path):
    rows = read(write(tmp_path, "\ufeff Kind , VALUE\r\n domain , a.example \r\n"))

    assert values(rows) == ["a.example"]


def test_a_column_in_between_a_quote_and_a_line_in_a_cell_are_read(tmp_path):
    text = 'other,value,kind,details\n1,a.example,domain,"two\nlines, and ""quotes"""\n2,b,ip,\n'
    rows = read(write(tmp_path, text))

    assert rows[0].cells["details"] == 'two\nlines, and "quotes"'
    assert [row.line for row in rows] == [2, 4]


def test_other_names_of_columns_are_mapped(tmp_path):
    path = write(tmp_path, "Number,Type\n+8613000000000,phone\n")
    rows = read(path, Layout(parse_mapping("value=number, kind=TYPE")))

    assert rows[0].cells["kind"] == "phone"
    assert values(rows) == ["+8613000000000"]


def test_defaults_stand_in_for_missing_and_empty_cells(tmp_path):
    path = write(tmp_path, "value,stage\na.example,\nb.example,payment\n")
    rows = read(path, Layout(defaults={"kind": "domain", "stage": "contact"}))

    assert [row.cells["stage"] for row in rows] == ["contact", "payment"]
    assert {row.cells["kind"] for row in rows} == {"domain"}


def test_a_list_has_one_value_a_line(tmp_path):
    path = write(tmp_path, "a.example\n\n b.example \n", "domains.txt.gz")
    rows = read(path, Layout(defaults={"kind": "domain"}))

    assert [(row.line, row.cells["value"]) for row in rows] == [(1, "a.example"), (3, "b.example")]


def test_bad_rows_are_named_by_line_and_the_others_are_read(tmp_path):
    content = (
        b"kind,value\n"
        b"domain,first.example\n"
        b"domain,not,width\n"
        b"domain,\xff\xfe\n"
        b'domain,"x"y\n'
        b"domain," + b"l" * (3 * MAX_LINE_BYTES) + b"\n"
        b"domain,last.example"
    )
    rows = read(write(tmp_path, content))

    assert values(rows) == ["first.example", "last.example"]
    assert bad(rows) == [
        (3, "ROW_WIDTH"),
        (4, "ENCODING_INVALID"),
        (5, "ROW_MALFORMED"),
        (6, "LINE_TOO_LONG"),
    ]


def test_a_quote_that_is_never_closed_costs_some_rows_and_not_the_file(tmp_path):
    filler = "".join(f"domain,{number:05}.example\n" for number in range(6_000))
    rows = read(write(tmp_path, f'kind,value\ndomain,"open\n{filler}'))

    assert bad(rows)[0] == (2, "ROW_MALFORMED")
    assert re.match(r"all up to line \d{4} is not CSV", rows[0].message)
    assert values(rows)[-1] == "05999.example"
    assert len(values(rows)) > 4_000


def test_neither_errors_nor_reprs_repeat_what_stands_in_the_file(tmp_path):
    path = write(tmp_path, "13800001111,13900002222\n13800003333,\n")

    with pytest.raises(RequestError) as caught:
        read(path)
    rows = read(write(tmp_path, "kind,value\nphone,13800001111\nphone,1,13800004444\n"))

    assert caught.value.reason == "COLUMN_MISSING"
    assert "138" not in f"{caught.value} {caught.value.hint} {rows}"


@pytest.mark.parametrize(
    ("content", "mapping", "reason"),
    [
        ("", "", "FILE_EMPTY"),
        (b"\xff\xfek\x00i\x00\nphone,1\n", "", "FILE_UNREADABLE"),
        (b"k" * 70_000 + b"\nphone,1\n", "", "FILE_UNREADABLE"),
        ("\n\n", "", "FILE_EMPTY"),
        ("kind,number\n", "", "COLUMN_MISSING"),
        ("kind,value\n", "details=text", "COLUMN_MISSING"),
        ("kind,value,value\n", "", "COLUMN_TWICE"),
        ('kind,"value"x\n', "", "FILE_UNREADABLE"),
    ],
)
def test_a_file_without_its_columns_has_one_documented_error(tmp_path, content, mapping, reason):
    layout = Layout(parse_mapping(mapping))

    with pytest.raises(RequestError) as caught:
        read(write(tmp_path, content), layout)

    assert caught.value.reason == reason


@pytest.mark.parametrize("text", ["kind", "kind=", "colour=x", "=x", "kind=a,kind=b"])
def test_a_map_that_is_none_is_refused(text):
    with pytest.raises(RequestError) as caught:
        parse_mapping(text)

    assert caught.value.reason == "MAP_INVALID"


def test_a_packed_file_that_is_cut_short_gives_its_rows_and_then_an_error(tmp_path):
    lines = "".join(
        f"domain,{number}.{number * 7919 % 10007}.example\n" for number in range(50_000)
    )
    data = gzip.compress(f"kind,value\n{lines}".encode())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(data[: len(data) // 2])
    got = []

    with pytest.raises(RequestError) as caught:
        got.extend(read_rows(path, PLAIN))

    assert caught.value.reason == "FILE_UNREADABLE"
    assert len(got) > 10_000


@pytest.mark.parametrize("name", ["absent.csv", "absent.csv.gz", "."])
def test_a_file_that_cannot_be_opened_says_so(tmp_path, name):
    with pytest.raises(RequestError) as caught:
        read(tmp_path / name)

    assert caught.value.reason == "FILE_UNREADABLE"


def test_something_else_under_a_packed_name_says_so(tmp_path):
    path = tmp_path / "plain.csv.gz"
    path.write_bytes(b"kind,value\n")

    with pytest.raises(RequestError) as caught:
        read(path)

    assert caught.value.reason == "FILE_UNREADABLE"


def test_memory_does_not_grow_with_the_file(tmp_path):
    long_line = b"domain," + b"x" * (20 << 20) + b"\n"
    packed = gzip.compress(b"kind,value\n" + b"domain,a.example\n" * 100_000 + long_line, 1)
    path = tmp_path / "long.csv.gz"
    path.write_bytes(packed)
    del packed, long_line
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_rows(path, PLAIN))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 100_001
    assert peak < 2 << 20


def test_reading_tells_how_far_it_is(tmp_path):
    path = write(tmp_path, "kind,value\n" + "domain,a.example\n" * 5_000)
    positions = []
    list(read_rows(path, PLAIN, positions.append))

    assert positions == sorted(positions)
    assert 0 < positions[-1] <= path.stat().st_size
