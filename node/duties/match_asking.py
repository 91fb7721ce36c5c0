"""Find which own values another member offers, showing it how many alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from federation.vocabulary import Purpose
from keys.derivation import token_input
from keys.digest_set import Digests, DigestShape, decode_digests
from keys.errors import KeysError
from keys.psi import (
    MOST_OFFERED,
    SESSION_BYTES,
    is_size,
    matching_places,
    new_key,
    padded_size,
)
from keys.secret import Secret
from node.duties.match_table import MatchTable, PastMatch
from node.duties.match_work import (
    blind_in_workers,
    check_in_worker,
    pad_and_mix,
    unblind_in_workers,
)
from node.errors import PeerError
from node.peers import Peers
from node.workers import Workers
from tocsin.v1 import match_service_pb2 as wire
from tocsin.v1.match_service_pb2_grpc import MatchServiceStub

LEAST_TOLD: Final = 5
"""Hits below which the other side is told none: else whoever offers one number learns its fate."""
STEP_SECONDS: Final = 300.0
"""Seconds for a step: a million offered values take a minute of one core at the other side."""

LEAST_PAGE: Final = 524_288
"""Bytes in each message but the last: a million digests take sixteen calls at most."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What a match came to.

    Attributes:
        session: 16 bytes.
        hits: Places of the hits among the values, ascending.
        offered_elements: Of the other side, padding among them.
    """

    session: bytes
    hits: tuple[int, ...]
    offered_elements: int


class Asking:
    """Matches that this member starts."""

    def __init__(
        self,
        federation: FederationName,
        peers: Peers,
        table: MatchTable,
        workers: Workers,
        clock: Callable[[], int],
    ) -> None:
        self._federation = federation
        self._peers = peers
        self._table = table
        self._workers = workers
        self._clock = clock

    async def match(self, member: MemberId, kind: Kind, values: Sequence[str]) -> Matched:
        """Find which of distinct own values a member offers.

        Raises:
            MatchError: MATCH_SIZE_INVALID, there are too many.
            PeerCallError: The call failed; its reason says why, such as MATCH_NOT_OFFERED.
            PeerError: MATCH_ANSWER_INVALID, what the other side sent is malformed or does not fit.
        """
        key = new_key()
        try:
            return await self._match(key, member, kind, values)
        finally:
            key.wipe()

    async def _match(
        self, key: Secret, member: MemberId, kind: Kind, values: Sequence[str]
    ) -> Matched:
        size = padded_size(len(values))
        opened = await self._open(member, kind, size)
        session, elements = opened.session_id, opened.offered_count
        shape = DigestShape(elements, size)
        offered = await self._offered(member, opened, shape)
        inputs = await asyncio.to_thread(self._inputs, kind, values)
        blinded = await blind_in_workers(self._workers, key, session, inputs)
        sent, order = await pad_and_mix(self._workers, blinded, size)
        evaluated = await self._evaluate(member, session, sent, size)
        hashes = await self._unblind(key, member, session, evaluated)
        places = await self._places(member, hashes, offered, shape)
        hits = tuple(sorted(order[at] for at in places if order[at] < len(values)))
        past = PastMatch(session, member, False, self._clock(), len(values), elements, len(hits))
        await asyncio.to_thread(self._table.remember, past)
        await self._close(member, session, len(hits))
        return Matched(session, hits, elements)

    def _inputs(self, kind: Kind, values: Sequence[str]) -> list[bytes]:
        return [token_input(self._federation, int(kind), one.encode()) for one in values]

    async def _open(self, member: MemberId, kind: Kind, size: int) -> wire.OpenMatchResponse:
        request = wire.OpenMatchRequest(
            purpose=Purpose.VERIFICATION.value,  # type: ignore[arg-type]  # equal numbers, tested
            kind=kind.value,  # type: ignore[arg-type]  # equal numbers, tested
            element_count=size,
        )
        opened = await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).OpenMatch, request, STEP_SECONDS
        )
        is_formed = len(opened.session_id) == SESSION_BYTES
        if not is_formed or not is_size(opened.offered_count, MOST_OFFERED):
            raise _invalid(member)
        return opened

    async def _offered(
        self, member: MemberId, opened: wire.OpenMatchResponse, shape: DigestShape
    ) -> Digests:
        """Read all that is offered, a message at a time, and no byte more."""
        found = bytearray(opened.coded)
        while len(found) < shape.length:
            request = wire.ReadOfferedRequest(session_id=opened.session_id, offset=len(found))
            answer = await self._peers.call(
                member, lambda channel: MatchServiceStub(channel).ReadOffered, request, STEP_SECONDS
            )
            if len(answer.coded) < min(LEAST_PAGE, shape.length - len(found)):
                raise _invalid(member)
            found += answer.coded
        try:
            return await asyncio.to_thread(decode_digests, bytes(found), shape)
        except KeysError as error:
            raise _invalid(member) from error

    async def _evaluate(
        self, member: MemberId, session: bytes, elements: bytes, size: int
    ) -> bytes:
        request = wire.EvaluateMatchRequest(session_id=session, blinded=elements)
        answer = await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).EvaluateMatch, request, STEP_SECONDS
        )
        try:
            await check_in_worker(self._workers, answer.reblinded, size)
        except KeysError as error:
            raise _invalid(member) from error
        return answer.reblinded

    async def _unblind(
        self, key: Secret, member: MemberId, session: bytes, elements: bytes
    ) -> bytes:
        try:
            return await unblind_in_workers(self._workers, key, session, elements)
        except KeysError as error:
            raise _invalid(member) from error

    async def _places(
        self, member: MemberId, hashes: bytes, offered: Digests, shape: DigestShape
    ) -> list[int]:
        try:
            return await asyncio.to_thread(matching_places, hashes, offered, shape)
        except KeysError as error:
            raise _invalid(member) from error

    async def _close(self, member: MemberId, session: bytes, hits: int) -> None:
        """Tell the other side how many there are, where there are not few."""
        told = hits if hits >= LEAST_TOLD else 0
        request = wire.CloseMatchRequest(session_id=session, found_count=told)
        await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).CloseMatch, request, STEP_SECONDS
        )


def _invalid(member: MemberId) -> PeerError:
    return PeerError(
        "what the other side sent does not fit the match",
        reason="MATCH_ANSWER_INVALID",
        member=member,
    )
