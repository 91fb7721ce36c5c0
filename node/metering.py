"""Meter what members ask of this node: who may ask for what purpose, and how much.

Counters are durable and charged before any work is done, so a crash never gives work away. Look-ups
of a member with a large quota are paid for many at a time, because a durable write takes longer
than the answer: some hundred to begin with, then as many again as it asked for. A stop or a crash
costs the member what is left of them, and GetQuota shows them as used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from federation.authorisation import (
    QuotaState,
    Reason,
    Request,
    daily_limit,
    decide,
    epoch_limit,
)
from federation.charter import Charter
from federation.indicators import KindClass
from federation.names import MemberId
from node.errors import PolicyError
from node.store.private import PrivateStore
from node.telemetry import describe_error, get_log

SECONDS_A_DAY = 86_400

# What is paid ahead is this part of the day's limit, so that nobody misses what a crash costs.
AHEAD_SHARE = 10_000
# Look-ups: fewer ahead save no writes worth having.
AHEAD_LEAST = 10
# Who asks for more gets more, up to this part of the day's limit: twenty calls of a bulk job.
AHEAD_MOST_SHARE = 100
# Counters that are paid ahead: a few a member and day; with more of them all begin anew.
AHEAD_COUNTERS = 1_024

_UNMETERED = QuotaState(limit=1, used=0, granted=0)  # asks decide() for everything but the amount


@dataclass(frozen=True, slots=True)
class Excess:
    """A request that went over a limit."""

    member: MemberId
    kind_class: KindClass | None
    asked: int
    used: int
    limit: int


@dataclass(slots=True)
class _Ahead:
    """What is paid for and not used of one counter, and what was asked since it is kept here."""

    left: int = 0
    asked: int = 0
    paying: asyncio.Lock = field(default_factory=asyncio.Lock)


class Metering:
    """The quotas of every member at this node."""

    def __init__(
        self,
        charter: Callable[[], Charter],
        private: PrivateStore,
        granted: Callable[[MemberId, KindClass], int],
        clock: Callable[[], int],
        on_exceeded: Callable[[Excess], Awaitable[None]],
    ) -> None:
        self._charter = charter
        self._private = private
        self._granted = granted
        self._clock = clock
        self._on_exceeded = on_exceeded
        self._ahead: dict[str, _Ahead] = {}  # by counter

    async def charge(self, request: Request, epoch: int = 0) -> int:
        """Charge a request, or refuse it.

        Args:
            request: Who asks for what, with purpose and amount.
            epoch: Of the token key, for evaluations: a second counter runs over the whole epoch.

        Returns:
            What is left of the day's limit, or, of look-ups, of what is paid ahead.

        Raises:
            PolicyError: With the reason that ``decide`` gives.
        """
        charter, now = self._charter(), self._clock()
        asked = Request(request.member, request.method, request.purpose, request.kind_class, 0)
        decision = decide(charter, asked, _UNMETERED, now)
        if not decision.allowed:
            raise PolicyError(f"the charter's rules say {decision.reason}", reason=decision.reason)
        if (left := await self._use_grant(request)) is not None:
            return left
        # The day first: what it refuses must not use up the epoch as well.
        counter, limit = counter_of(request, now), daily_limit(charter, request)
        if (left := await self._use_paid(request, counter, limit)) is not None:
            return left
        left = await self._pay(request, counter, limit)
        if not epoch:
            return left
        counter = f"{_name(request)}/epoch-{epoch}"
        return min(left, await self._pay(request, counter, epoch_limit(charter, request)))

    async def _use_grant(self, request: Request) -> int | None:
        """Take the amount from what was granted once, if there is enough; a grant goes first."""
        if request.kind_class is None:
            return None
        granted = await asyncio.to_thread(self._granted, request.member, request.kind_class)
        if not granted:
            return None
        # One counter for ever: what was granted once is not there again in a new epoch.
        counter = f"{_name(request)}/granted"
        charge = await asyncio.to_thread(self._private.charge, counter, request.amount, granted)
        return charge.remaining if charge.granted else None

    async def _use_paid(self, request: Request, counter: str, limit: int) -> int | None:
        """Take look-ups from what is paid ahead, and pay ahead where that is used up."""
        if request.kind_class is not None or limit // AHEAD_SHARE < AHEAD_LEAST:
            return None
        ahead = self._ahead_of(counter)
        async with ahead.paying:  # so that of several calls one pays for all
            share = max(limit // AHEAD_SHARE, min(ahead.asked, limit // AHEAD_MOST_SHARE))
            ahead.asked += request.amount
            if ahead.left < request.amount:
                if share < request.amount:
                    return None
                charge = await asyncio.to_thread(self._private.charge, counter, share, limit)
                if not charge.granted:
                    return None
                ahead.left += share
            ahead.left -= request.amount
            return ahead.left

    def _ahead_of(self, counter: str) -> _Ahead:
        if counter not in self._ahead:
            if len(self._ahead) >= AHEAD_COUNTERS:
                self._ahead.clear()
            self._ahead[counter] = _Ahead()
        return self._ahead[counter]

    async def _pay(self, request: Request, counter: str, limit: int) -> int:
        charge = await asyncio.to_thread(self._private.charge, counter, request.amount, limit)
        if charge.granted:
            return charge.remaining
        excess = Excess(request.member, request.kind_class, request.amount, charge.used, limit)
        await self._tell(excess)
        of_class = f" for class {request.kind_class.name}" if request.kind_class else ""
        raise PolicyError(
            f"the quota{of_class} is used up: {charge.remaining} of {limit} left,"
            f" {request.amount} asked",
            reason=Reason.QUOTA_EXCEEDED,
            hint="the day's quota starts again at 00:00 UTC; key holders can grant more once",
        )

    async def _tell(self, excess: Excess) -> None:
        """Raise the alarm; where that fails, the refusal stands all the same."""
        try:
            await self._on_exceeded(excess)
        except Exception as error:
            get_log().error("alarm.failed", member=excess.member, **describe_error(error))


def counter_of(request: Request, now: int) -> str:
    """Return the name of the day's counter that a request counts against."""
    purpose = request.purpose.name if request.purpose else "NONE"
    return f"{_name(request)}/{purpose}/day-{now // SECONDS_A_DAY}"


def _name(request: Request) -> str:
    of_class = request.kind_class.name if request.kind_class else "ALL"
    return f"{request.method}/{request.member}/{of_class}"
