"""Keep every matter of the logs folded, and fold again only those that something was said about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.charter import Charter
from federation.matters import AnyMatter, Kind, Refused, fold_matter
from federation.names import MemberId
from federation.roles import Role
from federation.statements import decode_statement
from node.errors import RequestError
from node.store.catalogue import Catalogue, MatterName

LEAST_PREFIX_BYTES: Final = 4
"""Bytes of an id that name a matter: less is a slip of the hand, not a choice."""


@dataclass(frozen=True, slots=True)
class BookedMatter:
    """A matter and what does not count in it."""

    matter: AnyMatter
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a matter came to from so many statements; None where nobody opened it yet."""

    statements: int
    booked: BookedMatter | None


class MatterBook:
    """Every matter of one node. Methods are blocking, and may be called from several threads."""

    def __init__(self, catalogue: Catalogue, charter: Callable[[], Charter]) -> None:
        self._catalogue = catalogue
        self._charter = charter
        self._lock = threading.Lock()
        self._charter_version = -1
        self._entries: dict[MatterName, _Entry] = {}

    def version(self) -> tuple[int, int]:
        """Return what changes when a matter may have changed."""
        return sum(self._catalogue.matter_counts().values()), self._charter().version

    def all(self, kind: Kind | None = None) -> list[BookedMatter]:
        """Return every matter, or those of one kind; newest first."""
        with self._lock:
            self._refresh()
            found = [one.booked for one in self._entries.values() if one.booked is not None]
        found = [one for one in found if kind is None or one.matter.kind == kind]
        found.sort(key=lambda one: (-one.matter.opened, one.matter.id, one.matter.opener))
        return found

    def get(self, kind: Kind, matter_id: bytes, opener: MemberId) -> BookedMatter | None:
        """Return one matter; None where nobody opened it."""
        with self._lock:
            self._refresh()
            entry = self._entries.get(MatterName(kind, matter_id, opener))
        return entry.booked if entry else None

    def find(self, prefix: bytes, kind: Kind | None = None) -> BookedMatter:
        """Return the matter whose id begins so.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        if len(prefix) < LEAST_PREFIX_BYTES:
            raise _bad_id("MATTER_ID_INVALID", "give at least 8 hexadecimal digits of its id")
        found = [one for one in self.all(kind) if one.matter.id.startswith(prefix)]
        if not found:
            raise _bad_id("MATTER_UNKNOWN", "no matter has this id")
        if len(found) > 1:
            raise _bad_id("MATTER_AMBIGUOUS", "several matters fit: give more digits of the id")
        return found[0]

    def roles(self, member: MemberId, time: int) -> frozenset[Role]:
        """Return what a member was at a second, by the charter in force."""
        known = self._charter().find(member)
        if known is None or known.is_revoked(time):
            return frozenset()
        return known.roles

    def _refresh(self) -> None:
        version = self._charter().version
        if version != self._charter_version:  # roles may have changed
            self._entries, self._charter_version = {}, version
        counts = self._catalogue.matter_counts()
        for name in self._entries.keys() - counts.keys():
            del self._entries[name]
        for name, count in counts.items():
            known = self._entries.get(name)
            if known is None or known.statements != count:
                self._entries[name] = _Entry(count, self._fold(name))

    def _fold(self, name: MatterName) -> BookedMatter | None:
        rows = self._catalogue.matter_rows(name)
        said = [(MemberId(row.member), decode_statement(row.body)) for row in rows]
        folded = fold_matter(said, self.roles)
        if folded.matter is None:
            return None  # what opens it has not arrived yet, or never counted
        return BookedMatter(folded.matter, folded.refused)


def _bad_id(reason: str, message: str) -> RequestError:
    return RequestError(message, reason=reason, hint="tocsin matter list")
