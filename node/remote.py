"""Call peers' token and look-up services, or this node's own without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc

from federation.names import MemberId
from node.peer_error import unreachable
from node.replication.log_client import Links
from node.tokens.holder import Holder
from tocsin.v1 import call_context_service_pb2 as call_wire
from tocsin.v1 import call_context_service_pb2_grpc as call_stubs
from tocsin.v1 import lookup_service_pb2 as lookup_wire
from tocsin.v1 import lookup_service_pb2_grpc as lookup_stubs
from tocsin.v1 import token_service_pb2 as token_wire
from tocsin.v1 import token_service_pb2_grpc as token_stubs

R = TypeVar("R")

EVALUATE_SECONDS = 60.0  # a full batch takes 0.1 s of one core; holders serve many at once
LOOKUP_SECONDS = 20.0
SMALL_SECONDS = 5.0


class Remote:
    """Typed calls with deadlines; failures come as this floor's errors, with the peer's reason."""

    def __init__(self, me: MemberId, links: Links, holder: Holder | None) -> None:
        self._me = me
        self._links = links
        self._holder = holder

    async def evaluate(
        self, member: MemberId, request: token_wire.EvaluateRequest
    ) -> token_wire.EvaluateResponse:
        """Have a batch evaluated by a holder; by this node itself if it is the one."""
        if member == self._me and self._holder is not None:
            return await self._holder.evaluate(member, request)
        stub = token_stubs.TokenServiceStub(self._links.channel(member))
        return await self._explained(member, stub.Evaluate(request, timeout=EVALUATE_SECONDS))

    async def prove(
        self, member: MemberId, request: token_wire.ProveEvaluationRequest
    ) -> token_wire.ProveEvaluationResponse:
        """Have a holder prove an earlier answer."""
        if member == self._me and self._holder is not None:
            return await self._holder.prove(member, request.request)
        stub = token_stubs.TokenServiceStub(self._links.channel(member))
        call = stub.ProveEvaluation(request, timeout=EVALUATE_SECONDS)
        return await self._explained(member, call)

    async def public_keys(self, member: MemberId) -> token_wire.GetPublicKeysResponse:
        """Ask a peer for the public keys."""
        stub = token_stubs.TokenServiceStub(self._links.channel(member))
        call = stub.GetPublicKeys(token_wire.GetPublicKeysRequest(), timeout=SMALL_SECONDS)
        return await self._explained(member, call)

    async def lookup_prefix(
        self, member: MemberId, request: lookup_wire.LookupPrefixRequest
    ) -> lookup_wire.LookupPrefixResponse:
        """Ask a peer for the tokens below prefixes."""
        stub = lookup_stubs.LookupServiceStub(self._links.channel(member))
        return await self._explained(member, stub.LookupPrefix(request, timeout=LOOKUP_SECONDS))

    async def call_context(
        self, member: MemberId, request: call_wire.GetCallContextRequest
    ) -> call_wire.GetCallContextResponse:
        """Ask a carrier about a payer's calls; a payment waits meanwhile."""
        stub = call_stubs.CallContextServiceStub(self._links.channel(member))
        return await self._explained(member, stub.GetCallContext(request, timeout=SMALL_SECONDS))

    async def _explained(self, member: MemberId, call: Awaitable[R]) -> R:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise await self._links.explain(member, error) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this task was cancelled: the channel was closed under its call.
            raise unreachable(member, "CHANNEL_CLOSED") from error
