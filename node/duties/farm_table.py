"""Keep which own numbers were suspect at which site, on this node alone.

Numbers and buckets never leave it: sums get counts by bucket token, and only into slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from node.store.private import PrivateStore
from node.store.rows import insert_new

KEPT_SECONDS: Final = 31 * 86_400
"""Seconds that an hour's numbers are kept: as long as a clue takes to be followed up."""


@dataclass(frozen=True, slots=True)
class SuspectSim:
    """An own number that was suspect at a site in an hour.

    Attributes:
        window: Seconds since 1970 of the hour's beginning.
        bucket: Of the site, canonical.
        number: Own, canonical.
    """

    token: bytes
    window: int
    bucket: str = field(repr=False)
    number: str = field(repr=False)


class FarmTable:
    """The suspect SIMs of one carrier; every method blocks on the database."""

    def __init__(self, private: PrivateStore) -> None:
        self._database = private.database

    def add(self, sims: Iterable[SuspectSim], epoch: int) -> list[bool]:
        """Add suspect SIMs, and say of each whether it is new.

        Args:
            sims: Their tokens are of this epoch.
            epoch: Of the token key.
        """
        query = insert_new("farm_sim", ("window", "epoch", "token", "number", "bucket"))
        rows = ((one.window, epoch, one.token, one.number, one.bucket) for one in sims)
        with self._database.write() as connection:
            return connection.changed(query, rows)

    def counts(self, window: int, epoch: int) -> dict[bytes, int]:
        """Return how many own numbers were suspect in an hour, by bucket token."""
        query = (
            'SELECT token, COUNT(*) FROM farm_sim WHERE "window" = ? AND epoch = ?'
            " GROUP BY token ORDER BY token"
        )
        with self._database.read() as connection:
            return dict(connection.execute(query, (window, epoch)).fetchall())

    def sims(self, token: bytes, window: int) -> list[SuspectSim]:
        """Return the own numbers that were suspect at a site in an hour, by number."""
        query = (
            'SELECT bucket, number FROM farm_sim WHERE "window" = ? AND token = ? ORDER BY number'
        )
        with self._database.read() as connection:
            rows = connection.execute(query, (window, token)).fetchall()
        return [SuspectSim(token, window, bucket, number) for bucket, number in rows]

    def forget(self, before: int) -> int:
        """Forget the hours that began before a second; return how many rows there were."""
        with self._database.write() as connection:
            query = 'DELETE FROM farm_sim WHERE "window" < ?'
            return max(0, connection.execute(query, (before,)).rowcount)
