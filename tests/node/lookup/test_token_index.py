"""The index says what the store says, whatever is written while it reads."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from federation.findings import Finding
from federation.indicators import Kind
from federation.matters.procedure import State
from federation.names import MemberId
from federation.roles import Role
from federation.statements import Reassigned
from federation.verdict import Standing
from node.lookup import token_index
from node.lookup.token_index import TokenIndex
from node.store.catalogue import Catalogue
from node.store.error import StoreError
from node.verdicts import Verdicts
from tests.node.log_samples import (
    MEMBERS,
    NOW,
    erasure,
    nomination,
    opaque,
    open_ledger,
    opinion,
    origin_of,
    protection,
    retraction,
    statement,
    token,
)

A, B, _ = MEMBERS


def reassigned(member: str, number: int) -> bytes:
    """Say that a number has a new owner since after the nominations."""
    body = Reassigned(token=token(number), kind=next(iter(Kind)), epoch=1, effective_time=NOW + 3)
    return statement(body, opaque(member, "reassigned", number))


SAY = {
    "nominate": nomination,
    "expire": lambda member, number: nomination(member, number, expires=NOW + 5),
    "doubt": lambda member, number: nomination(member, number, confidence=1),
    "dispute": opinion,
    "retract": retraction,
    "erase": erasure,
    "reassign": reassigned,
    "protect": protection,
}
FOUND = token(0)
WORD = st.sampled_from(sorted(SAY))
NUMBER = st.integers(0, 3)
ASKED = [*map(token, range(6)), token(0)]


class Judges(Verdicts):
    """Verdicts of a second, with one token that a round confirmed."""

    def __init__(self, catalogue: Catalogue, now: int, index: TokenIndex | None = None) -> None:
        super().__init__(catalogue, self._no_charter, lambda: now, self._confirmed, index=index)

    def standing(self) -> Standing:
        counted = self._catalogue.outcomes()
        roles = {A: frozenset({Role.CARRIER}), B: frozenset({Role.BANK, Role.POLICE})}
        trust = {member: 0.5 + 0.1 * (member in counted) for member in roles}
        return Standing(roles, trust)

    def _no_charter(self):
        raise AssertionError("the standing is fixed")

    def _confirmed(self, tokens):
        one = Finding(FOUND, State.CONFIRMED, bytes(16), MemberId(A), 1, 1, NOW)
        return {FOUND: (one,)} if FOUND in tokens else {}


class Busy:
    """A store in which something is written whenever a reading begins or ends."""

    def __init__(self, store) -> None:
        self._store = store
        self.follow = store.follow
        self.waiting = []

    @contextlib.contextmanager
    def read(self):
        self._write()
        with self._store.read() as reader:
            self._write()
            yield reader
            self._write()

    def _write(self) -> None:
        if self.waiting:
            self.waiting.pop(0)()


class IndexMachine(RuleBasedStateMachine):
    """Two members' logs in one store, and an index that reads at any time."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store, self.ledger = open_ledger(self.folder / "a" / "public.db", A)
        self.other, self.source = open_ledger(self.folder / "b" / "public.db", B)
        self.busy = Busy(self.store)
        self.index = TokenIndex(self.busy)
        self.catalogue = Catalogue(self.store)
        self.index.refresh()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.other.close()
            shutil.rmtree(self.folder)

    @rule(words=st.lists(st.tuples(WORD, NUMBER), min_size=1, max_size=3))
    def say(self, words) -> None:
        self.ledger.append([SAY[word](A, number) for word, number in words])

    @rule(words=st.lists(st.tuples(WORD, NUMBER), min_size=1, max_size=3))
    def ingest(self, words) -> None:
        origin = origin_of(B)
        self.source.append([SAY[word](B, number) for word, number in words])
        run = self.source.read(origin, self.ledger.size(origin), 1 << 20)
        self.ledger.ingest(origin, run.bodies, run.compacted, run.checkpoint)

    @rule(later=st.integers(0, 6))
    def compact(self, later: int) -> None:
        self.ledger.compact(NOW + later)

    @rule()
    def rebuild(self) -> None:
        self.ledger.rebuild_views()

    @rule()
    def read(self) -> None:
        self.index.refresh()

    @rule(
        pauses=st.integers(0, 2),
        words=st.lists(st.tuples(WORD, NUMBER), min_size=1, max_size=2),
        rebuilds=st.booleans(),
    )
    def read_meanwhile(self, pauses: int, words, rebuilds: bool) -> None:
        write = self.ledger.rebuild_views if rebuilds else lambda: self.say(words)
        self.busy.waiting = [*[self.check] * pauses, write, self.check]
        self.index.refresh()
        self.busy.waiting = []

    @invariant()
    def check(self) -> None:
        if not hasattr(self, "index"):
            return
        fresh = Catalogue(self.store)
        assert self.catalogue.outcomes() == fresh.outcomes()
        for now in (NOW, NOW + 6, NOW + 40 * 86_400):
            quick, slow = Judges(self.catalogue, now, self.index), Judges(fresh, now)
            assert quick.outline(ASKED) == slow.outline(ASKED)
            assert quick.spoofed(ASKED) == slow.spoofed(ASKED)
            assert quick.judge(ASKED[:2]) == slow.judge(ASKED[:2])


