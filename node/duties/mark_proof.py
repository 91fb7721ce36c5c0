"""Believe a published mark only where the private sum that it names shows it.

Everybody reads the sum's total from the logs, so nobody can publish a mark that the members' counts
do not add up to: neither for another number, nor in a higher band, nor with a later time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from federation.marks import (
    DAY_SECONDS,
    ENTRIES,
    SOURCE_NAME,
    is_bounded,
    subject_of,
    totals_of,
)
from federation.reporting import least_of
from federation.statements.shape import MAX_SKEW_SECONDS
from federation.sums import SumFaultError, split_labels
from federation.vocabulary import CountBand, MarkLabel
from node.sums.records import SumHead, SumRecords

Row = tuple[Any, ...]


class MarkProof:
    """Looks marks up in the sums; every method blocks on the database."""

    def __init__(self, records: SumRecords, clock: Callable[[], int]) -> None:
        """Look into the sums that stand in the logs."""
        self._records = records
        self._clock = clock
        self._proved: set[Row] = set()

    def holds(self, row: Row) -> bool:
        """Say whether a row of the view ``mark`` is what its sum shows; asked again where not yet.

        The total may still be on its way, so only what was proved is remembered.
        """
        if row not in self._proved and self._is_shown(row):
            self._proved.add(row)
        return row in self._proved

    def _is_shown(self, row: Row) -> bool:
        token, member, _statement, _kind, label, band, counted, _expires, sum_id = row
        head = self._records.head(sum_id)
        if head is None or head.sum.opener != member or not _is_about(head, token):
            return False
        if counted > head.opened_time + MAX_SKEW_SECONDS:
            return False
        return self._units(sum_id, MarkLabel(label)) >= least_of(CountBand(band))

    def _units(self, sum_id: bytes, label: MarkLabel) -> int:
        """Return a label's total; 0 where none can be read."""
        try:
            record = self._records.find(sum_id)
        except SumFaultError:
            return 0
        total = self._records.progress(record, self._clock()).total
        if total is None:
            return 0
        return totals_of(total.units.tolist(), len(total.contributors)).get(label, 0)


def _is_about(head: SumHead, token: bytes) -> bool:
    """Say whether a sum is of one number's marks, opened on the day that its subject names."""
    labels, day = head.labels, head.opened_time // DAY_SECONDS
    if labels is None or labels.source != SOURCE_NAME:
        return False
    if not is_bounded(head.sum.opening):  # else one member could add any number
        return False
    if split_labels(labels) != tuple(ENTRIES):  # in this order, or the bounds are of others
        return False
    return labels.subject in (subject_of(token, day), subject_of(token, day - 1))
