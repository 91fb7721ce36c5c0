"""What a store of the replicated tables can do, whatever database is behind it.

- A reader sees one moment of the store from its first question to its end.
- A writer's changes become visible and durable together when its block ends, or not at all.
- There is one writer at a time; a second one waits.

    with store.write() as writer:
        state = writer.log("night/bank/all")
        writer.add_entries(state.number, state.size, bodies)
        ...
    # fsynced here

Every method of a store raises ``StoreError`` when the database fails.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from federation.tiles import Tile
from federation.views import Drop, Put, Table
from node.store.leadership import Leadership

Row = tuple[Any, ...]
"""One row of a view table: bytes, text and integers, in the order of the table's columns."""


Follower = Callable[[Sequence[Put | Drop] | None], None]
"""Takes the changes of one view table, or None where any of its rows may be another."""

Fold = Callable[[str, int, Sequence[bytes | None]], Iterable[Put | Drop]]
"""Origin, first position and bodies of entries to what they change in the views."""


@dataclass(frozen=True, slots=True)
class LogState:
    """One replicated log.

    Attributes:
        number: The store's own number for it; 0 before the log is first saved.
        origin: ``<federation>/<member>/<audience>``.
        size: Number of entries.
        frontier: Encoded ``CompactRange`` of that many leaves.
        root: Root of the tree, 32 bytes.
        checkpoint: The latest signed checkpoint; its size is ``size``.
        stopped: Evidence for which replication stopped, or None.
    """

    number: int
    origin: str
    size: int
    frontier: bytes
    root: bytes
    checkpoint: bytes
    stopped: bytes | None = None


class StoredEntry(NamedTuple):
    """An entry: its body is None where retention removed it and only its leaf hash remains."""

    position: int
    body: bytes | None


class StoredCheckpoint(NamedTuple):
    """A checkpoint of the history and the key it was verified under when it was stored."""

    size: int
    note: bytes
    public: bytes


class PublicReader(Protocol):
    """One consistent look at the store. An iterator lives no longer than its reader."""

    def logs(self) -> list[LogState]:
        """Return all logs, by origin."""
        ...

    def log(self, origin: str) -> LogState | None:
        """Return one log, or None when nothing of it is held."""
        ...

    def entries(self, number: int, start: int, stop: int) -> Iterator[StoredEntry]:
        """Yield the entries from ``start`` up to, not including, ``stop``, in order."""
        ...

    def tile(self, number: int, level: int, index: int) -> bytes | None:
        """Return the hashes of a tile, or None where there is none."""
        ...

    def checkpoints(
        self, number: int, first: int, last: int, *, newest_first: bool = False
    ) -> Iterator[StoredCheckpoint]:
        """Yield the history's checkpoints with ``first <= size <= last``, by size."""
        ...

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield all rows of a view table, sorted by its key."""
        ...

    def rows_of(self, table: Table, tokens: Sequence[bytes]) -> Iterator[Row]:
        """Yield the rows of these tokens, sorted by the key; the table's key begins with token."""
        ...

    def find(
        self, table: Table, equal: Mapping[str, Any], *, newest: str | None = None, limit: int = -1
    ) -> list[Row]:
        """Return rows whose columns equal the given values, newest first by a column if named."""
        ...

    def count(self, table: Table, columns: Sequence[str]) -> list[Row]:
        """Return each combination of values of these columns and how many rows have it."""
        ...

    def tokens(self, table: Table, low: bytes, high: bytes) -> Iterator[bytes]:
        """Yield the distinct tokens t of a table with ``low <= t <= high``, sorted."""
        ...

    def token_count(self, table: Table) -> int:
        """Return how many distinct tokens a table holds."""
        ...

    def has_stale_views(self) -> bool:
        """Say whether the view tables were made anew and wait to be folded again."""
        ...


class PublicWriter(PublicReader, Protocol):
    """One transaction; reads see its own changes."""

    def save_log(self, state: LogState) -> int:
        """Insert or update a log and return its number."""
        ...

    def add_entries(self, number: int, first: int, bodies: Iterable[bytes | None]) -> None:
        """Add entries from position ``first``; None stands for a body that is gone."""
        ...

    def save_tiles(self, number: int, tiles: Iterable[Tile]) -> None:
        """Insert tiles or replace earlier ones."""
        ...

    def save_checkpoint(self, number: int, checkpoint: StoredCheckpoint) -> None:
        """Add a checkpoint to the history; a newer one of the same size replaces the older."""
        ...

    def apply(self, changes: Iterable[Put | Drop]) -> None:
        """Change view rows, as if one after the other."""
        ...

    def drop_bodies(self, number: int, positions: Iterable[int]) -> None:
        """Forget the bodies of entries."""
        ...

    def clear_views(self) -> None:
        """Delete all rows of all view tables; they no longer count as stale."""
        ...


class PublicStore(Protocol):
    """The replicated tables of one node."""

    tables: Sequence[Table]

    def read(self) -> AbstractContextManager[PublicReader]:
        """Open a look at the store; any thread, any number at a time."""
        ...

    def write(self) -> AbstractContextManager[PublicWriter]:
        """Open the one write transaction; commits when the block ends without an error."""
        ...

    def follow(self, table: Table, follower: Follower) -> None:
        """Tell a follower what each transaction changed in a view, once that is durable.

        It is called on the writer's thread and must only take note.
        """
        ...

    def listen(self, fold: Fold, grown: Callable[[str, int], None]) -> None:
        """Hear what other processes on the same tables write, where there can be any.

        Followers are told of it as of own transactions, all in the order of their commits.

        Args:
            fold: What made the views from the entries.
            grown: Hears origin and size of each log that another process grew, on a thread of
                the store.
        """
        ...

    def leadership(self) -> Leadership | None:
        """Return how the processes on these tables agree on who leads; None: there is but one."""
        ...

    def tidy(self) -> None:
        """Overwrite what was deleted, wherever the database still keeps it."""
        ...

    def close(self) -> None:
        """Close the store; it cannot be used afterwards."""
        ...
