"""Remember durably what this member did in private sums, so that it never does it twice.

A contributor's shares are stored before they are said: what is said after a crash is the same. A
holder's close is stored before it is echoed or answered, and stays for ever. Both carriers of
sums, the logs and the stream of a training run, use one memory: a repeat on the other is a repeat.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from federation.names import MemberId
from federation.prime_field import ELEMENT_BYTES
from federation.statements import SumShares, decode_body, encode_body
from federation.sums import REPEAT_WINDOW_SECONDS, PastSum, SumFaultError, check_repeat
from federation.sums.field import Vector
from node.store.private import PrivateStore
from node.store.rows import Connection, insert_new

_SEPARATOR: Final = " "
_COLUMNS: Final = "sum_id, labels_digest, contributors, time, fingerprints"
_ADD: Final = insert_new(
    "sum_part",
    ("sum_id", "part", "time", "labels_digest", "contributors", "fingerprints", "said"),
)


class Part(enum.StrEnum):
    """What a member remembers a sum as."""

    CONTRIBUTOR = "CONTRIBUTOR"
    HOLDER = "HOLDER"


class SumMemory:
    """The sums that this member took part in; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def past(self, part: Part, now: int) -> list[PastSum]:
        """Return what a repeat is told by: this part's sums within the window."""
        query = f"SELECT {_COLUMNS} FROM sum_part WHERE part = ? AND time > ?"  # noqa: S608  # a constant
        with self._database.read() as connection:
            rows = connection.execute(query, (part, now - REPEAT_WINDOW_SECONDS)).fetchall()
        return [_past(row) for row in rows]

    def contribution(self, sum_id: bytes) -> SumShares | None:
        """Return the shares that were made for a sum, to be said again after a crash."""
        said = self._said(sum_id, Part.CONTRIBUTOR)
        return decode_body(SumShares, said) if said else None

    def has_contributed(self, sum_id: bytes) -> bool:
        """Say whether shares were ever made for a sum, kept or not."""
        return self._said(sum_id, Part.CONTRIBUTOR) is not None

    def remember_contribution(
        self, past: PastSum, shares: SumShares, checked: Iterable[PastSum] = ()
    ) -> SumShares:
        """Store the shares of a sum; return those to be said, which are the first ones stored.

        Args:
            past: The sum.
            shares: That were made for it.
            checked: What it was compared with already; what came meanwhile is compared here.

        Raises:
            SumRefusedError: SUM_REPEATED; nothing was stored.
        """
        self._add(past, Part.CONTRIBUTOR, encode_body(shares), checked)
        return self.contribution(past.sum_id) or shares

    def note_contribution(self, past: PastSum, checked: Iterable[PastSum] = ()) -> None:
        """Remember that shares were made, without the shares: after a crash they are not said.

        Raises:
            SumRefusedError: SUM_REPEATED; nothing was stored.
        """
        self._add(past, Part.CONTRIBUTOR, b"", checked)

    def drop_shares(self, sum_id: bytes) -> None:
        """Free the room of shares that stand in the log; that there were some stays known."""
        query = "UPDATE sum_part SET said = ? WHERE sum_id = ? AND part = ?"
        with self._database.write() as connection:
            connection.execute(query, (b"", sum_id, Part.CONTRIBUTOR))

    def bound(self, sum_id: bytes) -> bytes | None:
        """Return the digest of the one close of a sum that this holder answers."""
        return self._said(sum_id, Part.HOLDER)

    def bind(self, past: PastSum, close_digest: bytes, checked: Iterable[PastSum] = ()) -> None:
        """Answer this close of a sum and no other, ever; call it before anything leaves.

        Raises:
            SumFaultError: SUM_CLOSED_TWICE; another close was bound before.
            SumRefusedError: SUM_REPEATED; nothing was stored.
        """
        self._add(past, Part.HOLDER, close_digest, checked)
        if self.bound(past.sum_id) != close_digest:
            raise SumFaultError("another close of this sum is answered", reason="SUM_CLOSED_TWICE")

    def _said(self, sum_id: bytes, part: Part) -> bytes | None:
        query = "SELECT said FROM sum_part WHERE sum_id = ? AND part = ?"
        with self._database.read() as connection:
            row = connection.execute(query, (sum_id, part)).fetchone()
        return None if row is None else bytes(row[0])

    def _add(self, past: PastSum, part: Part, said: bytes, checked: Iterable[PastSum]) -> None:
        """Add a sum unless it is there, and forget the fingerprints of what is long past.

        A sum on the other carrier, or of another process, may have come since the caller looked:
        the last look and the writing are one transaction.
        """
        contributors = _SEPARATOR.join(sorted(past.contributors))
        values = (past.sum_id, part, past.time, past.labels_digest, contributors)
        prints = None if past.fingerprints is None else past.fingerprints.astype("<u8").tobytes()
        over = past.time - REPEAT_WINDOW_SECONDS
        with self._database.write() as connection:
            check_repeat(past, _unchecked(connection, past, part, checked))
            connection.execute(_ADD, (*values, prints, said))
            connection.execute("UPDATE sum_part SET fingerprints = NULL WHERE time <= ?", (over,))


def _unchecked(
    connection: Connection, past: PastSum, part: Part, checked: Iterable[PastSum]
) -> list[PastSum]:
    """Return the sums within the window that a new one was not compared with."""
    query = "SELECT sum_id FROM sum_part WHERE part = ? AND time > ?"
    rows = connection.execute(query, (part, past.time - REPEAT_WINDOW_SECONDS)).fetchall()
    known = {bytes(row[0]) for row in rows}
    if past.sum_id in known:
        return []
    query = f"SELECT {_COLUMNS} FROM sum_part WHERE part = ? AND sum_id = ?"  # noqa: S608  # a constant
    unchecked = known.difference(one.sum_id for one in checked)
    return [_past(connection.execute(query, (part, one)).fetchone()) for one in sorted(unchecked)]


def _past(row: tuple[Any, ...]) -> PastSum:
    sum_id, labels_digest, contributors, time, fingerprints = row
    names = frozenset(MemberId(name) for name in contributors.split(_SEPARATOR))
    prints: Vector | None = None
    if fingerprints is not None and len(fingerprints) % ELEMENT_BYTES == 0:
        prints = np.frombuffer(fingerprints, dtype="<u8").astype(np.uint64)
    return PastSum(sum_id, labels_digest, names, time, prints)
