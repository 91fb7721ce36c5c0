"""Count own nominations and own customers that the federation speaks about, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.indicators import Kind
from federation.names import MemberId
from federation.sums import label_of
from federation.vocabulary import Purpose
from node.store.catalogue import Catalogue
from node.store.private import PrivateStore
from node.sums.sources import Asked, Source

# Seconds: the last thirty days.
PERIOD_SECONDS: Final = 30 * 86_400
_KIND: Final = b"kind"
_PURPOSES: Final = frozenset({Purpose.OPERATION, Purpose.VERIFICATION})


def kind_labels(_subject: bytes = b"") -> Mapping[bytes, str]:
    """Return a label for each kind of indicator, with its name."""
    return {label_of(_KIND, kind.name.encode()): kind.name.lower() for kind in Kind}


def nominated_kinds(me: MemberId, catalogue: Catalogue) -> Source:
    """Count this member's nominations of the last 30 days that stand, by kind."""

    def count(asked: Asked) -> NDArray[np.int64]:
        return _in_order(asked, catalogue.nominated_kinds(me, asked.now - PERIOD_SECONDS))

    return Source(
        "KINDS",
        "own nominations of the last 30 days, by kind",
        _PURPOSES,
        count,
        kind_labels,
    )


def hit_kinds(private: PrivateStore) -> Source:
    """Count this member's customers that became hits in the last 30 days, by kind."""

    def count(asked: Asked) -> NDArray[np.int64]:
        return _in_order(asked, private.hit_kinds(asked.now - PERIOD_SECONDS))

    return Source(
        "HITS",
        "own customers that became hits in the last 30 days, by kind",
        _PURPOSES,
        count,
        kind_labels,
    )


def _in_order(asked: Asked, counts: Mapping[int, int]) -> NDArray[np.int64]:
    number_of = {label_of(_KIND, kind.name.encode()): int(kind) for kind in Kind}
    found = [counts.get(number_of.get(label, 0), 0) for label in asked.labels]
    return np.array(found, dtype=np.int64)


def register_kinds(
    register: Callable[[Source], None],
    me: MemberId,
    catalogue: Catalogue,
    private: PrivateStore,
) -> None:
    """Register what every node can count."""
    register(nominated_kinds(me, catalogue))
    register(hit_kinds(private))
