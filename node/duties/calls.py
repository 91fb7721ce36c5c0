"""Answer a bank's question before a payment from the calls that the own network reported.

What is asked about, by whom, and what was answered stands in no log of this node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from federation.call_context import SILENT_FEED_SECONDS, Call, judge_calls
from federation.indicators import Indicator
from federation.vocabulary import CallContext, Purpose
from node.desk.intake import Intake, Refusal
from node.duties.call_table import CallTable, KnownCall
from node.errors import RequestError
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire

MAX_CALLS: Final = 1_000
"""Calls in one report: with two numbers each they make one batch at the key holders."""
ANSWER_SECONDS: Final = 0.05
"""Seconds that every answer takes at least: how long it took says nothing about the customer."""

TIMES_WRONG: Final = Refusal("TIME_INVALID", "a call begins, and ends not before that")


@dataclass(frozen=True, slots=True)
class FedCall:
    """A call as the network reports it; ``ended`` is 0 while it goes on."""

    subscriber: wire.RawIndicator = field(repr=False)
    other: wire.RawIndicator = field(repr=False)
    began: int
    ended: int
    first_contact: bool


class Calls:
    """The calls of one carrier's customers."""

    def __init__(
        self,
        table: CallTable,
        intake: Intake,
        verdicts: Verdicts,
        pad: Callable[[], int],
        epoch: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        self._table = table
        self._intake = intake
        self._verdicts = verdicts
        self._pad = pad
        self._epoch = epoch
        self._clock = clock

    async def feed(self, calls: Sequence[FedCall]) -> list[Refusal | bool]:
        """Take calls of own customers; none says that the network is watched.

        Returns:
            For each why it was not taken, or whether it was news.

        Raises:
            RequestError: BATCH_TOO_LARGE.
            UnavailableError: A number is new here, and too few key holders answer.
        """
        if len(calls) > MAX_CALLS:
            raise RequestError(f"at most {MAX_CALLS} calls at once", reason="BATCH_TOO_LARGE")
        ends = [number for one in calls for number in (one.subscriber, one.other)]
        parsed, refused = await self._intake.parse(ends)
        tokens = await self._tokens({one.value: one for one in parsed.values()})
        results: list[Refusal | bool] = []
        known: list[KnownCall] = []
        for place, call in enumerate(calls):
            wrong = refused.get(2 * place) or refused.get(2 * place + 1) or _wrong_times(call)
            results.append(wrong or True)
            if wrong is None:
                who, other = (tokens[parsed[2 * place + side].value] for side in (0, 1))
                known.append(KnownCall(who, other, call.began, call.ended, call.first_contact))
        news = iter(await asyncio.to_thread(self._table.feed, known, self._clock()))
        return [next(news) if one is True else one for one in results]

    async def context(self, token: bytes) -> CallContext:
        """Return what is known about a number's calls, whoever's customer it is."""
        answer, _ = await asyncio.gather(
            asyncio.to_thread(self._judge, token), asyncio.sleep(ANSWER_SECONDS)
        )
        return answer

    def _judge(self, token: bytes) -> CallContext:
        now = self._clock()
        if now - self._table.fed() > SILENT_FEED_SECONDS:
            return CallContext.UNKNOWN
        known = self._table.calls(token)
        bands = self._verdicts.outline(sorted({one.other for one in known}))
        calls = (
            Call(one.began, one.ended or None, bands[one.other].band, one.first_contact)
            for one in known
        )
        return judge_calls(calls, now)

    async def _tokens(self, numbers: dict[str, Indicator]) -> dict[str, bytes]:
        """Return the token of each canonical number; only new ones are shown to the holders."""
        epoch = self._epoch()
        tokens = await asyncio.to_thread(self._table.tokens, list(numbers), epoch)
        unknown = [value for value in numbers if value not in tokens]
        indicators = {place: numbers[value] for place, value in enumerate(unknown)}
        if unknown:
            known = await self._intake.tokenise(indicators, Purpose.WATCH, self._pad())
            tokens |= {unknown[one.place]: one.token for one in known}
        await asyncio.to_thread(self._table.keep_tokens, tokens, epoch, self._clock())
        return tokens


def _wrong_times(call: FedCall) -> Refusal | None:
    return TIMES_WRONG if not call.began or 0 < call.ended < call.began else None
