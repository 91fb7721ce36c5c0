"""Contribute to a sum that names this member, if a source answers and nothing forbids it."""

from __future__ import annotations

from collections.abc import Callable

from federation.charter import Charter
from federation.errors import FederationError
from federation.statements import SumLabels, SumShares
from federation.sums import (
    Numbers,
    Sum,
    SumRefusedError,
    check_repeat,
    contribute,
    remember_contribution,
    split_labels,
)
from keys.errors import KeysError
from node.errors import NodeError, PolicyError
from node.member import MemberKeys
from node.sums.memory import Part, SumMemory
from node.sums.records import SumHead
from node.sums.sources import SOURCE_WAITS, Asked, Sources
from node.telemetry import describe_error, get_log

SOURCE_FAILED = "SUM_SOURCE_FAILED"
WAIT_SECONDS = 1  # after which a source is asked again that waits for the logs


class Contributor:
    """This member's vectors in sums; every method blocks."""

    def __init__(
        self,
        keys: MemberKeys,
        sources: Sources,
        memory: SumMemory,
        charter: Callable[[], Charter],
        clock: Callable[[], int],
    ) -> None:
        self._me = keys.card.member.member
        self._keys = keys
        self._sources = sources
        self._memory = memory
        self._charter = charter
        self._clock = clock
        self.declined: dict[bytes, str] = {}
        """Why this member contributes nothing to a sum that names it; asked again at a restart."""
        self.waiting: dict[bytes, int] = {}
        """When a source is asked again that rests on what the logs do not hold yet."""

    def contribute(self, head: SumHead) -> SumShares | None:
        """Return the shares to say in a sum, the same ones each time; None for none."""
        sum_id = head.sum.opening.sum_id
        if sum_id in self.declined or head.labels is None:
            return None
        if self._memory.has_contributed(sum_id):
            return self._memory.contribution(sum_id)
        self.waiting.pop(sum_id, None)
        try:
            return self._make(head.sum, head.labels, head)
        except (NodeError, FederationError, KeysError) as error:
            if error.reason == SOURCE_WAITS:
                self.waiting[sum_id] = self._clock() + WAIT_SECONDS
            else:
                self._decline(sum_id, error.reason)
        except Exception as error:  # a source is foreign code here: one sum fails, not all
            get_log().error("sum.source_failed", **describe_error(error))
            self._decline(sum_id, SOURCE_FAILED)
        return None

    def settle(self, sum_id: bytes) -> None:
        """Take note that the shares stand in the log."""
        self._memory.drop_shares(sum_id)

    def _make(self, opened: Sum, labels: SumLabels, head: SumHead) -> SumShares:
        now = self._clock()
        check_parties(opened, self._charter(), now)
        past = self._memory.past(Part.CONTRIBUTOR, now)
        remembered = remember_contribution(opened, now, head.fingerprints)
        check_repeat(remembered, past)  # before the source reads anything
        shares = contribute(
            opened,
            self._me,
            self._numbers(opened, labels, now),
            {one.member: one.sealing_key for one in self._charter().members},
            self._keys.signing,
            now=now,
            past=past,
            fingerprints=head.fingerprints,
        )
        return self._memory.remember_contribution(remembered, shares, past)

    def _numbers(self, opened: Sum, labels: SumLabels, now: int) -> Numbers:
        names = split_labels(labels)
        asked = Asked(labels.source, names, labels.subject, opened.opening, opened.opener, now)
        numbers = self._sources.answer(asked)
        if numbers is None:
            raise PolicyError("this member has nothing to add", reason="SUM_NOTHING_TO_ADD")
        return numbers

    def _decline(self, sum_id: bytes, reason: str) -> None:
        self.declined[sum_id] = reason
        get_log().info("sum.declined", reason=reason)


def check_parties(opened: Sum, charter: Charter, now: int) -> None:
    """Accept only the charter's own holders and threshold: others could open every vector.

    Raises:
        SumRefusedError: SUM_REFUSED.
    """
    opening = opened.opening
    threshold = least_threshold(charter)
    if opening.holders != charter.holders or opening.threshold != threshold:
        raise SumRefusedError("the holders are not those of the charter", reason="SUM_REFUSED")
    for name in opening.contributors:
        member = charter.find(name)
        if member is None or member.is_revoked(now):
            raise SumRefusedError("a contributor is no member now", reason="SUM_REFUSED")


def least_threshold(charter: Charter) -> int:
    """Return how many holders give a total: the charter's threshold, at least two."""
    return max(2, charter.threshold)
