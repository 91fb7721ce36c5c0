"""Judge the calls of a payer before a payment, and join what several carriers say.

A carrier answers one of four values. Another carrier's customer and an own one without a risky
call get the same answer, so that no answer tells whose customer somebody is: NONE. UNKNOWN says
that the carrier sees no calls at all now, whoever is asked about.

Source: DOMAIN R38.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from federation.vocabulary import Band, CallContext

RECENT_SECONDS: Final = 7_200
"""Seconds for which a call that ended still counts: people are sent to the bank straight away."""
LONG_CALL_SECONDS: Final = 600
"""Seconds after which a first call from a stranger is risky: ten minutes are no wrong number."""
FRESH_SECONDS: Final = 60
"""Seconds for which an answer may be used: one payment's decision."""
LEAST_FRESH_SECONDS: Final = 10
"""Seconds for which any answer may be used: so long takes the decision that was asked for."""
SILENT_FEED_SECONDS: Final = 900
"""Seconds without a word from the network after which a carrier says that it sees no calls."""
RISKY_BAND: Final = Band.MEDIUM
"""Band of the other number from which a call of any length is risky."""


class Advice(enum.StrEnum):
    """Say what an answer means for the payment; the bank decides."""

    ALLOW = "ALLOW"
    ASK = "ASK"
    DELAY = "DELAY"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a customer; times are seconds since 1970.

    Attributes:
        ended: None while it goes on.
        band: Of the other number, as the federation sees it now.
        first_contact: The two had never spoken before.
    """

    began: int
    ended: int | None
    band: Band
    first_contact: bool

    def is_risky(self, now: int) -> bool:
        """Whether it is the kind of call in which people are talked into paying."""
        if self.band >= RISKY_BAND:
            return True
        until = now if self.ended is None else min(self.ended, now)
        return self.first_contact and until - self.began >= LONG_CALL_SECONDS


def judge_calls(calls: Iterable[Call], now: int) -> CallContext:
    """Return the answer about a customer of a carrier that sees calls; never UNKNOWN."""
    found = CallContext.NONE
    for call in calls:
        if call.began > now or not call.is_risky(now):
            continue
        if call.ended is None or call.ended > now:
            return CallContext.ACTIVE_RISKY
        if now - call.ended < RECENT_SECONDS:
            found = CallContext.RECENT_RISKY
    return found


def combine(answers: Iterable[CallContext]) -> CallContext:
    """Join the answers of all carriers asked; one that could not be reached counts as UNKNOWN.

    The gravest risk counts. Without one, NONE needs every carrier to see calls: the customer may
    be that of the one that does not.
    """
    said = set(answers)
    if not said:
        return CallContext.UNKNOWN
    order = (CallContext.ACTIVE_RISKY, CallContext.RECENT_RISKY, CallContext.UNKNOWN)
    return next((one for one in order if one in said), CallContext.NONE)


def usable_until(said: Iterable[int], now: int) -> int:
    """Return until when joined answers may be used, whatever time each carrier gave.

    A carrier's clock may differ and its word be false, so the asking member's own clock decides: a
    carrier can shorten the time within its bounds, and neither stretch it nor spoil all answers.

    Args:
        said: Seconds since 1970, one of each answer.
        now: When they came, seconds since 1970.
    """
    latest = now + FRESH_SECONDS
    return max(min((latest, *said)), now + LEAST_FRESH_SECONDS)


_ADVICE: Final = {
    CallContext.ACTIVE_RISKY: Advice.DELAY,
    CallContext.RECENT_RISKY: Advice.ASK,
    CallContext.NONE: Advice.ALLOW,
    CallContext.UNKNOWN: Advice.UNDECIDED,
}


def advise(context: CallContext) -> Advice:
    """Return what an answer means for the payment."""
    return _ADVICE[context]
