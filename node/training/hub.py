"""Hold the open streams of the members attached to this coordinator, and ask them.

Who a stream belongs to, its certificate has said. A reply counts only for what was asked on that
very stream, so no member answers for another; the end of a stream ends its exchanges at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from federation.names import MemberId
from node.errors import PeerError, UnavailableError
from node.telemetry import get_log
from node.training.pieces import Assembly, split
from node.training.sum_speech import Speech, SpeechAssembly
from tocsin.v1 import training_service_pb2 as wire

OUTGOING_PIECES: Final = 8
"""Pieces that wait for one member: 8 MiB; a member that does not read stops only itself."""
EXCHANGE_ID_BYTES: Final = 16

MAX_REASON: Final = 40
"""Characters of a member's reason that are kept."""

LATE: Final = "DEADLINE_PASSED"
LOST: Final = "CONNECTION_LOST"
MALFORMED: Final = "PROTOCOL"


class ExchangeError(UnavailableError):
    """A member gave no answer; ``reason`` is DEADLINE_PASSED, CONNECTION_LOST or its refusal."""

    reason = LOST
    public = "The member gave no answer in a training round."


class Ear(Protocol):
    """Hears what members say in one private sum."""

    def hear(self, member: MemberId, speech: Speech) -> None:
        """Take what a member said on its own stream."""

    def miss(self, member: MemberId, reason: str) -> None:
        """Hear that a member is lost, or does not take part."""


@dataclass(slots=True)
class _Exchange:
    """What a member was asked, and what has come of its answer."""

    plan: bytes
    answer: asyncio.Future[bytes]
    assembly: Assembly = field(default_factory=Assembly)


class Link:
    """One member's open stream; used from the event loop alone."""

    def __init__(self, member: MemberId) -> None:
        self.member = member
        self.exchanges: dict[bytes, _Exchange] = {}
        self.speech = SpeechAssembly(member)
        self._outgoing: asyncio.Queue[wire.AttachResponse] = asyncio.Queue(OUTGOING_PIECES)
        self._ended = asyncio.Event()

    async def put(self, message: wire.AttachResponse) -> None:
        """Give the stream a message to send; waits while it is full."""
        await self._outgoing.put(message)

    def put_if_room(self, message: wire.AttachResponse) -> None:
        """Give the stream a message that may be lost, and never wait."""
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(message)

    async def next(self) -> wire.AttachResponse | None:
        """Wait for the next message to send; None at the end."""
        taking = asyncio.create_task(self._outgoing.get())
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((taking, ending), return_when=asyncio.FIRST_COMPLETED)
            return None if self._ended.is_set() else taking.result()
        finally:
            taking.cancel()
            ending.cancel()

    @property
    def has_ended(self) -> bool:
        """Whether the stream is over."""
        return self._ended.is_set()

    def end(self) -> None:
        """End the stream; whatever it was asked is lost."""
        self._ended.set()
        while not self._outgoing.empty():  # whoever waits for room goes on, and sees the end
            self._outgoing.get_nowait()
        for exchange in self.exchanges.values():
            if not exchange.answer.done():
                exchange.answer.set_exception(ExchangeError("the connection was lost"))


_Send = Callable[[Link, bytes, _Exchange], Awaitable[None]]
"""Called with a member's stream, the exchange's id and the exchange; asks."""


