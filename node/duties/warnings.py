"""Warn own customers: find the warnings about them, make the messages, say what became of them.

A carrier's node looks at every warning in the logs; only where the token is on its own watchlist
does it open the sealed part, make the text and put messages into its outbox. The carrier's gateway
reads the outbox and reports what it sent; then, and not before, the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from federation.errors import FederationError
from federation.matters import AnyMatter, Kind, State, advance
from federation.matters.warning import (
    Track,
    WarningFacts,
    WarningMatter,
    first_channel,
    next_channel,
)
from federation.names import MemberId
from federation.roles import Role
from federation.statements import Statement, WarningStep, WarningTask
from federation.vocabulary import Purpose, WarningAction, WarningChannel, WarningOutcome
from federation.warning_text import (
    TextParameters,
    compose,
    compose_for_guardian,
    decode_parameters,
    encode_parameters,
)
from keys.errors import KeysError
from keys.sealing import open_from_indicator, seal_to_indicator
from node.duties.warning_table import CUSTOMER, GUARDIAN, Message, WarningTable
from node.errors import RequestError
from node.matters.book import MatterBook
from node.speaker import Speaker
from node.telemetry import get_log

TERM_SECONDS: Final = 3 * 86_400
"""Seconds that a warning counts: a fraud that goes on longer is warned of again."""
LOOK_SECONDS: Final = 10
"""Seconds after which warnings are looked at again: a customer may have come to the watchlist."""
_PARAMETERS_LABEL: Final = b"warning-parameters/v1\0"

_Wanted = dict[tuple[bytes, MemberId], frozenset[WarningChannel | None]]
"""Channels whose messages are kept, by warning and who raised it."""

_NOT_OVER: Final = (State.RAISED, State.SENT, State.ESCALATED, State.ACKNOWLEDGED)


class Warnings:
    """The warnings that a member raises, and those that concern its own customers."""

    def __init__(
        self,
        me: MemberId,
        book: MatterBook,
        table: WarningTable,
        speaker: Speaker,
        clock: Callable[[], int],
    ) -> None:
        self.me = me
        self.book = book
        self.table = table
        self._speaker = speaker
        self._clock = clock

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    def require_may_raise(self) -> None:
        """Refuse before any work what the charter does not let this member say.

        Raises:
            PolicyError: ROLE_NOT_ALLOWED.
        """
        self._speaker.require_may_say(WarningTask)

    @property
    def is_carrier(self) -> bool:
        """Whether this member has customers with telephone numbers."""
        return Role.CARRIER in self.book.roles(self.me, self._clock())

    async def raise_warning(self, statement: Statement) -> tuple[bytes, bool]:
        """Raise a warning, unless an own one about the same number is open.

        Args:
            statement: As ``draft`` made it.

        Returns:
            Its id, or that of the open one, and whether it was raised now.
        """
        body = statement.body
        assert isinstance(body, WarningTask)  # noqa: S101  # as ``draft`` made it
        async with self._speaker.lock:
            known = await asyncio.to_thread(self._open_own, body.token)
            if known is not None:
                return known, False
            roles = self.book.roles(self.me, self._clock())
            advance(None, self.me, roles, statement)
            await self._speaker.say([statement])
        return statement.id, True

    def draft(self, body: WarningTask, warning_id: bytes) -> Statement:
        """Wrap a warning under the id that its parameters were sealed for."""
        return self._speaker.statement(
            body,
            Purpose.WARNING,
            statement_id=warning_id,
            expires_time=self._clock() + TERM_SECONDS,
        )

    async def acknowledge(self, matter: AnyMatter) -> None:
        """Say that the person answered.

        Raises:
            MatterError: The matter does not allow it now; nothing was said.
        """
        await self._say(matter, WarningStep(matter.id, matter.opener, WarningAction.ACKNOWLEDGED))

    async def conclude(self, matter: AnyMatter, outcome: WarningOutcome) -> None:
        """Say how a warning ended, as a code.

        Raises:
            MatterError: The matter does not allow it now; nothing was said.
        """
        step = WarningAction.OUTCOME
        await self._say(matter, WarningStep(matter.id, matter.opener, step, outcome=outcome))

    async def report_sent(self, message_id: str) -> bool:
        """Note that the gateway sent a message, and say it unless it went to a guardian.

        Returns:
            Whether it was not reported before.

        Raises:
            RequestError: MESSAGE_UNKNOWN.
            MatterError: The matter does not allow it any more; nothing was said.
        """
        message = await asyncio.to_thread(self.table.message, message_id)
        if message is None:
            raise RequestError(
                "the outbox has no such message",
                reason="MESSAGE_UNKNOWN",
                hint="tocsin warn outbox",
            )
        if message.sent:
            return False
        if message.recipient == CUSTOMER:
            await self._say_sent(message)
        await asyncio.to_thread(self.table.mark_sent, message_id, self._clock())
        return True

    async def advance(self) -> None:
        """Make the messages that are due, and forget those that are not wanted any more."""
        if self.is_carrier:
            await asyncio.to_thread(self._place)

    def own(self, *, open_only: bool) -> list[WarningMatter]:
        """Return the warnings that this member raised or sent or has to send; blocking."""
        found = [one.matter for one in self.book.all(Kind.WARNING)]
        own = self.table.customers({one.subject for one in found}) if self.is_carrier else set()
        now = self._clock()
        return [
            one
            for one in found
            if (self.me == one.opener or self.me in one.facts.tracks or one.subject in own)
            and not (open_only and self._is_over(one, now) and not self._goes_on(one, own, now))
        ]

    def _open_own(self, token: bytes) -> bytes | None:
        now = self._clock()
        for one in self.book.all(Kind.WARNING):
            matter = one.matter
            own = matter.opener == self.me and matter.subject == token
            if own and not self._is_over(matter, now):
                return matter.id
        return None

    def _is_over(self, matter: WarningMatter, now: int) -> bool:
        return matter.state_at(now) not in _NOT_OVER

    async def _say_sent(self, message: Message) -> None:
        booked = await asyncio.to_thread(
            self.book.get, Kind.WARNING, message.matter, message.opener
        )
        if booked is None:
            raise RequestError("the warning is gone", reason="MATTER_UNKNOWN")
        matter: WarningMatter = booked.matter
        track = matter.facts.track(self.me)
        if message.channel in track.channels:
            return  # said before a crash, or for another line of the same number
        step = WarningAction.ESCALATED if track.sent else WarningAction.SENT
        await self._say(matter, WarningStep(matter.id, matter.opener, step, message.channel))

    async def _say(self, matter: AnyMatter, body: WarningStep) -> None:
        statement = self._speaker.statement(body, Purpose.WARNING)
        advance(matter, self.me, self.book.roles(self.me, self._clock()), statement)
        async with self._speaker.lock:
            await self._speaker.say([statement])

    def _place(self) -> None:
        now = self._clock()
        wanted: _Wanted = {}
        for matter in self._to_serve(now):
            track = matter.facts.track(self.me)
            channel = _due_channel(matter.facts, track, now)
            wanted[matter.id, matter.opener] = _unanswered(track) | {channel}
            if channel is not None:
                references = self.table.references(matter.subject)
                self.table.place(self._messages(matter, channel, references, now))
        gone = [one.id for one in self.table.messages() if not _is_wanted(one, wanted)]
        if gone:
            self.table.drop(gone)

    def _to_serve(self, now: int) -> list[WarningMatter]:
        """Return the warnings about own customers that go on here, whatever other carriers say."""
        found = [one.matter for one in self.book.all(Kind.WARNING)]
        own = self.table.customers({one.subject for one in found if not one.is_over_at(now)})
        return [one for one in found if self._goes_on(one, own, now)]

    def _goes_on(self, matter: WarningMatter, own: Collection[bytes], now: int) -> bool:
        facts = matter.facts
        is_over = facts.conclusion is not None or matter.is_over_at(now)
        return matter.subject in own and not is_over and facts.track(self.me).outcome is None

    def _messages(
        self, matter: WarningMatter, channel: WarningChannel, references: list[str], now: int
    ) -> list[Message]:
        texts = self._texts(matter)
        messages = [
            Message(matter.id, matter.opener, CUSTOMER, reference, channel, texts, now)
            for reference in references
        ]
        if matter.facts.track(self.me).sent:
            return messages
        contacts = {
            guardian.contact
            for reference in references
            for guardian in self.table.consenting(reference, now)
        }
        copy, sms = compose_for_guardian(), WarningChannel.SMS
        return messages + [
            Message(matter.id, matter.opener, GUARDIAN, contact, sms, copy, now)
            for contact in sorted(contacts)
        ]

    def _texts(self, matter: WarningMatter) -> dict[str, str]:
        task = matter.facts.warning
        return dict(compose(task.fraud_type, self._parameters(matter)))

    def _parameters(self, matter: WarningMatter) -> TextParameters:
        """Open what the opener sealed; where that fails, the template alone warns as well."""
        key = self.table.content_key(matter.subject)
        if key is None:  # the customer came to the watchlist before this node kept keys
            get_log().warning("warning.key_missing", member=matter.opener)
            return TextParameters()
        sealed = matter.facts.warning.sealed_parameters
        try:
            context = sealing_context(matter.opener, matter.id)
            return decode_parameters(open_from_indicator(key, sealed, context))
        except (KeysError, FederationError) as error:
            get_log().warning(
                "warning.parameters_refused", member=matter.opener, reason=error.reason
            )
            return TextParameters()


def seal_parameters(
    content_key: bytes, parameters: TextParameters, opener: MemberId, warning_id: bytes
) -> bytes:
    """Seal what a text says beyond its template to whoever holds the number."""
    plain = encode_parameters(parameters)
    return seal_to_indicator(content_key, plain, sealing_context(opener, warning_id))


def sealing_context(opener: MemberId, warning_id: bytes) -> bytes:
    """Return what binds sealed parameters to one warning of one member."""
    return _PARAMETERS_LABEL + opener.encode() + b"\0" + warning_id


def _due_channel(facts: WarningFacts, track: Track, now: int) -> WarningChannel | None:
    """Return how a message has to go out now; None where none has to."""
    warning = facts.warning
    if not track.sent:
        return first_channel(warning)
    is_overdue = not track.acknowledged and now >= facts.overdue_from(track)
    return next_channel(warning, track) if is_overdue and warning.must_escalate else None


def _unanswered(track: Track) -> frozenset[WarningChannel]:
    """Return the channels in use: another line of the same number may still wait."""
    return frozenset(() if track.acknowledged else track.channels)


def _is_wanted(message: Message, wanted: _Wanted) -> bool:
    """Say whether a message still has to be known: what was sent is, until the warning is over."""
    channels = wanted.get((message.matter, message.opener))
    if channels is None:
        return False
    return bool(message.sent) or message.recipient == GUARDIAN or message.channel in channels
