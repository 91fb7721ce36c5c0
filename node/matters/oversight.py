"""Look after the matters of all kinds: alarms about what breaks their rules, and about delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from federation.authorisation import may_say
from federation.matters import AnyMatter, Kind, Refused
from federation.names import MemberId
from node.alarms import Alarms
from node.matters.book import BookedMatter, MatterBook, Wanted
from node.matters.one_id_days import stands
from node.speaker import name_bodies
from node.telemetry import get_log

LOOK_SECONDS: Final = 5.0
"""Seconds between two looks at the clock: what is due is due in minutes at least."""
MAX_TOLD: Final = 65_536
"""Late matters remembered as told, about 10 MiB; the private store knows all alarms."""


class Oversight:
    """Tells everybody what one member sees go wrong in matters, each thing once."""

    def __init__(
        self, me: MemberId, book: MatterBook, alarms: Alarms, clock: Callable[[], int]
    ) -> None:
        self._me = me
        self._book = book
        self._alarms = alarms
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._told: set[tuple[object, ...]] = set()

    async def look(self) -> None:
        """Raise the alarms that logs and clock give reason for now."""
        version = self._book.version()
        if version != self._seen:
            for booked in await asyncio.to_thread(self._book.with_refusals):
                await self._tell_refusals(booked)
            self._seen = version
        for matter in await asyncio.to_thread(self._overdue):
            await self._tell_delay(matter)

    def _overdue(self) -> list[AnyMatter]:
        """Return what is late; nobody owes an answer to a citizen's request that does not stand."""
        found = (one.matter for one in self._book.queue(Wanted(overdue=True), self._clock()))
        return [one for one in found if one.kind is not Kind.ONE_ID or stands(self._book, one)]

    async def _tell_refusals(self, booked: BookedMatter) -> None:
        """Tell what a member may never say here; what may still count is no offence."""
        for refused in booked.refused:
            if refused.member != self._me and self._is_offence(refused):
                await self._alarms.matter_refused(
                    refused.member, refused.statement.id, refused.error.reason
                )

    def _is_offence(self, refused: Refused) -> bool:
        statement, error = refused.statement, refused.error
        if error.reason != "ROLE_NOT_ALLOWED":
            return not error.waits
        # Whether a role may say such a body at all is judged where a log is read; and of a member
        # that the charter here does not know, a newer charter may say more.
        roles = self._book.roles(refused.member, statement.issued_time)
        return all(may_say(roles, name) for name in name_bodies({type(statement.body)}))

    async def _tell_delay(self, matter: AnyMatter) -> None:
        parties = matter.procedure.parties(matter.facts)
        if self._me != matter.opener and self._me not in parties:
            return
        now = self._clock()
        late = matter.late_at(now)
        self._log_once(matter, late, now)
        for member, due in late.items():
            if self._me == _accuser(matter, member, parties):
                await self._alarms.matter_overdue(matter, member, due, now)

    def _log_once(self, matter: AnyMatter, late: Mapping[MemberId, int], now: int) -> None:
        key = (matter.kind, matter.id, matter.opener, matter.due, *sorted(late))
        if key in self._told:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told.add(key)
        get_log().warning(
            "matter.overdue",
            kind=matter.kind.value,
            state=matter.state.value,
            member=", ".join(sorted(late)) or None,
            seconds=now - (matter.due or now),
        )


def _accuser(matter: AnyMatter, late: MemberId, parties: frozenset[MemberId]) -> MemberId | None:
    """Return the one member that raises the alarm: who opened the matter, unless it is late."""
    if late != matter.opener:
        return matter.opener
    return min(parties - {late}, default=None)
