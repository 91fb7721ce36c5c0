"""Register what this member can count: a sum asks for numbers by a source's name, nothing else.

A source reads the member's own data on this node and returns numbers; the data stay where they
are. Which purposes it answers for is the member's decision, written where it is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.names import MemberId
from federation.statements import SumOpen
from federation.vocabulary import Purpose
from node.errors import PolicyError, RequestError, UnavailableError

SOURCE_WAITS: Final = "SUM_SOURCE_WAITS"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sum asks a member for.

    Attributes:
        labels: 16 bytes each; the answer has one number for each, in this order.
        subject: What they are about, 32 bytes, or empty.
        opening: ``scale`` and ``largest`` say how the numbers are to be written.
        opener: Who asks.
        now: Seconds since 1970.
    """

    source: str
    labels: tuple[bytes, ...]
    subject: bytes
    opening: SumOpen
    opener: MemberId
    now: int


Count = Callable[[Asked], NDArray[np.int64] | NDArray[np.float64] | None]
"""Return whole units, or numbers to be scaled; None: this member has nothing to add. Blocking.

What it raises ends this member's part, but for ``wait_for_more``: then it is asked again soon.
"""


def wait_for_more() -> UnavailableError:
    """Make the error by which a source says that it answers as soon as more is in the logs."""
    return UnavailableError("what the numbers rest on is not here yet", reason=SOURCE_WAITS)


def no_labels(_subject: bytes) -> Mapping[bytes, str]:
    """Know no label of a source beforehand."""
    return {}


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of numbers that this member can give.

    Attributes:
        name: As in ``SumLabels.source``.
        sentence: What is counted, for people.
        purposes: For which it may be asked.
        count: Counts, off the event loop; what it raises is logged and the sum declined.
        labels: Subject to every label that the source knows, with its name for people, in the
            order in which a sum over all of them has them.
        largest: The largest entry of a sum that a person opens without saying another, in units.
    """

    name: str
    sentence: str
    purposes: frozenset[Purpose]
    count: Count
    labels: Callable[[bytes], Mapping[bytes, str]] = no_labels
    largest: int = 1_000_000_000


class Sources:
    """The sources of one node, by name."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def register(self, source: Source) -> None:
        """Add a source, before the node starts.

        Raises:
            ValueError: The name is taken.
        """
        if source.name in self._sources:
            raise ValueError(f"there is a source {source.name} already")
        self._sources[source.name] = source

    def all(self) -> list[Source]:
        """Return the sources, by name."""
        return [self._sources[name] for name in sorted(self._sources)]

    def find(self, name: str) -> Source:
        """Return a source.

        Raises:
            RequestError: SUM_SOURCE_UNKNOWN.
        """
        if name not in self._sources:
            raise RequestError(
                "this node has no such source of numbers",
                reason="SUM_SOURCE_UNKNOWN",
                hint="tocsin sum sources",
            )
        return self._sources[name]

    def answer(self, asked: Asked) -> NDArray[np.int64] | NDArray[np.float64] | None:
        """Return this member's numbers; None where it has nothing to add.

        Raises:
            RequestError: SUM_SOURCE_UNKNOWN.
            PolicyError: PURPOSE_NOT_ALLOWED or NORMS_NOT_ALLOWED.
        """
        source = self.find(asked.source)
        if asked.opening.purpose not in source.purposes:
            raise PolicyError(
                "the source does not answer for this purpose", reason="PURPOSE_NOT_ALLOWED"
            )
        if asked.opening.norm_blocks:  # of a short vector a length shows what is in it
            raise PolicyError(
                "the sum would show how long this member's vector is", reason="NORMS_NOT_ALLOWED"
            )
        return source.count(asked)

    def names(self, source: str, subject: bytes) -> Mapping[bytes, str]:
        """Return the labels of a source with their names, as far as this node knows them."""
        found = self._sources.get(source)
        return {} if found is None else found.labels(subject)
