"""Keep the watchlist, and find own customers that the catalogue speaks about.

Watchlist, references and hits stand in the private store and never leave the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from federation.indicators import Indicator, Kind, kind_name
from federation.vocabulary import Band, Purpose
from node.desk.intake import APPEAL_CONTACT, APPEAL_CONTACT_SECONDS, Intake, Refusal
from node.errors import RequestError
from node.store.catalogue import MAX_TOKENS
from node.store.private import PrivateStore
from node.verdicts import Verdicts
from tocsin.desk.v1 import desk_service_pb2 as wire

DEFAULT_PAGE = 1_000
MAX_PAGE = 10_000
MAX_REFERENCE_CHARACTERS = 256

KeepKeys = Callable[[Sequence[tuple[bytes, bytes]]], None]
"""Keeps content keys of own customers' telephone numbers, each with its token; blocking."""

REFERENCE_MISSING = Refusal("REFERENCE_INVALID", "a reference of 1 to 256 characters is needed")


class WatchDesk:
    """The member's watchlist and its hits."""

    def __init__(
        self,
        intake: Intake,
        private: PrivateStore,
        verdicts: Verdicts,
        pad: Callable[[], int],
        clock: Callable[[], int],
        keep_keys: KeepKeys | None = None,
    ) -> None:
        """Keep a watchlist, and with ``keep_keys`` what opens warnings about those on it."""
        self._intake = intake
        self._private = private
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
        self.match(dict.fromkeys(token for token, _, _ in entries))
        return added

    def match(self, tokens: Iterable[bytes]) -> int:
        """Note which of the tokens are both watched and spoken about; blocking.

        Returns:
            How many hits there are among them.
        """
        listed = list(tokens)
        count = 0
        for start in range(0, len(listed), MAX_TOKENS):
            watched = sorted(self._private.watched(listed[start : start + MAX_TOKENS]))
            known, now = self._verdicts.known(watched), self._clock()
            hits = [(token, now) for token in watched if token in known]
            self._private.add_hits(hits)
            count += len(hits)
        return count

    def match_all(self) -> int:
        """Match the whole watchlist again, in bounded memory; blocking.

        A crash between a log's commit and its match loses nothing, because this runs at start.
        """
        count, after = 0, ""
        while page := self._private.list_watch(after, MAX_TOKENS):
            count += self.match(dict.fromkeys(entry.token for entry in page))
            after = page[-1].cursor
        return count

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
