"""Read the logs as they stood at a second: the same entries on every node that holds them.

Nothing but the logs decides what is read. A log ends with its first entry that was said later, so
that what a member writes afterwards with an earlier time changes no report. No log tells whether
such an entry was dated ahead or what follows it was dated back; only other members heard when it
came. Where one of them raised an alarm in time, the report says that the log was cut. Evidence may
be gone from an old log (its content expired or was erased): where it ends follows from what stays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from federation.errors import PolicyError
from federation.names import MemberId, Origin
from federation.statements import (
    Designation,
    Nomination,
    Opinion,
    Sighting,
    Statement,
    StatementError,
    decode_statement,
)

REMOVABLE: Final = (Nomination, Sighting, Opinion, Designation)
"""Bodies that do nothing but put evidence: retention may leave only their leaf hash."""
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 9998
"""Years of which the end can be written as a time."""


class AnnualError(PolicyError):
    """A report of a year cannot be made from these logs.

    ``reason`` is ANNUAL_PERIOD_INVALID, ANNUAL_MEMBER_UNKNOWN or ANNUAL_ENTRY_REMOVED.
    """

    reason = "ANNUAL_PERIOD_INVALID"
    public = "The report cannot be made."


@dataclass(frozen=True, slots=True)
class Question:
    """Whose year is reported, and what was known of it at which second.

    Attributes:
        year: In UTC, as all days here.
        at: Last second of which something is known, seconds since 1970.

    Raises:
        AnnualError: ANNUAL_PERIOD_INVALID.
    """

    member: MemberId
    year: int
    at: int

    def __post_init__(self) -> None:
        if not FIRST_YEAR <= self.year <= LAST_YEAR or self.at < self.start:
            raise AnnualError("a report is as of a time after the year's beginning")

    @property
    def start(self) -> int:
        """Return the first second of the year."""
        return year_begins(self.year)

    @property
    def end(self) -> int:
        """Return the second after the last one that counts."""
        return min(year_begins(self.year + 1), self.at + 1)

    def holds(self, time: int) -> bool:
        """Say whether something happened in the year, as far as it is reported."""
        return self.start <= time < self.end


def year_begins(year: int) -> int:
    """Return the first second of a year, seconds since 1970."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a statement stands: in which log, at which index, with which id."""

    origin: Origin
    index: int
    id: bytes


class Told(NamedTuple):
    """A statement where it stands."""

    place: Place
    statement: Statement

    @property
    def member(self) -> MemberId:
        """Who says it."""
        return self.place.origin.member


class End(NamedTuple):
    """The first entry that was said later, and when it says that it was said."""

    place: Place
    time: int


class LogCut:
    """One log as it stood; iterate once, then ask for its size.

    Attributes:
        size: Entries up to the last one that was read; 0 before the first.
        counted_time: When the last of these was said; 0 before the first.
        end: What stands behind them, so that no more can come before it; None: nothing yet.
    """

    def __init__(
        self, origin: Origin, entries: Iterable[tuple[int, bytes | None]], question: Question
    ) -> None:
        """Cut a log.

        Args:
            origin: Which one.
            entries: Index and body of each, in order; None where only the leaf hash is left.
            question: What is asked.
        """
        self.origin = origin
        self.size = 0
        self.counted_time = 0
        self.end: End | None = None
        self._entries = entries
        self._question = question
        self._is_own = origin.member == question.member

    def __iter__(self) -> Iterator[Told]:
        """Yield what was said up to then.

        Raises:
            AnnualError: ANNUAL_ENTRY_REMOVED; what the member said that year is gone here.
        """
        removed, is_beyond = False, False
        for index, body in self._entries:
            statement = None if body is None else _decoded(body)
            if statement is None:
                removed = removed or (body is None and not is_beyond)
                continue
            place, is_removable = self._placed(index, statement)
            if statement.issued_time > self._question.at:
                is_beyond = True
                if not is_removable:
                    self.end = End(place, statement.issued_time)
                    break
                continue
            if statement.issued_time < self._question.start:
                removed = False  # what is gone stands before it, and was said before the year
            if self._is_own or not is_removable:
                self.size, self.counted_time = index + 1, statement.issued_time
                yield Told(place, statement)
        if self._is_own and removed:
            raise AnnualError(
                "this node has forgotten a part of what the member said that year",
                reason="ANNUAL_ENTRY_REMOVED",
                hint="ask a member that still holds it: tocsin report annual --member NAME",
            )

    def _placed(self, index: int, statement: Statement) -> tuple[Place, bool]:
        """Return where a statement stands, and whether retention may take it."""
        place = Place(self.origin, index, statement.id)
        return place, isinstance(statement.body, REMOVABLE)


def _decoded(body: bytes) -> Statement | None:
    try:
        return decode_statement(body)
    except StatementError:
        return None  # kept and replicated, but nobody's view knows it
