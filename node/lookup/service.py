"""Serve look-ups: quota first, then the replica, off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from federation.names import MemberId
from federation.verdict import RULES, Outline, Verdict
from federation.vocabulary import Purpose
from node.doors.caller import current_caller
from node.errors import RequestError
from node.lookup.bucket import (
    MAX_PREFIX_BITS,
    RECORD_BYTES,
    Record,
    largest_bucket,
    pack,
    padded_size,
    recommended_bits,
)
from node.store.catalogue import MAX_TOKENS, Catalogue
from node.verdicts import Verdicts
from tocsin.v1 import lookup_service_pb2 as wire
from tocsin.v1 import lookup_service_pb2_grpc as stubs

TOKEN_BYTES = 16
MAX_PREFIXES = 256
MAX_REPLY_BYTES = 3 * 1024 * 1024  # of buckets; below the message limit of the outside door
COUNT_SECONDS = 60.0  # how old the count of tokens may be: counting 10^7 of them takes a second

Meter = Callable[[MemberId, str, Purpose, int], Awaitable[None]]
"""Charges a look-up of some size to a member, or raises PolicyError."""

Quotas = Callable[[MemberId], list[wire.QuotaState]]


class LookupService(stubs.LookupServiceServicer):
    """What other nodes may ask this one about tokens."""

    def __init__(
        self, verdicts: Verdicts, catalogue: Catalogue, meter: Meter, quotas: Quotas
    ) -> None:
        self._verdicts = verdicts
        self._catalogue = catalogue
        self._meter = meter
        self._quotas = quotas
        self._counted = (0, float("-inf"))

    async def Lookup(self, request: wire.LookupRequest, context: Any) -> wire.LookupResponse:  # noqa: N802  # the contract's name
        """Answer exact tokens, in the order asked."""
        tokens = _require_tokens(request.tokens)
        await self._charge("LookupService.Lookup", request.purpose, len(tokens))
        return await asyncio.to_thread(self._answer, tokens)

    async def LookupPrefix(  # noqa: N802  # the contract's name
        self, request: wire.LookupPrefixRequest, context: Any
    ) -> wire.LookupPrefixResponse:
        """Answer every token below each prefix, padded to one size."""
        bits, prefixes = request.prefix_bits, list(request.prefixes)
        if bits > MAX_PREFIX_BITS or any(prefix >> bits for prefix in prefixes):
            raise RequestError("a prefix has 0 to 13 bits", reason="PREFIX_INVALID")
        if not 0 < len(prefixes) <= MAX_PREFIXES:
            raise RequestError("1 to 256 prefixes a call", reason="BATCH_INVALID")
        if len(set(prefixes)) != len(prefixes):
            raise RequestError("a prefix is asked once a call", reason="PREFIX_INVALID")
        await self._charge("LookupService.LookupPrefix", request.purpose, len(prefixes))
        return await asyncio.to_thread(self._buckets, bits, prefixes)

    async def Explain(self, request: wire.ExplainRequest, context: Any) -> wire.ExplainResponse:  # noqa: N802  # the contract's name
        """Explain one verdict, term by term."""
        (token,) = _require_tokens([request.token])
        judged = await asyncio.to_thread(self._verdicts.judge, [token])
        return explanation(token, judged[token])

    async def GetQuota(self, request: wire.GetQuotaRequest, context: Any) -> wire.GetQuotaResponse:  # noqa: N802  # the contract's name
        """Tell what is left of the caller's quotas here."""
        member = current_caller().member
        return wire.GetQuotaResponse(quotas=await asyncio.to_thread(self._quotas, member))

    async def _charge(self, method: str, purpose: int, amount: int) -> None:
        await self._meter(current_caller().member, method, _purpose(purpose), amount)

    def _answer(self, tokens: Sequence[bytes]) -> wire.LookupResponse:
        known, response = self._verdicts.outline(tokens), wire.LookupResponse()
        add = response.verdicts.add  # half the cost of messages made apart
        for token in tokens:
            band, codes, expires, _ = known[token]
            message = add(token=token, band=band.value, display_codes=codes)
            if expires:
                message.expires_time.seconds = expires
        return response

    def _buckets(self, bits: int, prefixes: Sequence[int]) -> wire.LookupPrefixResponse:
        count = self._token_count()
        largest = largest_bucket(count, bits)
        _require_small(largest, len(prefixes))
        tokens: dict[int, list[bytes]] = {}
        for prefix in prefixes:
            # A member may have filled one bucket with tokens of its own making.
            tokens[prefix] = self._catalogue.bucket(
                prefix, bits, MAX_REPLY_BYTES // RECORD_BYTES + 1
            )
            _require_small(len(tokens[prefix]), len(prefixes))
        known = self._verdicts.outline([token for bucket in tokens.values() for token in bucket])
        packed = pack([[_record(t, known[t]) for t in tokens[p]] for p in prefixes], largest)
        return wire.LookupPrefixResponse(
            buckets=[wire.TokenBucket(records=records) for records in packed],
            recommended_bits=recommended_bits(count),
        )

    def _token_count(self) -> int:
        if (known := self._verdicts.token_count()) is not None:
            return known
        count, counted_at = self._counted
        if time.monotonic() - counted_at > COUNT_SECONDS:
            count = self._catalogue.token_count()
            self._counted = (count, time.monotonic())
        return count


def verdict_message(token: bytes, verdict: Verdict | Outline) -> wire.TokenVerdict:
    """Return what may be told about a token to other nodes: no source, no detail."""
    message = wire.TokenVerdict(
        token=token,
        band=verdict.band.value,  # type: ignore[arg-type]  # equal numbers, tested
        display_codes=verdict.codes,
    )
    if verdict.expires:
        message.expires_time.CopyFrom(Timestamp(seconds=verdict.expires))
    return message


def explanation(token: bytes, verdict: Verdict) -> wire.ExplainResponse:
    """Return a verdict with every term, also those that do not count (R65)."""
    return wire.ExplainResponse(
        verdict=verdict_message(token, verdict),
        score=verdict.score,
        rules=RULES,
        terms=[
            wire.ScoreTerm(
                member=term.member,
                statement_id=term.statement,
                body=term.body,
                reliability=term.reliability,
                confidence=term.confidence,
                decay=term.decay,
                weight=term.weight,
                excluded=term.excluded,
            )
            for term in verdict.terms
        ],
    )


def _record(token: bytes, known: Outline) -> Record:
    return Record(token, known.band, known.codes, known.expires)


def _require_tokens(tokens: Sequence[bytes]) -> list[bytes]:
    if not 0 < len(tokens) <= MAX_TOKENS:
        raise RequestError(f"1 to {MAX_TOKENS} tokens a call", reason="BATCH_INVALID")
    if any(len(token) != TOKEN_BYTES for token in tokens):
        raise RequestError("a token is 16 bytes", reason="TOKEN_INVALID")
    return list(tokens)


def _require_small(largest: int, count: int) -> None:
    """Refuse a reply that would not fit into one message, before it is put together."""
    if padded_size(largest) * RECORD_BYTES * count > MAX_REPLY_BYTES:
        raise RequestError(
            "the buckets are too large for one reply",
            reason="REPLY_TOO_LARGE",
            hint="ask for fewer prefixes, or for longer ones",
        )


def _purpose(number: int) -> Purpose:
    try:
        return Purpose(number)
    except ValueError as error:
        raise RequestError("the purpose is missing", reason="PURPOSE_MISSING") from error
