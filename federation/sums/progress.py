"""Tell what a sum waits for, and when it has come to nothing, by what stands in the logs.

Everybody who has read the same statements comes to the same answer at the same time of day.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from federation.names import MemberId
from federation.statements.sums import SumClose
from federation.sums.closing import remember_close
from federation.sums.error import SumFaultError, SumRefusedError
from federation.sums.history import PastSum, check_repeat
from federation.sums.judgement import Finding, Standing, judge
from federation.sums.opening import split_digests
from federation.sums.state import SumState
from federation.sums.total import Total, read_total

# Seconds after the deadline in which what was said before it still arrives: logs spread within
# one, and a poll for missed hints comes every ten.
SPREAD_SECONDS: Final = 10
# Seconds after the deadline in which a sum can be closed: a day, so that an opener that was down
# over night goes on in the morning.
CLOSE_SECONDS: Final = 86_400


class Phase(enum.StrEnum):
    """Say how far a sum is."""

    OPEN = "OPEN"
    CHECKING = "CHECKING"
    CLOSED = "CLOSED"
    DONE = "DONE"
    ABANDONED = "ABANDONED"
    FAULTY = "FAULTY"


@dataclass(frozen=True, slots=True)
class Progress:
    """How a sum stands at a time.

    Attributes:
        reason: Why it came to nothing: SUM_TOO_FEW, HOLDERS_SILENT, OPENER_SILENT, SUM_REPEATED,
            or that of the fault; else empty.
        findings: How the shares of everybody who posted some stand.
        total: Of a sum that is done.
        blamed: Members at fault, where that can be told.
    """

    phase: Phase
    findings: Mapping[MemberId, Finding]
    reason: str = ""
    total: Total | None = None
    blamed: tuple[MemberId, ...] = ()


def is_gathered(state: SumState, now: int) -> bool:
    """Say whether no more shares are waited for: all are there, or the time is over."""
    posted = state.shares.keys() | state.excluded.keys()
    deadline = state.sum.opening.deadline_time
    return posted >= set(state.sum.opening.contributors) or now >= deadline + SPREAD_SECONDS


def has_checked(state: SumState, holder: MemberId) -> bool:
    """Say whether a holder has looked at all shares that are not left out."""
    seen = {
        pair
        for check in state.checks.get(holder, ())
        for pair in (
            *zip(check.contributors, split_digests(check.shares_digests), strict=True),
            *zip(check.refused, split_digests(check.refused_digests), strict=True),
        )
    }
    waiting = {(name, digest) for name, (digest, _) in state.waiting_shares().items()}
    return waiting <= seen


def can_close(state: SumState, now: int) -> bool:
    """Say whether the opener may close: enough shares are accepted, and none is undecided."""
    opening = state.sum.opening
    if state.closes or not is_gathered(state, now) or now > opening.deadline_time + CLOSE_SECONDS:
        return False
    standings = [found.standing for found in judge(state).values()]
    enough = standings.count(Standing.ACCEPTED) >= opening.least_contributors
    return enough and Standing.WAITING not in standings


def check_not_repeated(state: SumState, close: SumClose, past: Iterable[PastSum], now: int) -> None:
    """Refuse, as the opener, a close that no honest holder would answer.

    Args:
        state: The sum.
        close: What would be said.
        past: The closes of other sums, of whatever opener, as the logs show them.
        now: Seconds since 1970.

    Raises:
        SumRefusedError: SUM_REPEATED.
    """
    check_repeat(remember_close(state.sum, close, now), past)


def follow(state: SumState, signing_keys: Mapping[MemberId, bytes], now: int) -> Progress:
    """Tell how a sum stands.

    Args:
        state: All that was said.
        signing_keys: Public keys of the members, from the charter.
        now: Seconds since 1970.
    """
    findings = judge(state)
    if state.closes:
        return _follow_closed(state, findings, signing_keys)
    opening = state.sum.opening
    if not is_gathered(state, now):
        return Progress(Phase.OPEN, findings)
    standings = [found.standing for found in findings.values()]
    possible = len(standings) - standings.count(Standing.EXCLUDED)
    if possible < opening.least_contributors:
        return Progress(Phase.ABANDONED, findings, "SUM_TOO_FEW")
    if now > opening.deadline_time + CLOSE_SECONDS:
        silent = "HOLDERS_SILENT" if Standing.WAITING in standings else "OPENER_SILENT"
        return Progress(Phase.ABANDONED, findings, silent)
    return Progress(Phase.CHECKING, findings)


def _follow_closed(
    state: SumState, findings: Mapping[MemberId, Finding], keys: Mapping[MemberId, bytes]
) -> Progress:
    try:
        total = read_total(state, keys)
    except SumRefusedError:
        return Progress(Phase.CLOSED, findings)
    except SumFaultError as error:
        return Progress(Phase.FAULTY, findings, error.reason, blamed=error.members)
    return Progress(Phase.DONE, findings, total=total, blamed=total.liars)
