"""Count what holders granted beyond the quotas, when enough of them said the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from federation.authorisation import holder_limit
from federation.charter import Charter
from federation.indicators import KindClass
from federation.names import MemberId
from node.store.catalogue import Catalogue


class Grants:
    """The one-off grants that stand in the holders' logs."""

    def __init__(self, catalogue: Catalogue, charter: Callable[[], Charter]) -> None:
        self._catalogue = catalogue
        self._charter = charter

    def granted(self, member: MemberId, kind_class: KindClass) -> int:
        """Return how many evaluations more a member may have at this holder; blocking.

        A grant is an id with an amount; it counts once, when at least the threshold of the
        charter's holders said exactly the same. Each holder counts its part of it.
        """
        charter = self._charter()
        said: defaultdict[tuple[bytes, int], set[str]] = defaultdict(set)
        for grant_id, holder, amount in self._catalogue.grants(member, kind_class):
            if holder in charter.holders:
                said[grant_id, amount].add(holder)
        total = sum(
            amount for (_, amount), holders in said.items() if len(holders) >= charter.threshold
        )
        return holder_limit(total, charter.threshold, len(charter.holders))
