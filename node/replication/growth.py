"""Bring the news that a log grew from the writers' threads to whoever waits on the event loop."""

import asyncio
import contextlib
from collections.abc import Iterator

from federation.names import Origin
from node.log.ledger import Ledger


class Feed:
    """The newest size of each log that grew; a slow reader misses only sizes in between."""

    def __init__(self) -> None:
        self._sizes: dict[Origin, int] = {}
        self._filled = asyncio.Event()
        self._closed = False

    def put(self, origin: Origin, size: int) -> None:
        """Add or replace the news of one log."""
        self._sizes[origin] = max(size, self._sizes.get(origin, 0))
        self._filled.set()

    def close(self) -> None:
        """End the feed: whoever waits for news hears that there will be none."""
        self._closed = True
        self._filled.set()

    async def next(self) -> tuple[Origin, int] | None:
        """Wait for news and take one, the oldest first; None once the feed is closed."""
        while not self._sizes and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        if self._closed:
            return None
        origin = next(iter(self._sizes))
        return origin, self._sizes.pop(origin)


class Growth:
    """Spread what one ledger tells to any number of feeds; make it on the loop that uses it."""

    def __init__(self, ledger: Ledger) -> None:
        self._loop = asyncio.get_running_loop()
        self._feeds: set[Feed] = set()
        self._closed = False
        ledger.subscribe(self._tell)

    @contextlib.contextmanager
    def feed(self) -> Iterator[Feed]:
        """Open a feed of what grows from now on."""
        feed = Feed()
        if self._closed:
            feed.close()
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def close(self) -> None:
        """End every feed, and at once each that is opened from now on."""
        self._closed = True
        for feed in self._feeds:
            feed.close()

    def _tell(self, origin: Origin, size: int) -> None:
        # A closed loop means that the node is stopping and nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._spread, origin, size)

    def _spread(self, origin: Origin, size: int) -> None:
        for feed in self._feeds:
            feed.put(origin, size)
