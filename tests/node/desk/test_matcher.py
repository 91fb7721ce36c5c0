"""The hits of a watchlist: always what is both watched and spoken about, however it came to be."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.views import EVIDENCE
from node.desk import matcher as matcher_module
from node.desk.matcher import Matcher
from node.log.ledger import Ledger
from node.store import watchlist as watchlist_module
from node.store.private import LAST_TOKEN, PrivateStore
from node.store.sqlite import SqliteStore
from node.store.watchlist import Part, Watchlist
from tests.node.log_samples import (
    MEMBERS,
    NOW,
    erasure,
    nomination,
    open_ledger,
    opinion,
    retraction,
    token,
)

ME = MEMBERS[0]
EVERY = Part(b"", LAST_TOKEN, 0)
SAY = {"nominate": nomination, "dispute": opinion, "retract": retraction, "erase": erasure}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(SAY)), st.integers(0, 5)),
        st.tuples(st.sampled_from(["watch", "leave"]), st.integers(0, 5)),
        st.tuples(st.sampled_from(["load", "match all"]), st.just(0)),
    ),
    max_size=30,
)
SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Node:
    """A ledger, a watchlist and what matches them."""

    def __init__(self, folder: Path) -> None:
        self.store, self.ledger = open_ledger(folder / "public.db", ME)
        self.private = PrivateStore(folder / "private.db")
        self.watchlist = Watchlist(self.private, self.store)
        self.matcher = Matcher(self.watchlist, lambda: NOW)

    def do(self, word: str, number: int) -> None:
        """Take one step."""
        row = (token(number), 1, f"customer {number}")
        if word == "watch":
            self.private.add_watch([row])
            self.matcher.note_watched([row[0]])
        elif word == "leave":
            self.matcher.remove([row])
        elif word == "load":
            self.matcher.load()
        elif word == "match all":
            self.matcher.match_all()
        else:
            self.matcher.match(self.ledger.append([SAY[word](ME, number)]).tokens)

    def hits(self) -> set[bytes]:
        """Return the hits that are noted."""
        return self.watchlist.hits(EVERY)

    def naive(self) -> set[bytes]:
        """Return what the hits must be."""
        with self.store.read() as reader:
            spoken = {row[0] for row in reader.rows(EVIDENCE)}
        return spoken & {entry.token for entry in self.private.list_watch("", 1_000)}

    def close(self) -> None:
        """Close the stores."""
        self.private.close()
        self.store.close()


@contextmanager
def opened(folder: Path) -> Iterator[Node]:
    node = Node(folder)
    try:
        yield node
    finally:
        node.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist_module, "PART_ROWS", 2)


@pytest.fixture
def full_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher_module, "MIN_FILTER_TOKENS", 1)


@settings(SLOW, suppress_health_check=[*HealthCheck])
@given(STEPS)
def test_hits_are_what_is_watched_and_spoken_about_after_every_step(full_filters, steps) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as node:
        for word, number in steps:
            node.do(word, number)

            assert node.hits() == node.naive()
            assert node.private.watch_count() == len(node.private.list_watch("", 1_000))

        incremental = node.hits()
        assert node.matcher.match_all() == len(incremental)
        assert node.hits() == incremental


def test_a_full_match_repairs_hits_of_any_kind(node: Node) -> None:
    node.private.add_watch((token(number), 1, f"customer {number}") for number in range(9))
    node.ledger.append([nomination(ME, number) for number in range(4, 14)])
    node.private.add_hits([(token(1), NOW - 9), (token(5), NOW - 9), (token(12), NOW - 9)])

    assert node.matcher.match_all() == 5
    assert node.hits() == node.naive()
    assert node.private.hit_times([token(5), token(6)]) == {token(5): NOW - 9, token(6): NOW}


def test_a_full_match_can_be_taken_up_where_it_ended(node: Node) -> None:
    node.private.add_watch((token(number), 1, "customer") for number in range(9))
    node.ledger.append([nomination(ME, number) for number in range(9)])
    parts, after = [], b""
    while after != LAST_TOKEN:
        part, hits = node.matcher.match_part(after)
        parts.append((part.rows, hits))
        after = part.last

    assert parts == [(2, 2)] * 4 + [(1, 1)]
    assert node.matcher.match_part(LAST_TOKEN)[0].rows == 0


def test_all_rows_of_a_token_stand_in_one_part(node: Node) -> None:
    node.private.add_watch((token(1), 1, f"customer {number}") for number in range(5))
    part = node.watchlist.part(b"")

    assert part.rows == 5
    assert node.watchlist.part(part.last).rows == 0


def test_look_ups_find_what_the_join_of_two_files_finds(node: Node) -> None:
    node.private.add_watch((token(number), 1, "customer") for number in range(9))
    node.ledger.append([nomination(ME, number) for number in range(3, 20, 2)])
    part = Part(token(0), token(8), 0)

    assert node.watchlist.spoken_in(part) == node.watchlist.spoken(node.watchlist.tokens(part))


def test_a_full_filter_is_made_anew_and_misses_nobody(node: Node, full_filters: None) -> None:
    node.matcher.load()
    first = node.matcher._filter
    for number in range(8):
        node.do("watch", number)
    tokens = node.ledger.append([nomination(ME, number) for number in range(4, 12)]).tokens

    assert node.matcher._filter is not first
    assert node.matcher.match(tokens) == 4
    assert node.hits() == node.naive()


def test_a_filter_that_was_not_filled_to_the_end_is_not_used(node: Node) -> None:
    for number in range(8):
        node.do("watch", number)
    filling = node.matcher.loading()
    next(filling)
    filling.close()

    assert node.matcher._filter is None
    node.matcher.load()
    assert node.matcher._filter is not None


class Elsewhere(Watchlist):
    """A watchlist whose hits another process changes at the worst moment."""

    def __init__(self, private: PrivateStore, public: SqliteStore, ledger: Ledger) -> None:
        super().__init__(private, public)
        self._ledger = ledger
        self.armed = False

    def spoken(self, tokens: list[bytes]) -> set[bytes]:
        found = super().spoken(tokens)
        if self.armed:
            self.armed = False
            self._ledger.append([nomination(ME, 1)])
            self.private.add_hits([(token(1), NOW)])
        return found


def test_evidence_that_another_process_learns_of_meanwhile_is_not_lost(tmp_path: Path) -> None:
    with opened(tmp_path) as node:
        node.do("watch", 1)
        elsewhere = Elsewhere(node.private, node.store, node.ledger)
        elsewhere.armed = True
        Matcher(elsewhere, lambda: NOW).match([token(1)])

        assert node.hits() == {token(1)}
