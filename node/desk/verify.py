"""Serve verification rounds over the inside door: ask, answer by hand, examine, look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import kind_name
from federation.matters import Kind, State
from federation.matters.verification import DEFAULT_QUORUM, Tally, VerificationMatter
from federation.sums import Progress, Standing
from federation.vocabulary import Purpose, VerificationAnswer, VerificationDecision
from node.desk.intake import Intake, Known
from node.duties.verification import Verifications, differing
from node.errors import PolicyError, RequestError
from node.matters.book import BookedMatter
from node.sums.opener import CONTRIBUTE_SECONDS
from tocsin.desk.v1 import desk_service_pb2 as desk_wire
from tocsin.desk.v1 import verify_service_pb2 as wire
from tocsin.desk.v1 import verify_service_pb2_grpc as stubs

MAX_ROUNDS: Final = 1_000
"""Rounds in one answer: more than a person reads."""

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class VerifyParts:
    """What the service works with: rounds, and what makes tokens of values."""

    verifications: Verifications
    intake: Intake
    pad: Callable[[], int]
    epoch: Callable[[], int]


class VerifyService(stubs.VerifyServiceServicer):
    """What the member's own people may do about verification rounds."""

    def __init__(self, parts: VerifyParts | None) -> None:
        self._maybe_parts = parts

    @property
    def _parts(self) -> VerifyParts:
        if self._maybe_parts is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_parts

    async def OpenVerification(  # noqa: N802  # the contract's name
        self, request: wire.OpenVerificationRequest, context: Any
    ) -> wire.OpenVerificationResponse:
        """Open a round."""
        parts = self._parts
        known = await self._take(request.value)
        booked = await parts.verifications.open(
            known.token,
            known.indicator.kind,
            parts.epoch(),
            request.quorum or DEFAULT_QUORUM,
            request.seconds or CONTRIBUTE_SECONDS,
        )
        matter = booked.matter
        return wire.OpenVerificationResponse(
            matter_id=matter.id, sum_id=matter.facts.opening.sum_id, handle=matter.handle
        )

    async def AnswerVerification(  # noqa: N802  # the contract's name
        self, request: wire.AnswerVerificationRequest, context: Any
    ) -> wire.AnswerVerificationResponse:
        """Keep an answer, and give it where it is asked for now."""
        verifications = self._parts.verifications
        answer = _member_of(VerificationAnswer, request.answer, "answer")
        if request.matter_id:
            token = (await self._find(request.matter_id)).matter.subject
        else:
            token = (await self._take(request.value)).token
        asked = await verifications.answer(token, answer)
        return wire.AnswerVerificationResponse(matter_ids=[one.matter.id for one in asked])

    async def ExamineVerification(  # noqa: N802  # the contract's name
        self, request: wire.ExamineVerificationRequest, context: Any
    ) -> wire.ExamineVerificationResponse:
        """Decide a conflict."""
        decision = _member_of(VerificationDecision, request.decision, "decision")
        booked = await self._find(request.matter_id)
        decided = await self._parts.verifications.examine(booked.matter, decision)
        return wire.ExamineVerificationResponse(status=await self._status(decided))

    async def GetVerification(  # noqa: N802  # the contract's name
        self, request: wire.GetVerificationRequest, context: Any
    ) -> wire.GetVerificationResponse:
        """Tell everything about one round."""
        booked = await self._find(request.matter_id)
        return wire.GetVerificationResponse(status=await self._status(booked))

    async def ListVerifications(  # noqa: N802  # the contract's name
        self, request: wire.ListVerificationsRequest, context: Any
    ) -> wire.ListVerificationsResponse:
        """List the rounds, newest first."""
        book = self._parts.verifications.book
        rounds = await asyncio.to_thread(book.all, Kind.VERIFICATION)
        shown = [await self._status(one) for one in rounds[:MAX_ROUNDS]]
        return wire.ListVerificationsResponse(verifications=shown)

    async def _find(self, prefix: bytes) -> BookedMatter:
        book = self._parts.verifications.book
        return await asyncio.to_thread(book.find, prefix, Kind.VERIFICATION)

    async def _take(self, value: desk_wire.RawIndicator) -> Known:
        parts = self._parts
        taken = await parts.intake.take([value], Purpose.VERIFICATION, parts.pad())
        for why in taken.refused.values():
            raise RequestError(why.message, reason=why.reason)
        (known,) = taken.known
        return known

    async def _status(self, booked: BookedMatter) -> wire.VerificationStatus:
        verifications = self._parts.verifications
        matter: VerificationMatter = booked.matter
        facts, state = matter.facts, matter.state_at(verifications.now())
        opening = facts.opening
        status = wire.VerificationStatus(
            matter_id=matter.id,
            opener=matter.opener,
            token=opening.token,
            kind=kind_name(opening.kind),
            state=state,
            quorum=opening.quorum,
            members=opening.members,
            opened_time=Timestamp(seconds=matter.opened),
            due_time=Timestamp(seconds=opening.due_time),
            sum_id=opening.sum_id,
        )
        if facts.tally is not None:
            _fill_tally(status, booked, facts.tally)
        progress = await verifications.progress(matter)
        if progress is not None:
            _fill_answers(status, progress)
        if state is State.VERIFYING and verifications.me in opening.members:
            answer = await asyncio.to_thread(verifications.own_answer, opening.token)
            status.own_answer = answer or 0  # type: ignore[assignment]  # equal numbers, tested
        return status


def _fill_answers(status: wire.VerificationStatus, progress: Progress) -> None:
    for member, found in sorted(progress.findings.items()):
        if found.standing is Standing.EXCLUDED:
            status.left_out.add(member=member, reason=found.reason or "")
        else:
            status.answered.append(member)
    status.reason = progress.reason


def _fill_tally(status: wire.VerificationStatus, booked: BookedMatter, tally: Tally) -> None:
    facts = booked.matter.facts
    status.tally.CopyFrom(wire.VerificationCounts(**tally._asdict()))
    status.readers = sum(one == tally for one in facts.tallies.values())
    status.differing.extend(differing(booked, tally))
    status.decided_time.seconds = facts.decided


def _member_of(enumeration: type[E], number: int, field: str) -> E:
    try:
        return enumeration(number)
    except ValueError as error:
        raise RequestError(f"{field} is missing or unknown", reason="ENUM_UNKNOWN") from error
