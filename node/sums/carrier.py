"""Carry private sums through the logs: look what each asks of this node, and say it.

Everything is derived from the logs, the durable memory and the clock, so a node that was killed in
the middle goes on where it was, and what was said once is not said again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from federation.errors import FederationError
from federation.names import MemberId
from federation.statements import (
    Body,
    SumBody,
    SumClose,
    SumOpen,
    SumPartial,
    SumShares,
    encode_body,
)
from federation.sums import (
    CLOSE_SECONDS,
    SPREAD_SECONDS,
    Progress,
    SumFaultError,
    Total,
)
from federation.vocabulary import Purpose
from keys.errors import KeysError
from node.errors import NodeError, UnavailableError
from node.member import MemberKeys
from node.speaker import Speaker
from node.store.catalogue import SumRow
from node.sums.contributor import Contributor
from node.sums.holder import HolderPart
from node.sums.memory import SumMemory
from node.sums.opener import Opener, SumDraft
from node.sums.records import SumHead, SumRecord, SumRecords
from node.sums.sources import Sources
from node.telemetry import describe_error, get_log

# Seconds between looks at the clock for sums whose deadline comes: what a person calls at once.
LOOK_SECONDS: Final = 1.0
# Seconds after which a step that failed is tried again, as with a full disk.
RETRY_SECONDS: Final = 10
# Seconds after the time to close in which a holder that was away still answers: a week.
ANSWER_SECONDS: Final = 7 * 86_400


class Sums:
    """This node's part in the sums that stand in the logs."""

    def __init__(
        self,
        keys: MemberKeys,
        records: SumRecords,
        speaker: Speaker,
        memory: SumMemory,
        clock: Callable[[], int],
    ) -> None:
        """Take part as the member whose keys these are.

        Args:
            keys: The member's own keys.
            records: What stands in the logs.
            speaker: Adds to the own log.
            memory: What this member has done before.
            clock: Seconds since 1970.
        """
        self.me: MemberId = keys.card.member.member
        self.records = records
        self.sources = Sources()
        self._speaker = speaker
        self._clock = clock
        self.contributor = Contributor(keys, self.sources, memory, records.charter, clock)
        self.holder = HolderPart(keys, memory, clock)
        self.opener = Opener(self.me, records, clock)
        self._turn = asyncio.Lock()
        self._looked: dict[bytes, tuple[int, int | None]] = {}
        self._over: set[bytes] = set()
        self._settled: set[bytes] = set()
        self._said: set[bytes] = set()

    def now(self) -> int:
        """Return the node's clock, seconds since 1970."""
        return self._clock()

    async def open(
        self, draft: SumDraft, announce: Callable[[SumOpen], Body] | None = None
    ) -> bytes:
        """Open a sum; it goes on by itself, and its total can be read by everybody.

        Args:
            draft: The sum.
            announce: Makes what is said right before the opening, together with it.

        Returns:
            Its id, 16 bytes.

        Raises:
            RequestError: SUM_DRAFT_INVALID or SUM_TOO_LARGE.
            PolicyError: ROLE_NOT_ALLOWED or SUM_HOLDERS_MISSING.
            SumRefusedError: SUM_REPEATED, these labels were summed with other contributors;
                VECTOR_OVERFLOW or SUM_REFUSED.
        """
        self._speaker.require_may_say(SumOpen)
        opening, labels = await asyncio.to_thread(self.opener.open, draft)
        before = [] if announce is None else [announce(opening)]
        await self._say([*before, opening, labels], opening.purpose)
        await self.advance(opening.sum_id)
        return opening.sum_id

    async def wait(self, sum_id: bytes, seconds: float) -> Total:
        """Wait until the total of a sum can be read, and return it.

        Raises:
            UnavailableError: SUM_NOT_READY, not in that time; or the reason why the sum came to
                nothing.
            SumFaultError: SUM_UNKNOWN.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    progress = await self.progress(sum_id)
                    if progress.total is not None:
                        return progress.total
                    if progress.reason:
                        raise UnavailableError("the sum came to nothing", reason=progress.reason)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            raise UnavailableError("the total is not there yet", reason="SUM_NOT_READY") from error

    async def progress(self, sum_id: bytes) -> Progress:
        """Tell how a sum stands.

        Raises:
            SumFaultError: SUM_UNKNOWN.
        """
        record = await asyncio.to_thread(self.records.find, sum_id)
        return await asyncio.to_thread(self.records.progress, record, self._clock())

    async def advance_if_due(self) -> None:
        """Do what the logs and the clock ask of this node now."""
        counts = await asyncio.to_thread(self.records.counts)
        now = self._clock()
        for sum_id, count in counts.items():
            if sum_id in self._over:
                continue
            looked, due = self._looked.get(sum_id, (0, None))
            if count != looked or (due is not None and now >= due):
                await self._advance_safely(sum_id)

    async def advance(self, sum_id: bytes) -> None:
        """Do what one sum asks of this node now, until there is nothing left to do."""
        async with self._turn:
            while (body := await asyncio.to_thread(self._next, sum_id)) is not None:
                await self._say([body], self._purpose(sum_id))
                self._said.add(_digest(body))

    async def _advance_safely(self, sum_id: bytes) -> None:
        """Advance one sum; what somebody said in it must not stop the others."""
        try:
            await self.advance(sum_id)
        except (NodeError, FederationError, KeysError) as error:
            looked, _ = self._looked.get(sum_id, (0, None))
            self._looked[sum_id] = (looked, self._clock() + RETRY_SECONDS)
            get_log().warning("sum.not_advanced", reason=error.reason, **describe_error(error))

    def _next(self, sum_id: bytes) -> SumBody | None:
        """Return what this node has to say in a sum now, and note when to look again."""
        rows = self.records.rows(sum_id)
        head = self.records.head(sum_id)
        self._looked[sum_id] = (len(rows), None)
        if head is None or self._has_ended(head, rows):
            return None
        body = self._duty(head, rows)
        # Nothing is said twice, whatever the fold makes of it: a log is for ever.
        if body is None or _digest(body) in self._said:
            self._looked[sum_id] = (len(rows), self._due(head))
            return None
        return body

    def _duty(self, head: SumHead, rows: list[SumRow]) -> SumBody | None:
        opening, now = head.sum.opening, self._clock()
        said = {row.body for row in rows if row.member == self.me}
        is_closed = any(row.body is SumClose for row in rows)
        if SumShares in said:
            self._settle(opening.sum_id)
        elif self.me in opening.contributors and not is_closed and now <= opening.deadline_time:
            shares = self.contributor.contribute(head)
            if shares is not None:
                return shares
        if not self._is_worth_reading(head, rows, now):
            return None
        return self._duty_in(self._read(opening.sum_id), said)

    def _settle(self, sum_id: bytes) -> None:
        if sum_id not in self._settled:
            self.contributor.settle(sum_id)
            self._settled.add(sum_id)

    def _duty_in(self, record: SumRecord | None, said: set[type[SumBody]]) -> SumBody | None:
        if record is None:
            return None
        opened = record.state.sum
        body: SumBody | None = None
        if self.me in opened.opening.holders:
            body = self.holder.check(record)
        if body is None and self.me == opened.opener and SumClose not in said:
            body = self.opener.close(record)
        if body is None and self.me in opened.opening.holders:
            body = self.holder.respond(record)
        return body

    def _is_worth_reading(self, head: SumHead, rows: list[SumRow], now: int) -> bool:
        """Say whether the shares need to be read: they are long, and mostly only waited for."""
        opening = head.sum.opening
        if self.me != head.sum.opener and self.me not in opening.holders:
            return False
        if any(row.body is SumClose for row in rows):
            return True
        posted = {row.member for row in rows if row.body is SumShares}
        is_late = now >= opening.deadline_time + SPREAD_SECONDS
        return is_late or posted >= set(opening.contributors)

    def _read(self, sum_id: bytes) -> SumRecord | None:
        try:
            return self.records.find(sum_id)
        except SumFaultError:
            return None

    def _due(self, head: SumHead) -> int | None:
        deadline, now = head.sum.opening.deadline_time, self._clock()
        times = (
            deadline + SPREAD_SECONDS,
            self.opener.due(head.sum.opening.sum_id),
            self.contributor.waiting.get(head.sum.opening.sum_id),
            deadline + CLOSE_SECONDS + 1,  # then it is over
            deadline + CLOSE_SECONDS + ANSWER_SECONDS,
        )
        return min((time for time in times if time is not None and time > now), default=None)

    def _has_ended(self, head: SumHead, rows: list[SumRow]) -> bool:
        """Say whether a sum asks nothing of this node any more, whatever comes."""
        opening, now = head.sum.opening, self._clock()
        is_closed = any(row.body is SumClose for row in rows)
        said = {row.body for row in rows if row.member == self.me}
        must_answer = self.me in opening.holders and SumPartial not in said
        last = opening.deadline_time + CLOSE_SECONDS + (ANSWER_SECONDS if is_closed else 0)
        if now > last or (is_closed and not must_answer):
            self._over.add(opening.sum_id)
            return True
        return False

    def _purpose(self, sum_id: bytes) -> Purpose:
        head = self.records.head(sum_id)
        return Purpose.OPERATION if head is None else head.sum.opening.purpose

    async def _say(self, bodies: Sequence[Body], purpose: Purpose) -> None:
        async with self._speaker.lock:
            await self._speaker.say([self._speaker.statement(one, purpose) for one in bodies])
        for body in bodies:
            get_log().info("sum.said", body=type(body).__name__)


def _digest(body: SumBody) -> bytes:
    return hashlib.sha256(encode_body(body)).digest()
