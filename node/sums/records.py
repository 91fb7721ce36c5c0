"""Read sums from the logs: which there are, what was said in each, what its entries are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from federation.authorisation import may_say
from federation.charter import Charter
from federation.names import MemberId, Origin
from federation.statements import (
    BODY_NAMES,
    SumBody,
    SumClose,
    SumLabels,
    SumOpen,
    SumShares,
    decode_statement,
)
from federation.sums import (
    CLOSE_SECONDS,
    REPEAT_WINDOW_SECONDS,
    PastSum,
    Progress,
    Said,
    Sum,
    SumFaultError,
    SumRefusedError,
    SumState,
    check_labels,
    check_opening,
    fingerprint_named,
    fold_sum,
    follow,
    remember_close,
    remember_contribution,
)
from federation.sums.field import Vector
from node.errors import RequestError
from node.log.ledger import Ledger
from node.store.catalogue import Catalogue, SumRow


@dataclass(frozen=True, slots=True)
class SumHead:
    """What was opened, without what was said since.

    Attributes:
        labels: What the entries are; None where the opener has not said so, as it should.
        opened_time: When the opening was said.
        fingerprints: Of the labels.
    """

    sum: Sum
    labels: SumLabels | None
    opened_time: int
    fingerprints: Vector | None


@dataclass(frozen=True, slots=True)
class SumRecord:
    """One sum with everything that counts in it."""

    head: SumHead
    state: SumState


class SumRecords:
    """Sums as the logs hold them; every method blocks on the database."""

    def __init__(
        self, catalogue: Catalogue, ledger: Ledger, charter: Callable[[], Charter]
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._charter = charter
        self._heads: dict[bytes, SumHead] = {}

    def charter(self) -> Charter:
        """Return the charter in force."""
        return self._charter()

    def signing_keys(self) -> dict[MemberId, bytes]:
        """Return the members' signing keys, by the charter in force."""
        return {one.member: one.signing_key for one in self._charter().members}

    def counts(self) -> dict[bytes, int]:
        """Return every sum with the number of statements about it, without reading them."""
        return self._catalogue.sum_counts()

    def rows(self, sum_id: bytes) -> list[SumRow]:
        """Return who said what about a sum, where it stands, by member and position."""
        return self._catalogue.sum_rows(sum_id)

    def head(self, sum_id: bytes) -> SumHead | None:
        """Return what was opened under an id; None where no opening that counts is here yet."""
        if sum_id not in self._heads:
            kinds = (SumOpen, SumLabels)
            head = self._read_head(sum_id, list(self._said(sum_id, kinds)))
            if head is None or head.labels is None:
                return head  # the rest may be on its way
            self._heads[sum_id] = head
        return self._heads[sum_id]

    def find(self, sum_id: bytes) -> SumRecord:
        """Read one sum whole.

        Raises:
            SumFaultError: SUM_UNKNOWN.
        """
        head = self.head(sum_id)
        said = self._said(sum_id, None)
        state = fold_sum(self._charter().federation, sum_id, said, self.signing_keys())
        if head is None:
            raise SumFaultError("nobody opened this sum", reason="SUM_UNKNOWN")
        return SumRecord(head, state)

    def progress(self, record: SumRecord, now: int) -> Progress:
        """Tell how a sum stands."""
        return follow(record.state, self.signing_keys(), now)

    def complete_id(self, prefix: bytes) -> bytes:
        """Return the one sum whose id begins so.

        Raises:
            RequestError: SUM_UNKNOWN or SUM_AMBIGUOUS.
        """
        found = [sum_id for sum_id in self.counts() if sum_id.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise RequestError("no sum has this id", reason="SUM_UNKNOWN", hint="tocsin sum list")
        raise RequestError(
            "several sums fit: the id is too short", reason="SUM_AMBIGUOUS", hint="tocsin sum list"
        )

    def past_contributions(self, now: int) -> list[PastSum]:
        """Return the sums within the window in which somebody has contributed, as opened."""
        return [
            remember_contribution(head.sum, head.sum.opening.deadline_time, head.fingerprints)
            for sum_id, head in self._recent(now)
            if any(row.body is SumShares for row in self.rows(sum_id))
        ]

    def past_closes(self, now: int) -> list[PastSum]:
        """Return the closes of sums within the window, of whatever opener."""
        return [
            replace(remember_close(head.sum, each.body, each.time), fingerprints=head.fingerprints)
            for sum_id, head in self._recent(now)
            for each in self._said(sum_id, (SumClose,))
            if isinstance(each.body, SumClose) and each.member == head.sum.opener
        ]

    def _recent(self, now: int) -> Iterator[tuple[bytes, SumHead]]:
        """Give the sums that may have been closed within the window."""
        for sum_id in self.counts():
            head = self.head(sum_id)
            if head is None:
                continue
            if head.sum.opening.deadline_time + CLOSE_SECONDS > now - REPEAT_WINDOW_SECONDS:
                yield sum_id, head

    def _said(self, sum_id: bytes, kinds: tuple[type[SumBody], ...] | None) -> Iterator[Said]:
        """Give what members said that may say it, of each in the order of its log."""
        charter = self._charter()
        for row in self.rows(sum_id):
            if kinds is not None and row.body not in kinds:
                continue
            member = charter.find(MemberId(row.member))
            if member is None or member.is_revoked(row.issued):
                continue
            if not may_say(member.roles, BODY_NAMES[row.body]):
                continue
            origin = Origin(charter.federation, member.member)
            entry = self._ledger.entry(origin, row.position)
            if entry is not None:
                body: SumBody = decode_statement(entry).body  # type: ignore[assignment]  # by its row
                yield Said(member.member, row.issued, body)

    def _read_head(self, sum_id: bytes, said: list[Said]) -> SumHead | None:
        for each in said:
            if isinstance(each.body, SumOpen):
                opened = Sum(self._charter().federation, each.member, each.body)
                try:
                    check_opening(opened)
                except SumRefusedError:
                    continue
                labels = _labels_of(opened, said)
                prints = None if labels is None else fingerprint_named(labels)
                return SumHead(opened, labels, each.time, prints)
        return None


def _labels_of(opened: Sum, said: list[Said]) -> SumLabels | None:
    for each in said:
        if each.member == opened.opener and isinstance(each.body, SumLabels):
            try:
                check_labels(opened.opening, each.body)
            except SumFaultError:
                continue
            return each.body
    return None
