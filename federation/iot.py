"""Check how IoT cards are used against what they were approved for, and count what comes of it.

A card may do what its level is approved for, in the device and the area that it is locked to. Who
uses it otherwise rents it out, or took it out of a meter or a tracker to call victims with it. The
carrier checks by itself; others get the token of a card that was misused, and sums of counts::

    inspection = Inspection()
    inspection.add_profile(read_profile(cells))     # every card of the carrier
    inspection.add_use(read_use(cells))             # every use, in any order
    inspection.misused(), inspection.sheet()

Device and area locks are those of the interface that carriers offer to enterprises (CAMARA
IoTSIMFraudPrevention: IMEIBIND and area limit). Source: DOMAIN R18; ATNFL article 12.
"""

import enum
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from federation.errors import FederationError
from federation.indicators.error import IndicatorError
from federation.indicators.kind import Kind
from federation.indicators.registry import parse_indicator
from federation.vocabulary import FraudStage

MAX_LEVEL: Final = 3
"""The highest level of approval."""
PROFILE_COLUMNS: Final = ("sim", "level", "functions", "imei", "areas", "status")
USE_COLUMNS: Final = ("sim", "function", "imei", "area")
_SEPARATOR: Final = "|"

_Word = TypeVar("_Word", bound=enum.StrEnum)


class IotError(FederationError):
    """A profile or a use of a card cannot be read, or does not belong to the other."""

    reason = "IOT_ROW_INVALID"
    public = "A profile or a use of an IoT card is not valid."


class Function(enum.StrEnum):
    """Name what a card can do."""

    DATA = "DATA"
    SMS = "SMS"
    VOICE = "VOICE"


NEEDED_LEVEL: Final = {Function.DATA: 1, Function.SMS: 2, Function.VOICE: 3}
"""Level of approval that each function takes: voice is what victims are called with."""


