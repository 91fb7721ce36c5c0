"""Recompute a stored log from its bodies and say exactly what is damaged.

The one thing trusted is the member's signature. Each checkpoint of the history anchors the entries
up to its size: when the bodies lead to its root they are right, whatever the tiles say. Where they
do not, the leaf tiles are asked instead; where these do not either, the upper tiles and the
checkpoints bound the smallest run that holds the first bad entry.

What cannot be seen from disk alone: a log that was cut back, state and history included, to what it
once was. The peers' checkpoints show that (``Ledger.compare``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from federation.checkpoint import CheckpointError, SignedCheckpoint, verify_checkpoint
from federation.merkle import HASH_BYTES, MAX_TREE_SIZE, CompactRange, leaf_hash, root_at
from federation.names import Origin
from federation.tiles import TILE_HEIGHT, TILE_WIDTH, tile_width
from node.log.error import DamageError, Part
from node.store.protocol import LogState, PublicReader

# Stands for a leaf that is nowhere: no entry hashes to it.
_NOWHERE: Final = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far the check of one log is: entries found right, of all."""

    origin: str
    checked: int
    size: int


def verify_log(reader: PublicReader, state: LogState, public: bytes) -> Iterator[VerifyProgress]:
    """Check one log, from its first entry to its state.

    Args:
        reader: One look at the store, for the whole check.
        state: The log.
        public: The member's signing key as the charter names it.

    Raises:
        DamageError: The first damage found; entries come before checkpoints and state.
    """
    check = _Check(reader, state, public)
    for anchor in check.anchors():
        check.advance(anchor)
        yield VerifyProgress(state.origin, check.frontier.size, state.size)
    check.finish()
    check.compare_upper_tiles()
    yield VerifyProgress(state.origin, state.size, state.size)


@dataclass(slots=True)
class _Segment:
    """Leaf hashes of the entries between two anchors: from the bodies, and from the tiles."""

    begin: int
    end: int
    bodies: list[bytes | None]
    tiles: list[bytes]
    absent: set[int]

    def first_difference(self, begin: int, end: int) -> int | None:
        """Return the first position in the range at which body and tile differ."""
        for position in range(max(begin, self.begin), min(end, self.end)):
            place = position - self.begin
            if self.bodies[place] != self.tiles[place]:
                return position
        return None

    def filled(self) -> list[bytes]:
        """Return the leaves by the bodies, and by the tiles where there is no body."""
        pairs = zip(self.bodies, self.tiles, strict=True)
        return [tile if body is None else body for body, tile in pairs]


