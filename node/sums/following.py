"""Let one sum follow another: about what the first came to, among exactly those who are in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from federation.statements import SumOpen
from federation.sums import Total
from node.sums.opener import SumDraft
from node.sums.records import SumHead, SumRecords
from node.sums.sources import wait_for_more


def draft_after(total: Total, draft: SumDraft) -> SumDraft:
    """Return a draft that asks those who are in a total, and opens with all of them alone."""
    return replace(draft, contributors=total.contributors, least=len(total.contributors))


def is_after(total: Total, opening: SumOpen) -> bool:
    """Say whether a sum asks those who are in a total, and opens with all of them alone."""
    asks_the_same = set(opening.contributors) == set(total.contributors)
    return asks_the_same and opening.least_contributors == len(opening.contributors)


def find_first(
    records: SumRecords, subject: bytes, subject_after: Callable[[bytes], bytes]
) -> SumHead | None:
    """Return the sum that one about this subject follows; None where none is known by labels.

    Args:
        records: All sums.
        subject: Of the sum that follows.
        subject_after: Returns what follows a sum, by the first one's id.
    """
    for sum_id in records.counts():
        if subject_after(sum_id) == subject:
            head = records.head(sum_id)
            return head if head is not None and head.labels is not None else None
    return None


def total_of(records: SumRecords, head: SumHead, now: int) -> Total:
    """Return what a sum came to; it may be read here later than at its opener.

    Raises:
        UnavailableError: SUM_SOURCE_WAITS.
    """
    total = records.progress(records.find(head.sum.opening.sum_id), now).total
    if total is None:
        raise wait_for_more()
    return total
