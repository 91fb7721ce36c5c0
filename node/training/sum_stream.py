"""Carry a member's part in private sums over its stream to one coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from federation.errors import FederationError
from federation.names import MemberId
from node.errors import NodeError, PolicyError
from node.telemetry import describe_error, get_log
from node.training.sum_duties import Party, SumDuties
from node.training.sum_speech import OPEN, Speech, SpeechAssembly, to_pieces
from tocsin.v1 import training_service_pb2 as wire

WAITING: Final = 16
"""Things said that wait for this member's processor; the stream waits then."""
NEWS_SECONDS: Final = 2.0
"""Seconds that an opening waits for the log to say what it rests on."""
NEWS_PAUSE_SECONDS: Final = 0.2
MAX_REASON: Final = 40
FAILED: Final = "SUM_FAILED"

_NOT_YET: Final = frozenset({"PLAN_UNKNOWN", "RUN_NOT_OPEN", "PLAN_NOT_APPROVED"})


class SumStream:
    """One member's part in the sums of one coordinator, from the stream's start to its end."""

    def __init__(
        self,
        party: Party | None,
        coordinator: MemberId,
        write: Callable[[wire.AttachRequest], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            party: This member; None where it takes no part.
            coordinator: Who is at the other end.
            write: Sends a request.
        """
        self._party = party
        self._coordinator = coordinator
        self._write = write
        self._assembly = SpeechAssembly(coordinator)
        self._waiting: asyncio.Queue[Speech] = asyncio.Queue(WAITING)

    async def take(self, piece: wire.SumPiece) -> None:
        """Take a piece; waits while too much is to be done.

        Raises:
            PeerError: PEER_PROTOCOL; it is not the next piece.
        """
        speech = self._assembly.add(piece)
        if speech is not None and self._party is not None:
            await self._waiting.put(speech)

    async def run(self) -> None:
        """Do one thing after another, for as long as the stream lasts."""
        if self._party is None:
            return
        duties = SumDuties(self._party, self._coordinator)
        while True:
            speech = await self._waiting.get()
            try:
                says = await self._hear(duties, speech)
            except (NodeError, FederationError) as error:
                await self._refuse(speech, error.reason)
            except Exception as error:  # the coordinator must not wait for it
                get_log().error("training.failed", body="sum", **describe_error(error))
                await self._refuse(speech, FAILED)
            else:
                await self._say(self._party.me, says)

    async def _hear(self, duties: SumDuties, speech: Speech) -> list[Speech]:
        """Take one thing; an opening may be quicker than the log that it rests on."""
        until = asyncio.get_running_loop().time() + NEWS_SECONDS
        while True:
            try:
                return await asyncio.to_thread(duties.hear, speech)
            except PolicyError as error:
                late = asyncio.get_running_loop().time() >= until
                if late or speech.part != OPEN or error.reason not in _NOT_YET:
                    raise
            await asyncio.sleep(NEWS_PAUSE_SECONDS)

    async def _say(self, me: MemberId, says: list[Speech]) -> None:
        for speech in says:
            for piece in to_pieces(speech, me):
                await self._write(wire.AttachRequest(sum=piece))

    async def _refuse(self, speech: Speech, reason: str) -> None:
        get_log().warning("training.sum_refused", peer=self._coordinator, reason=reason)
        refusal = wire.Refusal(
            plan_digest=speech.plan, exchange_id=speech.sum_id, reason=reason[:MAX_REASON]
        )
        await self._write(wire.AttachRequest(refusal=refusal))
