"""Join the watchlist with the catalogue: for single tokens, and for the whole list part by part.

Between two files the whole list is joined by SQLite itself, over a connection of its own that can
write neither: no rows pass through Python but the hits. Where either stands in PostgreSQL, the
tokens of a part are looked up.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from federation.views import EVIDENCE
from node.store.catalogue import MAX_TOKENS
from node.store.database import READER_CACHE_KIB, DatabaseFile
from node.store.error import translated
from node.store.private import LAST_TOKEN, PrivateStore
from node.store.protocol import PublicStore
from node.store.schema import view_name
from node.store.sqlite import SqliteStore

PART_ROWS: Final = 65_536
"""Watchlist rows of a part: 50 ms of work, and a few megabytes."""

_FIRST_BEHIND: Final = "SELECT token FROM watch WHERE token > ? ORDER BY token LIMIT 1 OFFSET ?"
_COUNT: Final = "SELECT COUNT(*) FROM watch WHERE token > ? AND token <= ?"
_TOKENS: Final = "SELECT token FROM watch WHERE token > ? AND token <= ? ORDER BY token"
_HITS: Final = "SELECT token FROM hit WHERE token > ? AND token <= ?"
_JOIN: Final = (
    "SELECT DISTINCT token FROM main.watch AS own WHERE token > ? AND token <= ?"  # noqa: S608
    f" AND EXISTS (SELECT 1 FROM catalogue.{view_name(EVIDENCE)} AS said"
    " WHERE said.token = own.token) ORDER BY token"
)


class Part(NamedTuple):
    """A run of the watchlist in the order of its tokens.

    Attributes:
        after: The token before it.
        last: Its last token; all rows of that token are in it.
        rows: How many rows it has.
    """

    after: bytes
    last: bytes
    rows: int


class Watchlist:
    """The watchlist beside the catalogue; every method blocks on a database."""

    def __init__(self, private: PrivateStore, public: PublicStore) -> None:
        self.private = private
        self._public = public

    @property
    def is_alone(self) -> bool:
        """Whether no other process can change the watchlist."""
        return isinstance(self.private.database, DatabaseFile)

    def part(self, after: bytes) -> Part:
        """Return the part that begins behind a token; the last one ends with the last token."""
        with self.private.database.read() as connection:
            found = connection.execute(_FIRST_BEHIND, (after, PART_ROWS - 1)).fetchone()
            last = LAST_TOKEN if found is None else bytes(found[0])
            (count,) = connection.execute(_COUNT, (after, last)).fetchone()
        return Part(after, last, int(count))

    def tokens(self, part: Part) -> list[bytes]:
        """Return the tokens of a part in order; one with several rows comes as often."""
        return self._column(_TOKENS, part)

    def hits(self, part: Part) -> set[bytes]:
        """Return the tokens of a part that are noted as hits."""
        return set(self._column(_HITS, part))

    def spoken(self, tokens: Sequence[bytes]) -> set[bytes]:
        """Return those of the tokens that there is evidence about, whether it counts or not."""
        found: set[bytes] = set()
        with self._public.read() as reader:
            for start in range(0, len(tokens), MAX_TOKENS):
                rows = reader.rows_of(EVIDENCE, tokens[start : start + MAX_TOKENS])
                found.update(row[0] for row in rows)
        return found

    def spoken_in(self, part: Part) -> set[bytes]:
        """Return the tokens of a part that there is evidence about."""
        private, public = self.private.database, self._public
        if not isinstance(private, DatabaseFile) or not isinstance(public, SqliteStore):
            return self.spoken(self.tokens(part))
        with _read_both(private, public.file) as connection:
            found = connection.execute(_JOIN, (part.after, part.last))
            return {token for (token,) in found}

    def _column(self, query: str, part: Part) -> list[bytes]:
        with self.private.database.read() as connection:
            found = connection.execute(query, (part.after, part.last)).fetchall()
        return [token for (token,) in found]


@contextlib.contextmanager
def _read_both(private: DatabaseFile, public: DatabaseFile) -> Iterator[sqlite3.Connection]:
    """Open a connection that sees both files and can change neither."""
    private_file, public_file = (
        f"{one.path.absolute().as_uri()}?mode=ro" for one in (private, public)
    )
    with translated():
        connection = sqlite3.connect(private_file, uri=True, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
            connection.execute("ATTACH ? AS catalogue", (public_file,))
            yield connection
