"""Raise alarms: statements that tell everyone what one member saw, each once.

What causes an alarm makes its id, and the log takes an id once: two processes of a member that see
the same say one alarm, and so does one that was killed between saying it and noting that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from federation.fork import ForkEvidence
from federation.matters import AnyMatter
from federation.names import MemberId
from federation.statements import Alarm
from federation.statements.alarm import DATED_AHEAD
from federation.statements.shape import MAX_AMOUNT, MAX_SKEW_SECONDS
from federation.views import ALARM
from federation.vocabulary import AlarmKind
from node.doors.caller import caller
from node.metering import SECONDS_A_DAY, Excess
from node.speaker import STATEMENT_ID_BYTES, Speaker
from node.store.private import PrivateStore
from node.telemetry import get_log
from node.tokens.tokeniser import Blame

MILLION = 1_000_000  # a stability index is said in millionths
STABLE_INDEX = 0.25  # as in federation.training.drift, which loads numpy; a test holds them equal
MAX_KNOWN = 4_096  # alarms remembered in memory, about 0.5 MiB; the store knows all of them


class Alarms:
    """Says alarms into the own log; the same one is not said twice."""

    def __init__(self, speaker: Speaker, private: PrivateStore, clock: Callable[[], int]) -> None:
        self._speaker = speaker
        self._private = private
        self._clock = clock
        self._known: set[str] = set()
        self._ahead: dict[MemberId, int] = {}

    async def quota_exceeded(self, excess: Excess) -> None:
        """Tell that a member went over a quota: once a day, member and kind class."""
        of_class = excess.kind_class.name if excess.kind_class else "ALL"
        day = self._clock() // SECONDS_A_DAY
        who = caller.get(None)
        await self._raise(
            f"quota/{excess.member}/{of_class}/{day}",
            Alarm(
                alarm_kind=AlarmKind.QUOTA_EXCEEDED,
                member=excess.member,
                certificate_digest=bytes.fromhex(who.certificate_digest) if who else b"",
                kind_class=excess.kind_class,
                observed=excess.used + excess.asked,
                limit=excess.limit,
                reason="QUOTA_EXCEEDED",
            ),
        )

    async def log_forked(self, member: MemberId, evidence: ForkEvidence) -> None:
        """Tell that a member signed two histories, with both signed checkpoints.

        For checkpoints of different sizes the path begins with the prefix root.
        """
        await self._raise(
            f"fork/{member}",
            Alarm(
                alarm_kind=AlarmKind.LOG_FORKED,
                member=member,
                first_evidence=evidence.first,
                second_evidence=evidence.second,
                evidence_path=(evidence.prefix_root or b"") + b"".join(evidence.path),
                reason="LOG_FORKED",
            ),
        )

    async def evaluation_wrong(self, blame: Blame) -> None:
        """Tell that a key holder answered wrongly, with its signed answer."""
        day = self._clock() // SECONDS_A_DAY
        await self._raise(
            f"evaluation/{blame.holder}/{day}",
            Alarm(
                alarm_kind=AlarmKind.EVALUATION_WRONG,
                member=blame.holder,
                kind_class=blame.kind_class,
                first_evidence=blame.response.SerializeToString(),
                second_evidence=blame.request_digest + blame.response.signature,
                reason="EVALUATION_WRONG",
            ),
        )

    async def statement_refused(self, member: MemberId, reason: str) -> None:
        """Tell that a log holds a statement that its member may not say."""
        day = self._clock() // SECONDS_A_DAY
        alarm = Alarm(
            alarm_kind=AlarmKind.STATEMENT_REFUSED, member=member, observed=1, reason=reason
        )
        await self._raise(f"statement/{member}/{reason}/{day}", alarm)

    async def dated_ahead(self, member: MemberId, dated: int) -> None:
        """Tell that a member dates statements ahead of this clock: the latest one, once a day.

        What is dated later still on the same day waits for the next day that the member speaks,
        so that a small step ahead hides no large one.

        Args:
            member: In whose log it stands.
            dated: The latest time that one of its new statements is dated.
        """
        now = self._clock()
        latest = max(dated, self._ahead.pop(member, 0))
        if latest <= now + MAX_SKEW_SECONDS:
            return
        alarm = Alarm(
            alarm_kind=AlarmKind.STATEMENT_REFUSED,
            member=member,
            observed=min(latest - now, MAX_AMOUNT),
            limit=MAX_SKEW_SECONDS,
            reason=DATED_AHEAD,
        )
        if not await self._raise(f"ahead/{member}/{now // SECONDS_A_DAY}", alarm):
            self._ahead[member] = latest

    async def matter_refused(self, member: MemberId, statement_id: bytes, reason: str) -> None:
        """Tell that a statement breaks the rules of its matter: once for each statement."""
        alarm = Alarm(
            alarm_kind=AlarmKind.STATEMENT_REFUSED, member=member, observed=1, reason=reason
        )
        await self._raise(f"matter/{member}/{statement_id.hex()}", alarm)

    async def round_asks_few(self, matter: AnyMatter, asked: int, wanted: int) -> None:
        """Tell that a verification round asks few of those who could know: once for each round.

        Args:
            matter: The round.
            asked: How many members with customers it asks.
            wanted: How many it would ask at least, were it nobody's alone.
        """
        alarm = Alarm(
            alarm_kind=AlarmKind.STATEMENT_REFUSED,
            member=matter.opener,
            observed=asked,
            limit=wanted,
            reason="ASKED_FEW",
            matter_id=matter.id,
        )
        await self._raise(f"asked/{matter.opener}/{matter.id.hex()}", alarm)

    async def matter_overdue(self, matter: AnyMatter, member: MemberId, due: int, now: int) -> None:
        """Tell that a member has missed a deadline: once for each matter, member and deadline.

        Args:
            matter: In which it has a step to take.
            member: Who is late.
            due: The last second at which it would have been in time.
            now: The second at which it is missing.
        """
        alarm = Alarm(
            alarm_kind=AlarmKind.MATTER_OVERDUE,
            member=member,
            observed=now - due,
            reason="MATTER_OVERDUE",
            matter_id=matter.id,
        )
        name = f"{matter.kind}/{matter.id.hex()}/{matter.opener}"
        await self._raise(f"overdue/{name}/{member}/{due}", alarm)

    async def model_drifted(self, member: MemberId, plan_digest: bytes, index: float) -> None:
        """Tell that rows have moved away from those of a model: once a day and plan.

        Args:
            member: Who measured it.
            plan_digest: Of the model's plan.
            index: The largest population stability index; 0 where the label rate jumped alone.
        """
        day = self._clock() // SECONDS_A_DAY
        alarm = Alarm(
            alarm_kind=AlarmKind.MODEL_DRIFTED,
            member=member,
            observed=round(index * MILLION),
            limit=round(STABLE_INDEX * MILLION),
            reason="MODEL_DRIFTED",
            plan_digest=plan_digest,
        )
        await self._raise(f"drift/{plan_digest.hex()}/{day}", alarm)

    async def _raise(self, key: str, alarm: Alarm) -> bool:
        """Say an alarm unless it was said before; return whether it was said now."""
        if key in self._known:
            return False  # who keeps asking beyond its quota must not cost more than the refusal
        async with self._speaker.lock:
            is_new = False
            if not await asyncio.to_thread(self._private.get, f"alarm/{key}"):
                statement = self._speaker.statement(alarm, statement_id=_alarm_id(key))
                is_new = await self._speaker.say_once(statement, ALARM)
                await asyncio.to_thread(self._private.put, f"alarm/{key}", b"1")
            if is_new:
                get_log().warning("alarm.raised", member=alarm.member, reason=alarm.reason)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known.add(key)
            return is_new


def _alarm_id(cause: str) -> bytes:
    return hashlib.sha256(f"tocsin alarm/{cause}".encode()).digest()[:STATEMENT_ID_BYTES]
