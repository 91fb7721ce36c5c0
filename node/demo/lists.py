"""Say what each member of the demonstration knows: its own list, and values that nobody lists.

material = load_material(Path("../shared/data"))    # real lists
material = load_material(None)                      # generated, seeded
material.lists["net-p"].entries                     # what net-p nominates
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from federation.indicators import Indicator, IndicatorError, Kind, parse_indicator
from federation.vocabulary import FraudType

MEMBERS = ("carrier-a", "carrier-b", "bank-x", "net-p", "net-q")
"""The members that have a list; all of them nominate, watch and replicate."""
PARTNER = "partner-k"
"""The member that only asks."""

SEED = 20_260_101
"""Every choice of the demonstration follows from it, so that two runs say the same."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a member's list, as the member has it.

    Attributes:
        kind: What the value is.
        typed: As the list has it.
        canonical: As it is tokenised; None where the row is malformed.
    """

    kind: Kind
    typed: str = field(repr=False)
    canonical: str | None = field(repr=False)
    fraud_type: FraudType
    confidence: int

    @property
    def indicator(self) -> Indicator | None:
        """Return the indicator, or None for a malformed row."""
        return None if self.canonical is None else Indicator(self.kind, self.canonical)


@dataclass(frozen=True)
class MemberList:
    """A member's list.

    Attributes:
        source: Where it comes from, a few words.
        entries: In the order in which they are nominated; some are malformed, some double.
    """

    member: str
    source: str
    entries: tuple[Entry, ...]

    @cached_property
    def indicators(self) -> frozenset[Indicator]:
        """Return the distinct indicators of the well-formed rows."""
        return frozenset(row.indicator for row in self.entries if row.indicator is not None)


@dataclass(frozen=True)
class Material:
    """Everything that the story is told with.

    Attributes:
        is_real: Whether these are real indicators, which are never printed.
        source: What a person should know about it, one sentence.
        lists: By member, for each of ``MEMBERS``.
        guard: Domains that nobody may act on, for each node's own guard.
        absent: Values that no list holds.
        directory: Where the real rows are that members train on; None for planted ones.
    """

    is_real: bool
    source: str
    lists: Mapping[str, MemberList]
    guard: tuple[Indicator, ...] = field(repr=False)
    absent: tuple[Indicator, ...] = field(repr=False)
    directory: Path | None = None

    @cached_property
    def guarded(self) -> frozenset[Indicator]:
        """Return the guard as a set."""
        return frozenset(self.guard)

    @cached_property
    def listed(self) -> frozenset[Indicator]:
        """Return what is nominated: all lists without what the guard stops."""
        return frozenset().union(*(one.indicators for one in self.lists.values())) - self.guarded

    def nominated_by(self, member: str) -> frozenset[Indicator]:
        """Return what a member's nominations come to."""
        return self.lists[member].indicators - self.guarded

    def owners(self, indicator: Indicator) -> tuple[str, ...]:
        """Return the members that nominate a value."""
        return tuple(member for member in self.lists if indicator in self.nominated_by(member))


def as_entry(kind: Kind, typed: str, fraud_type: FraudType, confidence: int) -> Entry:
    """Return a row with its canonical form, if it has one."""
    return Entry(kind, typed, canonical_form(kind, typed), fraud_type, confidence)


def canonical_form(kind: Kind, typed: str) -> str | None:
    """Return how a value is tokenised, or None where it is malformed."""
    try:
        return parse_indicator(kind, typed).value
    except IndicatorError:
        return None


def parse_all(kind: Kind, texts: Iterable[str]) -> tuple[Indicator, ...]:
    """Return the indicators among the texts, each once, in order."""
    values = (canonical_form(kind, text) for text in texts)
    return tuple(dict.fromkeys(Indicator(kind, value) for value in values if value is not None))


def choose(name: str, values: Iterable[Indicator], count: int) -> list[Indicator]:
    """Choose that many values, the same in every run for the same name.

    Values are put in order first, for a set has another order in every process.
    """
    ordered = sorted(values, key=lambda one: (one.kind, one.value))
    return chooser(name).sample(ordered, min(count, len(ordered)))


def chooser(name: str) -> random.Random:
    """Return the seeded source of one choice; its name keeps choices independent."""
    return random.Random(f"{SEED}/{name}")  # noqa: S311  # a repeatable choice, no secret


def respell(indicator: Indicator) -> str:
    """Return another spelling of a phone number or a domain, as a person might type it."""
    value = indicator.value
    if indicator.kind is Kind.PHONE:
        return f"tel:{value[:4]}-{value[4:7]}.{value[7:]}"
    wide = {ord("."): "．", **{ord("a") + place: chr(0xFF41 + place) for place in range(26)}}
    return f"{value.translate(wide)}．"


def can_respell(indicator: Indicator) -> bool:
    """Say whether ``respell`` knows another spelling."""
    if indicator.kind is Kind.DOMAIN:
        return "xn--" not in indicator.value and "_" not in indicator.value
    return indicator.kind is Kind.PHONE
