"""Serve the token keys over the outside door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from federation.key_set import SignedKeySet, encode_key_set
from node.doors.caller import current_caller
from node.tokens.holder import Holder
from tocsin.v1 import token_service_pb2 as wire
from tocsin.v1 import token_service_pb2_grpc as stubs


class TokenService(stubs.TokenServiceServicer):
    """What other nodes may ask of this node's shares."""

    def __init__(self, holder: Holder, public_keys: Callable[[], list[SignedKeySet]]) -> None:
        self._holder = holder
        self._public_keys = public_keys

    async def Evaluate(self, request: wire.EvaluateRequest, context: Any) -> wire.EvaluateResponse:  # noqa: N802  # the contract's name
        """Evaluate one batch for the caller."""
        return await self._holder.evaluate(current_caller().member, request)

    async def ProveEvaluation(  # noqa: N802  # the contract's name
        self, request: wire.ProveEvaluationRequest, context: Any
    ) -> wire.ProveEvaluationResponse:
        """Prove an earlier answer."""
        return await self._holder.prove(current_caller().member, request.request)

    async def GetPublicKeys(  # noqa: N802  # the contract's name
        self, request: wire.GetPublicKeysRequest, context: Any
    ) -> wire.GetPublicKeysResponse:
        """Tell the public keys in use, signed by every holder."""
        key_sets = [encode_key_set(signed) for signed in self._public_keys()]
        return wire.GetPublicKeysResponse(key_sets=key_sets)
