"""Count what the logs tell about one member's work, as figures for the evaluation sheet.

Only what a member did itself counts as its figure, so that a sum over all of them counts nothing
twice: orders that it carried out, appeals that it took in, reports that it worked on, warnings that
it sent. Figures that no log holds (``BY_HAND``) come from the member's own systems.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from federation.matters import AnyMatter, Kind, State
from federation.matters.disposition_facts import DispositionFacts
from federation.matters.report import ReportFacts
from federation.matters.warning import Track, WarningFacts
from federation.names import MemberId
from federation.roles import Role
from federation.sheet import Figure, duration_figure
from federation.vocabulary import DispositionOutcome, ReverifyResult, WarningOutcome

BY_HAND: Final = ("C-6", "I-2-ACCEPT", "I-2-VERIFY", "B-2", "E-6")
"""Indicators of which no log holds anything: sightings, steps within a member, amounts."""
DENOMINATORS_BY_HAND: Final = ("C-1", "I-1", "B-1")
"""Indicators of which the node counts customers in a case, and the member tells how many it has."""

_WRONGLY: Final = frozenset({DispositionOutcome.LIFTED_APPEAL, DispositionOutcome.LIFTED_REFUTED})
_SECTOR: Final = {"C": Role.CARRIER, "I": Role.INTERNET, "B": Role.BANK}


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since 1970 from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    def holds(self, time: int) -> bool:
        """Say whether something happened then; 0 is never."""
        return self.start <= time < self.end


@dataclass(frozen=True, slots=True)
class OwnNomination:
    """A token that this member has nominated.

    Attributes:
        issued: When it did so first.
        is_first: Whether nobody nominated it before; looked at for confirmed ones alone.
        hit_time: When this node noticed that others speak about its customer; 0: not so.
    """

    token: bytes
    issued: int
    is_first: bool
    hit_time: int = 0


def fits_role(code: str, roles: frozenset[Role]) -> bool:
    """Say whether an indicator is about members in these roles."""
    sector = _SECTOR.get(code.partition("-")[0])
    return sector is None or sector in roles


def matter_figures(me: MemberId, matters: Iterable[AnyMatter], period: Period) -> dict[str, Figure]:
    """Return what the matters in the logs tell about a member's work in a period."""
    found = list(matters)
    orders = [one.facts for one in found if isinstance(one.facts, DispositionFacts)]
    reports = [one for one in found if one.kind == Kind.REPORT and one.facts.handler == me]
    warnings = [one.facts for one in found if isinstance(one.facts, WarningFacts)]
    return {
        **_order_figures(me, orders, period),
        **_report_figures(reports, period),
        **_warning_figures([one.track(me) for one in warnings], period),
    }


def nomination_figures(
    own: Iterable[OwnNomination], confirmed: frozenset[bytes], period: Period
) -> dict[str, Figure]:
    """Return how a member's nominations of a period ended.

    Args:
        own: Of the member.
        confirmed: Tokens that a verification confirmed or the police designated.
        period: In which they were said first.
    """
    listed = [one for one in own if period.holds(one.issued)]
    upheld = [one for one in listed if one.token in confirmed]
    leads = (one.issued - one.hit_time for one in listed if 0 < one.hit_time <= one.issued)
    return {
        "E-4": (len(upheld), len(listed)),
        "E-4-FIRST": (sum(one.is_first for one in upheld), len(upheld)),
        "E-5": duration_figure(leads),
    }


def confirmed_tokens(matters: Iterable[AnyMatter]) -> frozenset[bytes]:
    """Return the tokens that verification rounds have confirmed."""
    return frozenset(
        one.subject
        for one in matters
        if one.kind == Kind.VERIFICATION and one.state is State.CONFIRMED
    )


def _order_figures(
    me: MemberId, orders: Iterable[DispositionFacts], period: Period
) -> dict[str, Figure]:
    done = [
        (one, answer)
        for one in orders
        if (answer := one.answers.get(me)) is not None and period.holds(answer.executed_time)
    ]
    lifted = sum(bool(one.lifted_time) and one.lift in _WRONGLY for one, _ in done)
    genuine = sum(answer.reverified is ReverifyResult.PASS for _, answer in done)
    began = ((one.authorised_time or one.order_time, answer.executed_time) for one, answer in done)
    return {
        "E-1": (lifted, len(done)),
        "E-2": duration_figure(_lift_times(me, orders, period)),
        "C-2": duration_figure(end - start for start, end in began),
        "B-3": (genuine, len(done)),
    }


def _lift_times(me: MemberId, orders: Iterable[DispositionFacts], period: Period) -> Iterator[int]:
    """Yield the seconds from an appeal that this member took in to the lift."""
    for one in orders:
        appeals = [time for member, time in one.appeals if member == me]
        if appeals and period.holds(one.lifted_time) and one.lifted_time >= min(appeals):
            yield one.lifted_time - min(appeals)


def _report_figures(reports: Iterable[AnyMatter], period: Period) -> dict[str, Figure]:
    received: list[tuple[int, ReportFacts]] = [
        (one.opened, one.facts) for one in reports if period.holds(one.opened)
    ]
    told = [facts.fed_back_time - opened for opened, facts in received if facts.fed_back_time]
    return {"E-3": (len(told), len(received)), "I-2-FEEDBACK": duration_figure(told)}


def _warning_figures(warnings: Iterable[Track], period: Period) -> dict[str, Figure]:
    sent = [one for one in warnings if one.sent and period.holds(one.sent[0][1])]
    known = [one for one in sent if one.outcome is not None]
    dissuaded = sum(one.outcome is WarningOutcome.DISSUADED for one in known)
    return {
        "C-7": (sum(bool(one.acknowledged) for one in sent), len(sent)),
        "C-7-DISSUADED": (dissuaded, len(known)),
    }


def only_of_role(figures: Mapping[str, Figure], roles: frozenset[Role]) -> dict[str, Figure]:
    """Return the figures of indicators that are about members in these roles."""
    return {code: figure for code, figure in figures.items() if fits_role(code, roles)}
