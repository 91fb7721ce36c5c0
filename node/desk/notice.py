"""Serve notices over the inside door: give one, and take its next step."""

from __future__ import annotations

import asyncio
from typing import Any

from federation.matters import AnyMatter, Kind, advance
from federation.names import MemberId, NameFormatError
from federation.statements import Body, NoticeStep, ProblemNotice, StatementError
from federation.vocabulary import NoticeAction, Purpose
from node.errors import PolicyError, RequestError
from node.matters.book import MatterBook
from node.speaker import Speaker
from tocsin.desk.v1 import notice_service_pb2 as wire
from tocsin.desk.v1 import notice_service_pb2_grpc as stubs


class NoticeService(stubs.NoticeServiceServicer):
    """What the member's own people may do about notices."""

    def __init__(self, me: MemberId, book: MatterBook | None, speaker: Speaker | None) -> None:
        self._me = me
        self._maybe_book = book
        self._maybe_speaker = speaker

    @property
    def _parts(self) -> tuple[MatterBook, Speaker]:
        if self._maybe_book is None or self._maybe_speaker is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_book, self._maybe_speaker

    async def IssueNotice(  # noqa: N802  # the contract's name
        self, request: wire.IssueNoticeRequest, context: Any
    ) -> wire.IssueNoticeResponse:
        """Give a member a notice."""
        try:
            deadline = request.deadline_time.seconds
            member = MemberId(request.member)
            body = ProblemNotice(member, request.code, request.finding_digest, deadline)
        except (StatementError, NameFormatError) as error:
            raise RequestError(str(error), reason=error.reason) from error
        return wire.IssueNoticeResponse(matter_id=await self._say(None, body))

    async def StepNotice(  # noqa: N802  # the contract's name
        self, request: wire.StepNoticeRequest, context: Any
    ) -> wire.StepNoticeResponse:
        """Take the next step of a notice."""
        book, _ = self._parts
        booked = await asyncio.to_thread(book.find, request.matter_id, Kind.NOTICE)
        matter = booked.matter
        try:
            action = NoticeAction(request.step)
            body = NoticeStep(matter.id, matter.opener, action, request.paper_digest)
        except StatementError as error:
            raise RequestError(str(error), reason=error.reason) from error
        except ValueError as error:
            raise RequestError("the step is unknown", reason="ENUM_UNKNOWN") from error
        return wire.StepNoticeResponse(statement_id=await self._say(matter, body))

    async def _say(self, matter: AnyMatter | None, body: Body) -> bytes:
        """Say something about a notice, after trying it on the table."""
        book, speaker = self._parts
        statement = speaker.statement(body, Purpose.OPERATION)
        advance(matter, self._me, book.roles(self._me, statement.issued_time), statement)
        async with speaker.lock:
            await speaker.say([statement])
        return statement.id
