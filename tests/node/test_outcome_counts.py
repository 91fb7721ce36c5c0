"""How members' statements ended is counted right, and never for long at every look-up."""

import os
import threading

import pytest

from federation.views import Outcome, Put
from node.store import outcome_counts
from node.store.outcome_counts import OutcomeCounts
from node.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "public.db")
    yield store
    store.close()


def end(store, count=1, outcome=Outcome.OVER):
    with store.write() as writer:
        writer.apply([Put("outcome", ("bank-x", os.urandom(16), outcome)) for _ in range(count)])


def test_what_ended_a_moment_ago_is_counted(store):
    counts = OutcomeCounts(store)
    before = counts.get()
    end(store, 3)
    end(store, 2, Outcome.OVERTURNED)

    assert before == {}
    assert counts.get() == {"bank-x": (3, 2)}


def test_a_count_that_took_long_is_believed_for_a_while_and_then_made_again(store, monkeypatch):
    monkeypatch.setattr(outcome_counts, "AT_ONCE_SECONDS", 0.0)  # every count is long
    monkeypatch.setattr(outcome_counts, "REST", 1e9)
    counts = OutcomeCounts(store)
    end(store)
    first = counts.get()
    end(store)
    resting = counts.get()
    counts._rests_until = 0.0

    assert first == resting == {"bank-x": (1, 0)}
    assert counts.get() == {"bank-x": (2, 0)}


def test_who_asks_while_a_long_count_runs_gets_the_counts_before(store, monkeypatch):
    counts = OutcomeCounts(store)
    end(store)
    counts.get()
    monkeypatch.setattr(outcome_counts, "AT_ONCE_SECONDS", -1.0)  # the first was long already
    reading, go_on = threading.Event(), threading.Event()
    read = store.read

    def read_slowly():
        reading.set()
        go_on.wait(30)
        return read()

    monkeypatch.setattr(store, "read", read_slowly)
    end(store)
    thread = threading.Thread(target=counts.get)
    thread.start()
    reading.wait(30)
    meanwhile = counts.get()
    go_on.set()
    thread.join()

    assert meanwhile == {"bank-x": (1, 0)}
    assert counts.get() == {"bank-x": (2, 0)}
