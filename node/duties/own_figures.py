"""Work out this member's own figures: from the logs, its private store, and what it fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any, Final

from federation.figures import (
    OwnNomination,
    Period,
    confirmed_tokens,
    matter_figures,
    nomination_figures,
    only_of_role,
)
from federation.names import MemberId
from federation.roles import Role
from federation.sheet import INDICATOR, SHEET, Figure, add_figures
from federation.statements import BODY_NUMBERS, Designation
from federation.views import EVIDENCE
from federation.weighing import NOMINATION
from node.duties.sheet_table import SheetTable
from node.matters.book import MatterBook
from node.store.private import PrivateStore
from node.store.protocol import PublicStore

_CASE_RATES: Final = ("C-1", "I-1", "B-1")
_COLUMNS: Final = {name: place for place, (name, _) in enumerate(EVIDENCE.columns)}
_NAMES: Final = ("token", "member", "issued", "body")
_TOKEN, _MEMBER, _ISSUED, _BODY = (_COLUMNS[name] for name in _NAMES)


class OwnFigures:
    """The figures of one member; every method blocks."""

    def __init__(
        self,
        me: MemberId,
        roles: Callable[[], frozenset[Role]],
        book: MatterBook,
        store: PublicStore,
        private: PrivateStore,
    ) -> None:
        """Count for a member.

        Args:
            me: Which one.
            roles: Returns its roles now.
            book: The matters in the logs.
            store: The views.
            private: Watchlist, hits and fed figures.
        """
        self.table = SheetTable(private)
        self._me = me
        self.roles = roles
        self._book = book
        self._store = store
        self._private = private

    def of(self, period: Period) -> dict[str, Figure]:
        """Return every figure of a period that this member has, by code."""
        matters = [booked.matter for booked in self._book.all()]
        designated = self._designated()
        confirmed = frozenset(confirmed_tokens(matters) | designated.keys())
        counted: tuple[Mapping[str, Figure], ...] = (
            matter_figures(self._me, matters, period),
            nomination_figures(self._nominations(confirmed), confirmed, period),
            self._case_rates(designated, period),
            self.table.figures(period),
        )
        added = {
            one.code: add_figures(one, [part[one.code] for part in counted if one.code in part])
            for one in SHEET
        }
        return only_of_role(added, self.roles())

    def _designated(self) -> dict[bytes, int]:
        """Return the tokens in a case, with when the police first said so."""
        found: dict[bytes, int] = {}
        for row in self._evidence({"body": BODY_NUMBERS[Designation]}):
            found[row[_TOKEN]] = min(row[_ISSUED], found.get(row[_TOKEN], row[_ISSUED]))
        return found

    def _case_rates(self, designated: Mapping[bytes, int], period: Period) -> dict[str, Figure]:
        """Count own customers in a case; of how many, the member feeds."""
        tokens = [token for token, time in designated.items() if period.holds(time)]
        count = len(self._private.watched(tokens))
        return {code: (count, 0) for code in _CASE_RATES if code in INDICATOR}

    def _nominations(self, confirmed: frozenset[bytes]) -> list[OwnNomination]:
        own: dict[bytes, int] = {}
        for row in self._evidence({"member": self._me, "body": NOMINATION}):
            own[row[_TOKEN]] = min(row[_ISSUED], own.get(row[_TOKEN], row[_ISSUED]))
        first = self._first(own.keys() & confirmed)
        hits = self._private.hit_times(own)
        return [
            OwnNomination(token, issued, first.get(token) == self._me, hits.get(token, 0))
            for token, issued in own.items()
        ]

    def _first(self, tokens: Set[bytes]) -> dict[bytes, str]:
        """Return who nominated each of the tokens first."""
        first: dict[bytes, tuple[int, str]] = {}
        with self._store.read() as reader:
            for row in reader.rows_of(EVIDENCE, sorted(tokens)):
                said = (row[_ISSUED], row[_MEMBER])
                if row[_BODY] == NOMINATION:
                    first[row[_TOKEN]] = min(said, first.get(row[_TOKEN], said))
        return {token: member for token, (_, member) in first.items()}

    def _evidence(self, equal: Mapping[str, Any]) -> list[Any]:
        with self._store.read() as reader:
            return reader.find(EVIDENCE, equal)
