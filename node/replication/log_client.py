"""Ask peers for their logs, with a bound on time and size for every call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import grpc

from federation.checkpoint import MAX_CHECKPOINT_BYTES
from federation.fork import MAX_PATH_HASHES
from federation.merkle import HASH_BYTES
from federation.names import MemberId, Origin
from node.errors import NodeError
from node.replication.error import StalledError, TransferError
from node.replication.log_service import MAX_CHECKPOINTS
from node.replication.transfer import FetchedRun, RunCollector
from tocsin.v1 import log_service_pb2 as wire
from tocsin.v1 import log_service_pb2_grpc as stubs

READ_SECONDS: Final = 120.0
"""Seconds for one run: 4 MiB over a line of 300 kbit/s."""

SILENCE_SECONDS: Final = 15.0
"""Seconds without a message of an open stream after which the peer is given up."""

CALL_SECONDS: Final = 10.0
"""Seconds for a call that answers from memory or with some page reads."""


class Links(Protocol):
    """Channels to peers, and what their failures mean."""

    def channel(self, member: MemberId) -> grpc.aio.Channel:
        """Return the channel to a peer."""

    async def explain(self, member: MemberId, error: grpc.aio.AioRpcError) -> NodeError:
        """Return what a failed call means, with its reason."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds that calls may take."""

    read: float = READ_SECONDS
    silence: float = SILENCE_SECONDS
    call: float = CALL_SECONDS


@dataclass(frozen=True, slots=True)
class FetchedProof:
    """Hashes that a peer says prove something, 32 bytes each; not verified."""

    hashes: tuple[bytes, ...]
    leaf: bytes


class LogClient:
    """LogService at any peer.

    Every method raises what ``Links.explain`` returns, and TransferError for an answer that
    breaks the contract.
    """

    def __init__(self, links: Links, limits: CallLimits | None = None) -> None:
        self._links = links
        self._limits = limits or CallLimits()

    async def read(self, member: MemberId, origin: Origin, start: int) -> FetchedRun:
        """Read the next run of a log; without entries where the peer has no more.

        Raises:
            StalledError: The peer is silent for too long.
        """
        request = wire.ReadRequest(origin=str(origin), start=start)
        call = self._stub(member).Read(request, timeout=self._limits.read)
        collector = RunCollector()
        try:
            while (part := await self._next(call)) is not None:
                collector.add(part)
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        finally:
            call.cancel()
        return collector.finish()

    async def _next(
        self, call: grpc.aio.UnaryStreamCall[wire.ReadRequest, wire.ReadResponse]
    ) -> wire.ReadResponse | None:
        try:
            async with asyncio.timeout(self._limits.silence):
                part = await call.read()
        except TimeoutError as error:
            raise StalledError from error
        return part if isinstance(part, wire.ReadResponse) else None

    async def watch(self, member: MemberId) -> AsyncGenerator[tuple[str, int], None]:
        """Yield origin and size whenever a log grows at a peer; open until the peer ends it."""
        call = self._stub(member).Watch(wire.WatchRequest())
        try:
            async for news in call:
                yield news.origin, news.size
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        finally:
            call.cancel()

    async def gossip(self, member: MemberId, notes: Sequence[bytes]) -> list[bytes]:
        """Show checkpoints to a peer and return those that it shows."""
        request = wire.GossipRequest(checkpoints=notes)
        try:
            response = await self._stub(member).Gossip(request, timeout=self._limits.call)
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        shown = list(response.checkpoints)
        if len(shown) > MAX_CHECKPOINTS or any(len(n) > MAX_CHECKPOINT_BYTES for n in shown):
            raise TransferError("too many or too large checkpoints")
        return shown

    async def prove_first(self, member: MemberId, origin: Origin, size: int) -> FetchedProof:
        """Ask for the proof that the first entry is in the log of a size."""
        question = wire.InclusionQuestion(index=0, size=size)
        return await self._prove(member, wire.ProveRequest(origin=str(origin), inclusion=question))

    async def prove_growth(
        self, member: MemberId, origin: Origin, first: int, second: int
    ) -> FetchedProof:
        """Ask for the proof that a log of one size grew to another."""
        question = wire.ConsistencyQuestion(first_size=first, second_size=second)
        return await self._prove(
            member, wire.ProveRequest(origin=str(origin), consistency=question)
        )

    async def _prove(self, member: MemberId, request: wire.ProveRequest) -> FetchedProof:
        try:
            response = await self._stub(member).Prove(request, timeout=self._limits.call)
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        hashes, leaf = tuple(response.hashes), response.leaf_hash
        sized = all(len(value) == HASH_BYTES for value in hashes)
        if len(hashes) > MAX_PATH_HASHES or not sized or len(leaf) not in (0, HASH_BYTES):
            raise TransferError("a proof is too long or holds what is no hash")
        return FetchedProof(hashes, leaf)

    def _stub(self, member: MemberId) -> stubs.LogServiceAsyncStub:
        return stubs.LogServiceStub(self._links.channel(member))
