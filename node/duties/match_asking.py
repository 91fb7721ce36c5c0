"""Find which own values another member offers, showing it how many alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from federation.vocabulary import Purpose
from keys.derivation import token_input
from keys.errors import KeysError
from keys.group import ELEMENT_BYTES
from keys.psi import (
    SESSION_BYTES,
    check_elements,
    matching_places,
    new_key,
    padded_size,
    random_elements,
    shuffle,
    split_elements,
)
from keys.secret import Secret
from node.duties.match_table import MatchTable, PastMatch
from node.duties.match_work import blind_in_workers, reblind_in_workers
from node.errors import PeerError
from node.peers import Peers
from node.workers import Workers
from tocsin.v1 import match_service_pb2 as wire
from tocsin.v1.match_service_pb2_grpc import MatchServiceStub

LEAST_TOLD: Final = 5
"""Hits below which the other side is told none: else whoever offers one number learns its fate."""
STEP_SECONDS: Final = 120.0
"""Seconds for a step: 65,536 elements take three of one core, and a line of 1 Mbit/s twenty."""


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


@dataclass(frozen=True, slots=True)
class _Own:
    """Own elements as they were sent: mixed with padding, with the place of each value."""

    elements: bytes
    place_of: dict[int, int]


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
        session = opened.session_id
        inputs = [token_input(self._federation, int(kind), one.encode()) for one in values]
        own = _mix(await blind_in_workers(self._workers, key, session, inputs), size)
        evaluated = await self._evaluate(member, session, own.elements, size)
        again = await self._reblind(key, member, opened.offered)
        hits = [own.place_of[at] for at in matching_places(evaluated, again) if at in own.place_of]
        await self._close(member, session, again, len(hits))
        elements = len(again) // ELEMENT_BYTES
        past = PastMatch(session, member, False, self._clock(), len(values), elements, len(hits))
        await asyncio.to_thread(self._table.remember, past)
        return Matched(session, tuple(sorted(hits)), elements)

    async def _open(self, member: MemberId, kind: Kind, size: int) -> wire.OpenMatchResponse:
        request = wire.OpenMatchRequest(
            purpose=Purpose.VERIFICATION.value,  # type: ignore[arg-type]  # equal numbers, tested
            kind=kind.value,  # type: ignore[arg-type]  # equal numbers, tested
            element_count=size,
        )
        opened = await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).OpenMatch, request, STEP_SECONDS
        )
        if len(opened.session_id) != SESSION_BYTES:
            raise _invalid(member)
        return opened

    async def _evaluate(
        self, member: MemberId, session: bytes, elements: bytes, size: int
    ) -> bytes:
        request = wire.EvaluateMatchRequest(session_id=session, blinded=elements)
        answer = await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).EvaluateMatch, request, STEP_SECONDS
        )
        return _checked(member, answer.evaluated, size)

    async def _reblind(self, key: Secret, member: MemberId, offered: bytes) -> bytes:
        _checked(member, offered, len(offered) // ELEMENT_BYTES)
        try:
            return await reblind_in_workers(self._workers, key, offered)
        except KeysError as error:
            raise _invalid(member) from error

    async def _close(self, member: MemberId, session: bytes, again: bytes, hits: int) -> None:
        """Give the other side what it counts in; where there are few hits, nothing of them."""
        is_told = hits >= LEAST_TOLD
        elements = shuffle(again) if is_told else random_elements(len(again) // ELEMENT_BYTES)
        request = wire.CloseMatchRequest(session_id=session, reblinded=elements)
        answer = await self._peers.call(
            member, lambda channel: MatchServiceStub(channel).CloseMatch, request, STEP_SECONDS
        )
        if answer.found_count != (hits if is_told else 0):
            raise _invalid(member)


def _mix(blinded: bytes, size: int) -> _Own:
    own = split_elements(blinded)
    elements = own + split_elements(random_elements(size - len(own)))
    order = list(range(size))
    secrets.SystemRandom().shuffle(order)
    place_of = {at: place for at, place in enumerate(order) if place < len(own)}
    return _Own(b"".join(elements[place] for place in order), place_of)


def _checked(member: MemberId, elements: bytes, size: int) -> bytes:
    try:
        return check_elements(elements, size)
    except KeysError as error:
        raise _invalid(member) from error


def _invalid(member: MemberId) -> PeerError:
    return PeerError(
        "what the other side sent does not fit the match",
        reason="MATCH_ANSWER_INVALID",
        member=member,
    )
