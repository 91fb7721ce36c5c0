"""Keep how to reach a person who appealed: at the member that took the appeal in, and nowhere else.

What a person gives to be reached by was cut off in its turn where such numbers were scored (R63):
so a contact has no token: it is never shown to a key holder, never nominated, watched or said.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.indicators import Indicator, Kind
from node.desk.intake import APPEAL_CONTACT_SECONDS
from node.store.private import PrivateStore
from node.store.rows import put


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach somebody."""

    kind: Kind
    value: str = field(repr=False)


class AppealTable:
    """The contacts of appeals taken in here; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def keep(self, matter_id: bytes, contact: Indicator, now: int) -> None:
        """Keep a contact for an appealed order; the newest stands."""
        row = (matter_id, contact.kind.value, contact.value, now)
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM appeal_contact WHERE filed < ?", (now - APPEAL_CONTACT_SECONDS,)
            )
            connection.execute(put("appeal_contact", ("matter", "kind", "value", "filed")), row)

    def contact(self, matter_id: bytes) -> Contact | None:
        """Return the contact of an appealed order, where this member has it."""
        query = "SELECT kind, value FROM appeal_contact WHERE matter = ?"
        with self._database.read() as connection:
            row = connection.execute(query, (matter_id,)).fetchone()
        return None if row is None else Contact(Kind(row[0]), row[1])
