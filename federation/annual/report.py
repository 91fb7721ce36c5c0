"""Make the report of a member's year from the logs, and from nothing else.

The same logs give the same report on every node and at every later time: logs are cut where the
question says, matters are folded again from what was said up to there, roles and keys come from the
charter of that time, and nobody's private tables, clock or order of arrival is asked.

    report = report_year(Question(member, 2026, at), charters, logs, read)

Source: DOMAIN R48; DESIGN §2.3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from federation.annual.counting import Links, count_matter, count_plain, no_links
from federation.annual.items import Link
from federation.annual.reading import (
    AnnualError,
    End,
    LogCut,
    Place,
    Question,
    Told,
)
from federation.annual.sheets import Read, Roles, SheetOfYear, SumIndex, read_sheets
from federation.charter import Charter
from federation.matters import PROCEDURE_OF, FoldedMatter, Kind, State, fold_matter, name_matter
from federation.names import EVERYONE, MemberId, Origin
from federation.roles import Role
from federation.statements import Alarm, Nomination, Statement, SumBody
from federation.statements.alarm import DATED_AHEAD

_SUM_BODIES = get_args(SumBody)


class Log(NamedTuple):
    """One log that a node holds.

    Attributes:
        entries: Index and body of each entry, in order; None where only the leaf hash is left.
        root: Returns the root of the tree over so many entries, 32 bytes.
    """

    origin: Origin
    entries: Iterable[tuple[int, bytes | None]]
    root: Callable[[int], bytes]


class CountedLog(NamedTuple):
    """A log as far as it is counted.

    Attributes:
        is_closed: Whether something later stands in it; what is not can still grow. No report
            tells it: it is for whoever makes one.
    """

    origin: Origin
    size: int
    root: bytes
    is_closed: bool


class CutLog(NamedTuple):
    """A log that was cut by a statement dated ahead: what follows it is not counted.

    Attributes:
        counted_time: When the last statement that is counted was said; 0 for none.
        end: The statement that cuts it.
        alarms: Where other members told that it, or another one of them, was dated ahead.
    """

    origin: Origin
    counted_time: int
    end: End
    alarms: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class AnnualReport:
    """What the logs tell about a member's year.

    Attributes:
        charter: In force at the end, as far as this node followed it.
        links: What counts, by code of the item, in the order of logs and entries.
        sheets: What all members achieved together.
        logs: What was counted, by origin.
        cuts: Logs that others saw cut before their time, by origin.
    """

    question: Question
    charter: Charter
    roles: frozenset[Role]
    links: Mapping[str, tuple[Link, ...]]
    sheets: tuple[SheetOfYear, ...]
    logs: tuple[CountedLog, ...]
    cuts: tuple[CutLog, ...]


class _MatterName(NamedTuple):
    """One matter, and its opener."""

    kind: Kind
    id: bytes
    opener: MemberId


class _Year:
    """What is gathered from the logs before it is counted."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.links: Links = no_links()
        self.matters: dict[_MatterName, list[Place]] = {}
        self.sums = SumIndex()
        self.ahead: dict[MemberId, list[Place]] = {}
        self._tokens: dict[bytes, list[Link]] = {}
        self._nominated: set[bytes] = set()

    def add(self, told: Told) -> None:
        """Take one statement in."""
        statement = told.statement
        body = statement.body
        named = name_matter(told.member, statement)
        if named is not None:
            kind, opener = PROCEDURE_OF[type(body)].kind, named.opener or told.member
            self.matters.setdefault(_MatterName(kind, named.id, opener), []).append(told.place)
        if isinstance(body, _SUM_BODIES):
            self.sums.add(told.place, statement)
        if isinstance(body, Alarm):
            self._add_alarm(told, body)
        if isinstance(body, Nomination):
            self._add_nomination(told, body)
        else:
            count_plain(told, self.question, self.links)

    def _add_alarm(self, told: Told, body: Alarm) -> None:
        """Note who was seen to date a statement behind the end of what is reported."""
        is_ahead = told.statement.issued_time + body.observed > self.question.at
        if body.reason == DATED_AHEAD and told.member != body.member and is_ahead:
            self.ahead.setdefault(body.member, []).append(told.place)

    def cut_logs(self, cuts: Iterable[LogCut]) -> tuple[CutLog, ...]:
        """Return the logs that end with a statement, and were seen to be dated ahead."""
        found = (
            CutLog(
                cut.origin,
                cut.counted_time,
                cut.end,
                tuple(sorted(self.ahead[cut.origin.member])),
            )
            for cut in cuts
            if cut.end is not None and cut.origin.member in self.ahead
        )
        return tuple(sorted(found))

    def _add_nomination(self, told: Told, body: Nomination) -> None:
        """Count a claim once in the year: the same claim has the same id, however often said."""
        is_counted = told.member == self.question.member and told.place.id not in self._nominated
        if is_counted and self.question.holds(told.statement.issued_time):
            self._nominated.add(told.place.id)
            count_plain(told, self.question, self.links)
            self._tokens.setdefault(body.token, []).append(self.links["NOMINATIONS"][-1])

    def confirm(self, token: bytes) -> None:
        """Count the nominations of a token that a round confirmed."""
        self.links["NOMINATIONS_CONFIRMED"].extend(self._tokens.pop(token, []))


