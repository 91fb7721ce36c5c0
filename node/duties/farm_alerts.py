"""Read which sites of SIM farms were told in the logs."""

from __future__ import annotations

from operator import itemgetter
from typing import Final, NamedTuple

from federation.views import FARM
from node.store.protocol import PublicStore

MAX_ALERTS: Final = 1_000
"""Alerts in one look: more sites in a quarter than any country has found."""
_COLUMNS: Final = (
    "token",
    "window",
    "member",
    "total",
    "issued",
    "statement",
    "epoch",
    "expires",
)
_PLACES: Final = itemgetter(*([name for name, _ in FARM.columns].index(one) for one in _COLUMNS))


class ToldSite(NamedTuple):
    """A site that somebody told.

    Attributes:
        token: Of the site's bucket.
        window: Seconds since 1970 of the hour's beginning.
        total: Suspect SIMs of all carriers.
        epoch: Of the token.
        expires: Seconds since 1970; 0: never.
    """

    token: bytes
    window: int
    member: str
    total: int
    issued: int
    statement: bytes
    epoch: int
    expires: int


class FarmAlerts:
    """The alerts about sites in all logs."""

    def __init__(self, store: PublicStore) -> None:
        self._store = store

    def all(self) -> list[ToldSite]:
        """Return the alerts, newest first; blocking."""
        with self._store.read() as reader:
            rows = reader.find(FARM, {}, newest="issued", limit=MAX_ALERTS)
            return [ToldSite(*_PLACES(row)) for row in rows]
