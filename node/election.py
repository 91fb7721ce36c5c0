"""Wait until this process leads, and notice when it no longer does."""

from __future__ import annotations

import asyncio
from typing import Final

from node.store.error import StoreError
from node.store.leadership import Leadership, ProcessState
from node.telemetry import describe_error, get_log

LOOK_SECONDS: Final = 0.5
"""Seconds between looks: how long a killed leader's place stays empty, with one query a look."""


class Election:
    """One process's part in choosing who leads; used from the event loop alone."""

    def __init__(self, leadership: Leadership | None, look_seconds: float = LOOK_SECONDS) -> None:
        """Take part; with None there is nobody else, and this process leads."""
        self._leadership = leadership
        self._look_seconds = look_seconds

    async def begin(self) -> bool:
        """Ask once, and say whether this process leads."""
        return bool(await self._claim())

    async def won(self) -> None:
        """Return when this process leads."""
        while True:
            if await self._claim():
                return
            await asyncio.sleep(self._look_seconds)

    async def lost(self) -> None:
        """Return when another process leads.

        A server that cannot be asked makes nobody else the leader: this process asks until it can.
        """
        if self._leadership is None:
            await asyncio.Event().wait()
            return
        while True:
            await asyncio.sleep(self._look_seconds)
            if await asyncio.to_thread(self._leadership.holds):
                continue
            get_log().warning("leadership.uncertain")
            if await self._claim() is False:
                return

    def processes(self) -> list[ProcessState]:
        """Return the processes of this node, the leader first; none where this is the only one.

        Blocking; by any thread.

        Raises:
            StoreError: The database cannot be asked.
        """
        return [] if self._leadership is None else self._leadership.processes()

    def close(self) -> None:
        """Make room for another process."""
        if self._leadership is not None:
            self._leadership.close()

    async def _claim(self) -> bool | None:
        """Say whether this process leads now; None where that cannot be known."""
        if self._leadership is None:
            return True
        try:
            return await asyncio.to_thread(self._leadership.claim)
        except StoreError as error:
            get_log().warning("leadership.unknown", **describe_error(error))
            return None
