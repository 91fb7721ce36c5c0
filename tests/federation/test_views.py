"""Views are folded from logs: in any order of the members, and again from nothing."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.catalogue_root import catalogue_root
from federation.statements import (
    BODY_NUMBERS,
    KeyJoin,
    Nomination,
    Retraction,
    UnknownBody,
    encode_statement,
)
from federation.views import TABLES, Drop, Outcome, Put, fold
from federation.vocabulary import RetractionReason
from keys.sealing import PUBLIC_KEY_BYTES
from tests.federation.said import (
    DAY,
    EXAMPLES,
    NOW,
    TOKEN,
    nomination,
    opaque,
    said,
    sighting,
    statements,
)

BY_NAME = {table.name: table for table in TABLES}
PYTHON_TYPES = {"BLOB": bytes, "TEXT": str, "INTEGER": int}
MEMBERS = ["bank-a", "bank-b", "carrier-c"]
LOGS = st.fixed_dictionaries({member: st.lists(statements, max_size=8) for member in MEMBERS})


def key_of(table, row):
    names = [name for name, _type in table.columns]
    return tuple(row[names.index(name)] for name in table.key)


class Model:
    """Tables as dictionaries: what a store must come to."""

    def __init__(self):
        self.tables = {table.name: {} for table in TABLES}

    def apply(self, changes):
        for change in changes:
            if isinstance(change, Put):
                table = BY_NAME[change.table]
                self.tables[change.table][key_of(table, change.row)] = change.row
            else:
                self.tables[change.table].pop(change.key, None)
        return self

    def say(self, member, position, statement):
        entry = encode_statement(statement)
        return self.apply(fold(member, position, entry, statement))

    def rows(self, name):
        table = self.tables[name]
        return [table[key] for key in sorted(table)]

    def root(self, as_of=NOW):
        return catalogue_root(
            self.rows("evidence"),
            self.rows("cutoff"),
            self.rows("protection"),
            as_of,
            self.rows("matter"),
        )


def fold_logs(logs, order):
    model, places = Model(), dict.fromkeys(logs, 0)
    for member in order:
        position = places[member]
        model.say(member, position, logs[member][position])
        places[member] += 1
    return model


def turns(logs):
    return [member for member, log in logs.items() for _statement in log]


@given(LOGS, st.data())
def test_any_interleaving_of_logs_gives_the_same_tables_and_the_same_root(logs, data):
    one_by_one = fold_logs(logs, turns(logs))
    interleaved = fold_logs(logs, data.draw(st.permutations(turns(logs))))

    assert interleaved.tables == one_by_one.tables
    assert interleaved.root() == one_by_one.root()


@given(LOGS)
def test_folding_the_logs_again_gives_the_same_tables(logs):
    first = fold_logs(logs, turns(logs))

    assert fold_logs(logs, turns(logs)).tables == first.tables


@given(LOGS, statements)
def test_no_member_touches_what_another_has_said(logs, statement):
    model = fold_logs(logs, turns(logs))
    before = {name: dict(rows) for name, rows in model.tables.items()}
    model.say("intruder", 0, statement)

    for name, rows in before.items():
        assert {key: model.tables[name][key] for key in rows} == rows


@given(statements)
def test_a_row_has_the_columns_of_its_table_and_the_key_names_the_speaker(statement):
    for change in fold("bank-a", 7, encode_statement(statement), statement):
        table = BY_NAME[change.table]
        if isinstance(change, Drop):
            assert len(change.key) == len(table.key)
            assert "bank-a" in change.key
            continue
        assert [type(value) for value in change.row] == [
            PYTHON_TYPES[sqlite] for _name, sqlite in table.columns
        ]
        assert "bank-a" in key_of(table, change.row)


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_every_body_of_this_version_changes_a_table(body):
    assert fold("bank-a", 0, b"entry", said(body))


def test_a_body_from_a_newer_node_changes_nothing():
    assert fold("bank-a", 0, b"entry", said(UnknownBody(99))) == []


def test_a_nomination_is_a_row_of_evidence():
    body = nomination(last_seen_time=NOW - 5)
    (change,) = fold("bank-a", 9, b"entry", said(body, expires_time=NOW + DAY))
    row = dict(zip([name for name, _type in BY_NAME["evidence"].columns], change.row, strict=True))

    assert row == {
        "token": TOKEN,
        "member": "bank-a",
        "statement": said(body).id,
        "kind": 1,
        "body": BODY_NUMBERS[Nomination],
        "confidence": 80,
        "detail": 0,
        "fraud_type": 5,
        "stage": 3,
        "subject_role": 1,
        "count": 1,
        "issued": NOW,
        "seen": NOW - 5,
        "expires": NOW + DAY,
        "epoch": 1,
        "position": 9,
    }


def test_a_nomination_without_a_last_sight_was_seen_when_it_was_said():
    (change,) = fold("bank-a", 0, b"entry", said(nomination()))

    assert change.row[12] == NOW


@pytest.mark.parametrize("number", [0, 2, 3, 5, 6])
def test_a_retraction_removes_what_the_member_said_at_once(number):
    body, statement_id = EXAMPLES[number], opaque("said")
    model = Model().say("bank-a", 0, said(body, id=statement_id))
    retraction = Retraction(statement_id, TOKEN, RetractionReason.MISTAKEN)
    assert sum(len(model.tables[name]) for name in ("evidence", "cutoff", "protection")) == 1
    model.say("bank-a", 1, said(retraction))

    assert sum(len(model.tables[name]) for name in ("evidence", "cutoff", "protection")) == 0
    assert model.rows("outcome") == [("bank-a", statement_id, Outcome.OVERTURNED)]
    assert model.rows("retraction") == [("bank-a", statement_id, 1, NOW)]


def test_another_members_retraction_of_the_same_id_leaves_the_row():
    statement_id = opaque("said")
    model = Model().say("bank-a", 0, said(nomination(), id=statement_id))
    before = model.rows("evidence")
    model.say("bank-b", 0, said(Retraction(statement_id, TOKEN, RetractionReason.MISTAKEN)))

    assert model.rows("evidence") == before


@pytest.mark.parametrize("reason", RetractionReason)
def test_only_a_mistake_counts_against_the_member(reason):
    model = Model().say("bank-a", 0, said(Retraction(opaque("said"), TOKEN, reason)))
    (row,) = model.rows("outcome")

    assert (row[2] == Outcome.OVERTURNED) == (reason is RetractionReason.MISTAKEN)


def test_a_later_ceremony_statement_does_not_replace_the_first():
    model = Model()
    for position in range(2):
        join = KeyJoin(opaque("ceremony"), opaque(f"key {position}", PUBLIC_KEY_BYTES))
        model.say("bank-a", position, said(join, id=opaque("same id")))

    assert [row[5] for row in model.rows("ceremony")] == [0, 1]


def reference_root(evidence, cutoffs, protections, matters, as_of):
    """The definition, written the plain way."""

    def value(item):
        if isinstance(item, int):
            return item.to_bytes(8, "big", signed=True)
        raw = item.encode("utf-8") if isinstance(item, str) else item
        return len(raw).to_bytes(4, "big") + raw

    def table(rows, place_of_expires):
        kept = [row for row in rows if row[place_of_expires] == 0 or row[place_of_expires] > as_of]
        kept.sort(key=lambda row: (row[0], row[1].encode(), row[2]))
        text = b""
        for row in kept:
            text += b"".join(value(item) for item in row)
        return hashlib.sha256(text).digest()

    def findings(rows):
        kept = [row for row in rows if row[0] in ("disposition", "verification")]
        kept.sort(key=lambda row: (row[0], row[1], row[2].encode(), row[3].encode(), row[7]))
        named = ((row[1], row[2], row[3], row[5]) for row in kept)
        return hashlib.sha256(b"".join(value(item) for row in named for item in row)).digest()

    text = b"tocsin catalogue root v2\n" + struct.pack(">q", as_of)
    text += table(evidence, 13) + table(cutoffs, 5) + table(protections, 5) + findings(matters)
    return hashlib.sha256(text).digest()


@given(LOGS, st.integers(0, 100))
def test_the_root_is_that_of_its_definition(logs, days):
    model, as_of = fold_logs(logs, turns(logs)), NOW + days * DAY
    names = ("evidence", "cutoff", "protection", "matter")
    tables = [list(model.tables[name].values()) for name in names]

    assert model.root(as_of) == reference_root(*tables, as_of)


@given(LOGS, st.integers(0, 15))
def test_the_root_shows_any_other_evidence(logs, column):
    model = fold_logs(logs, turns(logs))
    model.say("zebra", 0, said(nomination()))
    other = fold_logs(logs, turns(logs))
    other.say("zebra", 0, said(nomination()))
    ((key, row),) = [item for item in other.tables["evidence"].items() if item[0][1] == "zebra"]
    value = row[column]
    changed = value + 1 if isinstance(value, int) else value[:-1]
    if column == 13:
        changed = NOW + DAY
    del other.tables["evidence"][key]
    other.apply([Put("evidence", (*row[:column], changed, *row[column + 1 :]))])

    assert model.root() != other.root()


def test_the_root_leaves_out_what_has_expired():
    empty = Model()
    model = Model().say("bank-a", 0, said(sighting(), expires_time=NOW + 1))

    assert model.root(NOW) != empty.root(NOW)
    assert model.root(NOW + 1) == empty.root(NOW + 1)


def test_rows_out_of_order_have_no_root():
    model = Model()
    for member in ("bank-a", "bank-b"):
        model.say(member, 0, said(nomination()))
    rows = model.rows("evidence")

    for wrong in (rows[::-1], [rows[0], rows[0]]):
        with pytest.raises(ValueError, match="ascending"):
            catalogue_root(wrong, [], [], NOW)
