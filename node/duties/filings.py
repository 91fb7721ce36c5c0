"""Keep who reported what, in the private store: the log knows matters, not reporters.

Every method blocks on the database and is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from federation.reporting import JOIN_SECONDS, Filing, ReporterRecord
from node.store.private import PrivateStore
from node.store.rows import insert_new

MAX_REPORTERS: Final = 1_000
"""Reporters in one list: more than a person reads."""

_ADD_MATTER: Final = insert_new("filed_matter", ("matter", "token", "opened"))
_ADD_REPORTER: Final = insert_new("reporter", ("pseudonym", "contact"))
_ADD_FILING: Final = insert_new("filing", ("matter", "pseudonym", "time", "text_digest"))


@dataclass(frozen=True, slots=True)
class FiledMatter:
    """A matter that this member opened for reports."""

    id: bytes
    token: bytes
    opened: int
    settled: bool


@dataclass(frozen=True, slots=True)
class NewFiling:
    """A report as it came in; the contact stays in the private store."""

    pseudonym: bytes
    contact: str = field(repr=False)
    time: int
    text_digest: bytes


class Filings:
    """The reports that were taken in at this member."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def matters_of(self, token: bytes, now: int) -> list[FiledMatter]:
        """Return the matters that a report of this token may join by time, newest first."""
        query = "SELECT * FROM filed_matter WHERE token = ? AND opened > ? ORDER BY opened DESC"
        with self._database.read() as connection:
            found = connection.execute(query, (token, now - JOIN_SECONDS)).fetchall()
        return [_matter(row) for row in found]

    def unsettled(self) -> list[FiledMatter]:
        """Return the matters whose reporters have not been judged by how they ended."""
        with self._database.read() as connection:
            found = connection.execute("SELECT * FROM filed_matter WHERE settled = 0").fetchall()
        return [_matter(row) for row in found]

    def file(self, matter: bytes, token: bytes, filings: Iterable[NewFiling]) -> list[bool]:
        """File reports under a matter, made if need be; say of each whether it is new there."""
        with self._database.write() as connection:
            added = []
            for one in filings:
                connection.execute(_ADD_MATTER, (matter, token, one.time))
                connection.execute(_ADD_REPORTER, (one.pseudonym, one.contact))
                row = (matter, one.pseudonym, one.time, one.text_digest)
                done = connection.execute(_ADD_FILING, row)
                added.append(done.rowcount == 1)
            return added

    def filings(self, matter: bytes) -> list[Filing]:
        """Return the reports of a matter, each with its reporter's record."""
        query = (
            "SELECT pseudonym, time, text_digest, upheld, unfounded FROM filing"
            " JOIN reporter USING (pseudonym) WHERE matter = ? ORDER BY time, pseudonym"
        )
        with self._database.read() as connection:
            found = connection.execute(query, (matter,)).fetchall()
        return [
            Filing(who, time, digest, ReporterRecord(upheld, unfounded))
            for who, time, digest, upheld, unfounded in found
        ]

    def contacts(self, matter: bytes) -> list[str]:
        """Return whom to tell what came of a matter."""
        query = "SELECT contact FROM filing JOIN reporter USING (pseudonym) WHERE matter = ?"
        with self._database.read() as connection:
            return sorted(row[0] for row in connection.execute(query, (matter,)).fetchall())

    def references(self, token: bytes) -> list[str]:
        """Return this member's references on the watchlist for a token."""
        query = "SELECT reference FROM watch WHERE token = ? ORDER BY reference"
        with self._database.read() as connection:
            return [row[0] for row in connection.execute(query, (token,)).fetchall()]

    def settle(self, matter: bytes, *, upheld: bool | None) -> None:
        """Let the end of a matter count for its reporters, once.

        Args:
            matter: Which one.
            upheld: Whether they were right; None: it says nothing about them.
        """
        with self._database.write() as connection:
            query = "UPDATE filed_matter SET settled = 1 WHERE matter = ? AND settled = 0"
            if connection.execute(query, (matter,)).rowcount == 0 or upheld is None:
                return
            column = "upheld" if upheld else "unfounded"
            connection.execute(
                f"UPDATE reporter SET {column} = {column} + 1 WHERE pseudonym IN"  # noqa: S608  # one of two names
                " (SELECT pseudonym FROM filing WHERE matter = ?)",
                (matter,),
            )

    def reporters(self) -> list[tuple[bytes, ReporterRecord]]:
        """Return reporters by pseudonym, least reliable first."""
        query = "SELECT pseudonym, upheld, unfounded FROM reporter"
        with self._database.read() as connection:
            found = connection.execute(query).fetchall()
        listed = [(who, ReporterRecord(upheld, unfounded)) for who, upheld, unfounded in found]
        listed.sort(key=lambda one: (one[1].reliability, one[0]))
        return listed[:MAX_REPORTERS]


def _matter(row: tuple[bytes, bytes, int, int]) -> FiledMatter:
    matter, token, opened, settled = row
    return FiledMatter(matter, token, opened, bool(settled))
