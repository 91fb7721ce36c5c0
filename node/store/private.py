"""Keep what never leaves the node: watchlist, hits, quotas, own raw values, settings.

A file or a schema of its own, so that no copy, dump or query of the replicated tables can hold a
raw value. What several processes of a member share, they write in turn (``node.store.rows``).
Every method is safe to repeat: what is there already stays as it is.
"""

# ruff: noqa: S608 - names come from constants of the code, values only by parameter

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from node.errors import RequestError
from node.store.database import BUSY_TIMEOUT_MS, DatabaseFile
from node.store.private_schema import PRIVATE_APPLICATION_ID, PRIVATE_MIGRATIONS
from node.store.rows import PrivateDatabase, insert_new, put

# Parameters of one IN list, for many items and for few: two texts only, compiled once each.
ITEMS_PER_QUERY: Final = 512
FEW_ITEMS: Final = 16

LAST_TOKEN: Final = b"\xff" * 16
"""No token stands behind it."""

_ROWS_OF: Final = "SELECT token, kind, reference FROM watch WHERE token = ?"
_REMOVE: Final = "DELETE FROM watch WHERE token = ? AND kind = ? AND reference = ?"
_TALLY: Final = (
    "INSERT INTO watch_tally VALUES ('watch', ?)"
    " ON CONFLICT (name) DO UPDATE SET size = watch_tally.size + excluded.size"
)

# Seconds: after every time that a signed 64-bit column holds.
_EVER: Final = 2**63 - 1

_PUT_SETTING: Final = put("setting", ("key", "value"))
_REMOVE_QUOTAS: Final = "DELETE FROM quota WHERE substr(key, 1, ?) = ?"


class WatchEntry(NamedTuple):
    """A watchlist row: a token and the member's own reference for it, such as a line number."""

    token: bytes
    kind: int
    reference: str
    cursor: str

    def __repr__(self) -> str:
        return f"WatchEntry(token={self.token.hex()}, kind={self.kind})"


