"""Keep the calls that the network reported of own customers, for some hours, on this node alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.call_context import RECENT_SECONDS
from node.store.private import PrivateStore
from node.store.rows import put

STUCK_SECONDS: Final = 86_400
"""Seconds after which a call without an end is forgotten: the network lost it."""
NUMBER_SECONDS: Final = 7 * 86_400
"""Seconds for which a number's token is kept, so that a new call asks no key holder."""
_FED: Final = "calls/fed"
_ITEMS: Final = 500
"""Parameters of one query."""
_PUT_NUMBER: Final = put("call_number", ("value", "epoch", "token", "seen"), key=2)
_PUT_CALL: Final = put("call", ("subscriber", "other", "began", "ended", "first_contact"), key=3)


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call between two tokens; ``ended`` is 0 while it goes on."""

    subscriber: bytes
    other: bytes
    began: int
    ended: int
    first_contact: bool


class CallTable:
    """The calls of one carrier's customers; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._private = private
        self._database = private.database

    def tokens(self, values: Sequence[str], epoch: int) -> dict[str, bytes]:
        """Return the tokens of those canonical numbers that were fed before."""
        found: dict[str, bytes] = {}
        for start in range(0, len(values), _ITEMS):
            part = values[start : start + _ITEMS]
            marks = ", ".join("?" * len(part))
            query = f"SELECT value, token FROM call_number WHERE epoch = ? AND value IN ({marks})"  # noqa: S608  # question marks
            found.update(self._select(query, (epoch, *part)))
        return found

    def keep_tokens(self, tokens: Mapping[str, bytes], epoch: int, now: int) -> None:
        """Keep the tokens of canonical numbers, and forget those not fed for a week."""
        rows = [(value, epoch, token, now) for value, token in tokens.items()]
        with self._database.write() as connection:
            connection.executemany(_PUT_NUMBER, rows)
            over = (now - NUMBER_SECONDS,)
            connection.execute("DELETE FROM call_number WHERE seen < ?", over)

    def feed(self, calls: Iterable[KnownCall], now: int) -> list[bool]:
        """Take calls, and say of each whether it is news; forget what does not count any more."""
        with self._database.write() as connection:
            news = [_put(connection, one) for one in calls]
            connection.execute(
                "DELETE FROM call WHERE (ended > 0 AND ended < ?) OR (ended = 0 AND began < ?)",
                (now - RECENT_SECONDS, now - STUCK_SECONDS),
            )
        self._private.put(_FED, str(now).encode())
        return news

    def fed(self) -> int:
        """Return when the network last reported anything; 0: never."""
        return int(self._private.get(_FED) or b"0")

    def calls(self, subscriber: bytes) -> list[KnownCall]:
        """Return the calls of a customer."""
        query = (
            "SELECT subscriber, other, began, ended, first_contact FROM call WHERE subscriber = ?"
        )
        found = self._select(query, (subscriber,))
        return [
            KnownCall(who, other, began, ended, bool(first))
            for who, other, began, ended, first in found
        ]

    def _select(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._database.read() as connection:
            return connection.execute(query, values).fetchall()


def _put(connection: Any, call: KnownCall) -> bool:
    key = (call.subscriber, call.other, call.began)
    query = "SELECT ended, first_contact FROM call WHERE subscriber = ? AND other = ? AND began = ?"
    known = connection.execute(query, key).fetchone()
    ended = max(call.ended, known[0] if known else 0)  # a late report of the beginning ends nothing
    row = (ended, int(call.first_contact or bool(known and known[1])))
    connection.execute(_PUT_CALL, (*key, *row))
    return known is None or tuple(known) != row
