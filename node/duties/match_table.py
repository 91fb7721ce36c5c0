"""Keep what own values are offered to whom for matching, and which matches there were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import MemberId
from node.store.private import PrivateStore
from node.store.rows import insert_new, put

MAX_MATCHES: Final = 1_000
"""Matches in one look: more than a person reads."""
_COLUMNS: Final = (
    "session",
    "member",
    "is_offered",
    "time",
    "own",
    "other",
    "found",
    "uncounted",
)
MAX_OFFERED: Final = 1_000_000
"""Values offered to one member: a minute of a core in each match."""


@dataclass(frozen=True, slots=True)
class PastMatch:
    """One match from which the side that looks has its hits.

    Attributes:
        session: 16 bytes.
        member: The other side.
        is_offered: Whether the values were offered here; else own ones were looked for.
        time: Seconds since 1970.
        own: Own values.
        other: Elements of the other side, padding among them.
        found: How many are the same.
        uncounted: Whether the other side has not told how many.
    """

    session: bytes
    member: MemberId
    is_offered: bool
    time: int
    own: int
    other: int
    found: int
    uncounted: bool = False


class MatchTable:
    """Offers and matches of one member; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def offer(
        self, members: Collection[MemberId], kind: Kind, values: Collection[str], expires: int
    ) -> None:
        """Offer values of a kind to members until a second, instead of what was offered before."""
        rows = [(name, int(kind), value, expires) for name in members for value in values]
        with self._database.write() as connection:
            connection.executemany(
                "DELETE FROM match_offer WHERE member = ?", [(name,) for name in members]
            )
            query = insert_new("match_offer", ("member", "kind", "value", "expires"))
            connection.executemany(query, rows)

    def offered(
        self, member: MemberId, kind: Kind, now: int, after: str = "", most: int = MAX_OFFERED
    ) -> list[str]:
        """Return the first values of a kind after one that are offered to a member now."""
        query = (
            "SELECT value FROM match_offer WHERE member = ? AND kind = ? AND expires > ?"
            " AND value > ? ORDER BY value LIMIT ?"
        )
        with self._database.read() as connection:
            rows = connection.execute(query, (member, int(kind), now, after, most)).fetchall()
        return [row[0] for row in rows]

    def count_offered(self, member: MemberId, kind: Kind, now: int) -> int:
        """Return how many values of a kind are offered to a member now."""
        query = "SELECT COUNT(*) FROM match_offer WHERE member = ? AND kind = ? AND expires > ?"
        with self._database.read() as connection:
            found: int = connection.execute(query, (member, int(kind), now)).fetchone()[0]
        return found

    def forget_offers(self, now: int) -> int:
        """Delete the offers that have expired; return how many values there were."""
        with self._database.write() as connection:
            query = "DELETE FROM match_offer WHERE expires <= ?"
            return max(0, connection.execute(query, (now,)).rowcount)

    def remember(self, match: PastMatch) -> None:
        """Store a match, instead of what was known of it before."""
        row = (
            match.session,
            match.member,
            int(match.is_offered),
            match.time,
            match.own,
            match.other,
            match.found,
            int(match.uncounted),
        )
        with self._database.write() as connection:
            connection.execute(put("match_past", _COLUMNS), row)

    def past(self) -> list[PastMatch]:
        """Return the matches, newest first."""
        query = (
            "SELECT session, member, is_offered, time, own, other, found, uncounted FROM match_past"
            " ORDER BY time DESC, session LIMIT ?"
        )
        with self._database.read() as connection:
            rows = connection.execute(query, (MAX_MATCHES,)).fetchall()
        return [_past(row) for row in rows]


def _past(row: tuple[bytes, str, int, int, int, int, int, int]) -> PastMatch:
    session, member, is_offered, time, own, other, found, uncounted = row
    return PastMatch(
        session, MemberId(member), bool(is_offered), time, own, other, found, bool(uncounted)
    )
