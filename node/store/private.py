"""Keep what never leaves the node: watchlist, hits, quotas, own raw values, settings.

A file of its own, so that no copy, dump or query of the replicated tables can hold a raw value.
Every method is safe to repeat: what is there already stays as it is.
"""

# ruff: noqa: S608 - names come from constants of the code, values only by parameter

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from node.store.database import BUSY_TIMEOUT_MS, DatabaseFile
from node.store.schema import PRIVATE_APPLICATION_ID, PRIVATE_MIGRATIONS

# Parameters of one IN list; one text only, so that it is compiled once.
ITEMS_PER_QUERY: Final = 512


class Watch(NamedTuple):
    """A watchlist row: a token and the member's own reference for it, such as a line number."""

    token: bytes
    kind: int
    reference: str

    def __repr__(self) -> str:
        return f"Watch(token={self.token.hex()}, kind={self.kind})"


class Hit(NamedTuple):
    """A watchlist token that a view speaks about, and when this node first noticed."""

    token: bytes
    first_seen_time: int


class OwnValue(NamedTuple):
    """The raw value behind a token that this member computed itself."""

    kind: int
    value: str

    def __repr__(self) -> str:
        return f"OwnValue(kind={self.kind})"


@dataclass(frozen=True, slots=True)
class Charge:
    """What came of charging a quota.

    Attributes:
        granted: The whole amount was taken; otherwise nothing was.
        used: The counter now.
        limit: What the counter may reach.
    """

    granted: bool
    used: int
    limit: int
    remaining: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "remaining", max(0, self.limit - self.used))