class HitEntry(NamedTuple):
    """A watchlist row that a view speaks about, and when this node first noticed."""

    token: bytes
    kind: int
    reference: str
    first_seen: int
    cursor: str

    def __repr__(self) -> str:
        return f"HitEntry(token={self.token.hex()}, kind={self.kind})"


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
    """The private tables of one member.

    Attributes:
        database: Holds them; every duty keeps tables of its own there.
    """

    def __init__(self, place: Path | PrivateDatabase) -> None:
        """Open a file, creating it where it is missing, or use a database that is open.

        Raises:
            StoreError: Any of its reasons; every other method raises it too.
        """
        self.database = open_private_file(place) if isinstance(place, Path) else place

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def add_watch(self, rows: Iterable[tuple[bytes, int, str]]) -> list[bool]:
        """Add watchlist rows (token, kind number, reference) and say of each whether it is new."""
        query, given = insert_new("watch", ("token", "kind", "reference")), list(rows)
        # Neighbours share pages: one by one, each row of a large list costs a page read.
        order = sorted(range(len(given)), key=given.__getitem__)
        with self.database.write() as connection:
            new = connection.changed(query, [given[place] for place in order])
            connection.execute(_TALLY, (sum(new),))
        by_place = dict(zip(order, new, strict=True))
        return [by_place[place] for place in range(len(given))]

    def remove_watch(self, rows: Iterable[tuple[bytes, int, str]]) -> list[bool]:
        """Remove watchlist rows, and say of each whether there was one.

        What is kept of a token that nobody is watched by any more goes too.

        Args:
            rows: Token, kind number, reference; an empty one stands for all of the token.
        """
        given = list(rows)
        wanted = set(given)
        found: set[tuple[bytes, int, str]] = set()
        bare: list[tuple[bytes]] = []
        with self.database.write() as connection:
            for token in sorted({row[0] for row in given}):
                held = connection.execute(_ROWS_OF, (token,)).fetchall()
                gone = [(*one,) for one in held if wanted & {(*one,), (*one[:2], "")}]
                found.update(gone)
                if len(gone) == len(held):
                    bare.append((token,))
            connection.executemany(_REMOVE, sorted(found))
            for table in ("hit", "content_key"):
                connection.executemany(f"DELETE FROM {table} WHERE token = ?", bare)
            connection.execute(_TALLY, (-len(found),))
        found.update((token, kind, "") for token, kind, _ in list(found))
        return [row in found for row in given]

    def watched(self, tokens: Iterable[bytes]) -> set[bytes]:
        """Return those of the tokens that are on the watchlist."""
        return {row[0] for row in self._select_in("watch", "token", tokens)}

    def references(self, token: bytes, limit: int) -> list[str]:
        """Return this member's own references of a watched token, at most so many."""
        query = "SELECT reference FROM watch WHERE token = ? ORDER BY reference LIMIT ?"
        return [row[0] for row in self._select(query, (token, limit))]

    def list_watch(self, after: str, limit: int) -> list[WatchEntry]:
        """Return watchlist rows by token, from behind a cursor; the empty one is the start.

        Raises:
            RequestError: PAGE_TOKEN_INVALID.
        """
        query = (
            "SELECT token, kind, reference FROM watch"
            " WHERE (token, kind, reference) > (?, ?, ?) ORDER BY token, kind, reference LIMIT ?"
        )
        _, *key = _parse_cursor(after) if after else (0, b"", 0, "")
        found = self._select(query, (*key, limit))
        return [WatchEntry(t, kind, text, _cursor(0, t, kind, text)) for t, kind, text in found]

    def watch_count(self) -> int:
        """Return how many watchlist rows there are, without counting them."""
        return sum(size for (size,) in self._select("SELECT size FROM watch_tally"))

    def add_hits(self, hits: Iterable[tuple[bytes, int]]) -> list[bytes]:
        """Record tokens as hits, seen at a time, and return those that were none before."""
        query, given = insert_new("hit", ("token", "first_seen")), list(hits)
        with self.database.write() as connection:
            new = connection.changed(query, given)
        return [hit[0] for hit, is_new in zip(given, new, strict=True) if is_new]

    def remove_hits(self, tokens: Iterable[bytes]) -> None:
        """Forget that tokens are hits."""
        self._change("DELETE FROM hit WHERE token = ?", [(token,) for token in tokens])

    def list_hits(self, after: str, limit: int) -> list[HitEntry]:
        """Return hits with their references, newest first, from behind a cursor.

        Raises:
            RequestError: PAGE_TOKEN_INVALID.
        """
        query = (
            "SELECT token, kind, reference, first_seen FROM hit JOIN watch USING (token)"
            " WHERE (first_seen, token) <= (?, ?)"
            " AND ((first_seen, token) < (?, ?) OR (kind, reference) > (?, ?))"
            " ORDER BY first_seen DESC, token DESC, kind, reference LIMIT ?"
        )
        key = _parse_cursor(after) if after else (_EVER, LAST_TOKEN, 0, "")
        found = self._select(query, (*key[:2], *key, limit))
        return [
            HitEntry(token, kind, text, seen, _cursor(seen, token, kind, text))
            for token, kind, text, seen in found
        ]

    def hit_count(self) -> int:
        """Return how many watchlist rows are hits."""
        query = "SELECT COUNT(*) FROM hit JOIN watch USING (token)"
        return int(self._select(query)[0][0])

    def hit_kinds(self, since: int) -> dict[int, int]:
        """Return how many watchlist rows became hits since a second, by kind number."""
        query = (
            "SELECT kind, COUNT(*) FROM hit JOIN watch USING (token)"
            " WHERE first_seen >= ? GROUP BY kind"
        )
        return dict(self._select(query, (since,)))

    def hit_times(self, tokens: Iterable[bytes]) -> dict[bytes, int]:
        """Return when this node noticed those of the tokens that are hits."""
        return dict(self._select_in("hit", "token", tokens))

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
            " ON CONFLICT (key) DO UPDATE SET used = quota.used + excluded.used"
        )
        with self.database.write() as connection:
            row = connection.execute("SELECT used FROM quota WHERE key = ?", (key,)).fetchone()
            used = row[0] if row else 0
            if used + amount > limit:
                return Charge(granted=False, used=used, limit=limit)
            connection.execute(query, (key, amount))
            return Charge(granted=True, used=used + amount, limit=limit)

    def set_aside(self, key: str, prefix: str, amount: int, limit: int) -> Charge:
        """Let a counter hold an amount, once, unless those of its kind would pass a limit.

        Args:
            key: The counter; where it holds the amount already, nothing is added.
            prefix: What the keys of all counters that share the limit begin with.
            amount: At least 0.
            limit: What those counters may hold together.

        Returns:
            With what they hold together.
        """
        whole = "SELECT key, used FROM quota WHERE substr(key, 1, ?) = ?"
        with self.database.write() as connection:
            held = dict(connection.execute(whole, (len(prefix), prefix)).fetchall())
            used, lacking = sum(held.values()), amount - held.get(key, 0)
            if lacking <= 0:
                return Charge(granted=True, used=used, limit=limit)
            if used + lacking > limit:
                return Charge(granted=False, used=used, limit=limit)
            connection.execute(put("quota", ("key", "used")), (key, amount))
            return Charge(granted=True, used=used + lacking, limit=limit)

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
        return self._change(_REMOVE_QUOTAS, [(len(prefix), prefix)])

    def put_values(self, values: Iterable[tuple[bytes, int, str]], epoch: int) -> None:
        """Remember own raw values: token of a key epoch, kind number, canonical value."""
        query = put("own_value", ("token", "kind", "value", "epoch"))
        self._change(query, ((*value, epoch) for value in values))

    def values(self, tokens: Iterable[bytes]) -> dict[bytes, OwnValue]:
        """Return the raw values of those of the tokens that this member computed."""
        found = self._select_in("own_value", "token", tokens)
        return {token: OwnValue(kind, value) for token, kind, value, _ in found}

    def known_tokens(
        self, values: Iterable[tuple[int, str]], epoch: int
    ) -> dict[tuple[int, str], bytes]:
        """Return the tokens of those of the values (kind number, canonical value) it knows."""
        wanted = set(values)
        found = self._select_in("own_value", "value", (value for _, value in wanted))
        return {
            (kind, value): token
            for token, kind, value, of_epoch in found
            if of_epoch == epoch and (kind, value) in wanted
        }

    def list_values(self, after: bytes, limit: int) -> list[tuple[bytes, OwnValue]]:
        """Return own raw values by token, behind a token; in a new epoch all are said again."""
        query = "SELECT token, kind, value FROM own_value WHERE token > ? ORDER BY token LIMIT ?"
        found = self._select(query, (after, limit))
        return [(token, OwnValue(kind, value)) for token, kind, value in found]

    def remove_values(self, tokens: Iterable[bytes]) -> int:
        """Forget own raw values and return how many there were."""
        return self._change("DELETE FROM own_value WHERE token = ?", ((t,) for t in tokens))

    def add_protected(self, values: Iterable[tuple[int, str]]) -> int:
        """Add raw values (kind number, canonical value) that must never be acted on."""
        return self._change(insert_new("protected", ("kind", "value")), values)

    def remove_protected(self, values: Iterable[tuple[int, str]]) -> int:
        """Remove protected raw values and return how many there were."""
        return self._change("DELETE FROM protected WHERE kind = ? AND value = ?", values)

    def protected_values(self, values: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
        """Return those of the values (kind number, canonical value) that are protected."""
        wanted = set(values)
        found = self._select_in("protected", "value", (value for _, value in wanted))
        return wanted.intersection(found)

    def list_protected(self, limit: int) -> list[tuple[int, str]]:
        """Return protected raw values (kind number, canonical value), at most so many."""
        query = "SELECT kind, value FROM protected ORDER BY value, kind LIMIT ?"
        return [(kind, value) for kind, value in self._select(query, (limit,))]

    def appeal_contacts(
        self, values: Iterable[tuple[int, str]], since: int
    ) -> set[tuple[int, str]]:
        """Return those of the values (kind number, canonical value) given in an appeal since."""
        wanted = set(values)
        found = self._select_in("appeal_contact", "value", (value for _, value in wanted))
        return wanted & {(kind, value) for _, kind, value, filed in found if filed >= since}

    def get(self, key: str) -> bytes | None:
        """Return one setting, or None."""
        for row in self._select("SELECT value FROM setting WHERE key = ?", (key,)):
            return bytes(row[0])
        return None

    def put(self, key: str, value: bytes) -> None:
        """Insert or replace one setting."""
        self.put_all([(key, value)])

    def put_all(self, settings: Iterable[tuple[str, bytes]]) -> None:
        """Insert or replace many settings in one transaction."""
        self._change(_PUT_SETTING, settings)

    def get_or_put(self, key: str, value: bytes) -> bytes:
        """Return one setting, which is made once: the value given here, if it was not there."""
        found = self.get(key)
        if found is not None:
            return found
        return self.change(key, lambda known: value if known is None else known)

    def change(
        self, key: str, change: Callable[[bytes | None], bytes], *, counters: str | None = None
    ) -> bytes:
        """Change one setting by what it is, and return it; nobody else writes in between.

        Args:
            key: The setting.
            change: Returns what it is to be; None where it is not there.
            counters: Prefix of counters to be forgotten with what the setting was.
        """
        with self.database.write() as connection:
            row = connection.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
            known = None if row is None else bytes(row[0])
            value = change(known)
            if value != known:
                connection.execute(_PUT_SETTING, (key, value))
                if counters is not None:
                    connection.execute(_REMOVE_QUOTAS, (len(counters), counters))
            return value

    def delete(self, key: str) -> None:
        """Remove one setting, if it is there."""
        self._change("DELETE FROM setting WHERE key = ?", [(key,)])

    def _change(self, query: str, rows: Iterable[Sequence[Any]]) -> int:
        with self.database.write() as connection:
            return max(0, connection.executemany(query, rows).rowcount)

    def _select(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self.database.read() as connection:
            return connection.execute(query, values).fetchall()

    def _select_in(self, table: str, column: str, items: Iterable[Any]) -> list[Any]:
        """Return the rows whose column is among the items, in few statements."""
        wanted = sorted(set(items))
        size = FEW_ITEMS if len(wanted) <= FEW_ITEMS else ITEMS_PER_QUERY
        query = f"SELECT * FROM {table} WHERE {column} IN ({', '.join('?' * size)})"
        found: list[Any] = []
        for begin in range(0, len(wanted), size):
            part = wanted[begin : begin + size]
            # A list is a set to the database: repeating an item fills it up without another text.
            found += self._select(query, part + part[-1:] * (size - len(part)))
        return found


def open_private_file(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> DatabaseFile:
    """Open the private tables in a file, creating it where it is missing.

    Raises:
        StoreError: Any of its reasons.
    """
    return DatabaseFile(path, PRIVATE_MIGRATIONS, PRIVATE_APPLICATION_ID, busy_timeout_ms)


def _cursor(first_seen: int, token: bytes, kind: int, reference: str) -> str:
    return f"{first_seen}.{token.hex()}.{kind}.{reference.encode().hex()}"


def _parse_cursor(cursor: str) -> tuple[int, bytes, int, str]:
    try:
        first_seen, token, kind, reference = cursor.split(".")
        key = (bytes.fromhex(token), int(kind), bytes.fromhex(reference).decode())
        return (min(int(first_seen), _EVER), *key)
    except ValueError as error:
        raise RequestError("the page token is not ours", reason="PAGE_TOKEN_INVALID") from error