@pytest.fixture(autouse=True)
def judged_together(monkeypatch):
    """Judge even two tokens together, as batches are."""
    monkeypatch.setattr(token_index, "SEVERAL_LEAST", 1)


TestIndex = IndexMachine.TestCase
TestIndex.settings = settings(
    max_examples=20,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def opened(tmp_path):
    store, ledger = open_ledger(tmp_path / "public.db", A)
    yield store, ledger
    store.close()


def test_an_index_that_has_read_nothing_answers_nothing(opened) -> None:
    store, ledger = opened
    ledger.append([nomination(A, 1)])
    index = TokenIndex(store)

    assert index.look([token(1)]) is None
    assert not index.is_ready


def test_an_index_reads_by_itself_and_follows(opened, monkeypatch) -> None:
    monkeypatch.setattr(token_index, "TOUCHED_LEAST", 4)
    store, ledger = opened
    ledger.append([nomination(A, number) for number in range(10)])
    index = TokenIndex(store)
    index.start()
    try:
        until(lambda: len(index) == 10)
        ledger.append([nomination(A, number) for number in range(10, 20)])
        known = index.look([token(12), token(3)])
        asked = None if known is None else {*known.ask, *known.lone}
        until(lambda: len(index) == 20)
        ledger.rebuild_views()
        until(lambda: index.is_ready and len(index) == 20)

        assert asked == {token(12), token(3)}
        assert index.look([token(12), token(30)]).lone == [token(12)]
    finally:
        index.close()


@pytest.mark.parametrize("begun", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("pauses", [0, 1, 2])
@pytest.mark.parametrize("word", [*sorted(SAY), "rebuild"])
def test_what_is_written_while_it_reads_is_not_missed(opened, word, pauses, begun) -> None:
    store, ledger = opened
    busy = Busy(store)
    index, catalogue = TokenIndex(busy), Catalogue(store)
    ledger.append([nomination(A, 1), nomination(A, 2)])
    if begun:
        index.refresh()
        ledger.append([nomination(A, 1, confidence=90)])

    def write() -> None:
        ledger.append([SAY.get(word, nomination)(A, number) for number in (1, 2, 3)])
        if word == "rebuild":
            ledger.rebuild_views()

    busy.waiting = [*[lambda: None] * pauses, write]
    index.refresh()
    after, tokens = Judges(catalogue, NOW + 6), [*map(token, range(5))]
    by_rows = after.outline(tokens)
    one = Judges(catalogue, NOW + 6, index).outline(tokens)
    index.refresh()
    other = Judges(catalogue, NOW + 6, index).outline(tokens)

    assert one == by_rows
    assert other == by_rows


def test_with_too_much_news_an_index_begins_anew(opened, monkeypatch) -> None:
    monkeypatch.setattr(token_index, "TOUCHED_MOST", 5)
    store, ledger = opened
    index = TokenIndex(store)
    index.refresh()
    ledger.append([nomination(A, number) for number in range(5)])
    is_followed = index.is_ready
    ledger.append([nomination(A, 5)])
    is_given_up = not index.is_ready
    index.refresh()

    assert is_followed
    assert is_given_up
    assert len(index) == 6


def test_what_could_not_be_read_again_is_asked_for(opened) -> None:
    store, ledger = opened
    busy = Busy(store)
    index = TokenIndex(busy)
    index.refresh()
    ledger.append([nomination(A, 1)])

    def fail() -> None:
        raise StoreError("the disk is gone")

    busy.waiting = [fail]
    with pytest.raises(StoreError):
        index.refresh()
    before = index.look([token(1)])
    index.refresh()
    after = index.look([token(1)])

    assert (before.ask, before.lone) == ([token(1)], [])
    assert (after.ask, after.lone) == ([], [token(1)])


def until(holds) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