class PrivateStore:
    """The private tables of one node in one file."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        """Open the file, creating it where it is missing.

        Raises:
            StoreError: Any of its reasons; every other method raises it too.
        """
        self.file = DatabaseFile(path, PRIVATE_MIGRATIONS, PRIVATE_APPLICATION_ID, busy_timeout_ms)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def add_watches(self, watches: Iterable[Watch]) -> int:
        """Add watchlist rows and return how many are new."""
        return self._change("INSERT OR IGNORE INTO watch VALUES (?, ?, ?)", watches)

    def remove_watches(self, watches: Iterable[Watch]) -> int:
        """Remove watchlist rows and return how many there were; hits without a row go too."""
        query = "DELETE FROM watch WHERE token = ? AND kind = ? AND reference = ?"
        with self.file.write() as connection:
            removed = connection.executemany(query, watches).rowcount
            connection.execute("DELETE FROM hit WHERE token NOT IN (SELECT token FROM watch)")
            return max(0, removed)

    def watches(self) -> list[Watch]:
        """Return the whole watchlist, by token."""
        return [Watch(*row) for row in self._select("SELECT * FROM watch ORDER BY token")]

    def watched(self, tokens: Sequence[bytes]) -> list[Watch]:
        """Return the watchlist rows of these tokens, by token."""
        return [Watch(*row) for row in self._select_in("watch", "token", tokens)]

    def add_hits(self, tokens: Iterable[bytes], now: int) -> list[bytes]:
        """Record tokens as hits and return those that were none before."""
        query = "INSERT OR IGNORE INTO hit VALUES (?, ?)"
        with self.file.write() as connection:
            wanted = sorted(set(tokens))
            return [t for t in wanted if connection.execute(query, (t, now)).rowcount]

    def hits(self) -> list[Hit]:
        """Return all hits, the newest first."""
        query = "SELECT * FROM hit ORDER BY first_seen_time DESC, token"
        return [Hit(*row) for row in self._select(query)]

    def remove_hits(self, tokens: Iterable[bytes]) -> int:
        """Forget hits and return how many there were."""
        return self._change("DELETE FROM hit WHERE token = ?", ((token,) for token in tokens))

    def charge(self, key: str, amount: int, limit: int) -> Charge:
        """Add to a counter, durably, unless it would pass the limit; then change nothing.

        Args:
            key: What is counted, such as member, kind class and day.
            amount: At least 0.
            limit: What the counter may reach.
        """
        if amount < 0:
            raise ValueError("a charge is not negative")
        query = (
            "INSERT INTO quota VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET used = used + excluded.used"
        )
        with self.file.write() as connection:
            row = connection.execute("SELECT used FROM quota WHERE key = ?", (key,)).fetchone()
            used = row[0] if row else 0
            if used + amount > limit:
                return Charge(granted=False, used=used, limit=limit)
            connection.execute(query, (key, amount))
            return Charge(granted=True, used=used + amount, limit=limit)

    def used(self, key: str) -> int:
        """Return a counter; 0 where nothing was charged."""
        for row in self._select("SELECT used FROM quota WHERE key = ?", (key,)):
            return int(row[0])
        return 0

    def quotas(self, prefix: str = "") -> dict[str, int]:
        """Return the counters whose key begins with ``prefix``."""
        query = "SELECT key, used FROM quota WHERE substr(key, 1, ?) = ? ORDER BY key"
        return dict(self._select(query, (len(prefix), prefix)))

    def remove_quotas(self, prefix: str) -> int:
        """Forget the counters whose key begins with ``prefix``, such as those of a past day."""
        query = "DELETE FROM quota WHERE substr(key, 1, ?) = ?"
        return self._change(query, [(len(prefix), prefix)])

    def add_own_values(self, values: Iterable[tuple[bytes, int, str]]) -> None:
        """Remember own raw values: token, kind number, canonical value."""
        self._change("INSERT OR REPLACE INTO own_value VALUES (?, ?, ?)", values)

    def own_values(self, tokens: Sequence[bytes]) -> dict[bytes, OwnValue]:
        """Return the raw values of those of the tokens that this member computed."""
        found = self._select_in("own_value", "token", tokens)
        return {token: OwnValue(kind, value) for token, kind, value in found}

    def all_own_values(self) -> dict[bytes, OwnValue]:
        """Return every own raw value; an owner publishes them again in a new epoch."""
        found = self._select("SELECT * FROM own_value ORDER BY token")
        return {token: OwnValue(kind, value) for token, kind, value in found}

    def remove_own_values(self, tokens: Iterable[bytes]) -> int:
        """Forget own raw values and return how many there were."""
        return self._change("DELETE FROM own_value WHERE token = ?", ((t,) for t in tokens))

    def add_protected(self, values: Iterable[tuple[int, str]]) -> int:
        """Add raw values (kind number, canonical value) that must never be acted on."""
        return self._change("INSERT OR IGNORE INTO protected VALUES (?, ?)", values)

    def remove_protected(self, values: Iterable[tuple[int, str]]) -> int:
        """Remove protected raw values and return how many there were."""
        return self._change("DELETE FROM protected WHERE kind = ? AND value = ?", values)

    def protected_among(self, values: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
        """Return those of the values (kind number, canonical value) that are protected."""
        by_kind: dict[int, list[str]] = {}
        for kind, value in values:
            by_kind.setdefault(kind, []).append(value)
        return {
            (kind, row[1])
            for kind, texts in by_kind.items()
            for row in self._select_in("protected", "value", texts, f"kind = {int(kind)} AND ")
        }

    def get(self, key: str) -> bytes | None:
        """Return one setting, or None."""
        for row in self._select("SELECT value FROM setting WHERE key = ?", (key,)):
            return bytes(row[0])
        return None

    def put(self, key: str, value: bytes) -> None:
        """Insert or replace one setting."""
        self._change("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", [(key, value)])

    def delete(self, key: str) -> None:
        """Remove one setting, if it is there."""
        self._change("DELETE FROM setting WHERE key = ?", [(key,)])

    def _change(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        with self.file.write() as connection:
            return max(0, connection.executemany(query, rows).rowcount)

    def _select(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self.file.read() as connection:
            return connection.execute(query, values).fetchall()

    def _select_in(
        self, table: str, column: str, items: Sequence[Any], condition: str = ""
    ) -> Iterator[Any]:
        """Yield the rows whose column is among the items, in few statements."""
        marks = ", ".join("?" * ITEMS_PER_QUERY)
        query = f"SELECT * FROM {table} WHERE {condition}{column} IN ({marks}) ORDER BY {column}"
        wanted = sorted(set(items))
        for begin in range(0, len(wanted), ITEMS_PER_QUERY):
            part = wanted[begin : begin + ITEMS_PER_QUERY]
            yield from self._select(query, part + part[-1:] * (ITEMS_PER_QUERY - len(part)))