def report_year(
    question: Question, charters: Sequence[Charter], logs: Iterable[Log], read: Read
) -> AnnualReport:
    """Make the report of a year.

    Args:
        question: Whose, of which year, as of when.
        charters: Every version that this node followed, in any order.
        logs: Every log that it holds, in any order.
        read: Reads a statement again that one of them holds.

    Raises:
        AnnualError: ANNUAL_MEMBER_UNKNOWN or ANNUAL_ENTRY_REMOVED.
    """
    charter = charter_at(charters, question.at)
    if charter.find(question.member) is None:
        raise AnnualError("the charter lists no such member", reason="ANNUAL_MEMBER_UNKNOWN")
    year, cuts, counted = _Year(question), list[LogCut](), []
    for log in logs:
        if log.origin.federation != charter.federation or log.origin.audience != EVERYONE:
            continue  # a sharing group's log is held by its members alone
        cut = LogCut(log.origin, log.entries, question)
        for told in cut:
            year.add(told)
        cuts.append(cut)
        if cut.size:
            is_closed = cut.end is not None
            counted.append(CountedLog(log.origin, cut.size, log.root(cut.size), is_closed))

    def roles(member: MemberId, time: int) -> frozenset[Role]:
        known = charter.find(member)
        return frozenset() if known is None or known.is_revoked(time) else known.roles

    own = roles(question.member, question.end - 1)
    for name in sorted(year.matters):
        folded, places = _fold(year.matters[name], roles, question.at, read)
        count_matter(folded, places, own, question, year.links)
        if folded.matter is not None and folded.matter.state is State.CONFIRMED:
            year.confirm(folded.matter.subject)
    return AnnualReport(
        question=question,
        charter=charter,
        roles=own,
        links={code: _in_order(found) for code, found in sorted(year.links.items())},
        sheets=read_sheets(year.sums, charter, roles, question, read),
        logs=tuple(sorted(counted)),
        cuts=year.cut_logs(cuts),
    )


def charter_at(charters: Sequence[Charter], at: int) -> Charter:
    """Return the version in force at a second, or the first one that is known."""
    by_version = sorted(charters, key=lambda one: one.version)
    before = [one for one in by_version if one.created_time <= at]
    return before[-1] if before else by_version[0]


def _fold(
    found: list[Place], roles: Roles, at: int, read: Read
) -> tuple[FoldedMatter, dict[int, Place]]:
    told = [Told(place, read(place)) for place in sorted(found)]
    said: list[tuple[MemberId, Statement]] = [(one.member, one.statement) for one in told]
    return fold_matter(said, roles, at), {id(one.statement): one.place for one in told}


def _in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    return tuple(sorted(links, key=lambda link: (link.place, link.part)))
