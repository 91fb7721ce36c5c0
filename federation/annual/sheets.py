"""Read the evaluation sheets of a year from the private sums in the logs.

A sheet is two sums: one counts who has a figure, the other adds up what enough members have. Both
are named, and so is every statement from which their totals follow.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from federation.annual.reading import Place, Question, Told, year_begins
from federation.authorisation import may_say
from federation.charter import Charter
from federation.names import MemberId
from federation.roles import Role
from federation.sheet import (
    COUNTS,
    FIGURES,
    SHEET,
    Figure,
    count_labels,
    figure_labels,
    read_figures,
    read_period,
    shared_subject,
    told,
)
from federation.statements import BODY_NAMES, Statement, SumLabels, SumOpen
from federation.sums import (
    Said,
    SumFaultError,
    SumRefusedError,
    Total,
    check_labels,
    fold_sum,
    follow,
    split_labels,
)

Roles = Callable[[MemberId, int], frozenset[Role]]
"""What a member was at a second."""
Read = Callable[[Place], Statement]
"""Reads a statement again."""


@dataclass(frozen=True, slots=True)
class SheetOfYear:
    """What all members achieved together in some days of the year.

    Attributes:
        start: Seconds since 1970 of the first day's beginning.
        end: Of the last day's end.
        contributors: How many members are in the sums.
        counts: Members that have a figure, by code.
        figures: Of those indicators that enough members have, by code.
        count_sum: Id of the sum that counted members.
        figure_sum: Of the one that added up figures; empty where there was none.
        links: Every statement of both sums.
    """

    start: int
    end: int
    contributors: int
    counts: Mapping[str, int]
    figures: Mapping[str, Figure]
    count_sum: bytes
    figure_sum: bytes
    links: tuple[Place, ...]


class _Counted(NamedTuple):
    """A sum that has come to a total."""

    sum_id: bytes
    opener: MemberId
    opened: int
    labels: SumLabels
    total: Total
    links: tuple[Place, ...]


class SumIndex:
    """Where the statements of each sum stand; only labels are kept whole."""

    def __init__(self) -> None:
        self._places: dict[bytes, list[Place]] = {}
        self._labels: dict[bytes, list[SumLabels]] = {}

    def add(self, place: Place, statement: Statement) -> None:
        """Take note of a statement about a sum."""
        sum_id: bytes = statement.body.sum_id  # type: ignore[union-attr]  # a body of a sum
        self._places.setdefault(sum_id, []).append(place)
        if isinstance(statement.body, SumLabels) and statement.body.source in _SOURCES:
            self._labels.setdefault(sum_id, []).append(statement.body)

    def of_source(self, source: str, subjects: Callable[[bytes], bool]) -> list[bytes]:
        """Return the sums that say they count a source for one of these subjects, sorted."""
        return sorted(
            sum_id
            for sum_id, found in self._labels.items()
            if any(one.source == source and subjects(one.subject) for one in found)
        )

    def places(self, sum_id: bytes) -> tuple[Place, ...]:
        """Return where its statements stand."""
        return tuple(sorted(self._places[sum_id]))


_SOURCES: Final = frozenset({COUNTS, FIGURES})


def read_sheets(
    index: SumIndex, charter: Charter, roles: Roles, question: Question, read: Read
) -> tuple[SheetOfYear, ...]:
    """Return the sheets of whole days within the year, by day; of the same days the first one.

    Args:
        index: Every statement about a sum, up to then.
        charter: Whose keys the partials are signed with.
        roles: What a member was at a second.
        question: What is asked.
        read: Reads a statement again.
    """
    year_end = year_begins(question.year + 1)

    def is_of_year(subject: bytes) -> bool:
        days = read_period(subject)
        return days is not None and question.start <= days[0] < days[1] <= year_end

    counted = [
        one
        for sum_id in index.of_source(COUNTS, is_of_year)
        if (one := _count(index, sum_id, charter, roles, question, read)) is not None
        and split_labels(one.labels) == count_labels()
    ]
    first: dict[bytes, _Counted] = {}
    for one in sorted(counted, key=lambda one: (one.opened, one.sum_id)):
        first.setdefault(one.labels.subject, one)
    found = (_sheet(index, one, charter, roles, question, read) for one in first.values())
    return tuple(sorted(found, key=lambda one: (one.start, one.end)))


def _sheet(
    index: SumIndex,
    counted: _Counted,
    charter: Charter,
    roles: Roles,
    question: Question,
    read: Read,
) -> SheetOfYear:
    days = read_period(counted.labels.subject)
    assert days is not None  # noqa: S101  # it was found by them
    shared, subject = told(counted.total.units), shared_subject(counted.sum_id)
    added = next(
        (
            one
            for sum_id in index.of_source(FIGURES, lambda about: about == subject)
            if (one := _count(index, sum_id, charter, roles, question, read)) is not None
            and one.opener == counted.opener
            and set(one.total.contributors) == set(counted.total.contributors)
            and split_labels(one.labels) == figure_labels(shared)
        ),
        None,
    )
    units = (int(count) for count in counted.total.units)
    return SheetOfYear(
        start=days[0],
        end=days[1],
        contributors=len(counted.total.contributors),
        counts={one.code: count for one, count in zip(SHEET, units, strict=True)},
        figures={} if added is None else read_figures(shared, added.total.units),
        count_sum=counted.sum_id,
        figure_sum=b"" if added is None else added.sum_id,
        links=(*counted.links, *(() if added is None else added.links)),
    )


def _count(
    index: SumIndex,
    sum_id: bytes,
    charter: Charter,
    roles: Roles,
    question: Question,
    read: Read,
) -> _Counted | None:
    """Return what a sum came to; None where it came to nothing, or its labels are false."""
    told_all = [Told(place, read(place)) for place in index.places(sum_id)]
    heard = [one for one in told_all if _may_say(one, roles)]
    said = [
        Said(one.member, one.statement.issued_time, one.statement.body)  # type: ignore[arg-type]  # bodies of a sum
        for one in heard
    ]
    keys = {one.member: one.signing_key for one in charter.members}
    try:
        state = fold_sum(charter.federation, sum_id, said, keys)
    except SumFaultError:
        return None
    labels = _labels(state.sum.opening, state.sum.opener, said)
    total = follow(state, keys, question.at).total
    if labels is None or total is None:
        return None
    opened = min(one.time for one in said if one.member == state.sum.opener)
    places = tuple(one.place for one in heard)
    return _Counted(sum_id, state.sum.opener, opened, labels, total, places)


def _may_say(one: Told, roles: Roles) -> bool:
    name = BODY_NAMES[type(one.statement.body)]
    return may_say(roles(one.member, one.statement.issued_time), name)


def _labels(opening: SumOpen, opener: MemberId, said: Iterable[Said]) -> SumLabels | None:
    for one in said:
        if one.member == opener and isinstance(one.body, SumLabels):
            try:
                check_labels(opening, one.body)
            except (SumFaultError, SumRefusedError):
                continue
            return one.body
    return None
