"""Keep the watchlist, and find own customers that the catalogue speaks about.

Watchlist, references and hits stand in the private store and never leave the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import Indicator, Kind, kind_name
from federation.vocabulary import Band, Purpose
from node.desk.intake import APPEAL_CONTACT, APPEAL_CONTACT_SECONDS, Intake, Refusal
from node.desk.matcher import Matcher
from node.errors import RequestError
from node.store.catalogue import TOKEN_BYTES
from node.store.private import LAST_TOKEN, PrivateStore
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire

DEFAULT_PAGE = 1_000
MAX_PAGE = 10_000
MAX_REFERENCE_CHARACTERS = 256

PARTS_PER_CALL: Final = 16
"""Parts of the watchlist that one call matches: about a million customers, a second of work."""

KeepKeys = Callable[[Sequence[tuple[bytes, bytes]]], None]
"""Keeps content keys of own customers' telephone numbers, each with its token; blocking."""

REFERENCE_MISSING = Refusal("REFERENCE_INVALID", "a reference of 1 to 256 characters is needed")
NOT_WATCHED = Refusal("NOT_WATCHED", "there is no such row on the watchlist")


class WatchDesk:
    """The member's watchlist and its hits."""

    def __init__(
        self,
        intake: Intake,
        private: PrivateStore,
        matcher: Matcher,
        verdicts: Verdicts,
        pad: Callable[[], int],
        clock: Callable[[], int],
        keep_keys: KeepKeys | None = None,
    ) -> None:
        """Keep a watchlist, and with ``keep_keys`` what opens warnings about those on it."""
        self._intake = intake
        self._private = private
        self.matcher = matcher
        self._verdicts = verdicts
        self._pad = pad
        self._clock = clock
        self._keep_keys = keep_keys

    async def add(self, rows: Sequence[wire.WatchRow]) -> list[wire.RowResult]:
        """Add customers; the same again changes nothing. Known tokens become hits at once."""
        indicators, refused = await self._intake.parse(row.indicator for row in rows)
        for place, row in enumerate(rows):
            if not 0 < len(row.reference) <= MAX_REFERENCE_CHARACTERS:
                refused.setdefault(place, REFERENCE_MISSING)
        contacts = await asyncio.to_thread(self._contacts, indicators)
        refused.update(dict.fromkeys(contacts, APPEAL_CONTACT))
        open_rows = {place: one for place, one in indicators.items() if place not in refused}
        keyed = self._needing_keys(open_rows)
        kept = await self._intake.tokenise(open_rows, Purpose.WATCH, self._pad(), keyed)
        if keyed and self._keep_keys is not None:
            keys = [(one.token, one.content_key) for one in kept if one.content_key is not None]
            await asyncio.to_thread(self._keep_keys, keys)
        entries = [(one.token, one.indicator.kind.value, rows[one.place].reference) for one in kept]
        added = await asyncio.to_thread(self._add, entries)
        outcome = {
            one.place: wire.ROW_OUTCOME_ADDED if new else wire.ROW_OUTCOME_UNCHANGED
            for one, new in zip(kept, added, strict=True)
        }
        return [
            wire.RowResult(outcome=wire.ROW_OUTCOME_REFUSED, error=refused[place].wire())
            if place in refused
            else wire.RowResult(outcome=outcome[place])
            for place in range(len(rows))
        ]

    def _contacts(self, indicators: Mapping[int, Indicator]) -> set[int]:
        """Return the places of values that were given in an appeal; blocking."""
        values = {place: (one.kind.value, one.value) for place, one in indicators.items()}
        since = self._clock() - APPEAL_CONTACT_SECONDS
        found = self._private.appeal_contacts(values.values(), since)
        return {place for place, value in values.items() if value in found}

    def _needing_keys(self, rows: Mapping[int, Indicator]) -> tuple[int, ...]:
        if self._keep_keys is None:
            return ()
        return tuple(place for place, one in rows.items() if one.kind is Kind.PHONE)

    def _add(self, entries: Sequence[tuple[bytes, int, str]]) -> list[bool]:
        added = self._private.add_watch(entries)
        self.matcher.note_watched(list(dict.fromkeys(token for token, _, _ in entries)))
        return added

    async def remove(self, rows: Sequence[wire.WatchRow]) -> list[wire.RowResult]:
        """Take customers off the list with their hits; values go to the holders as when added."""
        taken = await self._intake.take([row.indicator for row in rows], Purpose.WATCH, self._pad())
        entries = [
            (one.token, one.indicator.kind.value, rows[one.place].reference) for one in taken.known
        ]
        removed = await asyncio.to_thread(self.matcher.remove, entries)
        refused = dict(taken.refused)
        refused |= {
            one.place: NOT_WATCHED
            for one, there in zip(taken.known, removed, strict=True)
            if not there
        }
        return [
            wire.RowResult(outcome=wire.ROW_OUTCOME_REFUSED, error=refused[place].wire())
            if place in refused
            else wire.RowResult(outcome=wire.ROW_OUTCOME_ADDED)
            for place in range(len(rows))
        ]

    async def match_parts(self, request: wire.MatchWatchRequest) -> wire.MatchWatchResponse:
        """Match a run of the watchlist again.

        Raises:
            RequestError: PAGE_TOKEN_INVALID.
        """
        after = _parse_page_token(request.page_token)
        response = wire.MatchWatchResponse()
        for _ in range(PARTS_PER_CALL):
            part, hits = await asyncio.to_thread(self.matcher.match_part, after)
            response.checked_count += part.rows
            response.hit_count += hits
            after = part.last
            if after == LAST_TOKEN:
                break
        response.next_page_token = "" if after == LAST_TOKEN else after.hex()
        response.total_size = await asyncio.to_thread(self._private.watch_count)
        return response

    async def match_anew(self) -> None:
        """Match the whole list in the background, and speed up what comes after.

        A crash between a log's commit and its match loses nothing, because this runs at start.
        """
        after = b""
        while after != LAST_TOKEN:
            part, _ = await asyncio.to_thread(self.matcher.match_part, after)
            after = part.last
        parts = self.matcher.loading()
        while await asyncio.to_thread(next, parts, None) is not None:
            pass  # a node that stops waits for one part at most

    async def list_watch(self, request: wire.ListWatchRequest) -> wire.ListWatchResponse:
        """Page through the watchlist."""
        size = page_size(request.page_size)
        page = await asyncio.to_thread(self._private.list_watch, request.page_token, size)
        total = await asyncio.to_thread(self._private.watch_count)
        return wire.ListWatchResponse(
            entries=[
                wire.WatchEntry(
                    kind=kind_name(Kind(entry.kind)),
                    reference=entry.reference,
                    token=entry.token,
                )
                for entry in page
            ],
            next_page_token=page[-1].cursor if len(page) == size else "",
            total_size=total,
        )

    async def list_hits(self, request: wire.ListHitsRequest) -> wire.ListHitsResponse:
        """Page through the hits whose verdict still counts, newest first."""
        return await asyncio.to_thread(self._list_hits, request)

    def _list_hits(self, request: wire.ListHitsRequest) -> wire.ListHitsResponse:
        size = page_size(request.page_size)
        page = self._private.list_hits(request.page_token, size)
        known = self._verdicts.outline(list(dict.fromkeys(hit.token for hit in page)))
        response = wire.ListHitsResponse(
            next_page_token=page[-1].cursor if len(page) == size else ""
        )
        for hit in page:
            verdict = known[hit.token]
            if verdict.band is Band.NONE:
                continue  # retracted, expired, reassigned or protected since
            response.hits.add(
                kind=kind_name(Kind(hit.kind)),
                reference=hit.reference,
                band=verdict.band.value,
                display_codes=verdict.codes,
                first_seen_time=Timestamp(seconds=hit.first_seen),
                sources=verdict.sources,
            )
        return response


def page_size(asked: int) -> int:
    """Return the size of a page: the default for 0, clamped above.

    Raises:
        RequestError: PAGE_SIZE_INVALID for a negative one.
    """
    if asked < 0:
        raise RequestError("a page size is not negative", reason="PAGE_SIZE_INVALID")
    return min(asked or DEFAULT_PAGE, MAX_PAGE)


def _parse_page_token(text: str) -> bytes:
    try:
        token = bytes.fromhex(text)
    except ValueError:
        token = b"?"
    if len(token) not in (0, TOKEN_BYTES):
        raise RequestError("the page token is not ours", reason="PAGE_TOKEN_INVALID")
    return token