class Status(enum.StrEnum):
    """Say how a card stands at the inspection."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RESTORED = "RESTORED"


class Violation(enum.StrEnum):
    """Name what an inspection finds."""

    LEVEL_EXCEEDED = "LEVEL_EXCEEDED"
    FUNCTION_FORBIDDEN = "FUNCTION_FORBIDDEN"
    IMEI_MISMATCH = "IMEI_MISMATCH"
    OUT_OF_AREA = "OUT_OF_AREA"
    USED_WHILE_SUSPENDED = "USED_WHILE_SUSPENDED"


class Claim(NamedTuple):
    """How a misused card is nominated: at which stage of a fraud, and how surely, in percent."""

    stage: FraudStage
    confidence: int


# A call or message from a meter is contact with a victim; a card in another device or place is
# stock for it, and may be a repair or a device that was moved. LEVEL_EXCEEDED is the carrier's own
# mistake: nobody misused the card.
_CLAIMS: Final = {
    Violation.FUNCTION_FORBIDDEN: Claim(FraudStage.CONTACT, 80),
    Violation.USED_WHILE_SUSPENDED: Claim(FraudStage.PREPARATION, 70),
    Violation.IMEI_MISMATCH: Claim(FraudStage.PREPARATION, 60),
    Violation.OUT_OF_AREA: Claim(FraudStage.PREPARATION, 40),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a card was approved for.

    Attributes:
        sim: Canonical.
        level: Of approval, from 1 to ``MAX_LEVEL``.
        imei: 14 digits of the only device that it works in; empty: any.
        areas: Beginnings of the codes of areas that it works in; none: any.
    """

    sim: str = field(repr=False)
    level: int
    functions: frozenset[Function]
    imei: str = field(default="", repr=False)
    areas: tuple[str, ...] = ()
    status: Status = Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a card.

    Attributes:
        imei: 14 digits; empty: not known.
        area: Code; empty: not known.
    """

    sim: str = field(repr=False)
    function: Function
    imei: str = field(default="", repr=False)
    area: str = field(default="", repr=False)


class Sheet(NamedTuple):
    """What a carrier counted: cards looked at, cards found wrong, and how the cards stand."""

    checked: int
    abnormal: int
    suspended: int
    restored: int


class Misused(NamedTuple):
    """A card that was not used as it was approved for.

    Attributes:
        sim: Canonical.
        violations: In the order of ``Violation``.
        uses: How many showed one.
    """

    sim: str
    violations: tuple[Violation, ...]
    uses: int

    @property
    def claim(self) -> Claim:
        """Return how a misused card is nominated: by the gravest of its violations."""
        claims = (_CLAIMS[one] for one in self.violations if one in _CLAIMS)
        return max(claims, key=lambda claim: claim.confidence)


def judge_use(profile: Profile, use: Use) -> frozenset[Violation]:
    """Return what is wrong with a use; what is not known of it is not held against it."""
    is_elsewhere = bool(profile.areas and use.area) and not use.area.startswith(profile.areas)
    found = {
        Violation.FUNCTION_FORBIDDEN: use.function not in profile.functions,
        Violation.IMEI_MISMATCH: bool(profile.imei and use.imei) and profile.imei != use.imei,
        Violation.OUT_OF_AREA: is_elsewhere,
        Violation.USED_WHILE_SUSPENDED: profile.status is Status.SUSPENDED,
    }
    return frozenset(one for one, holds in found.items() if holds)


def exceeds_level(profile: Profile) -> bool:
    """Say whether a card may do more than its level is approved for."""
    return any(NEEDED_LEVEL[one] > profile.level for one in profile.functions)


class Inspection:
    """All cards of a carrier, and what is wrong with them; memory grows with the cards alone."""

    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}
        self._found: defaultdict[str, set[Violation]] = defaultdict(set)
        self._uses: defaultdict[str, int] = defaultdict(int)

    def add_profile(self, profile: Profile) -> None:
        """Look at a card.

        Raises:
            IotError: IOT_PROFILE_TWICE.
        """
        if profile.sim in self._profiles:
            raise IotError("the card has a profile already", reason="IOT_PROFILE_TWICE")
        self._profiles[profile.sim] = profile
        if exceeds_level(profile):
            self._found[profile.sim].add(Violation.LEVEL_EXCEEDED)

    def add_use(self, use: Use) -> frozenset[Violation]:
        """Look at a use, and return what is wrong with it.

        Raises:
            IotError: IOT_PROFILE_MISSING; the card is none of the carrier's.
        """
        profile = self._profiles.get(use.sim)
        if profile is None:
            raise IotError("no card has this number", reason="IOT_PROFILE_MISSING")
        violations = judge_use(profile, use)
        if violations:
            self._found[use.sim] |= violations
            self._uses[use.sim] += 1
        return violations

    def abnormal(self) -> Iterator[Misused]:
        """Yield the cards with which anything is wrong, in the order of their numbers."""
        for sim in sorted(self._found):
            found = tuple(one for one in Violation if one in self._found[sim])
            yield Misused(sim, found, self._uses.get(sim, 0))

    def misused(self) -> Iterator[Misused]:
        """Yield those that somebody misused, which the others are told of."""
        return (one for one in self.abnormal() if one.uses)

    def sheet(self) -> Sheet:
        """Count."""
        stand = [profile.status for profile in self._profiles.values()]
        suspended, restored = stand.count(Status.SUSPENDED), stand.count(Status.RESTORED)
        return Sheet(len(stand), len(self._found), suspended, restored)


def read_profile(cells: Mapping[str, str]) -> Profile:
    """Read a profile from the texts of ``PROFILE_COLUMNS``, lists separated by ``|``.

    Raises:
        IotError: It names the column that is wrong, and never what stands in it.
    """
    return Profile(
        _sim(cells["sim"]),
        _level(cells["level"]),
        _functions(cells["functions"] or Function.DATA),
        _imei(cells["imei"]),
        _areas(cells["areas"]),
        _word(Status, cells["status"] or Status.ACTIVE, "status"),
    )


def read_use(cells: Mapping[str, str]) -> Use:
    """Read a use from the texts of ``USE_COLUMNS``.

    Raises:
        IotError: It names the column that is wrong, and never what stands in it.
    """
    function = _word(Function, cells["function"], "function")
    return Use(_sim(cells["sim"]), function, _imei(cells["imei"]), cells["area"].strip())


def _sim(text: str) -> str:
    try:
        return parse_indicator(Kind.IOT_SIM, text).value
    except IndicatorError as error:
        raise IotError("the column sim is no namespace:id", reason="IOT_SIM_INVALID") from error


def _imei(text: str) -> str:
    try:
        return parse_indicator(Kind.IMEI, text).value if text.strip() else ""
    except IndicatorError as error:
        raise IotError("the column imei is no IMEI", reason="IOT_IMEI_INVALID") from error


def _level(text: str) -> int:
    if text in map(str, range(1, MAX_LEVEL + 1)):
        return int(text)
    raise IotError(f"the column level is 1 to {MAX_LEVEL}", reason="IOT_LEVEL_INVALID")


@functools.lru_cache(maxsize=64)  # of a few combinations
def _functions(text: str) -> frozenset[Function]:
    return frozenset(_word(Function, one, "functions") for one in text.split(_SEPARATOR))


@functools.lru_cache(maxsize=4_096)  # of as many areas as an operator sells
def _areas(text: str) -> tuple[str, ...]:
    return tuple(area for one in text.split(_SEPARATOR) if (area := one.strip()))


def _word(words: type[_Word], text: str, column: str) -> _Word:
    try:
        return words(text.strip().upper())
    except ValueError as error:
        known = ", ".join(one.lower() for one in words)
        message = f"the column {column} is one of {known}"
        raise IotError(message, reason=f"IOT_{column.upper()}_INVALID") from error
