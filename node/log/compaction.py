"""Forget the content of entries whose statement has expired, or was retracted for erasure.

Only entries that do nothing but put evidence are removed, together with their rows, so that
folding what remains gives the same views. Where an unexpired entry *before* an expired one put the
same row, the row would come back; then the expired entry stays until the other expires too. What
stands before a retraction for erasure (``RETRACTION_REASON_ERASURE``) goes at once: the retraction
drops its row in any case.
"""

from dataclasses import dataclass, field
from typing import Final

from federation.names import Origin
from federation.statements import Retraction, StatementError
from federation.statements.codec import decode_statement
from federation.views import EVIDENCE, Drop, Put, fold
from federation.vocabulary import RetractionReason
from node.store.protocol import LogState, PublicReader, PublicWriter, Row, StoredEntry

# Entries: one round of decoding; bounds memory, not the result.
SCANNED_AT_ONCE: Final = 4_096

_KEY_COLUMNS: Final = len(EVIDENCE.key)
_POSITION: Final = [name for name, _ in EVIDENCE.columns].index("position")


@dataclass(slots=True)
class Removal:
    """Entries that can be removed.

    Attributes:
        by_key: Evidence key to the positions of the entries that put it.
        erased: Evidence keys that a later entry takes back for erasure.
    """

    by_key: dict[Row, list[int]] = field(default_factory=dict)
    erased: set[Row] = field(default_factory=set)

    def positions(self) -> list[int]:
        """Return the positions of all entries, sorted."""
        return sorted({position for places in self.by_key.values() for position in places})


def find_expired(reader: PublicReader, state: LogState, expired_before: int) -> Removal:
    """Return the entries of a log that can be removed, decoding it from its end to its start."""
    member = Origin.parse(state.origin).member
    removal = Removal()
    for stop in range(state.size, 0, -SCANNED_AT_ONCE):
        start = max(0, stop - SCANNED_AT_ONCE)
        for entry in reversed(list(reader.entries(state.number, start, stop))):
            _scan(removal, member, entry, expired_before)
    return removal


def remove(writer: PublicWriter, state: LogState, removal: Removal) -> int:
    """Drop the bodies and the rows that they put, and return the number of entries."""
    positions = removal.positions()
    writer.drop_bodies(state.number, positions)
    rows = writer.rows_of(EVIDENCE, [key[0] for key in removal.by_key])
    stale = [
        Drop(EVIDENCE.name, row[:_KEY_COLUMNS])
        for row in rows
        if row[_POSITION] in removal.by_key.get(row[:_KEY_COLUMNS], ())
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
    body, expires = statement.body, statement.expires_time
    if isinstance(body, Retraction) and body.reason is RetractionReason.ERASURE:
        removal.erased.add((body.token, member, body.target_id))
    expired = expires is not None and expires < expired_before
    for change in fold(member, entry.position, entry.body, statement):
        if isinstance(change, Put) and change.table == EVIDENCE.name:
            key = change.row[:_KEY_COLUMNS]
            if expired or key in removal.erased:
                removal.by_key.setdefault(key, []).append(entry.position)
            else:
                removal.by_key.pop(key, None)
