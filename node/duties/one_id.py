"""Ask where accounts stand under a citizen's identity, and answer for the own ones.

The node answers by itself, with one size, also where it has nothing, so that neither an answer nor
its length tells anything. It answers each desk about one token once in 24 hours, whatever the logs
say; and a desk that copied a token, and does not know the identity, gets the answer of who has
nothing. An honest desk asks once in 24 hours at all desks together: it knows whose requests were
made with the identity, and one that was not keeps no citizen back. Of a desk that asks more often
than desks do in 24 hours nobody answers what is too many.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.charter import Charter
from federation.errors import FederationError
from federation.matters import Kind, MatterError, State, advance
from federation.matters.one_id import REPEAT_SECONDS, OneIdMatter
from federation.names import MemberId
from federation.one_id import (
    MAX_COUNT,
    MAX_REFERENCES,
    Account,
    Answer,
    ConsentForm,
    answer_context,
    is_known_to,
    seal,
)
from federation.roles import Role
from federation.statements import Body, OneIdAnswer, OneIdRequest, Statement, StatementError
from federation.vocabulary import AccountKind, LegalBasis, Purpose
from keys.errors import KeysError
from keys.sealing import check_sealing_key
from keys.signing import check_public_key
from node.desk.intake import Intake
from node.duties.holdings import Holdings
from node.errors import NodeError, PolicyError, RequestError
from node.matters.book import MatterBook, Wanted
from node.matters.one_id_days import desk_full, has_room, stands
from node.speaker import Speaker
from node.telemetry import describe_error, get_log
from tocsin.desk.v1 import desk_service_pb2

LOOK_SECONDS: Final = 2.0
"""Seconds between looks where no log grew: an answer has 48 hours."""

_HOLDER_OF: Final = {
    AccountKind.SIM: Role.CARRIER,
    AccountKind.BANK_ACCOUNT: Role.BANK,
    AccountKind.INTERNET_ACCOUNT: Role.INTERNET,
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What a member's desk works with.

    Attributes:
        intake: Turns identity cards to tokens, and nothing else.
        pad: Least points of a batch.
        epoch: Of the token keys in use.
        clock: Seconds since 1970.
    """

    intake: Intake
    charter: Callable[[], Charter]
    pad: Callable[[], int]
    epoch: Callable[[], int]
    clock: Callable[[], int]


