"""The search for raw identifiers finds one wherever it is planted, and nothing that is allowed."""

import os
import sqlite3

import pytest

from federation.indicators import Indicator, Kind
from node.demo.scan import Needles, Place, forms_of, places_below
from node.traffic import Capture, Direction
from tocsin.desk.v1 import desk_service_pb2

PHONE = Indicator(Kind.PHONE, "+999123456789")
DOMAIN = Indicator(Kind.DOMAIN, "golden-refund.example")
APP = Indicator(Kind.APP, "example.Golden.loan:sha1:" + "ab" * 20)


@pytest.fixture
def needles():
    made = Needles()
    made.add(PHONE, ["+999 123 456-789"], ["carrier-a"])
    made.add(DOMAIN, [], ["net-p"])
    made.add(APP, [], ["net-p"])
    return made


def search(needles, path, may_hold="bank-x"):
    return needles.search(Place(path, path.name, may_hold))


def kinds(tally):
    return [finding.kind for finding in tally.findings]


def database(path, value):
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("CREATE TABLE noise (a BLOB)")
    store.executemany("INSERT INTO noise VALUES (?)", [(os.urandom(500),) for _ in range(500)])
    store.execute("CREATE TABLE plain (value TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
    store.execute("INSERT INTO plain VALUES (?, 7)", (value,))
    return store


def test_a_value_in_a_database_page_is_found(needles, tmp_path):
    path = tmp_path / "store.db"
    store = database(path, DOMAIN.value)
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()

    assert kinds(search(needles, path)) == ["domain"]


def test_a_value_in_a_write_ahead_log_is_found(needles, tmp_path):
    store = database(tmp_path / "store.db", PHONE.value)
    found = search(needles, tmp_path / "store.db-wal")
    store.close()

    assert "phone" in kinds(found)


def test_a_value_in_a_deleted_row_is_still_found(needles, tmp_path):
    path = tmp_path / "store.db"
    store = database(path, DOMAIN.value)
    store.execute("PRAGMA secure_delete=OFF")
    store.execute("DELETE FROM plain")
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()

    assert kinds(search(needles, path)) == ["domain"]


def test_a_value_in_a_packed_message_is_found_though_length_bytes_look_like_text(needles, tmp_path):
    message = desk_service_pb2.CheckRequest()
    for text in ("a" * 46, APP.value, "b" * 97, PHONE.value):
        message.values.add(kind="app", value=text)
    path = tmp_path / "message.bin"
    path.write_bytes(message.SerializeToString())

    assert sorted(kinds(search(needles, path))) == ["app", "phone"]


def test_a_value_in_a_capture_is_found_whoever_sent_it(needles, tmp_path):
    path = tmp_path / "capture.bin"
    with Capture(path) as capture:
        capture.record(Direction.SENT, "bank-x", "/tocsin.v1.LogService/Read", os.urandom(99))
        payload = os.urandom(9) + DOMAIN.value.encode() + b"\x10\x07"
        capture.record(Direction.SENT, "bank-x", "/tocsin.v1.LogService/Read", payload)
    (place,) = places_below(tmp_path, "net-p", "net-p", silent={"capture.bin"})
    tally = needles.search(place)

    assert place.may_hold is None
    assert kinds(tally) == ["domain"]


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "refused", "value": "Golden-Refund.EXAMPLE"}',
        "refused +999 123 456-789",
        "seen 999123456789.",
        "xxgolden-refund.examplexx",
    ],
)
def test_a_value_in_a_log_line_is_found_in_any_spelling(needles, tmp_path, line):
    path = tmp_path / "node.log"
    path.write_text(f"first line\n{line}\nlast line\n")

    assert len(search(needles, path).findings) == 1


def test_a_finding_never_shows_the_value(needles, tmp_path):
    path = tmp_path / "node.log"
    path.write_text(f"x {PHONE.value} y")
    (finding,) = search(needles, path).findings

    assert "123456789" not in repr(finding)
    assert finding.offset == 2


def test_a_value_is_found_wherever_a_chunk_ends(needles, tmp_path, monkeypatch):
    monkeypatch.setattr("node.demo.scan._CHUNK_BYTES", 1_024)
    for at in range(900, 1_100, 7):
        path = tmp_path / f"{at}.bin"
        path.write_bytes(b"\0" * at + DOMAIN.value.encode() + b"\0" * 2_000)
        tally = search(needles, path)

        assert [finding.offset for finding in tally.findings] == [at]
        assert tally.bytes_read == at + len(DOMAIN.value) + 2_000


def test_the_owner_may_hold_its_own_value_and_that_is_counted(needles, tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"\0" + DOMAIN.value.encode() + b"\0")
    tally = search(needles, path, may_hold="net-p")

    assert not tally.findings
    assert tally.expected == 1


def test_a_value_inside_a_longer_one_is_no_finding_where_the_longer_one_may_be(needles, tmp_path):
    longer = Indicator(Kind.DOMAIN, "my-golden-refund.example.shop.example")
    needles.add(longer, [], ["bank-x"])
    needles.settle()
    path = tmp_path / "store.db"
    path.write_bytes(b"\0" + longer.value.encode() + b"\0")

    assert needles.indistinct == 1
    assert not search(needles, path, may_hold="bank-x").findings
    assert len(search(needles, path, may_hold="carrier-a").findings) == 2
    assert len(search(needles, path, may_hold=None).findings) == 2


def test_a_value_inside_a_text_that_everybody_has_is_no_finding_there(needles, tmp_path):
    needles.settle(["www.Golden-Refund.example"], ["bank-x"])
    path = tmp_path / "store.db"
    path.write_bytes(b"\0www.golden-refund.example\0")

    assert not search(needles, path, may_hold="bank-x").findings
    assert len(search(needles, path, may_hold="carrier-a").findings) == 1


def test_random_bytes_hold_nothing(needles, tmp_path):
    path = tmp_path / "noise.bin"
    path.write_bytes(os.urandom(1_000_000))

    assert not search(needles, path).findings


def test_values_too_short_to_tell_from_chance_are_counted(needles):
    needles.add(Indicator(Kind.DOMAIN, "a.example"[:5]), [], [])

    assert needles.too_short == 1


def test_a_phone_number_is_also_searched_without_its_plus():
    assert b"999123456789" in forms_of(PHONE)
