"""Call other members: one channel for each, kept for the life of the process.

    stub = LogServiceStub(peers.channel(member))
    try:
        answer = await stub.Gossip(request, timeout=10.0)
    except grpc.aio.AioRpcError as error:
        raise await peers.explain(member, error) from error

or ``await peers.call(member, lambda channel: LogServiceStub(channel).Gossip, request, 10.0)``,
which does the same and tries again where that is safe.

A channel trusts the peer's own root alone and expects the peer's name in the leaf, so nobody
else answers in its place. It is made again when this node's leaf, or the peer's address or root,
has changed; calls that run on the old one may end.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

from federation.charter import Charter, Member
from federation.names import MemberId
from node.doors.errors import STANDING_BY
from node.doors.policy import client_options
from node.handshake import Target, find_reason
from node.identity import Identity
from node.metered_channel import MeteredChannel
from node.peer_error import (
    PeerCallError,
    explain_status,
    unreachable,
)
from node.telemetry import get_log
from node.traffic import Meter

ATTEMPTS: Final = 3
"""Attempts of an idempotent call: a node that restarts is back within a second or two."""

FIRST_PAUSE_SECONDS: Final = 0.2
"""Seconds before the second attempt; doubled each time, and spread by a random half."""

PROCESS_ATTEMPTS: Final = 24
"""Attempts to reach the one process of several behind an address that takes a call: of four, less
than one call in a hundred misses it; and one that takes over is up within their two seconds."""

PROCESS_PAUSE_SECONDS: Final = 0.1
"""Longest pause before each of them."""

RECONNECT_MILLISECONDS: Final = (250, 2_000)
"""Least and greatest pause between attempts to connect; gRPC's own greatest is two minutes.

