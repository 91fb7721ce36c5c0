"""Each duty's private tables, over a file and over PostgreSQL: the same rows, once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from federation.indicators import Indicator, Kind
from federation.indicators.kind import Kind as KindNumber
from federation.names import MemberId
from federation.reporting import JOIN_SECONDS, ReporterRecord
from federation.vocabulary import AccountKind, MarkLabel, WarningChannel
from node.desk.intake import APPEAL_CONTACT_SECONDS
from node.duties.appeal_table import AppealTable
from node.duties.call_table import NUMBER_SECONDS, STUCK_SECONDS, CallTable, KnownCall
from node.duties.filings import FiledMatter, Filings, NewFiling
from node.duties.holdings import Holding, Holdings
from node.duties.match_table import MatchTable, PastMatch
from node.duties.own_marks import OwnMark, OwnMarks
from node.duties.pseudonyms import Pseudonyms
from node.duties.warning_table import CUSTOMER, Guardian, Message, WarningTable
from node.store.postgresql_private import PRIVATE_SCHEMA
from node.store.private import PrivateStore
from tests.federation.said import opaque
from tests.node.private_place import PrivatePlace
from tests.postgresql import Server

NOW = 1_800_000_000
ONE, TWO = opaque("one"), opaque("two")
SIM, ACCOUNT = AccountKind.SIM, AccountKind.BANK_ACCOUNT


def test_accounts_stand_under_an_identity_once_and_take_its_key_along(
    private: PrivateStore,
) -> None:
    table = Holdings(private)
    held = [Holding(ONE, SIM, "line-1"), Holding(ONE, ACCOUNT, "account-1")]

    assert table.add([*held, held[0]], {ONE: b"key"}) == [True, True, False]
    assert table.add([Holding(TWO, SIM, "line-2")], {TWO: b"other"}) == [True]
    assert (table.of(ONE), table.counts()) == (held, {SIM: 2, ACCOUNT: 1})
    assert table.remove([*held, held[0]]) == [True, True, False]
    assert (table.content_key(ONE), table.content_key(TWO)) == (None, b"other")


def test_an_account_has_one_reference_in_every_process(
    private: PrivateStore, private_place: PrivatePlace
) -> None:
    holding = Holding(ONE, SIM, "line-1")
    with closing(private_place.open()) as other:
        found = {
            Holdings(store).reference(holding, b"request", "bank-x") for store in (private, other)
        }
        names = {Pseudonyms(store).of("reporter", "somebody") for store in (private, other)}

    assert (len(found), len(names)) == (1, 1)


def message(address: str) -> Message:
    texts = {"zh": "小心", "en": "take care"}
    bank = MemberId("bank-x")
    return Message(ONE, bank, CUSTOMER, address, WarningChannel.FLASH, texts, NOW)


def test_a_message_is_placed_once_and_loses_its_text_when_it_was_sent(
    private: PrivateStore,
) -> None:
    table, (first, second) = WarningTable(private), map(message, ("line-1", "line-2"))
    table.place([first, second])
    table.mark_sent(first.id, NOW + 9)
    table.place([first])
    sent = table.message(first.id)

    assert sent is not None
    assert (sent.sent, dict(sent.texts)) == (NOW + 9, {"zh": "", "en": ""})
    assert table.message(second.id) == second
    table.drop([first.id])
    assert table.messages() == [second]


def test_guardians_and_keys_are_replaced_and_customers_found(private: PrivateStore) -> None:
    table = WarningTable(private)
    table.keep_keys([(ONE, b"old"), (ONE, b"new")])
    table.add_guardian(Guardian("line-1", "+8613800000000", NOW, NOW + 5))
    table.add_guardian(Guardian("line-1", "+8613800000000", NOW, NOW + 9))
    private.add_watch([(ONE, 1, "line-1"), (ONE, 2, "line-1")])

    assert (table.content_key(ONE), table.content_key(TWO)) == (b"new", None)
    assert table.guardians() == [Guardian("line-1", "+8613800000000", NOW, NOW + 9)]
    assert len(table.consenting("line-1", NOW + 8)) == 1
    assert table.consenting("line-1", NOW + 9) == []
    assert (table.customers([ONE, TWO]), table.references(ONE)) == ({ONE}, ["line-1"])
    assert (table.remove_guardians("line-1"), table.guardians()) == (1, [])


def test_a_call_is_news_once_and_forgotten_when_it_is_over(private: PrivateStore) -> None:
    table = CallTable(private)
    begun = KnownCall(ONE, TWO, NOW, 0, first_contact=True)
    ended = KnownCall(ONE, TWO, NOW, NOW + 60, first_contact=False)

    assert table.feed([begun, begun], NOW) == [True, False]
    assert table.feed([ended, begun], NOW + 60) == [True, False]
    assert table.calls(ONE) == [KnownCall(ONE, TWO, NOW, NOW + 60, first_contact=True)]
    assert table.fed() == NOW + 60
    table.feed([], NOW + STUCK_SECONDS)
    assert table.calls(ONE) == []


def test_tokens_of_numbers_are_kept_for_a_week(private: PrivateStore) -> None:
    table, numbers = (
        CallTable(private),
        {f"+86138{place:08}": opaque(place) for place in range(600)},
    )
    table.keep_tokens(numbers, 1, NOW)
    table.keep_tokens({"+8613900000000": ONE}, 1, NOW + 1)

    assert table.tokens(list(numbers), 1) == numbers
    assert table.tokens(list(numbers), 2) == {}
    table.keep_tokens({}, 1, NOW + NUMBER_SECONDS + 1)
    assert table.tokens([*numbers, "+8613900000000"], 1) == {"+8613900000000": ONE}


def test_a_reporter_counts_once_in_a_matter_and_is_judged_once(private: PrivateStore) -> None:
    table = Filings(private)
    reports = [NewFiling(opaque(name), name, NOW, b"") for name in ("ann", "bo", "ann")]

    assert table.file(ONE, TWO, reports) == [True, True, False]
    assert (
        table.matters_of(TWO, NOW + 1) == table.unsettled() == [FiledMatter(ONE, TWO, NOW, False)]
    )
    assert table.matters_of(TWO, NOW + JOIN_SECONDS) == []
    for _ in range(2):
        table.settle(ONE, upheld=True)
    assert table.unsettled() == []
    assert [record for _who, record in table.reporters()] == [ReporterRecord(1, 0)] * 2
    assert table.contacts(ONE) == ["ann", "bo"]
    assert {one.reporter for one in table.filings(ONE)} == {opaque("ann"), opaque("bo")}


def test_a_customer_marks_a_number_once_and_may_change_the_mark(private: PrivateStore) -> None:
    table = OwnMarks(private)
    fraud = OwnMark(ONE, opaque("customer"), MarkLabel.FRAUD, NOW)
    other = fraud._replace(label=MarkLabel.HARASSMENT, time=NOW + 5)

    assert table.add([fraud, fraud._replace(time=NOW + 1), other]) == [True, False, True]
    table.renew([other._replace(time=NOW + 9)], NOW + 5)
    assert table.counts(ONE, NOW + 8) == {MarkLabel.HARASSMENT: 1}


def test_an_appeals_contact_is_the_newest_and_has_its_time(private: PrivateStore) -> None:
    table = AppealTable(private)
    for place, value in enumerate(("+8613800000000", "+8613900000000")):
        table.keep(ONE, Indicator(Kind.PHONE, value), NOW + place)
    found = table.contact(ONE)

    assert found is not None
    assert (found.kind, found.value) == (Kind.PHONE, "+8613900000000")
    assert private.appeal_contacts([(Kind.PHONE, found.value)], NOW) == {(Kind.PHONE, found.value)}
    table.keep(TWO, Indicator(Kind.PHONE, "+8613700000000"), NOW + 2 + APPEAL_CONTACT_SECONDS)
    assert table.contact(ONE) is None


def test_offers_replace_those_before_and_a_match_is_remembered_once(private: PrivateStore) -> None:
    table, bank = MatchTable(private), MemberId("bank-x")
    table.offer([bank], KindNumber.PHONE, ["1", "2"], NOW + 5)
    table.offer([bank], KindNumber.PHONE, ["3", "3", "2"], NOW + 5)
    match = PastMatch(ONE, bank, True, NOW, 3, 64, 2, uncounted=True)
    table.remember(match)
    table.remember(PastMatch(ONE, bank, True, NOW, 3, 64, 2))

    assert table.offered(bank, KindNumber.PHONE, NOW) == ["2", "3"]
    assert table.count_offered(bank, KindNumber.PHONE, NOW + 5) == 0
    assert table.forget_offers(NOW + 5) == 2
    assert table.past() == [PastMatch(ONE, bank, True, NOW, 3, 64, 2)]


def test_both_databases_have_the_same_tables_columns_and_keys(
    tmp_path: Path, postgresql_server: Server
) -> None:
    PrivateStore(tmp_path / "private.db").close()
    with closing(sqlite3.connect(tmp_path / "private.db")) as file:
        tables = file.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 1) <> '_'"
        ).fetchall()
        columns = {
            (name, column, _PLAIN[kind], key > 0)
            for (name,) in tables
            for _, column, kind, _, _, key in file.execute(f"PRAGMA table_info({name})")
        }
    with closing(PrivatePlace(_address(postgresql_server, tmp_path)).open()):
        found = postgresql_server.ask(_COLUMNS.format(schema=PRIVATE_SCHEMA))

    assert columns == set(found)


def _address(server: Server, directory: Path) -> str:
    return server.address(passfile=str(server.passfile(directory / "passfile")))


_PLAIN = {"BLOB": "bytea", "INTEGER": "bigint", "TEXT": "text"}
_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type, k.column_name IS NOT NULL
FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k
  USING (table_schema, table_name, column_name)
WHERE table_schema = '{schema}' AND c.table_name <> 'migration'
"""
