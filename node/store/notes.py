"""Note what one transaction changes in the views that somebody follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from federation.views import Drop, Put, Table
from node.store.protocol import Follower

Noted = dict[str, list[Put | Drop] | None]
"""By view table, what changed in it; None where any of its rows may be another."""


class Followers:
    """Who follows which view tables of a store."""

    def __init__(self) -> None:
        self._by_table: defaultdict[str, list[Follower]] = defaultdict(list)

    @property
    def followed(self) -> Collection[str]:
        """The names of the tables that somebody follows."""
        return self._by_table.keys()

    def add(self, table: Table, follower: Follower) -> None:
        """Tell a follower of a table from the next transaction on."""
        self._by_table[table.name].append(follower)

    def tell(self, noted: Noted) -> None:
        """Tell all followers what a transaction changed, once that is durable."""
        for name, changes in noted.items():
            for follower in self._by_table[name]:
                follower(changes)


class ChangeNotes:
    """What one transaction has changed so far in the tables that are followed."""

    def __init__(self, followed: Collection[str]) -> None:
        self._followed = followed
        self.noted: Noted = {}

    def note(self, name: str, run: Iterable[Put | Drop]) -> Iterable[Put | Drop]:
        """Keep for the followers what changes in a table that has some, and give it on."""
        if name not in self._followed:
            return run
        listed = list(run)
        known = self.noted.setdefault(name, [])
        if known is not None:
            known.extend(listed)
        return listed

    def note_all(self) -> None:
        """Note that any row of any table may be another."""
        self.noted = dict.fromkeys(self._followed)
