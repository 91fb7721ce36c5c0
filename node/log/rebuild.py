"""Fold the views again from the entries, and digest them: same logs, same bytes."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from federation.names import Origin
from federation.views import Table
from node.log.batch import fold_bodies
from node.store.protocol import LogState, PublicReader, PublicWriter

# Entries: one round of decoding; bounds memory, not the result.
FOLDED_AT_ONCE: Final = 4_096

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of folding again: digests of all views before and after, and entries folded."""

    before: bytes
    after: bytes
    count: int


def rebuild_views(writer: PublicWriter, tables: Sequence[Table]) -> Rebuilt:
    """Fold all views again, and say whether that changed any."""
    before = digest_views(writer, tables)
    count = fold_again(writer)
    return Rebuilt(before, digest_views(writer, tables), count)


def digest_views(reader: PublicReader, tables: Sequence[Table]) -> bytes:
    """Return SHA-256 over all rows of all view tables, each sorted by its key."""
    digest = hashlib.sha256()
    for table in tables:
        _update(digest, table.name)
        for row in reader.rows(table):
            for value in row:
                _update(digest, value)
    return digest.digest()


def fold_again(writer: PublicWriter) -> int:
    """Drop all view rows, fold every log from its start, and return the number of entries."""
    writer.clear_views()
    return sum(_fold_log(writer, state) for state in writer.logs())


def _fold_log(writer: PublicWriter, state: LogState) -> int:
    member = Origin.parse(state.origin).member
    for start in range(0, state.size, FOLDED_AT_ONCE):
        stop = min(start + FOLDED_AT_ONCE, state.size)
        bodies = [entry.body for entry in writer.entries(state.number, start, stop)]
        writer.apply(fold_bodies(member, start, bodies).changes)
    return state.size


def _update(digest: Any, value: bytes | str | int) -> None:
    """Feed a value with its type and length, so that no two tables give the same bytes."""
    encoded = value if isinstance(value, bytes) else str(value).encode()
    digest.update(type(value).__name__.encode() + _LENGTH.pack(len(encoded)) + encoded)
