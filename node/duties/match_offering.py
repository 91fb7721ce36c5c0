"""Answer the matches of others with what is offered to them: one session a member, in memory.

A session is held by the step that works on it: whatever else its member sends meanwhile is
refused, and it neither expires nor ends under that step. From the second step on the caller has its
hits, so the match is remembered there, as uncounted, and the last step only adds the number. What
is malformed or given up ends the session: another try costs another session, or it would be worked
on for free.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from federation.indicators.kind import Kind
from federation.names import FederationName, MemberId
from keys.derivation import token_input
from keys.digest_set import DigestShape
from keys.errors import KeysError
from keys.psi import (
    MOST_OFFERED,
    SESSION_BYTES,
    arrange_digests,
    is_size,
    new_key,
    padded_size,
)
from keys.secret import Secret
from node.duties.match_table import MatchTable, PastMatch
from node.duties.match_work import check_in_worker, evaluate_in_workers, offer_in_workers
from node.errors import PolicyError, RequestError
from node.workers import Workers

SESSION_SECONDS: Final = 600
"""Seconds that a session stands: both sides need a few, and a slow line more."""
MAX_SESSIONS: Final = 16
"""Sessions at once."""
MAX_HELD: Final = 4 * MOST_OFFERED
"""Digests of all sessions at once: thirty-two megabytes of memory."""
PAGE_BYTES: Final = 2_097_152
"""Bytes of digests in one message, below what a door takes: a million go in four."""
READ_VALUES: Final = 32_768
"""Values read from the database at once: a second of two cores' work."""


Charge = Callable[[int], Awaitable[None]]
"""Charges elements to the caller, or raises PolicyError."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a caller gets at first: how many digests are offered, and the first of their coding."""

    session: bytes
    count: int
    coded: bytes


