import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from federation.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from federation.fork import ForkEvidenceError, verify_fork_evidence
from federation.merkle import (
    EMPTY_ROOT,
    CompactRange,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from keys.signing import SigningKey
from node.log.error import LogError, RootMismatchError
from node.log.ledger import Ledger
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.node.log_samples import (
    FEDERATION,
    KEYS,
    MEMBERS,
    NOW,
    erasure,
    in_batches,
    nomination,
    nominations,
    open_ledger,
    opinion,
    origin_of,
    public_of,
    replicate,
    retraction,
    token,
)

A, B, _ = MEMBERS
ORIGIN = origin_of(A)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[tuple[SqliteStore, Ledger]]]:
    opened = [open_ledger(tmp_path / member / "public.db", member) for member in (A, B)]
    yield opened
    for store, _ in opened:
        store.close()


@pytest.fixture
def ledger(stores: list[tuple[SqliteStore, Ledger]]) -> Ledger:
    return stores[0][1]


@pytest.fixture
def peer(stores: list[tuple[SqliteStore, Ledger]]) -> Ledger:
    return stores[1][1]


def signed(bodies: list[bytes], size: int | None = None, key: SigningKey = KEYS[A]) -> bytes:
    """Sign a checkpoint over bodies, as the member or a liar would."""
    frontier = CompactRange()
    frontier.extend([leaf_hash(body) for body in bodies])
    time = datetime.fromtimestamp(NOW, UTC)
    checkpoint = Checkpoint(ORIGIN, frontier.size if size is None else size, frontier.root(), time)
    return sign_checkpoint(checkpoint, key).note


def test_a_new_log_is_signed_while_it_is_empty(ledger: Ledger) -> None:
    note = ledger.latest_checkpoint(ORIGIN)

    assert note is not None
    assert verify_checkpoint(note, ORIGIN, public_of(A)).checkpoint.root == EMPTY_ROOT
    assert ledger.read(ORIGIN, 0).checkpoint == note


def test_an_append_is_one_batch_under_one_checkpoint(ledger: Ledger) -> None:
    bodies = nominations(A, 0, 300)
    first = ledger.append(bodies[:100])
    second = ledger.append(bodies[100:])
    checkpoint = verify_checkpoint(second.checkpoint, ORIGIN, public_of(A)).checkpoint

    assert (first.first, second.first) == (0, 100)
    assert second.checkpoint == ledger.latest_checkpoint(ORIGIN) == ledger.checkpoints()[0]
    assert checkpoint.size == ledger.size(ORIGIN) == 300
    assert second.tokens == {token(number) for number in range(100, 300)}
    assert ledger.entry(ORIGIN, 299) == bodies[299]
    assert ledger.entry(ORIGIN, 300) is None


def test_an_own_entry_that_is_no_statement_is_refused_with_its_whole_batch(ledger: Ledger) -> None:
    with pytest.raises(LogError) as caught:
        ledger.append([nomination(A, 1), b"not a statement"])

    assert caught.value.reason == "ENTRY_INVALID"
    assert ledger.size(ORIGIN) == 0


def test_appending_nothing_gives_the_latest_checkpoint(ledger: Ledger) -> None:
    appended = ledger.append([nomination(A, 1)])

    assert ledger.append([]).checkpoint == appended.checkpoint


def test_a_node_without_a_key_reads_only(stores: list[tuple[SqliteStore, Ledger]]) -> None:
    reader = Ledger(stores[0][0], FEDERATION, A, None, public_of, lambda: NOW)

    with pytest.raises(LogError) as caught:
        reader.append([nomination(A, 1)])

    assert caught.value.reason == "KEY_MISSING"


def test_a_replica_holds_the_same_views_and_serves_the_same_run(
    ledger: Ledger, peer: Ledger, stores: list[tuple[SqliteStore, Ledger]]
) -> None:
    for batch in in_batches([*nominations(A, 0, 900), opinion(A, 3), retraction(A, 5)], 100):
        ledger.append(batch)
    replicate(ledger, peer, A)
    roots = {Catalogue(store).root(NOW) for store, _ in stores}

    assert len(roots) == 1
    assert peer.read(ORIGIN, 100) == ledger.read(ORIGIN, 100)
    assert Catalogue(stores[1][0]).token_count() == 899


