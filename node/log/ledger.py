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
from dataclasses import replace

from federation.fork import ForkEvidence, verify_fork_evidence
from federation.names import FederationName, MemberId, Origin
from federation.views import Drop, Put
from keys.signing import SigningKey
from node.log.batch import fold_bodies, hash_bodies
from node.log.compaction import find_expired, remove
from node.log.fsck import VerifyProgress, verify_log
from node.log.ingestion import Ingested, OfferedRun, ingest_run
from node.log.offered import claimed_origin, compare_with_held, require_signed
from node.log.own_log import Appended, OwnLog
from node.log.proof import Proof, prove_consistency, prove_inclusion
from node.log.rebuild import Rebuilt, digest_views, fold_again, rebuild_views
from node.log.run import RUN_BYTES, Run, read_run
from node.log.state import held_log, new_log
from node.store.protocol import LogState, PublicReader, PublicStore

Subscriber = Callable[[Origin, int], None]


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
        self._own_log = OwnLog(self.own, signing_key, clock)
        self._publics = signing_publics
        self._subscribers: list[Subscriber] = []
        with store.write() as writer:
            if writer.has_stale_views():
                fold_again(writer)
            self._own_log.sign(writer)

    def append(self, bodies: Sequence[bytes]) -> Appended:
        """Append statements to the own log, in one transaction.

        They stand under one new checkpoint, or several where there are more than a reader takes
        at once.

        Raises:
            LogError: ENTRY_INVALID, ORIGIN_STOPPED or KEY_MISSING.
            StoreError: The store cannot be used.
        """
        with self._store.write() as writer:
            appended = self._own_log.append(writer, bodies)
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
            appended = self._own_log.append(writer, bodies)
        self._tell(self.own, appended.first + len(bodies))
        return appended

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
        signed = require_signed(origin, checkpoint, public)
        leaves = hash_bodies(bodies, compacted)
        with self._store.write() as writer:
            run = OfferedRun(bodies, compacted, signed, public)
            ingested = ingest_run(writer, origin, run, leaves)
        if ingested.count:
            self._tell(origin, signed.checkpoint.size)
        return ingested

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
            return prove_inclusion(reader, origin, index, size)

    def prove_consistency(self, origin: Origin, first: int, second: int) -> Proof:
        """Prove that the first size is a prefix of the second.

        Raises:
            LogError: ORIGIN_UNKNOWN, or POSITION_INVALID unless ``1 <= first <= second <= held``.
            StoreError: The store cannot be used.
        """
        with self._store.read() as reader:
            return prove_consistency(reader, origin, first, second)

    def compare(self, checkpoint: bytes) -> ForkEvidence | None:
        """Compare a checkpoint from anywhere with what is held of that log.

        Returns:
            Proof that its member forked the log; None where both can be true, or where too
            little is held to tell.

        Raises:
            LogError: CHECKPOINT_INVALID, or LOG_DAMAGED where the held log contradicts itself.
            StoreError: The store cannot be used.
        """
        origin = claimed_origin(checkpoint)
        offered = require_signed(origin, checkpoint, self._publics(origin.member))
        with self._store.read() as reader:
            state = reader.log(str(origin))
            if state is None or not state.checkpoint or offered.checkpoint.size > state.size:
                return None
            return compare_with_held(reader, state, offered)

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
            return rebuild_views(writer, self._store.tables)

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

    def _set_stopped(self, origin: Origin, evidence: bytes | None) -> None:
        with self._store.write() as writer:
            state = writer.log(str(origin)) or new_log(origin)
            writer.save_log(replace(state, stopped=evidence))


def _refold(origin: str, first: int, bodies: Sequence[bytes | None]) -> Sequence[Put | Drop]:
    return fold_bodies(Origin.parse(origin).member, first, bodies).changes
