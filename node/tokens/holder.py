"""Answer evaluations as a key holder: quota first, then the group operations in workers.

A batch is cut into parts, so that a large one uses all cores and keeps nobody waiting for longer
than a part takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from federation.authorisation import Request
from federation.indicators import KindClass
from federation.key_set import KeySet
from federation.names import MemberId
from federation.vocabulary import Purpose
from keys.errors import GroupError, RequestError
from keys.evaluation import (
    CheckMode,
    PartialEvaluation,
    evaluate_batch,
    prove_batch,
    require_request,
)
from keys.group import ELEMENT_BYTES
from keys.signing import SigningKey
from keys.transcript import evaluation_digest, response_digest
from node.errors import PolicyError
from node.errors import RequestError as NodeRequestError
from node.metering import Metering
from node.tokens.key_ring import HeldShares, KeyRing
from node.turns import Turn
from node.workers import Workers
from tocsin.v1 import token_service_pb2 as wire

EVALUATION_CONTEXT = "evaluation/v1"
PART_ITEMS = 2_048  # elements a worker multiplies at a time: 0.1 s, a usual batch whole


@dataclass(frozen=True, slots=True)
class Asked:
    """One evaluation request whose form was checked."""

    kind_class: KindClass
    purpose: Purpose
    mode: CheckMode
    subset: tuple[int, ...]
    digest: bytes
    cost: int


class Holder:
    """This node's side of the oblivious function; it knows neither values nor tokens."""

    def __init__(
        self,
        federation: str,
        signing_key: SigningKey,
        key_ring: KeyRing,
        workers: Workers,
        metering: Metering,
    ) -> None:
        self._federation = federation
        self._signing_key = signing_key
        self._key_ring = key_ring
        self._workers = workers
        self._metering = metering

    async def evaluate(
        self, member: MemberId, request: wire.EvaluateRequest
    ) -> wire.EvaluateResponse:
        """Charge, evaluate and sign one batch.

        Raises:
            PolicyError: NOT_A_HOLDER, EPOCH_UNKNOWN, QUOTA_EXCEEDED.
            RequestError: BATCH_INVALID, ELEMENT_INVALID.
        """
        key_set, held = self._keys(request)
        asked = self._parse(request, key_set, held)
        remaining = await self._pay(member, asked, request.epoch)
        partial = await self._answer(member, request, asked, held)
        answer = response_digest(asked.digest, held.index, partial)
        return wire.EvaluateResponse(
            evaluated=partial.elements,
            check_element=partial.check_element,
            proof=partial.proof,
            signature=self._signing_key.sign(EVALUATION_CONTEXT, asked.digest + answer),
            quota_remaining=remaining,
        )

    async def prove(
        self, member: MemberId, request: wire.EvaluateRequest
    ) -> wire.ProveEvaluationResponse:
        """Evaluate a batch again and prove the answer; costs the member its quota once more."""
        key_set, held = self._keys(request)
        asked = self._parse(request, key_set, held)
        await self._pay(member, asked, request.epoch)
        partial = await self._answer(member, request, asked, held)
        proof = await self._workers.run_in(
            Turn(member, asked.cost),
            prove_batch,
            held.shares[asked.kind_class],
            held.index,
            asked.subset,
            request.blinded,
            partial.elements,
        )
        return wire.ProveEvaluationResponse(evaluated=partial.elements, proof=proof)

    def _keys(self, request: wire.EvaluateRequest) -> tuple[KeySet, HeldShares]:
        held = self._key_ring.held(request.epoch, request.share_epoch)
        key_set = self._key_ring.find(request.epoch, request.share_epoch)
        if key_set is None:
            raise PolicyError("no such key is in use here", reason="EPOCH_UNKNOWN")
        if held is None:
            raise PolicyError("this node holds no share of that key", reason="NOT_A_HOLDER")
        return key_set, held

    def _parse(self, request: wire.EvaluateRequest, key_set: KeySet, held: HeldShares) -> Asked:
        try:
            kind_class = KindClass(request.kind_class)
            mode = CheckMode(request.check)
            purpose = Purpose(request.purpose)
            subset = tuple(request.subset)
            key_set.keys[kind_class].check_subset(subset)
            require_request(request.blinded, request.check_point, mode)
            digest = request_digest(self._federation, request)
        except (ValueError, KeyError, RequestError) as error:
            raise NodeRequestError(
                "the batch's form is not valid", reason="BATCH_INVALID"
            ) from error
        if held.index not in subset or max(subset) > len(key_set.holders):
            raise NodeRequestError("the holder set does not fit", reason="BATCH_INVALID")
        # A check point is multiplied too, and may be any point: it costs as much.
        cost = (len(request.blinded) + len(request.check_point)) // ELEMENT_BYTES
        return Asked(kind_class, purpose, mode, subset, digest, cost)

    async def _pay(self, member: MemberId, asked: Asked, epoch: int) -> int:
        request = Request(
            member, "TokenService.Evaluate", asked.purpose, asked.kind_class, asked.cost
        )
        return await self._metering.charge(request, epoch)

    async def _answer(
        self,
        member: MemberId,
        request: wire.EvaluateRequest,
        asked: Asked,
        held: HeldShares,
    ) -> PartialEvaluation:
        whole = _Part(0, request.blinded, request.check_point, asked.mode)
        try:
            parts = await asyncio.gather(
                *(self._evaluate(member, part, asked, held) for part in _parts(whole))
            )
        except GroupError as error:
            raise NodeRequestError(str(error), reason="ELEMENT_INVALID") from error
        elements = b"".join([part.elements for part in parts])
        return PartialEvaluation(elements, parts[0].check_element, parts[0].proof)

    async def _evaluate(
        self, member: MemberId, part: _Part, asked: Asked, held: HeldShares
    ) -> PartialEvaluation:
        try:
            return await self._workers.run_in(
                Turn(member, len(part.blinded) // ELEMENT_BYTES + 1),
                evaluate_batch,
                held.shares[asked.kind_class],
                held.index,
                asked.subset,
                part.blinded,
                part.check_point,
                part.mode,
            )
        except GroupError as error:
            if not part.start:
                raise
            indexes = [part.start + index for index in error.indexes]
            raise GroupError(f"invalid elements at {indexes}", indexes=indexes) from error


@dataclass(frozen=True, slots=True)
class _Part:
    """Elements that one worker multiplies; ``start`` is the place of the first in the batch."""

    start: int
    blinded: bytes
    check_point: bytes
    mode: CheckMode


def _parts(whole: _Part) -> list[_Part]:
    """Cut a batch; the check point goes with the first part, a proof of all needs all."""
    step = PART_ITEMS * ELEMENT_BYTES
    if whole.mode is CheckMode.RFC or len(whole.blinded) <= step:
        return [whole]
    first = _Part(0, whole.blinded[:step], whole.check_point, whole.mode)
    starts = range(step, len(whole.blinded), step)
    # Elements alone, as a STRICT batch has them.
    rest = [
        _Part(at // ELEMENT_BYTES, whole.blinded[at : at + step], b"", CheckMode.STRICT)
        for at in starts
    ]
    return [first, *rest]


def request_digest(federation: str, request: wire.EvaluateRequest) -> bytes:
    """Digest a request as both sides do; what the holder's signature refers to."""
    return evaluation_digest(
        federation=federation,
        kind_class=request.kind_class,
        epoch=request.epoch,
        share_epoch=request.share_epoch,
        mode=request.check,
        subset=tuple(request.subset),
        batch_id=request.batch_id,
        blinded=request.blinded,
        check_point=request.check_point,
    )


def signed_digests(
    digest: bytes, index: int, response: wire.EvaluateResponse
) -> tuple[PartialEvaluation, bytes]:
    """Return the answer as a value, and the bytes that its signature covers."""
    partial = PartialEvaluation(response.evaluated, response.check_element, response.proof)
    return partial, digest + response_digest(digest, index, partial)


def subset_bytes(subset: Sequence[int]) -> bytes:
    """Write a holder set as the wire does: one byte an index, ascending."""
    return bytes(subset)
