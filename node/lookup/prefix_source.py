"""Ask another node for buckets, as a query partner: no node learns which token was meant."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence

from federation.names import MemberId
from federation.vocabulary import Band, Purpose
from node.desk.check import Answer
from node.errors import NodeError, PeerError, PolicyError, UnavailableError
from node.lookup.bucket import MAX_PREFIX_BITS, Record, prefix_of, unpack
from node.telemetry import get_log
from tocsin.v1 import lookup_service_pb2 as wire

PREFIXES_A_CALL = 128  # a reply of about 100 KiB at 32 records a bucket
TOO_LARGE = frozenset({"REPLY_TOO_LARGE", "MESSAGE_TOO_LONG"})  # ask for fewer prefixes at once
NOTHING = Answer(Band.NONE, (), 0, 0)

AskPrefix = Callable[[MemberId, wire.LookupPrefixRequest], Awaitable[wire.LookupPrefixResponse]]


class PrefixSource:
    """Answers tokens from the buckets of any member that replicates.

    A node that lies about its buckets or its recommendation is passed over and spoils nothing for
    the others.
    """

    def __init__(self, nodes: Callable[[], Sequence[MemberId]], ask: AskPrefix) -> None:
        self._nodes = nodes
        self._ask = ask
        self._bits: dict[MemberId, int] = {}
        self._turn = itertools.count(secrets.randbelow(1000))

    async def answer(self, tokens: Sequence[bytes], purpose: Purpose) -> dict[bytes, Answer]:
        """Return an answer for every token.

        Raises:
            UnavailableError: LOOKUP_UNAVAILABLE, no node answers.
            PolicyError: QUOTA_EXCEEDED and other refusals, where no other node answers.
        """
        if not tokens:
            return {}
        nodes = list(self._nodes())
        first = next(self._turn) % max(1, len(nodes))
        failures: list[NodeError] = []
        for node in nodes[first:] + nodes[:first]:
            try:
                found = await self._ask_node(node, tokens, purpose)
            except NodeError as error:
                get_log().warning("lookup.failed", peer=node, reason=error.reason)
                self._bits.pop(node, None)
                failures.append(error)
                continue
            return {token: _answer(found.get(token)) for token in tokens}
        raise _explained(failures)

    async def _ask_node(
        self, node: MemberId, tokens: Sequence[bytes], purpose: Purpose
    ) -> dict[bytes, Record]:
        bits = self._bits.get(node, MAX_PREFIX_BITS)
        prefixes = sorted({prefix_of(token, bits) for token in tokens})
        found: dict[bytes, Record] = {}
        for start in range(0, len(prefixes), PREFIXES_A_CALL):
            part = prefixes[start : start + PREFIXES_A_CALL]
            found.update(await self._fetch(node, bits, part, purpose))
        return found

    async def _fetch(
        self, node: MemberId, bits: int, prefixes: Sequence[int], purpose: Purpose
    ) -> dict[bytes, Record]:
        request = wire.LookupPrefixRequest(
            prefix_bits=bits,
            prefixes=prefixes,
            purpose=purpose.value,  # type: ignore[arg-type]  # equal numbers, tested
        )
        try:
            response = await self._ask(node, request)
        except NodeError as error:
            if error.reason not in TOO_LARGE or len(prefixes) == 1:
                raise
            half = len(prefixes) // 2
            found = await self._fetch(node, bits, prefixes[:half], purpose)
            return found | await self._fetch(node, bits, prefixes[half:], purpose)
        # The recommendation only ever shortens what this node shows of its tokens.
        self._bits[node] = min(MAX_PREFIX_BITS, response.recommended_bits)
        return _read(response, bits, prefixes)


def _read(
    response: wire.LookupPrefixResponse, bits: int, prefixes: Sequence[int]
) -> dict[bytes, Record]:
    if len({len(bucket.records) for bucket in response.buckets}) != 1:
        raise PeerError("the buckets are not of one size", reason="BUCKET_INVALID")
    if len(response.buckets) != len(prefixes):
        raise PeerError("a bucket for each prefix is needed", reason="BUCKET_INVALID")
    found: dict[bytes, Record] = {}
    for prefix, bucket in zip(prefixes, response.buckets, strict=True):
        found.update(unpack(bucket.records, prefix, bits))
    return found


def _answer(record: Record | None) -> Answer:
    if record is None:
        return NOTHING
    return Answer(record.band, record.codes, record.expires_time, 0)


def _explained(failures: Sequence[NodeError]) -> NodeError:
    for failure in failures:
        if isinstance(failure, PolicyError):
            return failure
    return UnavailableError(
        "no node answers look-ups now",
        reason="LOOKUP_UNAVAILABLE",
        hint="tocsin status shows which peers can be reached",
    )