def test_a_run_ends_at_a_checkpoint_and_keeps_to_its_size(ledger: Ledger) -> None:
    bodies = nominations(A, 0, 100)
    for batch in in_batches(bodies, 10):
        ledger.append(batch)
    ten = sum(map(len, bodies[:10]))

    assert len(ledger.read(ORIGIN, 0, max_bytes=ten).bodies) == 10
    assert len(ledger.read(ORIGIN, 0, max_bytes=ten * 3 - 1).bodies) == 20
    assert len(ledger.read(ORIGIN, 0, max_bytes=1).bodies) == 10
    assert len(ledger.read(ORIGIN, 5, max_bytes=1).bodies) == 5
    assert len(ledger.read(ORIGIN, 0).bodies) == 100


def test_a_read_beyond_the_log_or_of_an_unknown_one_is_refused(ledger: Ledger) -> None:
    for origin, start, reason in (
        (ORIGIN, 1, "POSITION_INVALID"),
        (ORIGIN, -1, "POSITION_INVALID"),
        (origin_of(B), 0, "ORIGIN_UNKNOWN"),
    ):
        with pytest.raises(LogError) as caught:
            ledger.read(origin, start)

        assert caught.value.reason == reason


def test_the_same_run_twice_changes_nothing(ledger: Ledger, peer: Ledger) -> None:
    ledger.append(nominations(A, 0, 50))
    run = ledger.read(ORIGIN, 0)
    first = peer.ingest(ORIGIN, run.bodies, run.compacted, run.checkpoint)
    digest = peer.views_digest()
    second = peer.ingest(ORIGIN, run.bodies, run.compacted, run.checkpoint)

    assert (first.count, second.count) == (50, 0)
    assert peer.views_digest() == digest


def test_a_run_that_overlaps_is_taken_from_the_held_size_on(ledger: Ledger, peer: Ledger) -> None:
    ledger.append(nominations(A, 0, 50))
    replicate(ledger, peer, A)
    ledger.append(nominations(A, 50, 30))
    run = ledger.read(ORIGIN, 0)

    assert peer.ingest(ORIGIN, run.bodies, (), run.checkpoint).count == 30
    assert peer.size(ORIGIN) == 80


def test_an_old_checkpoint_that_agrees_is_ignored(ledger: Ledger, peer: Ledger) -> None:
    old = ledger.append(nominations(A, 0, 50)).checkpoint
    ledger.append(nominations(A, 50, 50))
    replicate(ledger, peer, A)

    assert peer.ingest(ORIGIN, (), (), old).count == 0
    assert peer.latest_checkpoint(ORIGIN) == ledger.latest_checkpoint(ORIGIN)
    assert peer.compare(old) is None


def test_a_checkpoint_of_another_key_or_log_is_refused(ledger: Ledger, peer: Ledger) -> None:
    bodies = nominations(A, 0, 5)
    ledger.append(bodies)
    own = peer.latest_checkpoint(origin_of(B))
    for note in (signed(bodies, key=KEYS[B]), own or b"", b"", b"\xff nonsense"):
        with pytest.raises(LogError) as caught:
            peer.ingest(ORIGIN, bodies, (), note)

        assert caught.value.reason == "CHECKPOINT_INVALID"
    assert peer.size(ORIGIN) == 0


def test_changed_entries_are_refused_with_both_checkpoints(ledger: Ledger, peer: Ledger) -> None:
    held = ledger.append(nominations(A, 0, 5)).checkpoint
    replicate(ledger, peer, A)
    ledger.append(nominations(A, 5, 5))
    run = ledger.read(ORIGIN, 5)
    changed = [*run.bodies[:-1], nomination(A, 77)]
    with pytest.raises(RootMismatchError) as caught:
        peer.ingest(ORIGIN, changed, (), run.checkpoint)

    assert caught.value.reason == "ROOT_MISMATCH"
    assert (caught.value.held, caught.value.offered) == (held, run.checkpoint)
    assert caught.value.evidence is None
    assert peer.size(ORIGIN) == 5


