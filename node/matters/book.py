"""Keep every matter of the logs folded, and fold again only those that something was said about.

The store tells which matters changed, so that a look costs nothing where nothing was said. What is
dated ahead of the clock is folded in when its time has come. The queue is kept in order: what is
due first comes first.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from federation.charter import Charter
from federation.matters import (
    AnyMatter,
    FoldedMatter,
    Kind,
    Refused,
    State,
    Turn,
    fold_matter,
)
from federation.names import MemberId
from federation.roles import Role
from federation.statements import decode_statement
from federation.statements.shape import MAX_TIME
from node.errors import RequestError
from node.store.catalogue import Catalogue, MatterName
from node.telemetry import describe_error, get_log

LEAST_PREFIX_BYTES: Final = 4
"""Bytes of an id that name a matter: less is a slip of the hand, not a choice."""

_SHOWN_NAMES: Final = 4
"""Names in a hint: a person reads no more, and `tocsin matter list` has them all."""

_NEVER: Final = MAX_TIME + 1  # after whatever is due


@dataclass(frozen=True, slots=True)
class BookedMatter:
    """A matter, what does not count in it, how much was said, and whose step is next.

    Attributes:
        handle: Names it whoever else opens one with its id.
    """

    matter: AnyMatter
    refused: tuple[Refused, ...]
    statements: int
    turn: Turn
    handle: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which matters to list; what is None is not asked for.

    Attributes:
        over: Whether nothing can change them any more.
        overdue: Whether their next step has been missed.
        turn: A member whose step is next.
    """

    kind: Kind | None = None
    state: State | None = None
    over: bool | None = None
    overdue: bool | None = None
    turn: MemberId | None = None


class _Place(NamedTuple):
    """Where a matter stands in the queue."""

    due: int
    opened: int
    name: MatterName


