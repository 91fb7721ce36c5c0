import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.log.ledger import Ledger
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.node.log_samples import (
    MEMBERS,
    NOW,
    erasure,
    nomination,
    open_ledger,
    opinion,
    origin_of,
    protection,
    reassigned,
    replicate,
    retraction,
)

A, B, C = MEMBERS
SAY = {
    "nominate": nomination,
    "expire": lambda member, number: nomination(member, number, expires=NOW + 5),
    "dispute": opinion,
    "retract": retraction,
    "erase": erasure,
    "reassign": reassigned,
    "protect": protection,
}
# Few tokens, so that the statements meet.
WORDS = st.lists(st.tuples(st.sampled_from(sorted(SAY)), st.integers(0, 3)), max_size=12)
LOGS = st.fixed_dictionaries({member: st.lists(WORDS, max_size=4) for member in MEMBERS})
SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def speak(folder: Path, member: str, batches: list[list[tuple[str, int]]]) -> Ledger:
    _, ledger = open_ledger(folder / member / "public.db", member)
    for batch in batches:
        ledger.append([SAY[word](member, number) for word, number in batch])
    return ledger


def dump(store: SqliteStore) -> list[object]:
    return list(Catalogue(store).dump())


@SLOW
@given(LOGS, st.randoms(use_true_random=False))
def test_any_interleaving_of_the_logs_gives_the_same_catalogue(logs, randomness) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {member: speak(folder, member, logs[member]) for member in MEMBERS}
        stores = []
        for copy in range(2):
            store, target = open_ledger(folder / str(copy) / "public.db", A)
            stores.append(store)
            behind = set(MEMBERS)
            while behind:
                member = randomness.choice(sorted(behind))
                origin = origin_of(member)
                run = sources[member].read(origin, target.size(origin), max_bytes=1)
                target.ingest(origin, run.bodies, run.compacted, run.checkpoint)
                if target.size(origin) == sources[member].size(origin):
                    behind.remove(member)

        first, second = stores
        assert dump(first) == dump(second)
        for as_of in (NOW, NOW + 5):
            assert Catalogue(first).root(as_of) == Catalogue(second).root(as_of)


@SLOW
@given(LOGS, st.integers(1, 2_000))
def test_any_cut_into_runs_gives_the_same_state(logs, max_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = speak(folder, B, logs[B])
        stores = []
        for copy, size in enumerate((max_bytes, 1 << 20)):
            store, target = open_ledger(folder / str(copy) / "public.db", A)
            replicate(source, target, B, size)
            stores.append((store, target))

        (first, one), (second, other) = stores
        rebuilt = one.rebuild_views()
        assert dump(first) == dump(second)
        assert one.latest_checkpoint(origin_of(B)) == other.latest_checkpoint(origin_of(B))
        assert rebuilt.before == rebuilt.after


@SLOW
@given(st.lists(WORDS, max_size=4))
def test_compaction_changes_no_view_but_what_has_expired(batches) -> None:
    with tempfile.TemporaryDirectory() as name:
        store, ledger = open_ledger(Path(name) / "public.db", A)
        for batch in batches:
            ledger.append([SAY[word](A, number) for word, number in batch])
        before = Catalogue(store).root(NOW + 5)
        ledger.compact(NOW + 6)
        rebuilt = ledger.rebuild_views()

        assert Catalogue(store).root(NOW + 5) == before
        assert rebuilt.before == rebuilt.after
        assert list(ledger.verify(origin_of(A)))[-1].checked == ledger.size(origin_of(A))
