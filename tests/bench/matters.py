"""Measure the queue of matters: 10,000 open ones, listed and moved on.

Each matter is a duty that two members have adopted and one has attested: four statements in three
logs. They lie in the views of a store on disk; what is measured is the book over that store.
"""

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from federation.matters import Kind
from federation.statements import Statement, encode_statement
from federation.views import fold
from node.desk.matters import DEFAULT_MATTERS, summarise
from node.matters.book import MatterBook, Wanted
from node.store.catalogue import Catalogue
from node.store.sqlite import SqliteStore
from tests.bench.clock import cpu_of
from tests.bench.result import Result
from tests.federation.duty_world import adopt, attest
from tests.federation.organisations import BANK, CARRIER, COORDINATOR, found
from tests.federation.said import DAY, NOW, duty, opaque, said

MATTERS: Final = 10_000
LOOKS: Final = 20
STEPS: Final = 200
LIST_TARGET: Final = 50.0
"""Milliseconds for listing a queue."""
FOLD_TARGET: Final = 1.0
"""Milliseconds from a statement in the views to its matter, folded and in its place."""

_Said = tuple[str, int, Statement]


def measure() -> Iterator[Result]:
    """Yield the times of the first look, of listings, and of one more statement."""
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "public.db")
        try:
            yield from _measure(store)
        finally:
            store.close()


def _measure(store: SqliteStore) -> Iterator[Result]:
    story = _story()
    while part := list(islice(story, 4_000)):
        _store(store, part)
    charter = found()
    book = MatterBook(Catalogue(store), lambda: charter, lambda: NOW + DAY)
    now, mine = NOW + DAY, Wanted(kind=Kind.RESPONSIBILITY, over=False, turn=BANK.name)
    late = Wanted(overdue=True)
    seconds, matters = cpu_of(book.all)
    assert len(matters) == MATTERS  # else something else is measured
    yield Result("matters: first look, 10,000 folded", seconds * 1_000, "ms CPU")
    for name, wanted, at in (
        ("a page of the queue", Wanted(over=False), now),
        ("a page of one's own", mine, now),
        ("a page of what is overdue", late, now + 400 * DAY),
    ):
        milliseconds = median(_listing(book, wanted, at) for _ in range(LOOKS))
        yield Result(f"matters: {name}, of 10,000", milliseconds, "ms CPU", LIST_TARGET)
    whole = median(cpu_of(lambda: book.queue(Wanted(over=False), now))[0] for _ in range(LOOKS))
    yield Result("matters: the whole queue of 10,000", whole * 1_000, "ms CPU", LIST_TARGET)
    steps = [_step(store, book, number) for number in range(STEPS)]
    yield Result("matters: a statement's fold", median(steps), "ms CPU", FOLD_TARGET)


def _listing(book: MatterBook, wanted: Wanted, now: int) -> float:
    def once() -> int:
        found = book.queue(wanted, now, DEFAULT_MATTERS)
        return len([summarise(one, now) for one in found])

    seconds, count = cpu_of(once)
    assert count == DEFAULT_MATTERS  # else something else is measured
    return seconds * 1_000


def _step(store: SqliteStore, book: MatterBook, number: int) -> float:
    """Add one statement, and take the time until its matter is folded and in its place."""
    name = _name(number)
    body = attest(1, name, COORDINATOR.name)
    statement = said(body, id=opaque(("step", number)), issued_time=NOW + 60)
    _store(store, [(CARRIER.name, 2 * MATTERS + number, statement)])
    seconds, booked = cpu_of(lambda: book.get(Kind.RESPONSIBILITY, name, COORDINATOR.name))
    assert booked is not None and booked.statements == 5  # noqa: PT018  # it was folded
    return seconds * 1_000


def _story() -> Iterator[_Said]:
    for number in range(MATTERS):
        name = _name(number)
        item = duty(first_due_time=NOW + 30 * DAY + number)
        yield COORDINATOR.name, number, said(item, id=name, issued_time=NOW)
        adoption = adopt(name, COORDINATOR.name, item)
        for member in (BANK.name, CARRIER.name):
            own = opaque((member, number))
            yield member, 2 * number, said(adoption, id=own, issued_time=NOW + 1)
        attestation = attest(1, name, COORDINATOR.name)
        own = opaque(("attested", number))
        yield BANK.name, 2 * number + 1, said(attestation, id=own, issued_time=NOW + 2)


def _name(number: int) -> bytes:
    return opaque(("duty", number))


def _store(store: SqliteStore, story: Iterable[_Said]) -> None:
    with store.write() as writer:
        for member, position, statement in story:
            body = encode_statement(statement)
            writer.apply(fold(member, position, body, statement))
