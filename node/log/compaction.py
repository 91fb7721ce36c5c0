"""Forget the content of entries whose statement has expired, and nothing that rests on them.

Only entries that do nothing but put evidence are removed, together with their rows, so that
folding what remains gives the same views. Where an unexpired entry *before* an expired one put the
same row, the row would come back; then the expired entry stays until the other expires too.
"""

from typing import Final

from federation.names import Origin
from federation.statements import StatementError
from federation.statements.codec import decode_statement
from federation.views import EVIDENCE, Drop, Put, fold
from node.store.protocol import LogState, PublicReader, PublicWriter, Row, StoredEntry

# Entries: one round of decoding; bounds memory, not the result.
SCANNED_AT_ONCE: Final = 4_096

_KEY_COLUMNS: Final = len(EVIDENCE.key)
_POSITION: Final = [name for name, _ in EVIDENCE.columns].index("position")

Removal = dict[Row, list[int]]
"""Evidence key to the positions of the expired entries that put it."""


def find_expired(reader: PublicReader, state: LogState, expired_before: int) -> Removal:
    """Return the entries of a log that can be removed, decoding it from its end to its start."""
    member = Origin.parse(state.origin).member
    removal: Removal = {}
    for stop in range(state.size, 0, -SCANNED_AT_ONCE):
        start = max(0, stop - SCANNED_AT_ONCE)
        for entry in reversed(list(reader.entries(state.number, start, stop))):
            _scan(removal, member, entry, expired_before)
    return removal


def remove(writer: PublicWriter, state: LogState, removal: Removal) -> int:
    """Drop the bodies and the rows that they put, and return the number of entries."""
    positions = {position for places in removal.values() for position in places}
    writer.drop_bodies(state.number, sorted(positions))
    rows = writer.rows_of(EVIDENCE, [key[0] for key in removal])
    stale = [
        Drop(EVIDENCE.name, row[:_KEY_COLUMNS])
        for row in rows
        if row[_POSITION] in removal.get(row[:_KEY_COLUMNS], ())
    ]
    writer.apply(stale)
    return len(positions)


def _scan(removal: Removal, member: str, entry: StoredEntry, expired_before: int) -> None:
    if entry.body is None:
        return
    try:
        statement = decode_statement(entry.body)
    except StatementError:
        return
    keys = [
        change.row[:_KEY_COLUMNS]
        for change in fold(member, entry.position, entry.body, statement)
        if isinstance(change, Put) and change.table == EVIDENCE.name
    ]
    expired = statement.expires_time is not None and statement.expires_time < expired_before
    for key in keys:
        if expired:
            removal.setdefault(key, []).append(entry.position)
        else:
            removal.pop(key, None)
