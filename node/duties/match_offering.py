"""Answer the matches of others with what is offered to them: one session a member, in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.derivation import token_input
from keys.group import ELEMENT_BYTES
from keys.psi import (
    SESSION_BYTES,
    check_elements,
    is_size,
    matching_places,
    new_key,
    padded_size,
    random_elements,
    shuffle,
)
from keys.secret import Secret
from node.duties.match_table import MatchTable, PastMatch
from node.duties.match_work import blind_in_workers, reblind_in_workers
from node.errors import PolicyError, RequestError
from node.workers import Workers

SESSION_SECONDS: Final = 600
"""Seconds that a session stands: both sides need a few, and a slow line more."""
MAX_SESSIONS: Final = 16
"""Sessions at once: each keeps up to two megabytes in memory."""


@dataclass(slots=True)
class _Session:
    """One match under way; ``evaluated`` is empty until the caller has sent its elements."""

    id: bytes
    member: MemberId
    key: Secret = field(repr=False)
    size: int
    offered: int
    elements: int
    expires: int
    evaluated: bytes = b""
    is_working: bool = False


class Offering:
    """What other members may match with; used from the event loop alone."""

    def __init__(
        self,
        federation: FederationName,
        table: MatchTable,
        workers: Workers,
        clock: Callable[[], int],
    ) -> None:
        self._federation = federation
        self._table = table
        self._workers = workers
        self._clock = clock
        self._sessions: dict[MemberId, _Session] = {}

    async def open(self, member: MemberId, kind: Kind, size: int) -> tuple[bytes, bytes]:
        """Open a session for a member, which ends its earlier one.

        Returns:
            The session's id, and the offered elements.

        Raises:
            RequestError: MATCH_SIZE_INVALID.
            PolicyError: MATCH_NOT_OFFERED or MATCH_BUSY.
        """
        if not is_size(size):
            raise RequestError("a side has 64 to 65,536 elements", reason="MATCH_SIZE_INVALID")
        now = self._clock()
        values = await asyncio.to_thread(self._table.offered, member, kind, now)
        if not values:
            raise PolicyError("nothing is offered to this member", reason="MATCH_NOT_OFFERED")
        self._end(member)
        self._make_room(now)
        session_id, key = secrets.token_bytes(SESSION_BYTES), new_key()
        inputs = [token_input(self._federation, int(kind), one.encode()) for one in values]
        blinded = await blind_in_workers(self._workers, key, session_id, inputs)
        padding = random_elements(padded_size(len(values)) - len(values))
        elements = shuffle(blinded + padding)
        self._sessions[member] = _Session(
            session_id,
            member,
            key,
            size,
            len(values),
            len(elements) // ELEMENT_BYTES,
            now + SESSION_SECONDS,
        )
        return session_id, elements

    async def evaluate(self, member: MemberId, session_id: bytes, blinded: bytes) -> bytes:
        """Blind the caller's elements, once in a session.

        Raises:
            RequestError: MATCH_SESSION_UNKNOWN or MATCH_STEP_INVALID.
            MatchError: They are not as many as announced, or not distinct.
            GroupError: One is no element.
        """
        session = self._find(member, session_id)
        if session.evaluated or session.is_working:
            raise _out_of_step()
        check_elements(blinded, session.size)
        session.is_working = True  # a second call meanwhile is refused
        try:
            session.evaluated = await reblind_in_workers(self._workers, session.key, blinded)
        finally:
            session.is_working = False
        return session.evaluated

    async def close(self, member: MemberId, session_id: bytes, reblinded: bytes) -> int:
        """Count what is the same, and end the session.

        Raises:
            RequestError: MATCH_SESSION_UNKNOWN or MATCH_STEP_INVALID.
            MatchError: They are not as many as offered, or not distinct.
        """
        session = self._find(member, session_id)
        if not session.evaluated:
            raise _out_of_step()
        check_elements(reblinded, session.elements)
        found = len(matching_places(reblinded, session.evaluated))
        self._end(member)
        past = PastMatch(
            session.id, member, True, self._clock(), session.offered, session.size, found
        )
        await asyncio.to_thread(self._table.remember, past)
        return found

    def _find(self, member: MemberId, session_id: bytes) -> _Session:
        session = self._sessions.get(member)
        if session is None or session.id != session_id or session.expires <= self._clock():
            raise RequestError("there is no such session", reason="MATCH_SESSION_UNKNOWN")
        return session

    def _make_room(self, now: int) -> None:
        for member in [name for name, one in self._sessions.items() if one.expires <= now]:
            self._end(member)
        if len(self._sessions) >= MAX_SESSIONS:
            raise PolicyError("too many matches are under way", reason="MATCH_BUSY")

    def _end(self, member: MemberId) -> None:
        session = self._sessions.pop(member, None)
        if session is not None:
            session.key.wipe()


def _out_of_step() -> RequestError:
    return RequestError("this step of the match is not due", reason="MATCH_STEP_INVALID")