class Hub:
    """The streams of the attached members, one for each."""

    def __init__(self) -> None:
        self._links: dict[MemberId, Link] = {}
        self._ears: dict[bytes, Ear] = {}
        self._changed = asyncio.Event()
        self._is_closed = False

    def members(self) -> frozenset[MemberId]:
        """Return who is attached."""
        return frozenset(self._links)

    def attach(self, member: MemberId) -> Link:
        """Open a member's stream; an older one of it ends.

        Raises:
            UnavailableError: NODE_STOPPING.
        """
        if self._is_closed:
            raise UnavailableError("this node is stopping", reason="NODE_STOPPING")
        before = self._links.pop(member, None)
        if before is not None:
            before.end()
            self._miss(member, LOST)
        link = self._links[member] = Link(member)
        self._tell()
        get_log().info("training.attached", member=member)
        return link

    def detach(self, link: Link) -> None:
        """Close a stream."""
        link.end()
        if self._links.get(link.member) is link:
            del self._links[link.member]
            self._tell()
            self._miss(link.member, LOST)
            get_log().info("training.detached", member=link.member)

    def close(self) -> None:
        """End every stream, and let no member attach again."""
        self._is_closed = True
        for link in list(self._links.values()):
            self.detach(link)

    async def wait_for(
        self, wanted: Collection[MemberId], count: int, seconds: float
    ) -> frozenset[MemberId]:
        """Return who of those wanted is attached, as soon as so many are or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.members() & set(wanted)) < count:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.members() & frozenset(wanted)

    async def exchange(
        self, member: MemberId, plan: bytes, number: int, payload: bytes, seconds: float
    ) -> bytes:
        """Ask a member and wait for its answer.

        Args:
            member: Whom.
            plan: Digest of the plan.
            number: Which round; 0 for what is no round.
            payload: What the training code is to answer.
            seconds: Until the answer has to be here.

        Raises:
            ExchangeError: There is no answer; the reason says why.
        """

        async def send(link: Link, identifier: bytes, exchange: _Exchange) -> None:
            await _send(link, exchange, identifier, number, payload, seconds)

        return await self._ask(member, plan, seconds, send)

    async def start_supernode(
        self, member: MemberId, plan: bytes, certificate: bytes, seconds: float
    ) -> None:
        """Ask a member to start its SuperNode for a run, and wait until it says so.

        Raises:
            ExchangeError: It does not; the reason says why.
        """

        async def send(link: Link, identifier: bytes, _exchange: _Exchange) -> None:
            start = wire.SuperNodeStart(
                plan_digest=plan, exchange_id=identifier, certificate=certificate
            )
            await link.put(wire.AttachResponse(supernode=start))

        await self._ask(member, plan, seconds, send)

    def link(self, member: MemberId) -> Link | None:
        """Return a member's stream, if it is attached."""
        return self._links.get(member)

    async def _ask(self, member: MemberId, plan: bytes, seconds: float, send: _Send) -> bytes:
        link = self._links.get(member)
        if link is None:
            raise ExchangeError("the member is not attached")
        identifier = secrets.token_bytes(EXCHANGE_ID_BYTES)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        exchange = link.exchanges[identifier] = _Exchange(plan, future)
        try:
            async with asyncio.timeout(seconds):
                await send(link, identifier, exchange)
                return await exchange.answer
        except TimeoutError as error:
            raise ExchangeError("no answer within the deadline", reason=LATE) from error
        finally:
            del link.exchanges[identifier]
            exchange.answer.cancel()

    def listen(self, sum_id: bytes, ear: Ear) -> None:
        """Let an ear hear what is said in a sum."""
        self._ears[sum_id] = ear

    def stop_listening(self, sum_id: bytes) -> None:
        """Drop from now on what is said in a sum."""
        self._ears.pop(sum_id, None)

    async def say(self, member: MemberId, pieces: Collection[wire.SumPiece]) -> None:
        """Say something in a sum to a member; nothing, if it is not attached. Waits for room."""
        link = self._links.get(member)
        if link is None:
            return
        for piece in pieces:
            if link.has_ended:
                return
            await link.put(wire.AttachResponse(sum=piece))

    def _miss(self, member: MemberId, reason: str) -> None:
        for ear in tuple(self._ears.values()):
            ear.miss(member, reason)

    def say_goodbye(self, members: Collection[MemberId], plan: bytes, reason: str) -> None:
        """Tell members that a run is over for them."""
        for member in members:
            link = self._links.get(member)
            if link is not None:
                bye = wire.Goodbye(plan_digest=plan, reason=reason)
                link.put_if_room(wire.AttachResponse(goodbye=bye))

    def receive(self, link: Link, request: wire.AttachRequest) -> None:
        """Take what a member sent; what answers nothing that it was asked is dropped.

        Raises:
            PeerError: PEER_PROTOCOL.
        """
        kind = request.WhichOneof("part")
        if kind == "reply":
            self._reply(link, request.reply)
        elif kind == "refusal":
            refusal = request.refusal
            ear = self._ears.get(refusal.exchange_id)
            if ear is not None:
                ear.miss(link.member, refusal.reason[:MAX_REASON] or MALFORMED)
                return
            exchange = link.exchanges.get(refusal.exchange_id)
            if exchange is not None and not exchange.answer.done():
                error = ExchangeError(
                    "the member refused", reason=refusal.reason[:MAX_REASON] or MALFORMED
                )
                exchange.answer.set_exception(error)
        elif kind == "sum":
            self._hear(link, request.sum)
        else:
            raise PeerError("a member sent what nobody asked for", member=link.member)

    def _hear(self, link: Link, piece: wire.SumPiece) -> None:
        ear = self._ears.get(piece.sum_id)
        if ear is None:
            get_log().debug("training.sum_dropped", member=link.member)
            return
        speech = link.speech.add(piece)
        if speech is not None:
            ear.hear(link.member, speech)

    def _reply(self, link: Link, reply: wire.RoundReply) -> None:
        exchange = link.exchanges.get(reply.exchange_id)
        if exchange is None or exchange.answer.done():
            get_log().debug("training.reply_dropped", member=link.member)
            return
        if reply.plan_digest != exchange.plan:
            raise PeerError("a reply names another plan than the question", member=link.member)
        whole = exchange.assembly.add(reply.piece, reply.pieces, reply.parameters)
        if whole is not None:
            exchange.answer.set_result(whole)

    def _tell(self) -> None:
        """Wake everyone who waits for members."""
        self._changed.set()
        self._changed = asyncio.Event()


async def _send(
    link: Link,
    exchange: _Exchange,
    identifier: bytes,
    number: int,
    payload: bytes,
    seconds: float,
) -> None:
    pieces = split(payload)
    for place, piece in enumerate(pieces):
        if exchange.answer.done():
            return  # lost or refused: the rest is for nobody
        message = wire.RoundMessage(
            plan_digest=exchange.plan,
            exchange_id=identifier,
            round=number,
            piece=place,
            pieces=len(pieces),
            seconds_left=int(seconds),
            parameters=piece,
        )
        await link.put(wire.AttachResponse(message=message))
