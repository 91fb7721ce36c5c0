"""Carry out orders about own subjects, and take back what was lifted: each exactly once.

A node looks at every order that addresses its member. What is protected it refuses; what is not
its own it says so; what is its own waits in the queue for the operator's systems, or is recorded at
once where the setting ``dispose`` says that they follow by themselves. Every receipt is tried on
the matter under the speaker's lock, so that nothing is said twice, also after the node was away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.authorisation import STATEMENTS
from federation.errors import FederationError
from federation.matters import IN_FORCE, Answer, AnyMatter, Kind, State, advance
from federation.matters.disposition import DispositionMatter
from federation.matters.restrictions import (
    HandOver,
    Lift,
    Lifts,
    covering,
    find_lifts,
    state_of,
)
from federation.measures import SHARED_BY_ALL, can_act, holds_money
from federation.names import MemberId
from federation.roles import Role
from federation.statements import Body, DispositionReceipt, Statement
from federation.vocabulary import (
    AmountBand,
    DispositionOutcome,
    Exemption,
    LegalBasis,
    Purpose,
    ReceiptStep,
)
from node.duties.guard import Guard
from node.errors import NodeError, RequestError
from node.matters.book import MatterBook
from node.speaker import Speaker
from node.store.private import PrivateStore
from node.store.protocol import Row
from node.telemetry import get_log

LIFT_SECONDS: Final = 1.0
"""Seconds after a lift before its restoration is said: times of statements are whole seconds."""
LOOK_SECONDS: Final = 5.0
"""Seconds after which orders are looked at again: terms end, and watchlists grow."""

_OVERSEERS: Final = frozenset({Role.COORDINATOR, Role.REGULATOR})
_OVER: Final = (State.LIFTED, State.EXPIRED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands, with the lifts of all matters, and what this member owes.

    Attributes:
        lift: Under which it falls; None: it is not lifted.
        owed: EXECUTE, NOTIFY, RESTORE, AUTHORISE, DECIDE, or nothing.
    """

    matter: DispositionMatter
    state: State
    lift: Lift | None
    owed: str

    @property
    def in_force(self) -> bool:
        """Whether the measure holds."""
        return self.state in IN_FORCE


