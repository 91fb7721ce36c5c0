"""Turn the bodies of entries into leaf hashes and view changes: the hot path of replication."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from federation.merkle import HASH_BYTES
from federation.statements import StatementError
from federation.statements.codec import decode_statement
from federation.views import Drop, Put, fold
from node.log.error import LogError

# Entries and bytes under one checkpoint of the own log: a quarter of what readers take at most.
MAX_BATCH_ENTRIES: Final = 250_000
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Folded:
    """What entries do to the views.

    Attributes:
        changes: In the order of the entries.
        tokens: Those about which evidence came or went.
        refused: How many entries are no statement; they are kept and fold to nothing.
        said: The types of the bodies among them.
        latest: The latest time that one of them is dated, seconds since 1970; 0 for none.
    """

    changes: list[Put | Drop]
    tokens: set[bytes]
    refused: int
    said: frozenset[type]
    latest: int


def hash_bodies(bodies: Sequence[bytes], compacted: Collection[int]) -> list[bytes]:
    """Return the leaf hashes; a compacted body is its leaf hash already.

    Raises:
        LogError: ENTRY_INVALID, a compacted place is not there or does not hold a hash.
    """
    # Spelled out rather than by leaf_hash: the inner loop.
    leaves = [sha256(b"\x00" + body).digest() for body in bodies]
    for place in compacted:
        if not 0 <= place < len(bodies) or len(bodies[place]) != HASH_BYTES:
            raise LogError("a removed entry has no leaf hash", reason="ENTRY_INVALID")
        leaves[place] = bodies[place]
    return leaves


def split_bodies(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut bodies into batches that every reader takes; one body alone always is a batch."""
    start = count_bytes = 0
    for place, body in enumerate(bodies):
        full = count_bytes + len(body) > MAX_BATCH_BYTES or place - start == MAX_BATCH_ENTRIES
        if full and place > start:
            yield bodies[start:place]
            start, count_bytes = place, 0
        count_bytes += len(body)
    if bodies:
        yield bodies[start:]


def fold_bodies(member: str, first: int, bodies: Sequence[bytes | None]) -> Folded:
    """Fold the entries from position ``first`` on; None is a body that is gone."""
    changes: list[Put | Drop] = []
    said: set[type] = set()
    refused = latest = 0
    for position, body in enumerate(bodies, first):
        if body is None:
            continue
        try:
            statement = decode_statement(body)
        except StatementError:
            refused += 1
            continue
        said.add(type(statement.body))
        latest = max(latest, statement.issued_time)
        changes += fold(member, position, body, statement)
    # Item 1 is a Put's row and a Drop's key; both begin with the token.
    tokens = {change[1][0] for change in changes if change.table == "evidence"}
    return Folded(changes, tokens, refused, frozenset(said), latest)