@pytest.mark.parametrize("compacted", [[0], [5], [-1]])
def test_a_removed_entry_without_a_leaf_hash_is_refused(
    ledger: Ledger, peer: Ledger, compacted: list[int]
) -> None:
    ledger.append(nominations(A, 0, 5))
    run = ledger.read(ORIGIN, 0)
    with pytest.raises(LogError) as caught:
        peer.ingest(ORIGIN, run.bodies, compacted, run.checkpoint)

    assert caught.value.reason == "ENTRY_INVALID"


def test_a_gap_before_the_run_is_refused(ledger: Ledger, peer: Ledger) -> None:
    ledger.append(nominations(A, 0, 5))
    ledger.append(nominations(A, 5, 5))
    run = ledger.read(ORIGIN, 5)
    for bodies, note in ((run.bodies, run.checkpoint), ((), run.checkpoint)):
        with pytest.raises(LogError) as caught:
            peer.ingest(ORIGIN, bodies, (), note)

        assert caught.value.reason == "RUN_INVALID"


def test_an_entry_that_is_no_statement_is_kept_and_counted(peer: Ledger) -> None:
    bodies = [nomination(A, 1), b"not a statement", nomination(A, 2)]
    ingested = peer.ingest(ORIGIN, bodies, (), signed(bodies))

    assert (ingested.count, ingested.refused) == (3, 1)
    assert ingested.tokens == {token(1), token(2)}
    assert peer.read(ORIGIN, 0).bodies == tuple(bodies)
    assert [step.checked for step in peer.verify(ORIGIN)][-1] == 3


def test_a_newer_checkpoint_of_the_same_size_is_kept(tmp_path: Path, peer: Ledger) -> None:
    store, source = open_ledger(tmp_path / "x" / "public.db", A, now=NOW)
    source.append(nominations(A, 0, 3))
    replicate(source, peer, A)
    frontier = CompactRange()
    frontier.extend([leaf_hash(body) for body in nominations(A, 0, 3)])
    later = Checkpoint(ORIGIN, 3, frontier.root(), datetime.fromtimestamp(NOW + 60, UTC))
    note = sign_checkpoint(later, KEYS[A]).note
    store.close()

    assert peer.ingest(ORIGIN, (), (), note).count == 0
    assert peer.latest_checkpoint(ORIGIN) == note