class Dispositions:
    """The orders in the logs, and this member's part in them."""

    def __init__(
        self,
        me: MemberId,
        book: MatterBook,
        speaker: Speaker,
        private: PrivateStore,
        guard: Guard,
        clock: Callable[[], int],
        *,
        automatic: bool,
        cutoffs: Callable[[Sequence[bytes]], Sequence[Row]],
    ) -> None:
        """Act for one member.

        Args:
            me: Who it is.
            book: All matters.
            speaker: Appends to the own log.
            private: Watchlist and own values.
            guard: Knows what is protected.
            clock: Seconds since 1970.
            automatic: Whether the member's systems do by themselves what the log orders.
            cutoffs: Rows of who says that numbers have new owners; blocking.
        """
        self.me = me
        self.book = book
        self.guard = guard
        self._speaker = speaker
        self._private = private
        self._clock = clock
        self._automatic = automatic
        self._cutoffs = cutoffs
        self._changed = asyncio.Event()

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    def roles(self) -> frozenset[Role]:
        """Return what this member is now."""
        return self.book.roles(self.me, self._clock())

    def wake(self) -> None:
        """Look at the orders soon: something was said."""
        self._changed.set()

    async def run(self) -> None:
        """Answer orders for ever."""
        while True:
            seen = self.book.version()
            await self.answer_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wait_for_change(seen)

    async def _wait_for_change(self, seen: tuple[int, int]) -> None:
        """Wait until something was said in a matter: logs grow of much else."""
        while self.book.version() == seen:
            self._changed.clear()
            await self._changed.wait()

    def standings(self) -> list[Standing]:
        """Return every order, newest first; blocking."""
        matters = [one.matter for one in self.book.all()]
        now = self._clock()
        lifts = find_lifts(matters, now, self._hand_overs(matters, now))
        return [self._stand(one, lifts, now) for one in matters if one.kind is Kind.DISPOSITION]

    def standing(self, matter_id: bytes) -> Standing:
        """Return the order whose id begins so; blocking.

        Raises:
            RequestError: MATTER_ID_INVALID, MATTER_UNKNOWN or MATTER_AMBIGUOUS.
        """
        found = self.book.find(matter_id, Kind.DISPOSITION).matter
        now = self._clock()
        matters = [one.matter for one in self.book.all()]
        lifts = find_lifts(matters, now, self._hand_overs([found], now))
        return self._stand(found, lifts, now)

    def _hand_overs(self, matters: Sequence[AnyMatter], now: int) -> list[HandOver]:
        """Return who says, and may, that subjects of orders have new owners by now."""
        orders = [one for one in matters if one.kind is Kind.DISPOSITION and not one.is_over]
        rows = self._cutoffs(list({one.subject for one in orders}))
        found = []
        for token, member, _statement, _kind, effective, expires in rows:
            is_said = effective <= now and not 0 < expires <= now
            if is_said and self.book.roles(member, now) & STATEMENTS["reassigned"]:
                found.append(HandOver(token, MemberId(member), effective))
        return found

    def is_own(self, matter: DispositionMatter) -> bool:
        """Say whether an order's subject is this member's: a customer, or what it has met itself.

        A number or an account is somebody's customer, and only the watchlist says whose; a domain
        or an app is nobody's.
        """
        order = matter.facts.order
        if self._private.watched([order.token]):
            return True
        return order.kind in SHARED_BY_ALL and bool(self._private.values([order.token]))

    async def answer_all(self) -> None:
        """Say what can be said without a person: what follows from the log and the lists."""
        await self.guard.refresh()
        for standing, body in await asyncio.to_thread(self._answers):
            if body.step is ReceiptStep.RESTORED and not await self._is_after_lift(standing):
                continue
            try:
                await self.say(standing.matter, body)
            except (FederationError, NodeError) as error:
                get_log().warning("disposition.not_said", reason=error.reason)

    async def _is_after_lift(self, standing: Standing) -> bool:
        """Let the second of a lift pass: what is said in it may be read before the lift itself."""
        if standing.lift is not None and standing.lift.time >= self._clock():
            await asyncio.sleep(LIFT_SECONDS)
        return standing.lift is None or standing.lift.time < self._clock()

    async def record(
        self,
        standing: Standing,
        step: ReceiptStep,
        exemption: Exemption | None = None,
        amount_band: AmountBand | None = None,
    ) -> None:
        """Say what this member's own systems or people did about an order.

        Raises:
            MatterError: The matter does not allow it now; nothing was said.
            RequestError: PROTECTED_OBJECT, SHARED_INFRASTRUCTURE, SPOOFED_NUMBER or LIFTED: it must
                not be done;
                AMOUNT_MISSING, or AMOUNT_UNEXPECTED, whether a band belongs to it or not.
        """
        _check_amount(standing, step, amount_band)
        if step is ReceiptStep.EXECUTED:
            await asyncio.to_thread(self._require_executable, standing)
        outcome = _outcome(standing) if step is ReceiptStep.RESTORED else None
        body = _receipt(standing.matter, step, exemption, outcome, amount_band)
        await self.say(standing.matter, body)

    async def say(self, matter: AnyMatter | None, body: Body) -> Statement:
        """Say something in a matter, after trying it on how the matter stands by then.

        Raises:
            MatterError: The matter does not allow it; nothing was said.
            PolicyError: ROLE_NOT_ALLOWED.
        """
        statement = self._speaker.statement(
            body, Purpose.PROTECTION, legal_basis=LegalBasis.ATNFL_32
        )
        async with self._speaker.lock:
            current = await asyncio.to_thread(self._current, matter)
            advance(current, self.me, self.roles(), statement)
            await self._speaker.say([statement])
        return statement

    def _current(self, matter: AnyMatter | None) -> AnyMatter | None:
        if matter is None:
            return None
        booked = self.book.get(matter.kind, matter.id, matter.opener)
        return matter if booked is None else booked.matter

    def _require_executable(self, standing: Standing) -> None:
        order = standing.matter.facts.order
        refused = self.guard.refusal(order.token, order.measure)
        if refused is None and standing.state in _OVER:
            refused = _over(standing)
        if refused is not None:
            raise RequestError("this must not be carried out", reason=refused.name)

    def _stand(self, matter: DispositionMatter, lifts: Lifts, now: int) -> Standing:
        state, lift = state_of(matter, lifts, now), covering(matter, lifts)
        return Standing(matter, state, lift, self._owed(matter, state))

    def _owed(self, matter: DispositionMatter, state: State) -> str:
        facts = matter.facts
        answer = facts.answers.get(self.me)
        if answer is not None and answer.is_restricting and state in _OVER:
            return "RESTORE"
        if state is State.APPEALED and self.me == matter.opener:
            return "DECIDE"
        if state is State.PROPOSED:
            return "AUTHORISE" if self.roles() & _OVERSEERS else ""
        if self._waits(matter, state, answer):
            return "EXECUTE" if self.is_own(matter) else ""
        return "NOTIFY" if state in IN_FORCE and self.me in facts.unnotified else ""

    def _waits(self, matter: DispositionMatter, state: State, answer: Answer | None) -> bool:
        order = matter.facts.order
        addressed = self.me in order.members and can_act(self.roles(), order.measure)
        return answer is None and addressed and state in IN_FORCE

    def _answers(self) -> list[tuple[Standing, DispositionReceipt]]:
        found = []
        for standing in self.standings():
            body = self._answer(standing)
            if body is not None:
                found.append((standing, body))
        return found

    def _answer(self, standing: Standing) -> DispositionReceipt | None:
        matter, order = standing.matter, standing.matter.facts.order
        if standing.owed == "RESTORE":
            return self._restore(standing) if self._automatic else None
        if self.me not in order.members or self.me in matter.facts.answers:
            return None
        if matter.state not in (*IN_FORCE, State.LIFTED) or not can_act(
            self.roles(), order.measure
        ):
            return None
        if standing.state in _OVER:
            return _receipt(matter, ReceiptStep.EXEMPT, _over(standing))
        refused = self.guard.refusal(order.token, order.measure)
        if refused is not None:
            return _receipt(matter, ReceiptStep.EXEMPT, refused)
        if standing.owed != "EXECUTE":
            return _receipt(matter, ReceiptStep.NOT_MINE)
        # How much money is held on an order of the police, a person has to say.
        by_itself = self._automatic and self.guard.is_complete and not holds_money(order.measure)
        return _receipt(matter, ReceiptStep.EXECUTED) if by_itself else None

    def _restore(self, standing: Standing) -> DispositionReceipt:
        return _receipt(standing.matter, ReceiptStep.RESTORED, outcome=_outcome(standing))


def _receipt(
    matter: DispositionMatter,
    step: ReceiptStep,
    exemption: Exemption | None = None,
    outcome: DispositionOutcome | None = None,
    amount_band: AmountBand | None = None,
) -> DispositionReceipt:
    return DispositionReceipt(matter.id, matter.opener, step, exemption, outcome, amount_band)


def _check_amount(standing: Standing, step: ReceiptStep, band: AmountBand | None) -> None:
    """Refuse a receipt about money without its amount, and any other with one."""
    measure = standing.matter.facts.order.measure
    is_expected = step is ReceiptStep.EXECUTED and holds_money(measure)
    if is_expected and band is None:
        raise RequestError(
            "say how much money the measure holds, as a band",
            reason="AMOUNT_MISSING",
            hint="tocsin dispose execute ID --amount-band below_10000",
        )
    if band is not None and not is_expected:
        raise RequestError("this receipt is not about money", reason="AMOUNT_UNEXPECTED")


def _outcome(standing: Standing) -> DispositionOutcome:
    return DispositionOutcome.LIFTED_TERM if standing.lift is None else standing.lift.outcome


def _over(standing: Standing) -> Exemption:
    return Exemption.TERM_OVER if standing.lift is None else Exemption.LIFTED