class MatterBook:
    """Every matter of one node. Methods are blocking, and may be called from several threads."""

    def __init__(
        self, catalogue: Catalogue, charter: Callable[[], Charter], clock: Callable[[], int]
    ) -> None:
        self._catalogue = catalogue
        self._charter = charter
        self._clock = clock
        self._lock = threading.Lock()
        self._charter_version = -1
        self._ticks = 0
        self._woken = 0
        self._asleep: list[tuple[int, MatterName]] = []  # in order of when more counts
        self._touched: deque[set[MatterName] | None] = deque()
        self._entries: dict[MatterName, BookedMatter] = {}
        self._queue: list[_Place] = []
        self._about: dict[tuple[Kind, bytes], set[MatterName]] = {}
        self._opened: dict[tuple[Kind, MemberId], list[int]] = {}  # each in order
        catalogue.follow_matters(self._touch)

    def version(self) -> tuple[int, int]:
        """Return what changes when a matter may have changed."""
        asleep = self._asleep[:1]
        is_due = bool(asleep) and asleep[0][0] <= self._clock()
        return self._ticks + self._woken + is_due, self._charter().version

    def all(self, kind: Kind | None = None) -> list[BookedMatter]:
        """Return every matter, or those of one kind; newest first."""
        found = [one for one in self._snapshot() if kind is None or one.matter.kind == kind]
        found.sort(key=lambda one: (-one.matter.opened, one.matter.id, one.matter.opener))
        return found

    def queue(self, wanted: Wanted, now: int, limit: int | None = None) -> list[BookedMatter]:
        """Return matters, the one due first in front, then by when they were opened.

        Args:
            wanted: Which ones.
            now: Second at which they are looked at.
            limit: At most so many; None: all.
        """
        with self._lock:
            self._refresh()
            return list(islice(self._matching(wanted, now), limit))

    def with_refusals(self) -> list[BookedMatter]:
        """Return every matter in which something does not count."""
        return [one for one in self._snapshot() if one.refused]

    def get(self, kind: Kind, matter_id: bytes, opener: MemberId) -> BookedMatter | None:
        """Return one matter; None where nobody opened it."""
        with self._lock:
            self._refresh()
            return self._entries.get(MatterName(kind, matter_id, opener))

    def about(self, kind: Kind, subject: bytes) -> list[BookedMatter]:
        """Return the matters of a kind about one token, in no order."""
        with self._lock:
            self._refresh()
            return [self._entries[name] for name in self._about.get((kind, subject), ())]

    def opened_within(self, kind: Kind, opener: MemberId, after: int, until: int) -> int:
        """Return how many matters of a kind a member opened after a second, up to another."""
        with self._lock:
            self._refresh()
            times = self._opened.get((kind, opener), [])
            return bisect_right(times, until) - bisect_right(times, after)

    def named(self, prefix: bytes, kind: Kind | None = None) -> list[BookedMatter]:
        """Return the matters whose id or handle begins so.

        A whole handle goes before any id, as nobody can choose a matter's handle.
        """
        known = [one for one in self._snapshot() if kind is None or one.matter.kind == kind]
        return [one for one in known if one.handle == prefix] or [
            one
            for one in known
            if one.matter.id.startswith(prefix) or one.handle.startswith(prefix)
        ]

    def find(self, prefix: bytes, kind: Kind | None = None) -> BookedMatter:
        """Return the one matter whose id or handle begins so.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        if len(prefix) < LEAST_PREFIX_BYTES:
            raise _bad_id("MATTER_ID_INVALID", "give at least 8 hexadecimal digits of its id")
        found = self.named(prefix, kind)
        if not found:
            raise _bad_id("MATTER_UNKNOWN", "no matter has this id")
        if len(found) > 1:
            raise ambiguous(found, "MATTER_AMBIGUOUS", "several matters fit: give more digits")
        return found[0]

    def history(self, matter: AnyMatter) -> FoldedMatter:
        """Return a matter with everything that was said in it, each in its turn."""
        return self._fold(MatterName(matter.kind, matter.id, matter.opener))

    def roles(self, member: MemberId, time: int) -> frozenset[Role]:
        """Return what a member was at a second, by the charter in force."""
        known = self._charter().find(member)
        if known is None or known.is_revoked(time):
            return frozenset()
        return known.roles

    def _snapshot(self) -> list[BookedMatter]:
        with self._lock:
            self._refresh()
            return list(self._entries.values())

    def _matching(self, wanted: Wanted, now: int) -> Iterator[BookedMatter]:
        roles = frozenset[Role]() if wanted.turn is None else self.roles(wanted.turn, now)
        for place in self._queue:
            if wanted.overdue and place.due >= now:
                return  # nothing behind it is due before
            one = self._entries[place.name]
            if _is_wanted(one, wanted, roles, now):
                yield one

    def _touch(self, names: set[MatterName] | None) -> None:
        self._touched.append(names)
        self._ticks += 1  # writers take turns

    def _refresh(self) -> None:
        version = self._charter().version
        anew = version != self._charter_version  # the first look, or roles may have changed
        names = set[MatterName]()
        while self._touched:
            touched = self._touched.popleft()
            if touched is None:
                anew = True
            else:
                names |= touched
        names |= self._wake()
        if anew:
            self._entries, self._queue, self._asleep = {}, [], []
            self._about, self._opened = {}, {}
            self._charter_version = version
            names = set(self._catalogue.matter_counts())
        for name in names:
            try:
                self._book(name)
            except Exception as error:  # one matter must not take the others along
                get_log().error("matter.not_folded", kind=name.kind, **describe_error(error))

    def _wake(self) -> set[MatterName]:
        """Return the matters in which more counts by now; once."""
        names, now = set[MatterName](), self._clock()
        while self._asleep and self._asleep[0][0] <= now:
            names.add(self._asleep.pop(0)[1])
        self._woken += bool(names)
        return names

    def _sleep(self, until: tuple[int, MatterName]) -> None:
        place = bisect_left(self._asleep, until)
        if self._asleep[place : place + 1] != [until]:
            self._asleep.insert(place, until)

    def _book(self, name: MatterName) -> None:
        folded = self._fold(name)  # first: where it cannot be folded, what was known stays
        if folded.until is not None:
            self._sleep((folded.until, name))
        known = self._entries.pop(name, None)
        if known is not None:
            self._strike(name, known.matter)
        if folded.matter is not None:  # else what opens it has not arrived yet, or never counted
            matter = folded.matter
            count = len(folded.steps)
            self._entries[name] = BookedMatter(
                matter, folded.refused, count, matter.turn, matter.handle
            )
            self._enter(name, matter)

    def _enter(self, name: MatterName, matter: AnyMatter) -> None:
        """Add a matter to what finds it."""
        insort(self._queue, _place(name, matter))
        insort(self._opened.setdefault((matter.kind, matter.opener), []), matter.opened)
        self._about.setdefault((matter.kind, matter.subject), set()).add(name)

    def _strike(self, name: MatterName, matter: AnyMatter) -> None:
        """Take a matter out of what finds it."""
        del self._queue[bisect_left(self._queue, _place(name, matter))]
        times = self._opened[matter.kind, matter.opener]
        del times[bisect_left(times, matter.opened)]
        self._about[matter.kind, matter.subject].discard(name)

    def _fold(self, name: MatterName) -> FoldedMatter:
        rows = self._catalogue.matter_rows(name)
        said = [(MemberId(row.member), decode_statement(row.body)) for row in rows]
        return fold_matter(said, self.roles, self._clock())


def ambiguous(found: Sequence[BookedMatter], reason: str, message: str) -> RequestError:
    """Make the error that several matters fit; of one id, the hint tells them apart."""
    ids = {one.matter.id for one in found}
    if len(ids) > 1:
        return _bad_id(reason, message)
    names = sorted(f"{one.matter.opener}/{one.matter.id.hex()}" for one in found)
    return RequestError(
        f"{len(found)} members opened one with this id: name whose it is",
        reason=reason,
        hint=f"write {' or '.join(names[:_SHOWN_NAMES])}",
    )


def _place(name: MatterName, matter: AnyMatter) -> _Place:
    # What is over waits for nothing.
    due = _NEVER if matter.due is None or matter.is_over else matter.due
    return _Place(due, matter.opened, name)


def _is_wanted(one: BookedMatter, wanted: Wanted, roles: frozenset[Role], now: int) -> bool:
    matter = one.matter
    return (
        (wanted.kind is None or matter.kind is wanted.kind)
        and (wanted.state is None or matter.state_at(now) is wanted.state)
        and (wanted.over is None or matter.is_over_at(now) is wanted.over)
        and (wanted.overdue is None or matter.is_overdue_at(now) is wanted.overdue)
        and (
            wanted.turn is None
            or (not matter.is_over_at(now) and one.turn.includes(wanted.turn, roles))
        )
    )


def _bad_id(reason: str, message: str) -> RequestError:
    return RequestError(message, reason=reason, hint="tocsin matter list")