def test_proofs_hold_for_every_entry_and_size(ledger: Ledger) -> None:
    bodies = nominations(A, 0, 300)
    notes = {}
    for batch in in_batches(bodies, 75):
        appended = ledger.append(batch)
        notes[ledger.size(ORIGIN)] = appended.checkpoint
    roots = {
        size: verify_checkpoint(note, ORIGIN, public_of(A)).checkpoint.root
        for size, note in notes.items()
    }
    for size, root in roots.items():
        for index in (0, 1, size // 2, size - 1):
            proof = ledger.prove_inclusion(ORIGIN, index, size)
            verify_inclusion(proof.leaf, index, size, root, proof.hashes)

            assert proof.leaf == leaf_hash(bodies[index])
            assert proof.checkpoint == notes[size]
        proof = ledger.prove_consistency(ORIGIN, size, 300)
        verify_consistency(size, root, 300, roots[300], proof.hashes)


def test_proofs_outside_the_log_are_refused(ledger: Ledger) -> None:
    ledger.append(nominations(A, 0, 5))
    for question in (
        lambda: ledger.prove_inclusion(ORIGIN, 5, 5),
        lambda: ledger.prove_inclusion(ORIGIN, 0, 6),
        lambda: ledger.prove_consistency(ORIGIN, 0, 5),
        lambda: ledger.prove_consistency(ORIGIN, 3, 6),
    ):
        with pytest.raises(LogError) as caught:
            question()

        assert caught.value.reason == "POSITION_INVALID"


@pytest.mark.parametrize("size", [10, 4])
def test_a_fork_is_proved_kept_and_stops_the_log(ledger: Ledger, peer: Ledger, size: int) -> None:
    ledger.append(nominations(A, 0, 10))
    replicate(ledger, peer, A)
    other = signed(nominations(A, 500, size))
    evidence = peer.compare(other)
    with pytest.raises(RootMismatchError) as caught:
        peer.ingest(ORIGIN, (), (), other)
    assert evidence is not None
    verify_fork_evidence(evidence, public_of(A))
    peer.stop(ORIGIN, evidence)
    ledger.append(nominations(A, 10, 1))
    run = ledger.read(ORIGIN, 10)
    with pytest.raises(LogError) as refused:
        peer.ingest(ORIGIN, run.bodies, (), run.checkpoint)

    assert caught.value.evidence == evidence
    assert refused.value.reason == "ORIGIN_STOPPED"
    assert peer.stopped() == {ORIGIN: evidence}
    peer.resume(ORIGIN)
    assert peer.ingest(ORIGIN, run.bodies, (), run.checkpoint).count == 1


def test_a_member_stops_its_own_forked_log(ledger: Ledger) -> None:
    ledger.append(nominations(A, 0, 3))
    evidence = ledger.compare(signed(nominations(A, 500, 3)))
    assert evidence is not None
    ledger.stop(ORIGIN, evidence)

    with pytest.raises(LogError) as caught:
        ledger.append(nominations(A, 3, 1))

    assert caught.value.reason == "ORIGIN_STOPPED"


def test_evidence_that_proves_nothing_stops_nothing(ledger: Ledger, peer: Ledger) -> None:
    ledger.append(nominations(A, 0, 3))
    replicate(ledger, peer, A)
    other = signed(nominations(A, 500, 3), key=KEYS[B])
    real = peer.compare(signed(nominations(A, 500, 3)))
    assert real is not None
    forged = type(real)(real.origin, real.first, other)

    with pytest.raises(ForkEvidenceError):
        peer.stop(ORIGIN, forged)

    assert peer.stopped() == {}


def test_a_checkpoint_ahead_of_what_is_held_tells_nothing(ledger: Ledger, peer: Ledger) -> None:
    assert peer.compare(signed(nominations(A, 0, 3))) is None
    ledger.append(nominations(A, 0, 3))
    replicate(ledger, peer, A)

    assert peer.compare(signed(nominations(A, 500, 4))) is None


def test_subscribers_hear_of_growth_after_the_commit(ledger: Ledger, peer: Ledger) -> None:
    heard: list[tuple[str, int, int]] = []
    for one in (ledger, peer):
        one.subscribe(
            lambda origin, size, one=one: heard.append((str(origin), size, one.size(origin)))
        )  # type: ignore[misc]
    ledger.append(nominations(A, 0, 3))
    replicate(ledger, peer, A)
    run = ledger.read(ORIGIN, 0)
    peer.ingest(ORIGIN, run.bodies, (), run.checkpoint)

    assert heard == [(str(ORIGIN), 3, 3)] * 2


def test_threads_append_and_ingest_side_by_side(ledger: Ledger, peer: Ledger) -> None:
    for batch in in_batches(nominations(A, 0, 200), 10):
        ledger.append(batch)
    others = in_batches(nominations(B, 0, 200), 10)

    def follow() -> None:
        replicate(ledger, peer, A, max_bytes=1)

    threads = [threading.Thread(target=follow) for _ in range(2)]
    threads += [
        threading.Thread(target=lambda part=part: [peer.append(b) for b in part])
        for part in (others[::2], others[1::2])
    ]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for origin in (ORIGIN, origin_of(B)):
        assert [step.checked for step in peer.verify(origin)][-1] == 200
    rebuilt = peer.rebuild_views()
    assert rebuilt.before == rebuilt.after
    assert rebuilt.count == 400


def test_views_are_the_same_after_folding_again(ledger: Ledger) -> None:
    ledger.append([*nominations(A, 0, 50), retraction(A, 7), nomination(A, 8, confidence=90)])
    rebuilt = ledger.rebuild_views()

    assert rebuilt.before == rebuilt.after == ledger.views_digest()
    assert rebuilt.count == 52


def test_a_lost_row_shows_when_views_are_folded_again(
    ledger: Ledger, stores: list[tuple[SqliteStore, Ledger]]
) -> None:
    ledger.append(nominations(A, 0, 50))
    with stores[0][0].file.write() as connection:
        connection.execute("DELETE FROM view_evidence WHERE token = ?", (token(3),))
    rebuilt = ledger.rebuild_views()

    assert rebuilt.before != rebuilt.after == ledger.views_digest()


def test_compaction_removes_the_content_and_keeps_the_proof(
    ledger: Ledger, peer: Ledger, stores: list[tuple[SqliteStore, Ledger]]
) -> None:
    old = [nomination(A, number, expires=NOW + 10) for number in range(20)]
    ledger.append([*old, *nominations(A, 20, 20), retraction(A, 3)])
    before = Catalogue(stores[0][0]).root(NOW + 10)
    count = ledger.compact(NOW + 100)
    again = ledger.compact(NOW + 100)
    run = ledger.read(ORIGIN, 0)
    ingested = peer.ingest(ORIGIN, run.bodies, run.compacted, run.checkpoint)
    rebuilt = ledger.rebuild_views()

    assert (count, again) == (20, 0)
    assert run.compacted == tuple(range(20))
    assert run.bodies[:20] == tuple(leaf_hash(body) for body in old)
    assert (ingested.count, ingested.refused) == (41, 0)
    for one in (ledger, peer):
        assert [step.checked for step in one.verify(ORIGIN)][-1] == 41
    assert rebuilt.before == rebuilt.after == peer.views_digest()
    assert {Catalogue(store).root(NOW + 10) for store, _ in stores} == {before}
    assert ledger.entry(ORIGIN, 0) is None
    for file in stores[0][0].file.path.parent.iterdir():
        assert old[0] not in file.read_bytes()


def test_compaction_never_brings_back_what_a_later_entry_replaced(ledger: Ledger) -> None:
    lasting = nomination(A, 1, confidence=10, expires=NOW + 1_000)
    short = nomination(A, 1, confidence=90, expires=NOW + 10)
    ledger.append([lasting, short, nomination(A, 2, expires=NOW + 10)])
    first = ledger.compact(NOW + 100)
    middle = ledger.rebuild_views()
    second = ledger.compact(NOW + 2_000)
    last = ledger.rebuild_views()

    assert (first, second) == (1, 2)
    assert middle.before == middle.after
    assert last.before == last.after


def test_compaction_removes_at_once_what_was_retracted_for_erasure(ledger: Ledger) -> None:
    ledger.append([nomination(A, 1), nomination(A, 2), erasure(A, 1), retraction(A, 2)])
    count = ledger.compact(0)
    rebuilt = ledger.rebuild_views()

    assert count == 1
    assert ledger.entry(ORIGIN, 0) is None
    assert ledger.entry(ORIGIN, 1) == nomination(A, 2)
    assert rebuilt.before == rebuilt.after


def test_a_new_signing_key_signs_the_log_as_it_stands(
    stores: list[tuple[SqliteStore, Ledger]], ledger: Ledger
) -> None:
    ledger.append(nominations(A, 0, 5))
    key = SigningKey.generate()
    renewed = Ledger(stores[0][0], FEDERATION, A, key, lambda _: key.public, lambda: NOW + 1)
    note = renewed.latest_checkpoint(ORIGIN)

    assert note is not None
    assert verify_checkpoint(note, ORIGIN, key.public).checkpoint.size == 5
    renewed.append(nominations(A, 5, 5))
    assert [step.checked for step in renewed.verify(ORIGIN)][-1] == 10


def test_nothing_is_signed_on_top_of_a_damaged_state(
    ledger: Ledger, stores: list[tuple[SqliteStore, Ledger]]
) -> None:
    ledger.append(nominations(A, 0, 4))
    frontier = CompactRange()
    frontier.extend([leaf_hash(body) for body in nominations(A, 100, 4)])
    with stores[0][0].file.write() as connection:
        connection.execute("UPDATE log SET frontier = ?", (frontier.encode(),))

    with pytest.raises(LogError) as caught:
        ledger.append(nominations(A, 4, 1))

    assert caught.value.reason == "LOG_DAMAGED"
    assert ledger.size(ORIGIN) == 4