class OneIds:
    """This member's part in citizens' questions about accounts."""

    def __init__(
        self, me: MemberId, book: MatterBook, holdings: Holdings, speaker: Speaker, desk: Desk
    ) -> None:
        self.me = me
        self.holdings = holdings
        self._book = book
        self._speaker = speaker
        self._desk = desk
        self._grown = asyncio.Event()
        self._idle_at: tuple[int, int] | None = None

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._desk.clock()

    def is_proven(self, matter: OneIdMatter) -> bool:
        """Say whether its desk knows the identity, where accounts stand under it here; blocking."""
        content_key = self.holdings.content_key(matter.subject)
        request = matter.facts.request
        return content_key is not None and is_known_to(matter.opener, request, content_key)

    async def prepare(
        self,
        value: desk_service_pb2.RawIndicator,
        wanted: Sequence[AccountKind],
        receiving_key: bytes,
        consent_key: bytes,
        proof_digest: bytes,
    ) -> ConsentForm:
        """Make the form that a citizen signs; nothing is said.

        Raises:
            RequestError: KEY_INVALID, NOBODY_ASKED, or the value is malformed.
            PolicyError: ROLE_NOT_ALLOWED, ASKED_WITHIN_DAY or DESK_DAY_FULL.
        """
        self._speaker.require_may_say(OneIdRequest)
        _check_keys(receiving_key, consent_key)
        kinds = tuple(dict.fromkeys(wanted)) or tuple(AccountKind)
        members = self._holders(kinds)
        token, content_key = await self._identity(value)
        await asyncio.to_thread(self._require_free, token, content_key)
        form = ConsentForm(
            self.me,
            token,
            self._desk.epoch(),
            kinds,
            members,
            receiving_key,
            consent_key,
            proof_digest,
            self.now(),
        )
        return replace(form, knowledge_proof=form.prove(content_key))

    async def open(self, form: ConsentForm, signature: bytes) -> OneIdMatter:
        """Ask the members for a citizen who has signed.

        Raises:
            RequestError: CONSENT_ELSEWHERE, the form was made at another member; or it is
                malformed.
            PolicyError: ROLE_NOT_ALLOWED, ASKED_WITHIN_DAY or DESK_DAY_FULL.
            MatterError: CONSENT_INVALID or CONSENT_STALE.
        """
        if form.opener != self.me:
            raise RequestError(
                "the citizen signed this for another member", reason="CONSENT_ELSEWHERE"
            )
        try:
            statement = self._statement(form.signed(signature))
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        async with self._speaker.lock:
            await asyncio.to_thread(self._require_free, form.token, None)
            matter = self._try(None, statement)
            await self._speaker.say([statement])
        return matter

    def all(self) -> list[OneIdMatter]:
        """Return every request, newest first; blocking."""
        return [one.matter for one in self._book.all(Kind.ONE_ID)]

    def find(self, prefix: bytes) -> OneIdMatter:
        """Return the request whose id begins so; blocking.

        Raises:
            RequestError: As ``MatterBook.find``.
        """
        return self._book.find(prefix, Kind.ONE_ID).matter

    def stands(self, matter: OneIdMatter) -> bool:
        """Say whether a request is to be answered; blocking."""
        return stands(self._book, matter)

    def wake(self) -> None:
        """Look at once: a log has grown."""
        self._grown.set()

    async def run(self) -> None:
        """Answer as long as the node runs."""
        while True:
            await self.advance()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._grown.wait()
            self._grown.clear()

    async def advance(self) -> None:
        """Answer what waits for an answer of this member."""
        version = self._book.version()
        if version == self._idle_at:
            return
        waiting, unanswered = await asyncio.to_thread(self._waiting)
        for matter in waiting:
            try:
                await self._answer(matter)
            except (NodeError, FederationError, KeysError) as error:
                get_log().warning("one_id.not_answered", **describe_error(error))
        # What may only be answered later is looked at again; else not before somebody speaks.
        self._idle_at = None if unanswered else version

    def _waiting(self) -> tuple[list[OneIdMatter], bool]:
        """Return what to answer now, and whether anything else waits; blocking."""
        now = self.now()
        found = self._book.queue(Wanted(kind=Kind.ONE_ID, state=State.OPEN), now)
        asked = [one.matter for one in found if self.me in one.matter.facts.awaited]
        owed = [one for one in asked if stands(self._book, one)]
        before = now - REPEAT_SECONDS
        return [one for one in owed if self._last_answer(one) <= before], bool(owed)

    def _last_answer(self, matter: OneIdMatter) -> int:
        """Return when this member last answered the desk about the token; 0 for never.

        Whether a desk knew the identity makes no difference here: when an answer comes would tell
        everybody who has accounts.
        """
        about = (one.matter for one in self._book.about(Kind.ONE_ID, matter.subject))
        own = (one.facts.answers.get(self.me, 0) for one in about if one.opener == matter.opener)
        return max(own, default=0)

    async def _answer(self, matter: OneIdMatter) -> None:
        sealed = await asyncio.to_thread(self._sealed_answer, matter)
        body = OneIdAnswer(matter.id, matter.opener, sealed)
        statement = self._statement(body)
        async with self._speaker.lock:
            booked = await asyncio.to_thread(self._book.get, Kind.ONE_ID, matter.id, matter.opener)
            with contextlib.suppress(MatterError):  # answered meanwhile
                self._try(booked.matter if booked else None, statement)
                await self._speaker.say([statement])

    def _sealed_answer(self, matter: OneIdMatter) -> bytes:
        """Count and seal; the work is the same whatever there is to count."""
        request = matter.facts.request
        held = self.holdings.of(request.token) if self.is_proven(matter) else []
        own = [one for one in held if one.kind in request.wanted]
        counts = {
            kind: min(MAX_COUNT, sum(one.kind is kind for one in own)) for kind in request.wanted
        }
        accounts = tuple(
            Account(one.kind, self.holdings.reference(one, matter.id, matter.opener))
            for one in own[:MAX_REFERENCES]
        )
        federation = self._desk.charter().federation
        context = answer_context(federation, self.me, matter.opener, matter.id)
        return seal(request.receiving_key, Answer(counts, accounts), context)

    async def _identity(self, value: desk_service_pb2.RawIndicator) -> tuple[bytes, bytes]:
        """Return token and content key of an identity card."""
        desk = self._desk
        taken = await desk.intake.take([value], Purpose.ONE_ID, desk.pad(), with_keys=True)
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        (known,) = taken.known
        assert known.content_key is not None  # noqa: S101  # it was asked for
        return known.token, known.content_key

    def _statement(self, body: Body) -> Statement:
        return self._speaker.statement(body, Purpose.ONE_ID, legal_basis=LegalBasis.CONSENT)

    def _try(self, matter: OneIdMatter | None, statement: Statement) -> OneIdMatter:
        """Refuse what the table would refuse."""
        return advance(matter, self.me, self._book.roles(self.me, self.now()), statement)

    def _holders(self, kinds: Sequence[AccountKind]) -> tuple[MemberId, ...]:
        roles = {_HOLDER_OF[kind] for kind in kinds}
        active = self._desk.charter().active(self.now())
        members = tuple(sorted(one.member for one in active if one.roles & roles))
        if not members:
            raise RequestError("no member has such accounts", reason="NOBODY_ASKED")
        return members

    def _require_free(self, token: bytes, content_key: bytes | None) -> None:
        """Refuse a second request about a token within 24 hours, and one too many of this desk.

        Args:
            token: Of the identity.
            content_key: Tells which requests of other desks were made with the identity, and count;
                None: only own ones do.
        """
        now = self.now()
        if not has_room(self._book, self.me, now):
            raise desk_full()
        for booked in self._book.about(Kind.ONE_ID, token):
            one = booked.matter
            if one.opened <= now - REPEAT_SECONDS or not stands(self._book, one):
                continue
            if one.opener == self.me or _is_made_with(content_key, one):
                raise PolicyError(
                    "somebody has asked about this identity within 24 hours",
                    reason="ASKED_WITHIN_DAY",
                    hint="the answers of that request are those of today: tocsin one-id list",
                )


def _is_made_with(content_key: bytes | None, matter: OneIdMatter) -> bool:
    request = matter.facts.request
    return content_key is not None and is_known_to(matter.opener, request, content_key)


def _check_keys(receiving_key: bytes, consent_key: bytes) -> None:
    try:
        check_sealing_key(receiving_key)
        check_public_key(consent_key)
    except KeysError as error:
        raise RequestError(
            "these are no keys of a citizen", reason="KEY_INVALID", hint="tocsin one-id key"
        ) from error
