"""Serve the matters in the logs over the inside door: the queue, and everything about one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.matters import Kind, State, Step, choice_of
from federation.names import MemberId, NameFormatError
from node.errors import PolicyError, RequestError
from node.matters.book import BookedMatter, MatterBook, Wanted
from tocsin.desk.v1 import matter_service_pb2 as wire
from tocsin.desk.v1 import matter_service_pb2_grpc as stubs

MAX_MATTERS: Final = 1_000
"""Matters in one answer: more than a person reads."""
DEFAULT_MATTERS: Final = 100
"""Matters in an answer where nobody says how many: two screens."""


class MatterService(stubs.MatterServiceServicer):
    """What the member's own people may ask about matters, of whatever kind."""

    def __init__(self, me: MemberId, book: MatterBook | None, clock: Callable[[], int]) -> None:
        self._me = me
        self._maybe_book = book
        self._clock = clock

    @property
    def _book(self) -> MatterBook:
        if self._maybe_book is None:
            raise PolicyError("a query partner keeps no log", reason="ROLE_NOT_ALLOWED")
        return self._maybe_book

    async def ListMatters(  # noqa: N802  # the contract's name
        self, request: wire.ListMattersRequest, context: Any
    ) -> wire.ListMattersResponse:
        """List matters, the one due first in front."""
        now = request.at_time.seconds or self._clock()
        limit = min(request.limit or DEFAULT_MATTERS, MAX_MATTERS)
        wanted = self._wanted(request)
        found = await asyncio.to_thread(self._book.queue, wanted, now, limit + 1)
        return wire.ListMattersResponse(
            matters=[summarise(one, now) for one in found[:limit]],
            at_time=Timestamp(seconds=now),
            more=len(found) > limit,
        )

    async def GetMatter(  # noqa: N802  # the contract's name
        self, request: wire.GetMatterRequest, context: Any
    ) -> wire.GetMatterResponse:
        """Tell everything about one matter."""
        return await asyncio.to_thread(self._describe, request)

    def _wanted(self, request: wire.ListMattersRequest) -> Wanted:
        return Wanted(
            kind=_kind(request.kind),
            state=_state(request.state),
            over=not request.open if request.HasField("open") else None,
            overdue=True if request.overdue else None,
            turn=self._me if request.own_turn else _member(request.turn),
        )

    def _describe(self, request: wire.GetMatterRequest) -> wire.GetMatterResponse:
        now = request.at_time.seconds or self._clock()
        booked = self._book.find(request.matter_id, _kind(request.kind))
        matter = booked.matter
        return wire.GetMatterResponse(
            matter=summarise(booked, now),
            parties=sorted(matter.procedure.parties(matter.facts)),
            statements=[_statement(step) for step in self._book.history(matter).steps],
            at_time=Timestamp(seconds=now),
        )


def summarise(booked: BookedMatter, now: int) -> wire.MatterSummary:
    """Return how a matter stands at a second."""
    matter, is_over = booked.matter, booked.matter.is_over_at(now)
    return wire.MatterSummary(
        matter_id=matter.id,
        kind=matter.kind,
        state=matter.state_at(now),
        opener=matter.opener,
        opened_time=Timestamp(seconds=matter.opened),
        due_time=_time(None if is_over else matter.due),
        end_time=_time(matter.ends),
        overdue=matter.is_overdue_at(now),
        over=is_over,
        statement_count=booked.statements,
        refused_count=len(booked.refused),
        turn_members=() if is_over else sorted(booked.turn.members),
        turn_roles=() if is_over else sorted(booked.turn.roles),
        subject=matter.subject,
        handle=booked.handle,
    )


def _statement(step: Step) -> wire.MatterStatement:
    statement, error = step.statement, step.error
    choice = choice_of(statement.body)
    return wire.MatterStatement(
        statement_id=statement.id,
        member=step.member,
        body=type(statement.body).__name__,
        choice="" if choice is None else choice.name,
        issued_time=Timestamp(seconds=statement.issued_time),
        state=step.state,
        refused_reason="" if error is None else error.reason,
        refused_sentence="" if error is None else str(error),
        waits=error is not None and error.waits,
    )


def _time(seconds: int | None) -> Timestamp | None:
    return None if seconds is None else Timestamp(seconds=seconds)


def _kind(text: str) -> Kind | None:
    try:
        return Kind(text) if text else None
    except ValueError as error:
        kinds = ", ".join(Kind)
        raise RequestError(f"a kind is one of {kinds}", reason="MATTER_KIND_UNKNOWN") from error


def _state(text: str) -> State | None:
    try:
        return State(text) if text else None
    except ValueError as error:
        raise RequestError("no matter has such a state", reason="MATTER_STATE_UNKNOWN") from error


def _member(text: str) -> MemberId | None:
    try:
        return MemberId(text) if text else None
    except NameFormatError as error:
        raise RequestError("whose turn it is is no member id", reason="MEMBER_UNKNOWN") from error
