"""A node's logs: its own, to which it appends, and replicas of the others'.

- A batch is one transaction: entries, tiles, state, one checkpoint, view rows. When a call
  returns, all of it is on disk; when it raises, nothing is.
- Nothing is ingested that does not lead from what is held to a root that the member signed.
- Any thread may call; writers take turns in the store.

    appended = ledger.append([encode_statement(statement)])
    run = ledger.read(origin, start)                       # at the peer that serves
    ledger.ingest(origin, run.bodies, run.compacted, run.checkpoint)    # at the one that reads
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from federation.checkpoint import (
    Checkpoint,
    CheckpointError,
    SignedCheckpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from federation.fork import (
    ForkEvidence,
    UndecidedError,
    compare_checkpoints,
    verify_fork_evidence,
)
from federation.merkle import consistency_path, inclusion_path, root_at
from federation.names import FederationName, MemberId, Origin
from federation.views import Drop, Put
from keys.errors import NoteError
from keys.note import parse_note
from keys.signing import SigningKey
from node.log.batch import fold_bodies, hash_bodies, split_bodies
from node.log.compaction import find_expired, remove
from node.log.error import LogError, RootMismatchError
from node.log.fsck import VerifyProgress, verify_log
from node.log.rebuild import digest_views, fold_again
from node.log.run import RUN_BYTES, Run, read_run
from node.log.state import (
    Batch,
    commit,
    damaged_log,
    extended,
    grown,
    held_log,
    latest_of,
    new_log,
    node_reader,
    note_at,
    refuse_damaged,
    refuse_stopped,
)
from node.store.protocol import LogState, PublicReader, PublicStore, PublicWriter

Subscriber = Callable[[Origin, int], None]


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of an append: place of the first entry, the checkpoint, tokens it is about."""

    first: int
    checkpoint: bytes
    tokens: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of an ingest.

    Attributes:
        count: Entries that are new here.
        tokens: Tokens about which evidence came or went.
        refused: New entries that are no statement; kept, but folded to nothing.
        said: Types of the bodies of the new entries.
        latest: The latest time that one of them is dated, seconds since 1970; 0 for none.
    """

    count: int
    tokens: frozenset[bytes] = frozenset()
    refused: int = 0
    said: frozenset[type] = frozenset()
    latest: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of RFC 9162 and, where one is held, the checkpoint of the larger size.

    Attributes:
        hashes: From the leaf upward.
        leaf: Leaf hash, for an inclusion proof.
        checkpoint: Empty where none of that size is held.
    """

    hashes: tuple[bytes, ...]
    leaf: bytes
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of folding again: digests of all views before and after, and entries folded."""

    before: bytes
    after: bytes
    count: int


class Ledger:
    """All logs that a node holds."""

    def __init__(
        self,
        store: PublicStore,
        federation: str,
        member: str,
        signing_key: SigningKey | None,
        signing_publics: Callable[[str], bytes],
        clock: Callable[[], int],
    ) -> None:
        """Open the logs in a store.

        Args:
            store: Where they are.
            federation: Name of the federation.
            member: This node's member.
            signing_key: Its key; None for a node that only reads.
            signing_publics: Member to signing key, as the charter names it.
            clock: Seconds since 1970.

        Raises:
            StoreError: The store cannot be used.
        """
        self.own = Origin(FederationName(federation), MemberId(member))
        self._store = store
        self._key = signing_key
        self._publics = signing_publics
        self._clock = clock
        self._subscribers: list[Subscriber] = []
        self._start()

    def _start(self) -> None:
        """Sign the own log as it stands, if it is not, and fold views that wait for it."""
        with self._store.write() as writer:
            if writer.has_stale_views():
                fold_again(writer)
            state = writer.log(str(self.own)) or new_log(self.own)
            if self._key is not None and not _is_signed(state, self._key.public):
                signed, frontier = self._sign(state, self._key), extended(state, ())
                commit(writer, state, frontier, signed, self._key.public, Batch())

    def append(self, bodies: Sequence[bytes]) -> Appended:
        """Append statements to the own log, in one transaction.

        They stand under one new checkpoint, or several where there are more than a reader takes
        at once.

        Raises:
            LogError: ENTRY_INVALID, ORIGIN_STOPPED or KEY_MISSING.
            StoreError: The store cannot be used.
        """
        with self._store.write() as writer:
            appended = self._append(writer, bodies)
        if bodies:
            self._tell(self.own, appended.first + len(bodies))
        return appended

    def append_unless(
        self, is_said: Callable[[PublicReader], bool], bodies: Sequence[bytes]
    ) -> Appended | None:
        """Append as ``append`` does, unless the store shows that it was said.

        Both are one transaction: of several processes with the same to say, one says it.

        Returns:
            None where it was said.
        """
        with self._store.write() as writer:
            if is_said(writer):
                return None
            appended = self._append(writer, bodies)
        self._tell(self.own, appended.first + len(bodies))
        return appended

    def _append(self, writer: PublicWriter, bodies: Sequence[bytes]) -> Appended:
        if self._key is None:
            raise LogError("this node has no signing key", reason="KEY_MISSING")
        tokens: set[bytes] = set()
        state = first = held_log(writer, self.own)
        refuse_stopped(state)
        if not bodies:
            return Appended(state.size, state.checkpoint)
        # Never sign on top of a state that the last checkpoint does not vouch for.
        refuse_damaged(writer, state)
        for part in split_bodies(bodies):
            state, spoken = self._append_part(writer, state, part, self._key)
            tokens |= spoken
        return Appended(first.size, state.checkpoint, frozenset(tokens))

    def _append_part(
        self, writer: PublicWriter, state: LogState, bodies: Sequence[bytes], key: SigningKey
    ) -> tuple[LogState, set[bytes]]:
        leaves = hash_bodies(bodies, ())
        folded = fold_bodies(self.own.member, state.size, bodies)
        if folded.refused:
            raise LogError("an own entry is no statement", reason="ENTRY_INVALID")
        frontier = extended(state, leaves)
        signed = self._sign(grown(state, frontier), key)
        commit(writer, state, frontier, signed, key.public, Batch(leaves, bodies, folded.changes))
        return replace(grown(state, frontier), checkpoint=signed.note), folded.tokens

    def ingest(
        self, origin: Origin, bodies: Sequence[bytes], compacted: Sequence[int], checkpoint: bytes
    ) -> Ingested:
        """Take over a run of another member's log, or refuse it as a whole.

        An older checkpoint that agrees with what is held changes nothing. A run that begins
        before the held size is taken from there on.

        Args:
            origin: The log.
            bodies: Entries up to the checkpoint, exactly as they were written.
            compacted: Places in ``bodies`` that hold a leaf hash instead.
            checkpoint: Signed note whose size is the position after the last entry.

        Raises:
            RootMismatchError: ROOT_MISMATCH; carries both checkpoints.
            LogError: CHECKPOINT_INVALID, RUN_INVALID, ENTRY_INVALID or ORIGIN_STOPPED.
            StoreError: The store cannot be used.
        """
        public = self._publics(origin.member)
        signed = _verified(origin, checkpoint, public)
        leaves = hash_bodies(bodies, compacted)
        with self._store.write() as writer:
            state = writer.log(str(origin)) or new_log(origin)
            refuse_stopped(state)
            known = state.size + len(bodies) - signed.checkpoint.size
            if known < 0 or signed.checkpoint.size < len(bodies):
                raise LogError("entries are missing before the run", reason="RUN_INVALID")
            if signed.checkpoint.size < state.size:
                self._refuse_other_past(writer, state, signed)
                return Ingested(0)
            frontier = extended(state, leaves[known:])
            if frontier.root() != signed.checkpoint.root:
                raise self._mismatch(writer, state, signed)
            kept = _without(bodies, compacted)[known:]
            folded = fold_bodies(origin.member, state.size, kept)
            if kept or _is_newer(state, signed, public):
                batch = Batch(leaves[known:], kept, folded.changes)
                commit(writer, state, frontier, signed, public, batch)
        if kept:
            self._tell(origin, frontier.size)
        tokens = frozenset(folded.tokens)
        return Ingested(len(kept), tokens, folded.refused, folded.said, folded.latest)

    def size(self, origin: Origin) -> int:
        """Return how many entries of a log are held; 0 for an unknown one."""
        with self._store.read() as reader:
            state = reader.log(str(origin))
            return 0 if state is None else state.size

    def states(self) -> list[LogState]:
        """Return the state of each log, by origin."""
        with self._store.read() as reader:
            return reader.logs()

    def entry(self, origin: Origin, position: int) -> bytes | None:
        """Return the body of one entry; None where it was removed or never was."""
        with self._store.read() as reader:
            state = reader.log(str(origin))
            if state is None or not 0 <= position < state.size:
                return None
            return next(
                (e.body for e in reader.entries(state.number, position, position + 1)), None
            )

    def origins(self) -> list[Origin]:
        """Return the logs that are held."""
        with self._store.read() as reader:
            return [Origin.parse(state.origin) for state in reader.logs()]

    def latest_checkpoint(self, origin: Origin) -> bytes | None:
        """Return the latest checkpoint held of a log, or None."""
        with self._store.read() as reader:
            state = reader.log(str(origin))
            return state.checkpoint if state and state.checkpoint else None

    def checkpoints(self) -> list[bytes]:
        """Return the latest checkpoint of each log, by origin."""
        with self._store.read() as reader:
            return [state.checkpoint for state in reader.logs() if state.checkpoint]

    def read(self, origin: Origin, start: int, max_bytes: int = RUN_BYTES) -> Run:
        """Return the entries from a position up to a stored checkpoint.

        Args:
            origin: The log; a replica serves as well as the original.
            start: First position wanted.
            max_bytes: Of bodies; more only where a single batch is larger.

        Returns:
            At the end of the log, no entries and the latest checkpoint.

        Raises:
            LogError: ORIGIN_UNKNOWN, POSITION_INVALID, or LOG_DAMAGED where entries are missing.
            StoreError: The store cannot be used.
        """
        with self._store.read() as reader:
            return read_run(reader, held_log(reader, origin), start, max_bytes)

    def prove_inclusion(self, origin: Origin, index: int, size: int) -> Proof:
        """Prove that an entry is in the log of a size.

        Raises:
            LogError: ORIGIN_UNKNOWN, or POSITION_INVALID unless ``index < size <= held``.
            StoreError: The store cannot be used.
        """
        with self._store.read() as reader:
            state = held_log(reader, origin)
            if not 0 <= index < size <= state.size:
                raise LogError("no such entry in that size", reason="POSITION_INVALID")
            hashes = node_reader(reader, state)
            path = inclusion_path(index, size, hashes)
            return Proof(tuple(path), hashes(0, index), note_at(reader, state, size))

    def prove_consistency(self, origin: Origin, first: int, second: int) -> Proof:
        """Prove that the first size is a prefix of the second.

        Raises:
            LogError: ORIGIN_UNKNOWN, or POSITION_INVALID unless ``1 <= first <= second <= held``.
            StoreError: The store cannot be used.
        """
        with self._store.read() as reader:
            state = held_log(reader, origin)
            if not 1 <= first <= second <= state.size:
                raise LogError("no proof exists between these sizes", reason="POSITION_INVALID")
            path = consistency_path(first, second, node_reader(reader, state))
            return Proof(tuple(path), b"", note_at(reader, state, second))

    def compare(self, checkpoint: bytes) -> ForkEvidence | None:
        """Compare a checkpoint from anywhere with what is held of that log.

        Returns:
            Proof that its member forked the log; None where both can be true, or where too
            little is held to tell.

        Raises:
            LogError: CHECKPOINT_INVALID, or LOG_DAMAGED where the held log contradicts itself.
            StoreError: The store cannot be used.
        """
        origin = _origin_of(checkpoint)
        offered = _verified(origin, checkpoint, self._publics(origin.member))
        with self._store.read() as reader:
            state = reader.log(str(origin))
            if state is None or not state.checkpoint or offered.checkpoint.size > state.size:
                return None
            return self._compare(reader, state, offered)

    def stop(self, origin: Origin, evidence: ForkEvidence) -> None:
        """Refuse a forked log from now on, keeping the evidence.

        Raises:
            ForkEvidenceError: It proves nothing.
            ValueError: It is of another log.
            StoreError: The store cannot be used.
        """
        if evidence.origin != origin:
            raise ValueError("the evidence is of another log")
        verify_fork_evidence(evidence, self._publics(origin.member))
        self._set_stopped(origin, evidence.encode())

    def resume(self, origin: Origin) -> None:
        """Accept a log again: an operator has judged the evidence."""
        self._set_stopped(origin, None)

    def stopped(self) -> dict[Origin, ForkEvidence]:
        """Return the logs that are refused, and why."""
        with self._store.read() as reader:
            return {
                Origin.parse(state.origin): ForkEvidence.decode(state.stopped)
                for state in reader.logs()
                if state.stopped is not None
            }

    def verify(self, origin: Origin) -> Iterator[VerifyProgress]:
        """Recompute a log from disk and report progress.

        Raises:
            DamageError: LOG_DAMAGED; names the first bad entry.
            LogError: ORIGIN_UNKNOWN.
            StoreError: The store cannot be used.
        """
        public = self._publics(origin.member)
        with self._store.read() as reader:
            yield from verify_log(reader, held_log(reader, origin), public)

    def rebuild_views(self) -> Rebuilt:
        """Drop all views and fold them again, in one transaction."""
        with self._store.write() as writer:
            before = digest_views(writer, self._store.tables)
            count = fold_again(writer)
            return Rebuilt(before, digest_views(writer, self._store.tables), count)

    def views_digest(self) -> bytes:
        """Return SHA-256 over all view rows."""
        with self._store.read() as reader:
            return digest_views(reader, self._store.tables)

    def compact(self, expired_before: int) -> int:
        """Remove the content of statements that expired before a time; return how many.

        Statements that their member retracted for erasure go too, whatever their term.
        Proofs still hold: the leaf hashes stay. One transaction for each log.
        """
        with self._store.read() as reader:
            states = reader.logs()
        count = 0
        for state in states:
            with self._store.read() as reader:
                removal = find_expired(reader, state, expired_before)
            if removal.by_key:
                with self._store.write() as writer:
                    count += remove(writer, state, removal)
        if count:
            self._store.tidy()
        return count

    def subscribe(self, callback: Subscriber) -> None:
        """Call back with origin and size after each commit that grew a log, on any thread."""
        self._subscribers.append(callback)

    def listen(self) -> None:
        """Hear from now on also of what other processes of this member write."""
        self._store.listen(_refold, self._hear)

    def _hear(self, origin: str, size: int) -> None:
        self._tell(Origin.parse(origin), size)

    def _tell(self, origin: Origin, size: int) -> None:
        for callback in self._subscribers:
            callback(origin, size)

    def _sign(self, state: LogState, key: SigningKey) -> SignedCheckpoint:
        time = datetime.fromtimestamp(self._clock(), UTC)
        checkpoint = Checkpoint(Origin.parse(state.origin), state.size, state.root, time)
        return sign_checkpoint(checkpoint, key)

    def _compare(
        self, reader: PublicReader, state: LogState, offered: SignedCheckpoint
    ) -> ForkEvidence | None:
        try:
            return compare_checkpoints(
                latest_of(reader, state), offered, node_reader(reader, state)
            )
        except UndecidedError as error:
            raise damaged_log() from error

    def _refuse_other_past(
        self, reader: PublicReader, state: LogState, offered: SignedCheckpoint
    ) -> None:
        """Refuse an older checkpoint that is not of a prefix of what is held."""
        if root_at(offered.checkpoint.size, node_reader(reader, state)) != offered.checkpoint.root:
            raise self._mismatch(reader, state, offered)

    def _mismatch(
        self, reader: PublicReader, state: LogState, offered: SignedCheckpoint
    ) -> RootMismatchError:
        # Damage of the own disk is no fault of the peer.
        refuse_damaged(reader, state)
        evidence = None
        if state.checkpoint and offered.checkpoint.size <= state.size:
            evidence = self._compare(reader, state, offered)
        return RootMismatchError(state.checkpoint, offered.note, evidence)

    def _set_stopped(self, origin: Origin, evidence: bytes | None) -> None:
        with self._store.write() as writer:
            state = writer.log(str(origin)) or new_log(origin)
            writer.save_log(replace(state, stopped=evidence))


def _refold(origin: str, first: int, bodies: Sequence[bytes | None]) -> Sequence[Put | Drop]:
    return fold_bodies(Origin.parse(origin).member, first, bodies).changes


def _origin_of(checkpoint: bytes) -> Origin:
    """Return the log that a checkpoint claims to be of; nothing is verified."""
    try:
        return parse_checkpoint(parse_note(checkpoint).text).origin
    except (NoteError, CheckpointError) as error:
        raise LogError("the bytes are no checkpoint", reason="CHECKPOINT_INVALID") from error


def _verified(origin: Origin, checkpoint: bytes, public: bytes) -> SignedCheckpoint:
    try:
        return verify_checkpoint(checkpoint, origin, public)
    except CheckpointError as error:
        raise LogError(
            "the checkpoint is not one of this log, signed by its member",
            reason="CHECKPOINT_INVALID",
        ) from error


def _is_signed(state: LogState, public: bytes) -> bool:
    """Say whether the latest checkpoint is there and signed by this key."""
    try:
        verify_checkpoint(state.checkpoint, Origin.parse(state.origin), public)
    except CheckpointError:
        return False
    return True


def _is_newer(state: LogState, offered: SignedCheckpoint, public: bytes) -> bool:
    """Say whether a checkpoint of the held size was signed later, or by a newer key."""
    try:
        held = verify_checkpoint(state.checkpoint, Origin.parse(state.origin), public)
    except CheckpointError:
        return True
    return held.checkpoint.time < offered.checkpoint.time


def _without(bodies: Sequence[bytes], compacted: Sequence[int]) -> list[bytes | None]:
    """Return the bodies with None where only the leaf hash is left."""
    kept: list[bytes | None] = list(bodies)
    for place in compacted:
        kept[place] = None
    return kept
