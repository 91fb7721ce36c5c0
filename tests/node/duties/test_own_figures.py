"""A member's own figures come from the logs, its watchlist and what it fed, each once."""

from contextlib import closing

import pytest

from federation.figures import Period
from federation.indicators.kind import Kind
from federation.names import MemberId
from federation.roles import Role
from federation.sheet import duration_figure
from federation.statements import Designation
from federation.statements.codec import encode_statement
from federation.vocabulary import FraudType
from keys.signing import SigningKey
from node.duties.own_figures import OwnFigures
from node.log.ledger import Ledger
from node.matters.book import MatterBook
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from tests.federation.organisations import BANK, CARRIER, INTERNET, found
from tests.federation.said import NOW, nomination, opaque, said

ME, OTHER, POLICE = MemberId("carrier-a"), MemberId("bank-b"), MemberId("police")
DAY = 86_400
PERIOD = Period(NOW - DAY, NOW + DAY)


def designation(token):
    return Designation(token, Kind.PHONE, 1, FraudType.LOAN, opaque("case", 32), NOW + 90 * DAY)


def spoken(body, time):
    statement = said(body, id=opaque(f"{body!r} {time}"), issued_time=time)
    return encode_statement(statement)


@pytest.fixture
def world(tmp_path):
    """Return own figures; what each member says goes through one ledger of its own."""
    key = SigningKey.generate()
    with (
        closing(SqliteStore(tmp_path / "public.db")) as store,
        closing(PrivateStore(tmp_path / "private.db")) as private,
    ):

        def speak(member, *entries):
            ledger = Ledger(store, "harbour", member, key, lambda _: key.public, lambda: NOW)
            ledger.append([spoken(body, time) for body, time in entries])

        charter = found(CARRIER, BANK, INTERNET)
        book = MatterBook(Catalogue(store), lambda: charter, lambda: NOW + 366 * 86_400)
        roles = frozenset({Role.CARRIER})
        yield OwnFigures(ME, lambda: roles, book, store, private), speak, private


def test_nominations_that_the_police_take_up_are_confirmed_and_the_first_one_leads(world):
    own, speak, private = world
    first, second, never = (opaque(name) for name in ("first", "second", "never"))
    private.add_watch([(second, int(Kind.PHONE), "customer")])
    private.add_hits([(second, NOW - 7_200)])
    speak(OTHER, (nomination(token=second), NOW - 9_000))
    speak(ME, *((nomination(token=token), NOW) for token in (first, second, never)))
    speak(POLICE, *((designation(token), NOW + 60) for token in (first, second)))
    figures = own.of(PERIOD)

    assert figures["E-4"] == (2, 3)
    assert figures["E-4-FIRST"] == (1, 2)
    assert figures["E-5"] == duration_figure([7_200])
    # One customer is in a case; of how many, nobody has fed.
    assert figures["C-1"] == (1, 0)


def test_what_was_fed_is_added_and_other_sectors_are_left_out(world):
    own, speak, private = world
    token = opaque("customer")
    private.add_watch([(token, int(Kind.PHONE), "customer")])
    speak(POLICE, (designation(token), NOW))
    own.table.put([("C-1", NOW, (0, 40_000)), ("B-1", NOW, (1, 2)), ("C-1", NOW + DAY, (5, 6))])
    figures = own.of(PERIOD)

    assert figures["C-1"] == (1, 40_000)
    assert "B-1" not in figures
    assert "I-1" not in figures