@dataclass(slots=True)
class _Session:
    """One match under way.

    ``match`` is None until the caller has its elements back, and ``coded`` is kept until then.
    """

    id: bytes
    member: MemberId
    size: int
    offered: int
    filled: int
    expires: int
    coded: bytes = field(default=b"", repr=False)
    key: Secret = field(default_factory=new_key, repr=False)
    match: PastMatch | None = None
    is_held: bool = True

    @property
    def shape(self) -> DigestShape:
        """How digests are cut and coded."""
        return DigestShape(self.filled, self.size)

    def page(self, start: int) -> bytes:
        """Return the bytes of the coding from a place on that one message takes."""
        return self.coded[start : start + PAGE_BYTES]


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

    async def open(self, member: MemberId, kind: Kind, size: int, charge: Charge) -> Opened:
        """Open a session for a member, which ends its earlier one.

        Args:
            member: Who asks.
            kind: Of the values.
            size: How many elements the member will send.
            charge: Called before any work with the elements of both sides: all are blinded here.
                Of the values only their number is read before it.

        Raises:
            RequestError: MATCH_SIZE_INVALID.
            PolicyError: MATCH_NOT_OFFERED, MATCH_BUSY, or what the charge raises.
        """
        if not is_size(size):
            raise RequestError("a side has 64 to 65,536 elements", reason="MATCH_SIZE_INVALID")
        offered = await asyncio.to_thread(self._table.count_offered, member, kind, self._clock())
        if not offered:
            raise PolicyError("nothing is offered to this member", reason="MATCH_NOT_OFFERED")
        session = self._begin(member, size, offered)
        try:
            await charge(size + session.filled)
            hashes = await self._hashes(session, kind)
            session.coded = await self._workers.run(arrange_digests, hashes, session.shape)
        except BaseException:
            self._end(session)
            raise
        session.is_held = False
        return Opened(session.id, session.filled, session.page(0))

    def read(self, member: MemberId, session_id: bytes, start: int) -> bytes:
        """Return more of the coded digests, from a byte on, before the elements are evaluated.

        Raises:
            RequestError: MATCH_SESSION_UNKNOWN, MATCH_STEP_INVALID or MATCH_SIZE_INVALID.
        """
        with self._hold(member, session_id, is_evaluated=False) as session:
            if not 0 <= start < session.shape.length:
                raise RequestError("so many are not offered", reason="MATCH_SIZE_INVALID")
            return session.page(start)

    async def evaluate(self, member: MemberId, session_id: bytes, blinded: bytes) -> bytes:
        """Blind the caller's elements, once in a session.

        Malformed ones end the session, and so does a caller that does not wait.

        Raises:
            RequestError: MATCH_SESSION_UNKNOWN or MATCH_STEP_INVALID.
            MatchError: They are not as many as announced, or not distinct.
            GroupError: One is no element.
        """
        with self._hold(member, session_id, is_evaluated=False) as session:
            try:
                await check_in_worker(self._workers, blinded, session.size)
                reblinded = await evaluate_in_workers(self._workers, session.key, blinded)
                await check_in_worker(self._workers, reblinded, session.size)
                match = self._uncounted(session)
                await asyncio.to_thread(self._table.remember, match)
            except (KeysError, asyncio.CancelledError):
                self._end(session)
                raise
            session.match, session.coded = match, b""
        return reblinded

    async def close(self, member: MemberId, session_id: bytes, found: int) -> None:
        """Take how many are the same, and end the session.

        Raises:
            RequestError: MATCH_SESSION_UNKNOWN, MATCH_STEP_INVALID or MATCH_COUNT_INVALID.
        """
        with self._hold(member, session_id, is_evaluated=True) as session:
            if not 0 <= found <= min(session.offered, session.size):
                raise RequestError("more are found than there are", reason="MATCH_COUNT_INVALID")
            if session.match is not None:
                done = replace(session.match, time=self._clock(), found=found, uncounted=False)
                await asyncio.to_thread(self._table.remember, done)
        self._end(session)

    def end_expired(self) -> None:
        """End the sessions whose time is over, so that no key stays longer."""
        now = self._clock()
        for session in list(self._sessions.values()):
            if session.expires <= now and not session.is_held:
                self._end(session)

    async def _hashes(self, session: _Session, kind: Kind) -> bytes:
        """Return the hashes of what is offered, a part at a time, and no more than was charged."""
        parts: list[bytes] = []
        last, left = "", session.offered
        while left:
            values = await asyncio.to_thread(
                self._table.offered,
                session.member,
                kind,
                self._clock(),
                last,
                min(left, READ_VALUES),
            )
            if not values:
                break
            inputs = await asyncio.to_thread(self._inputs, kind, values)
            parts.append(await offer_in_workers(self._workers, session.key, session.id, inputs))
            last, left = values[-1], left - len(values)
        return b"".join(parts)

    def _inputs(self, kind: Kind, values: Iterable[str]) -> list[bytes]:
        return [token_input(self._federation, int(kind), one.encode()) for one in values]

    def _uncounted(self, session: _Session) -> PastMatch:
        return PastMatch(
            session.id,
            session.member,
            is_offered=True,
            time=self._clock(),
            own=session.offered,
            other=session.size,
            found=0,
            uncounted=True,
        )

    def _begin(self, member: MemberId, size: int, offered: int) -> _Session:
        """Put a held session in place of the member's earlier one."""
        earlier = self._sessions.get(member)
        if earlier is not None and earlier.is_held:
            raise PolicyError("a step of your match is under way", reason="MATCH_BUSY")
        self.end_expired()
        if earlier is not None:
            self._end(earlier)
        filled = padded_size(offered, MOST_OFFERED)
        held = sum(one.filled for one in self._sessions.values())
        if len(self._sessions) >= MAX_SESSIONS or held + filled > MAX_HELD:
            raise PolicyError("too many matches are under way", reason="MATCH_BUSY")
        expires = self._clock() + SESSION_SECONDS
        session = _Session(
            secrets.token_bytes(SESSION_BYTES), member, size, offered, filled, expires
        )
        self._sessions[member] = session
        return session

    @contextmanager
    def _hold(
        self, member: MemberId, session_id: bytes, *, is_evaluated: bool
    ) -> Iterator[_Session]:
        """Give a session to one step alone, until the step is done or raises."""
        session = self._find(member, session_id)
        if session.is_held or (session.match is not None) is not is_evaluated:
            raise RequestError("this step of the match is not due", reason="MATCH_STEP_INVALID")
        session.is_held = True
        try:
            yield session
        finally:
            session.is_held = False

    def _find(self, member: MemberId, session_id: bytes) -> _Session:
        session = self._sessions.get(member)
        if session is None or session.id != session_id or session.expires <= self._clock():
            raise RequestError("there is no such session", reason="MATCH_SESSION_UNKNOWN")
        return session

    def _end(self, session: _Session) -> None:
        session.key.wipe()
        if self._sessions.get(session.member) is session:
            del self._sessions[session.member]