class _Check:
    """One run over one log."""

    def __init__(self, reader: PublicReader, state: LogState, public: bytes) -> None:
        self._reader = reader
        self._state = state
        self._public = public
        self._origin = Origin.parse(state.origin)
        self._bad_checkpoint: int | None = None
        self.frontier = CompactRange()

    def anchors(self) -> Iterator[SignedCheckpoint]:
        """Yield the checkpoints that the charter's key signed, by size; the latest comes last.

        One under the key recorded with it, which was the member's once, is no damage; but whoever
        can edit the file could have recorded any key, so it is no anchor either.
        """
        newest = -1
        for stored in self._reader.checkpoints(self._state.number, 0, MAX_TREE_SIZE):
            signed = self._signed(stored.note, self._public)
            if signed is not None and signed.checkpoint.size == stored.size:
                newest = stored.size
                yield signed
            elif self._signed(stored.note, stored.public) is None or signed is not None:
                self._remember(stored.size)
        latest = self._signed(self._state.checkpoint, self._public)
        if latest is not None and latest.checkpoint.size > newest:
            yield latest

    def _signed(self, note: bytes, public: bytes) -> SignedCheckpoint | None:
        try:
            return verify_checkpoint(note, self._origin, public)
        except CheckpointError:
            return None

    def _remember(self, size: int) -> None:
        if self._bad_checkpoint is None:
            self._bad_checkpoint = size

    def advance(self, anchor: SignedCheckpoint) -> None:
        """Check the entries up to an anchor."""
        begin, end = self.frontier.size, anchor.checkpoint.size
        segment = self._segment(begin, end)
        trial = self.frontier.copy()
        trial.extend(segment.filled())
        if segment.absent or trial.root() != anchor.checkpoint.root:
            raise self._locate(segment, anchor.checkpoint.root)
        different = segment.first_difference(begin, end)
        if different is not None:
            raise self._damage(Part.TILE, different)
        self.frontier = trial

    def finish(self) -> None:
        """Check that the log's state is what its entries lead to, and its checkpoint signed."""
        state = self._state
        if self._bad_checkpoint is not None:
            raise self._damage(Part.CHECKPOINT, self._bad_checkpoint)
        if self.frontier.size < state.size:
            raise self._damage(Part.CHECKPOINT, state.size)
        whole = (state.size, state.frontier, state.root)
        if whole != (self.frontier.size, self.frontier.encode(), self.frontier.root()):
            raise self._damage(Part.STATE, state.size)
        latest = self._signed(state.checkpoint, self._public)
        if latest is None or latest.checkpoint.root != state.root:
            raise self._damage(Part.CHECKPOINT, state.size)
        for entry in self._reader.entries(state.number, state.size, MAX_TREE_SIZE):
            raise self._damage(Part.SURPLUS, entry.position)

    def compare_upper_tiles(self) -> None:
        """Check each hash above the leaf tiles against the full tile below it."""
        level = 1
        while self._state.size >> (TILE_HEIGHT * level):
            for index in range((self._state.size >> (TILE_HEIGHT * level)) // TILE_WIDTH + 1):
                self._compare_tile(level, index)
            level += 1

    def _compare_tile(self, level: int, index: int) -> None:
        for offset in range(tile_width(level, index, self._state.size)):
            below = index * TILE_WIDTH + offset
            if self._stored(level, below) != _root(self._tile(level - 1, below)):
                first = below << (TILE_HEIGHT * level)
                raise self._damage(Part.UPPER_TILE, first, first + (1 << (TILE_HEIGHT * level)) - 1)

    def _segment(self, begin: int, end: int) -> _Segment:
        bodies: list[bytes | None] = [None] * (end - begin)
        tiles = self._tile_leaves(begin, end)
        absent = set(range(begin, end))
        for position, body in self._reader.entries(self._state.number, begin, end):
            absent.discard(position)
            place = position - begin
            bodies[place] = tiles[place] if body is None else leaf_hash(body)
        return _Segment(begin, end, bodies, tiles, absent)

    def _tile_leaves(self, begin: int, end: int) -> list[bytes]:
        leaves: list[bytes] = []
        for index in range(begin // TILE_WIDTH, -(-end // TILE_WIDTH)):
            hashes = self._tile(0, index)
            leaves += hashes + [_NOWHERE] * (TILE_WIDTH - len(hashes))
        skipped = begin % TILE_WIDTH
        return leaves[skipped : skipped + end - begin]

    def _tile(self, level: int, index: int) -> list[bytes]:
        stored = self._reader.tile(self._state.number, level, index) or b""
        whole = len(stored) - len(stored) % HASH_BYTES
        return [stored[at : at + HASH_BYTES] for at in range(0, whole, HASH_BYTES)]

    def _stored(self, level: int, index: int) -> bytes:
        """Return one hash of an upper tile."""
        hashes = self._tile(level, index // TILE_WIDTH)
        place = index % TILE_WIDTH
        return hashes[place] if place < len(hashes) else _NOWHERE

    def _locate(self, segment: _Segment, root: bytes) -> DamageError:
        """Say where in a segment, whose bodies do not lead to the signed root, the damage is."""
        by_tiles = self.frontier.copy()
        by_tiles.extend(segment.tiles)
        different = segment.first_difference(segment.begin, segment.end)
        if different is not None and by_tiles.root() == root:
            return self._bad_body(segment, different)
        if not self._upper_tiles_are_signed():
            return self._bad_run(segment, segment.begin, segment.end)
        for index in range(segment.begin // TILE_WIDTH, -(-segment.end // TILE_WIDTH)):
            damage = self._locate_in_tile(segment, index)
            if damage is not None:
                return damage
        # All that the upper tiles vouch for is right, so it is in the last, partial tile.
        tail = (segment.end - 1) // TILE_WIDTH * TILE_WIDTH
        return self._bad_run(segment, max(segment.begin, tail), segment.end)

    def _locate_in_tile(self, segment: _Segment, index: int) -> DamageError | None:
        """Ask the level above about one tile; None where it agrees or has no say yet."""
        upper, tile = self._stored(1, index), self._tile(0, index)
        if upper == _NOWHERE:
            return None
        begin = index * TILE_WIDTH
        low, high = max(begin, segment.begin), min(begin + TILE_WIDTH, segment.end)
        bodies = segment.filled()[low - segment.begin : high - segment.begin]
        different = segment.first_difference(low, high)
        absent = different is not None and different in segment.absent
        # Outside the segment the tile has to do; before it, it was found equal to the bodies.
        if not absent and _root(tile[: low - begin] + bodies + tile[high - begin :]) == upper:
            return None
        if different is not None and _root(tile) == upper:
            return self._bad_body(segment, different)
        return self._bad_run(segment, low, high)

    def _upper_tiles_are_signed(self) -> bool:
        """Say whether the hashes above the leaf tiles lead to the latest checkpoint."""
        latest = self._signed(self._state.checkpoint, self._public)
        if latest is None:
            return False
        return root_at(latest.checkpoint.size, self._node) == latest.checkpoint.root

    def _node(self, level: int, index: int) -> bytes:
        """Read a node from the lowest tiles that hold it, leaf tiles only below their top."""
        if level < TILE_HEIGHT:
            return _root(self._tile_leaves(index << level, (index + 1) << level))
        span = 1 << (level - TILE_HEIGHT)
        return _root([self._stored(1, at) for at in range(index * span, (index + 1) * span)])

    def _bad_body(self, segment: _Segment, position: int) -> DamageError:
        return self._damage(_missing(segment, position) or Part.BODY, position)

    def _bad_run(self, segment: _Segment, begin: int, end: int) -> DamageError:
        different = segment.first_difference(begin, end)
        if different is not None and (missing := _missing(segment, different)):
            return self._damage(missing, different)
        return self._damage(Part.BODY_AND_TILE, begin, end - 1)

    def _damage(self, part: Part, first: int, last: int | None = None) -> DamageError:
        return DamageError(self._state.origin, part, first, last)


def _missing(segment: _Segment, position: int) -> Part | None:
    return Part.MISSING if position in segment.absent else None


def _root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of one tile."""
    frontier = CompactRange()
    frontier.extend(leaves)
    return frontier.root()
