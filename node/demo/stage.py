"""Hold what all acts of the short story use: the running federation, its lists, and its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from federation.indicators import Indicator, kind_name
from federation.vocabulary import SubjectRole
from node.demo.doors import Doors, ShowProgress, batches, outcome_of
from node.demo.lists import MEMBERS, PARTNER, Entry, Material
from node.sandbox import Sandbox
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.v1 import vocabulary_pb2


@dataclass(frozen=True, slots=True)
class Extra:
    """A value that the story used beside the lists, and the members that may have it on disk."""

    indicator: Indicator
    typed: str = field(repr=False)
    owners: tuple[str, ...] = ()


@dataclass(slots=True)
class Facts:
    """Numbers that acts leave for the report."""

    statements: int = 0
    tokens: int = 0
    catalogue_roots_equal: bool = False
    accepted: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    watched: dict[str, tuple[Indicator, ...]] = field(default_factory=dict)
    expected_hits: dict[str, int] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    extra: list[Extra] = field(default_factory=list)
    partner_asked: int = 0
    traffic: dict[str, dict[str, int]] = field(default_factory=dict)
    searched: int = 0
    too_short: int = 0
    indistinct: int = 0
    files: int = 0
    bytes_read: int = 0
    findings: list[str] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)


class Stage(Doors):
    """The running federation, from the point of view of the short story."""

    def __init__(self, sandbox: Sandbox, material: Material, show: ShowProgress) -> None:
        super().__init__(sandbox, show)
        self.material = material
        self.facts = Facts()

    def nominate(
        self, member: str, entries: Sequence[Entry], advance: Callable[[int], None]
    ) -> Counter[str]:
        """Nominate rows in batches and count what became of them, refusals by reason."""
        outcomes: Counter[str] = Counter()
        for batch in batches(entries):
            request = desk.NominateRequest(
                rows=[_nomination(entry) for entry in batch],
                tlp=vocabulary_pb2.TRAFFIC_LIGHT_AMBER,  # query partners are to be told the band
            )
            outcomes.update(
                outcome_of(one) for one in self.ask_desk(member, "Nominate", request).results
            )
            advance(len(batch))
        return outcomes


def replicas() -> tuple[str, ...]:
    """Return the members that hold a replica, and with them the partner, who asks them."""
    return (*MEMBERS, PARTNER)


def _nomination(entry: Entry) -> desk.NominationRow:
    return desk.NominationRow(
        indicator=desk.RawIndicator(kind=kind_name(entry.kind), value=entry.typed),
        fraud_type=entry.fraud_type.value,  # type: ignore[arg-type]  # equal numbers, tested
        confidence=entry.confidence,
        subject_role=SubjectRole.OFFENDER_RESOURCE.value,  # type: ignore[arg-type]  # as above
    )
