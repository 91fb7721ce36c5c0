"""Ask another node for buckets, as a query partner: no node learns which token was meant."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence

from federation.names import MemberId
from federation.vocabulary import Band, Purpose
from node.desk.check import Answer
from node.errors import NodeError, PolicyError, UnavailableError
from node.lookup.bucket import MAX_PREFIX_BITS, Record, prefix_of, unpack
from tocsin.v1 import lookup_service_pb2 as wire

PREFIXES_A_CALL = 128  # a reply of about 100 KiB at 32 records a bucket
NOTHING = Answer(Band.NONE, (), 0, 0)

AskPrefix = Callable[[MemberId, wire.LookupPrefixRequest], Awaitable[wire.LookupPrefixResponse]]


class PrefixSource:
    """Answers tokens from the buckets of any member that replicates."""

    def __init__(self, nodes: Callable[[], Sequence[MemberId]], ask: AskPrefix) -> None:
        self._nodes = nodes
        self._ask = ask
        self._bits = MAX_PREFIX_BITS
        self._turn = itertools.count(secrets.randbelow(1000))

    async def answer(self, tokens: Sequence[bytes], purpose: Purpose) -> dict[bytes, Answer]:
        """Return an answer for every token.

        Raises:
            UnavailableError: LOOKUP_UNAVAILABLE, no node answers.
            PolicyError: QUOTA_EXCEEDED at the last node that answered.
        """
        bits = self._bits
        prefixes = sorted({prefix_of(token, bits) for token in tokens})
        found: dict[bytes, Record] = {}
        for start in range(0, len(prefixes), PREFIXES_A_CALL):
            found.update(
                await self._fetch(bits, prefixes[start : start + PREFIXES_A_CALL], purpose)
            )
        return {token: _answer(found.get(token)) for token in tokens}

    async def _fetch(
        self, bits: int, prefixes: Sequence[int], purpose: Purpose
    ) -> dict[bytes, Record]:
        request = wire.LookupPrefixRequest(
            prefix_bits=bits,
            prefixes=prefixes,
            purpose=purpose.value,  # type: ignore[arg-type]  # equal numbers, tested
        )
        response = await self._ask_any(request)
        # The recommendation only ever shortens what this node shows of its tokens.
        self._bits = min(MAX_PREFIX_BITS, response.recommended_bits)
        found: dict[bytes, Record] = {}
        for bucket in response.buckets:
            found.update(unpack(bucket.records))
        return found

    async def _ask_any(self, request: wire.LookupPrefixRequest) -> wire.LookupPrefixResponse:
        nodes = list(self._nodes())
        first = next(self._turn) % max(1, len(nodes))
        failure: NodeError | None = None
        for node in nodes[first:] + nodes[:first]:
            try:
                response = await self._ask(node, request)
            except (PolicyError, UnavailableError) as error:
                failure = error
                continue
            if len(response.buckets) == len(request.prefixes):
                return response
        raise _explained(failure)


def _answer(record: Record | None) -> Answer:
    if record is None:
        return NOTHING
    return Answer(record.band, record.codes, record.expires_time, 0)


def _explained(failure: NodeError | None) -> NodeError:
    if isinstance(failure, PolicyError):
        return failure
    return UnavailableError(
        "no node answers look-ups now",
        reason="LOOKUP_UNAVAILABLE",
        hint="tocsin status shows which peers can be reached",
    )
