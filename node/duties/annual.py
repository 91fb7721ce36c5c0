"""Make the report of a member's year from the logs that this node holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from federation.annual import (
    AnnualError,
    AnnualReport,
    Format,
    Log,
    Place,
    Question,
    report_year,
    write_report,
    year_begins,
)
from federation.charter import Charter
from federation.merkle import root_at
from federation.names import MemberId, Origin
from federation.statements import Statement, decode_statement
from node.log.state import node_reader
from node.store.protocol import LogState, PublicReader, PublicStore

ENTRIES_AT_ONCE: Final = 4_096
"""Entries read in one go: bounds memory, not the result."""


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report as a document.

    Attributes:
        document: UTF-8.
        open_members: In whose logs nothing later stands: what they said up to then may still be
            under way.
    """

    document: bytes
    open_members: tuple[MemberId, ...]


class AnnualReports:
    """Makes reports of years; every method blocks."""

    def __init__(
        self,
        me: MemberId,
        store: PublicStore,
        charters: Callable[[], tuple[Charter, ...]],
        clock: Callable[[], int],
    ) -> None:
        """Report from the logs in a store.

        Args:
            me: Whose node it is.
            store: The logs.
            charters: Returns every version that this node followed.
            clock: Seconds since 1970; only what is still to come is refused by it.
        """
        self._me = me
        self._store = store
        self._charters = charters
        self._clock = clock

    def make(self, year: int, member: str, at: int | None, form: Format) -> WrittenReport:
        """Report a year.

        Args:
            year: In UTC.
            member: Whose; empty: this node's.
            at: Last second of which something is known; None: the last one of the year.
            form: What it is written as.

        Raises:
            NameFormatError: The member has no such name.
            AnnualError: It is not over yet, or see ``report_year``.
        """
        asked = Question(MemberId(member or self._me), year, _last_second(year, at))
        if asked.at > self._clock():
            raise AnnualError(
                "what is still to come cannot be reported",
                hint=f"report what is known up to now: --year {year} --at TIME",
            )
        report = self._report(asked)
        is_open = (log.origin.member for log in report.logs if not log.is_closed)
        return WrittenReport(write_report(report, form), tuple(is_open))

    def _report(self, asked: Question) -> AnnualReport:
        with self._store.read() as reader:
            states = {Origin.parse(state.origin): state for state in reader.logs()}
            logs = (
                Log(origin, _entries(reader, state), partial(_root, reader, state))
                for origin, state in states.items()
            )

            def read(place: Place) -> Statement:
                number = states[place.origin].number
                (entry,) = reader.entries(number, place.index, place.index + 1)
                return decode_statement(entry.body or b"")

            return report_year(asked, self._charters(), logs, read)


def _last_second(year: int, at: int | None) -> int:
    """Return the second as of which a year is reported.

    Raises:
        AnnualError: There is no such year.
    """
    if at is not None:
        return at
    try:
        return year_begins(year + 1) - 1
    except (ValueError, OverflowError) as error:
        raise AnnualError("there is no such year") from error


def _entries(reader: PublicReader, state: LogState) -> Iterator[tuple[int, bytes | None]]:
    for start in range(0, state.size, ENTRIES_AT_ONCE):
        yield from list(reader.entries(state.number, start, start + ENTRIES_AT_ONCE))


def _root(reader: PublicReader, state: LogState, size: int) -> bytes:
    return root_at(size, node_reader(reader, state))
