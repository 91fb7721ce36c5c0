"""Hand citizens' disputes on to who has the accounts, and decide those about own accounts.

A desk cannot read what it hands on. The holder reads it, sees whether the citizen of the request
signed it, and which own accounts are meant; it ends with a word that the citizen alone can read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from federation.charter import Charter
from federation.matters import Kind, advance
from federation.matters.one_id import OneIdMatter
from federation.matters.one_id_dispute import DisputeMatter
from federation.names import MemberId, NameFormatError
from federation.one_id import (
    Feedback,
    SignedDispute,
    UnreadableError,
    dispute_context,
    feedback_context,
    open_dispute,
    seal,
)
from federation.roles import INDUSTRY
from federation.statements import (
    Body,
    OneIdDecision,
    OneIdDispute,
    Statement,
    StatementError,
)
from federation.vocabulary import LegalBasis, OneIdMove, OneIdReason, Purpose
from keys.sealing import SealingKey
from node.duties.holdings import Holding, Holdings
from node.errors import PolicyError, RequestError
from node.matters.book import MatterBook, Wanted
from node.speaker import Speaker


@dataclass(frozen=True, slots=True)
class DisputeView:
    """A dispute as this member sees it; what is in it only where it is the holder.

    Attributes:
        signed: None where it does not open here.
        request: Whose answer named the accounts; None where no citizen of it signed.
        accounts: Own ones that are meant.
        unknown: How many others are meant.
    """

    matter: DisputeMatter
    signed: SignedDispute | None = None
    request: OneIdMatter | None = None
    accounts: tuple[Holding, ...] = ()
    unknown: int = 0


class Disputes:
    """The disputes of the federation, as one member hands on and decides them."""

    def __init__(
        self,
        me: MemberId,
        book: MatterBook,
        holdings: Holdings,
        speaker: Speaker,
        charter: Callable[[], Charter],
        sealing: SealingKey,
        clock: Callable[[], int],
    ) -> None:
        self._me = me
        self._book = book
        self._holdings = holdings
        self._speaker = speaker
        self._charter = charter
        self._sealing = sealing
        self._clock = clock

    async def hand_on(self, holder: str, sealed: bytes) -> DisputeView:
        """Hand a citizen's dispute on; this node cannot read another member's.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED or HOLDER_UNKNOWN.
            RequestError: LENGTH_INVALID, it is not of the one size.
        """
        self._speaker.require_may_say(OneIdDispute)
        to = self._holder(holder)
        try:
            body = OneIdDispute(to, sealed)
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        matter = await self._say(None, body)
        return await asyncio.to_thread(self.view, matter)

    async def decide(
        self, prefix: bytes, step: OneIdMove, reason: OneIdReason, text: str
    ) -> DisputeView:
        """Take a dispute up, or end it.

        Raises:
            RequestError: As ``MatterBook.find``; FEEDBACK_MISSING, the citizen is told nothing;
                REASON_UNFIT.
            PolicyError: NOT_AUTHENTIC, no citizen signed it, so that it can only be rejected so.
            MatterError: It is another member's, or its state does not allow it.
        """
        matter = await asyncio.to_thread(self.find, prefix)
        view = await asyncio.to_thread(self.view, matter)
        body = await asyncio.to_thread(self._decision, view, step, reason, text)
        after = await self._say(matter, body)
        return await asyncio.to_thread(self.view, after)

    def all(self, *, own_only: bool, with_closed: bool) -> list[DisputeView]:
        """Return the disputes, the next due first; blocking."""
        wanted = Wanted(kind=Kind.ONE_ID_DISPUTE, over=None if with_closed else False)
        found = [one.matter for one in self._book.queue(wanted, self._clock())]
        return [
            self.view(one) for one in found if not own_only or one.facts.dispute.holder == self._me
        ]

    def find(self, prefix: bytes) -> DisputeMatter:
        """Return the dispute whose id begins so; blocking.

        Raises:
            RequestError: As ``MatterBook.find``.
        """
        return self._book.find(prefix, Kind.ONE_ID_DISPUTE).matter

    def view(self, matter: DisputeMatter) -> DisputeView:
        """Open a dispute where this member is the holder; blocking."""
        dispute = matter.facts.dispute
        if dispute.holder != self._me:
            return DisputeView(matter)
        federation = self._charter().federation
        context = dispute_context(federation, self._me)
        try:
            signed = open_dispute(self._sealing, dispute.sealed_dispute, context)
        except UnreadableError:
            return DisputeView(matter)
        wanted = signed.wanted
        booked = self._book.get(Kind.ONE_ID, wanted.request_id, wanted.opener)
        request: OneIdMatter | None = booked.matter if booked else None
        if request is None or not signed.is_by_citizen_of(
            request.facts.request, federation, self._me
        ):
            return DisputeView(matter, signed)
        named = {
            self._holdings.reference(one, request.id, request.opener): one
            for one in self._holdings.of(request.subject)
        }
        accounts = tuple(named[one] for one in wanted.references if one in named)
        unknown = len(wanted.references) - len(accounts)
        return DisputeView(matter, signed, request, accounts, unknown)

    def _decision(
        self, view: DisputeView, step: OneIdMove, reason: OneIdReason, text: str
    ) -> OneIdDecision:
        matter = view.matter
        if view.matter.facts.dispute.holder == self._me and view.request is None:
            if step is not OneIdMove.REJECTED or reason is not OneIdReason.NOT_AUTHENTIC:
                raise PolicyError(
                    "no citizen of a request signed this",
                    reason="NOT_AUTHENTIC",
                    hint="reject it with the reason not_authentic",
                )
            return OneIdDecision(matter.id, matter.opener, step, reason)
        if (step is OneIdMove.REJECTED) != bool(reason) or reason is OneIdReason.NOT_AUTHENTIC:
            # That a citizen signed it can be seen: nobody is turned away with that reason.
            raise RequestError("this reason does not fit", reason="REASON_UNFIT")
        sealed = b"" if step is OneIdMove.ACCEPTED else self._feedback(view, step, reason, text)
        return OneIdDecision(matter.id, matter.opener, step, reason, sealed)

    def _feedback(
        self, view: DisputeView, step: OneIdMove, reason: OneIdReason, text: str
    ) -> bytes:
        if not text:
            raise RequestError(
                "say to the citizen what was done", reason="FEEDBACK_MISSING", hint="--text"
            )
        if view.request is None:  # another member's: the table refuses it in a moment
            raise PolicyError("another member decides this", reason="NOT_A_PARTY")
        matter, federation = view.matter, self._charter().federation
        context = feedback_context(federation, self._me, matter.opener, matter.id)
        public = view.request.facts.request.receiving_key
        return seal(public, Feedback(step, reason, text), context)

    async def _say(self, matter: DisputeMatter | None, body: Body) -> DisputeMatter:
        statement = self._speaker.statement(body, Purpose.ONE_ID, legal_basis=LegalBasis.CONSENT)
        async with self._speaker.lock:
            after = await asyncio.to_thread(self._try, matter, statement)
            await self._speaker.say([statement])
        return after

    def _try(self, matter: DisputeMatter | None, statement: Statement) -> DisputeMatter:
        if matter is not None:  # as it stands now, under the lock
            matter = self.find(matter.handle)
        roles = self._book.roles(self._me, self._clock())
        return advance(matter, self._me, roles, statement)

    def _holder(self, name: str) -> MemberId:
        try:
            member = MemberId(name)
        except NameFormatError:
            member = None
        if member is None or not self._book.roles(member, self._clock()) & INDUSTRY:
            raise PolicyError("no member with customers has this name", reason="HOLDER_UNKNOWN")
        return member
