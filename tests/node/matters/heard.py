"""The parts of a node that see matters; what others say is put into its views."""

from __future__ import annotations

from federation.statements import encode_statement
from federation.statements.codec import decode_statement
from federation.views import fold
from node.alarms import Alarms
from node.log.ledger import Ledger
from node.matters.book import MatterBook
from node.matters.oversight import Oversight
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.store.sqlite import SqliteStore
from tests.federation.organisations import BANK, CARRIER, COORDINATOR, FEDERATION, INTERNET, found
from tests.federation.said import NOW, opaque, said

ME, OTHER, THIRD, COORD = BANK.name, CARRIER.name, INTERNET.name, COORDINATOR.name


class Node:
    """A member's node: its store, its log, its book."""

    def __init__(self, directory, own=BANK, stores=None):
        self.me = own.name
        self.time = NOW
        self.charter = found()
        self.positions = {}
        self.store, self.private = stores or (
            SqliteStore(directory / "public.db"),
            PrivateStore(directory / "private.db"),
        )
        self.ledger = Ledger(
            self.store,
            FEDERATION,
            self.me,
            own.signing_key,
            lambda _member: own.signing_key.public,
            self.clock,
        )
        self.catalogue = Catalogue(self.store)
        self.speaker = Speaker(self.ledger, lambda: own.member.roles, self.clock)
        self.alarms = Alarms(self.speaker, self.private, self.clock)
        self.book = MatterBook(self.catalogue, lambda: self.charter, self.clock)
        self.oversight = Oversight(self.me, self.book, self.alarms, self.clock)

    def clock(self):
        return self.time

    def close(self):
        self.store.close()
        self.private.close()

    def hear(self, member, *bodies, ids=()):
        """Put what a member says into the views, each a second later; return the ids."""
        heard = []
        for place, body in enumerate(bodies):
            self.time += 1
            own = ids[place] if ids else opaque((member, body, self.time))
            statement = said(body, id=own, issued_time=self.time)
            position = self.positions[member] = self.positions.get(member, -1) + 1
            with self.store.write() as writer:
                writer.apply(fold(member, position, encode_statement(statement), statement))
            heard.append(own)
        return heard

    def raised(self):
        """Return the alarms that the node raised."""
        return [decode_statement(row.body).body for row in self.catalogue.alarms(100)]