While it lasts every call fails at once, so it is how long a peer that is back still seems gone.
"""

CONNECT_MILLISECONDS: Final = 5_000
"""Least time that one attempt to connect gets: three round trips over a bad line."""

CLOSE_SECONDS: Final = 30.0
"""Seconds that calls on a replaced channel get to end."""

DIAGNOSIS_SECONDS: Final = 2.0
"""Seconds for which a found reason stands, so that failing calls do not each probe a peer."""

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Link:
    """A channel and what it was made from."""

    channel: MeteredChannel
    address: str
    authority: bytes
    leaf: bytes


class Peers:
    """Channels to the other members of the charter; used from the event loop alone."""

    def __init__(self, identity: Identity, meter: Meter) -> None:
        self._identity = identity
        self._meter = meter
        self._links: dict[str, _Link] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._found: dict[str, tuple[float, str]] = {}
        identity.subscribe(self._drop_outdated)

    def channel(self, member: MemberId) -> grpc.aio.Channel:
        """Return the channel to a peer; hold it for one call, not longer.

        Raises:
            CharterError: MEMBER_UNKNOWN.
            PeerCallError: MEMBER_REVOKED; the charter in force says so.
        """
        peer = self._listed(member)
        link = self._links.get(member)
        if link is None or not self._is_current(link, peer):
            self._drop(member)
            link = self._links[member] = self._connect(peer)
        return link.channel

    async def call(
        self,
        member: MemberId,
        method: Callable[
            [grpc.aio.Channel], Callable[..., grpc.aio.UnaryUnaryCall[_Request, _Answer]]
        ],
        request: _Request,
        seconds: float,
        *,
        idempotent: bool = False,
    ) -> _Answer:
        """Make a call and wait for its answer.

        Args:
            member: Whom to call.
            method: Picks the method, for example ``lambda channel: XStub(channel).Y``.
            request: The request.
            seconds: Deadline of all attempts together.
            idempotent: Whether the call may be made again after it perhaps arrived.

        Raises:
            PeerCallError: The call failed; its reason says why.
        """
        end = asyncio.get_running_loop().time() + seconds
        attempt = passed_on = 0
        while True:
            left = end - asyncio.get_running_loop().time()
            try:
                return await method(self.channel(member))(request, timeout=max(left, 0.001))
            except grpc.aio.AioRpcError as error:
                failure = await self.explain(member, error)
                if failure.reason == STANDING_BY:  # refused before any work: safe to ask again
                    passed_on += 1
                    again, base = passed_on < PROCESS_ATTEMPTS, PROCESS_PAUSE_SECONDS
                else:
                    again = idempotent and failure.is_retryable and attempt + 1 < ATTEMPTS
                    base = FIRST_PAUSE_SECONDS * 2**attempt
                    attempt += 1
                pause = base * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
                if not again or end - asyncio.get_running_loop().time() <= pause:
                    raise failure from error
                await asyncio.sleep(pause)

    async def stream(
        self,
        member: MemberId,
        method: Callable[
            [grpc.aio.Channel], Callable[..., grpc.aio.UnaryStreamCall[_Request, _Answer]]
        ],
        request: _Request,
        seconds: float | None,
    ) -> AsyncIterator[_Answer]:
        """Make a call and yield its answers; ``seconds`` is None only to wait for news.

        Raises:
            PeerCallError: The call failed, at the start or later.
        """
        call = method(self.channel(member))(request, timeout=seconds)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise await self.explain(member, error) from error
        finally:
            call.cancel()

    async def explain(self, member: MemberId, error: grpc.aio.AioRpcError) -> PeerCallError:
        """Return what a failed call means; looks at the connection itself where gRPC is silent."""
        explained = explain_status(member, error)
        if explained is not None:
            if explained.reason == STANDING_BY:
                self._drop(member)  # a new connection may reach the process that takes the call
            return explained
        reason = await self.diagnose(member)
        get_log().warning("peer.unreachable", peer=member, reason=reason)
        return unreachable(member, reason)

    async def diagnose(self, member: MemberId) -> str:
        """Find out why a peer cannot be reached, as a reason of ``node.handshake``."""
        now = asyncio.get_running_loop().time()
        known = self._found.get(member)
        if known is not None and known[0] > now:
            return known[1]
        reason = self._own_fault() or await self._probe(self._listed(member))
        self._found[member] = (now + DIAGNOSIS_SECONDS, reason)
        return reason

    async def close(self) -> None:
        """Close every channel; calls under way are cancelled."""
        for member in list(self._links):
            await self._links.pop(member).channel.close(None)
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _own_fault(self) -> str:
        expired = self._identity.leaf.not_after.timestamp() < self._identity.now()
        return "CERTIFICATE_EXPIRED" if expired else ""

    async def _probe(self, peer: Member) -> str:
        identity = self._identity
        target = Target(peer.address, identity.server_name(peer.member), peer.authority)
        return await asyncio.to_thread(find_reason, target, identity.leaf, identity.lasting_leaf)

    def _listed(self, member: MemberId) -> Member:
        charter: Charter = self._identity.charter
        peer = charter.member(member)
        if peer.is_revoked(self._identity.now()):
            raise unreachable(member, "MEMBER_REVOKED")
        return peer

    def _is_current(self, link: _Link, peer: Member) -> bool:
        made_from = (link.address, link.authority, link.leaf)
        return made_from == (peer.address, peer.authority, self._identity.leaf.certificate_pem)

    def _connect(self, peer: Member) -> _Link:
        least, greatest = RECONNECT_MILLISECONDS
        options: list[tuple[str, Any]] = [
            *client_options(),
            ("grpc.ssl_target_name_override", self._identity.server_name(peer.member)),
            ("grpc.initial_reconnect_backoff_ms", least),
            ("grpc.min_reconnect_backoff_ms", CONNECT_MILLISECONDS),
            ("grpc.max_reconnect_backoff_ms", greatest),
            # Else a channel with the old leaf would lend its connection to the one with the new.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        credentials = self._identity.channel_credentials(peer)
        channel = grpc.aio.secure_channel(peer.address, credentials, options)
        return _Link(
            MeteredChannel(channel, peer.member, self._meter),
            peer.address,
            peer.authority,
            self._identity.leaf.certificate_pem,
        )

    def _drop_outdated(self) -> None:
        self._found.clear()
        charter, now = self._identity.charter, self._identity.now()
        for member, link in list(self._links.items()):
            peer = charter.find(member)
            if peer is None or peer.is_revoked(now):
                self._drop(member, None)
            elif not self._is_current(link, peer):
                self._drop(member)

    def _drop(self, member: str, grace_seconds: float | None = CLOSE_SECONDS) -> None:
        link = self._links.pop(member, None)
        if link is not None:
            self._keep(link.channel.close(grace_seconds))

    def _keep(self, closing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
