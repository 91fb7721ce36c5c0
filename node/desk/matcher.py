"""Keep the hits equal to what is both watched and spoken about, whatever changes on either side.

What changes is matched at once, at a cost in proportion to the change: a filter in memory says of
nearly all foreign tokens that nobody here is watched by them. The whole list can be matched again,
part by part. Hits change under one lock, so that what a part saw still holds when it is noted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from node.store.catalogue import MAX_TOKENS
from node.store.private import LAST_TOKEN
from node.store.token_filter import TokenFilter
from node.store.watchlist import Part, Watchlist

MIN_FILTER_TOKENS: Final = 131_072
"""Tokens that the smallest filter holds, in 200 kB."""


class Matcher:
    """Matches the watchlist with the catalogue; every method blocks on a database."""

    def __init__(self, watchlist: Watchlist, clock: Callable[[], int]) -> None:
        self._watchlist = watchlist
        self._private = watchlist.private
        self._clock = clock
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._filter: TokenFilter | None = None  # none yet: any token may be watched
        self._next: TokenFilter | None = None  # the one that is being filled

    def match(self, tokens: Iterable[bytes]) -> int:
        """Note of tokens whether they are hits now, and return how many of them are."""
        listed = list(tokens)
        known = self._filter
        if known is not None and listed:
            listed = known.possible(listed)
        count = 0
        for start in range(0, len(listed), MAX_TOKENS):
            with self._lock:
                count += self._settle(listed[start : start + MAX_TOKENS])
        return count

    def match_part(self, after: bytes) -> tuple[Part, int]:
        """Match all that stands in the part behind a token; return it and its number of hits."""
        with self._lock:
            part = self._watchlist.part(after)
            spoken, noted = self._watchlist.spoken_in(part), self._watchlist.hits(part)
            self._note(spoken - noted)
            self._drop(noted - spoken)
        return part, len(spoken)

    def match_all(self) -> int:
        """Match the whole list, and return how many tokens are hits."""
        part, count = self.match_part(b"")
        while part.last != LAST_TOKEN:
            part, more = self.match_part(part.last)
            count += more
        return count

    def note_watched(self, tokens: Sequence[bytes]) -> None:
        """Take tokens into account that were added to the list, and match them."""
        with self._lock:
            for one in (self._filter, self._next):
                if one is not None:
                    one.add(tokens)
        if self._filter is not None and self._filter.is_full:
            self.load()
        self.match(tokens)

    def remove(self, rows: Iterable[tuple[bytes, int, str]]) -> list[bool]:
        """Remove rows of the list with their hits, and say of each whether it was there."""
        with self._lock:
            return self._private.remove_watch(rows)

    def load(self) -> None:
        """Fill the filter from the list, if only this process changes that."""
        for _ in self.loading():
            pass

    def loading(self) -> Iterator[Part]:
        """Fill the filter part by part; who stops in between leaves the filter as it was."""
        if not self._watchlist.is_alone or not self._loading.acquire(blocking=False):
            return
        try:
            with self._lock:
                size = max(MIN_FILTER_TOKENS, 2 * self._private.watch_count())
                self._next = fresh = TokenFilter(size)
            after = b""
            while after != LAST_TOKEN:
                part = self._watchlist.part(after)
                tokens = self._watchlist.tokens(part)
                with self._lock:
                    fresh.add(tokens)
                after = part.last
                yield part
            with self._lock:
                self._filter = fresh
        finally:
            self._next = None
            self._loading.release()

    def _settle(self, tokens: Sequence[bytes]) -> int:
        watched = sorted(self._private.watched(tokens))
        spoken, noted = self._watchlist.spoken(watched), set(self._private.hit_times(watched))
        self._note(spoken - noted)
        self._drop(noted - spoken)
        return len(spoken)

    def _note(self, tokens: set[bytes]) -> None:
        now = self._clock()
        if tokens:
            self._private.add_hits([(token, now) for token in sorted(tokens)])

    def _drop(self, tokens: set[bytes]) -> None:
        if not tokens:
            return
        listed = sorted(tokens)
        self._private.remove_hits(listed)
        # Another process may have learnt of one, and noted it, since this one looked.
        self._note(self._watchlist.spoken(sorted(self._private.watched(listed))))
