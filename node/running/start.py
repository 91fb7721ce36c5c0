"""Run a node as this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

from keys.library import set_library_path
from keys.secret import Secret
from node.allocator import settle_allocator
from node.assembly import build_core
from node.config import Config
from node.home import Home
from node.member import MemberKeys
from node.running.node import RunningNode
from node.several import Place
from node.telemetry import get_log, start_telemetry

EXIT_DEPOSED: Final = 75  # "try again" (sysexits.h): start the process anew, and it stands by


def run_node(home: Home, config: Config, passphrase: Secret, place: Place | None = None) -> int:
    """Run until SIGTERM or Ctrl-C.

    Args:
        home: Whose node it is.
        config: Its settings.
        passphrase: Of the keys; wiped.
        place: What one of several processes is told; None for a node of one process.

    Returns:
        0 after a graceful stop; EXIT_DEPOSED where another process leads instead.

    Raises:
        NodeError: The node cannot start; nothing was changed.
    """
    settle_allocator()
    start_telemetry(None)
    if config.libsodium:
        set_library_path(config.libsodium)
    keys = MemberKeys.open(home, passphrase)
    passphrase.wipe()
    if place is not None:
        place.keep()
        config = replace(config, workers=place.workers)
    return asyncio.run(_run(home, config, keys, place))


async def _run(home: Home, config: Config, keys: MemberKeys, place: Place | None) -> int:
    node = RunningNode(build_core(home, config, keys), is_one_of_several=place is not None)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if place is not None:
        loop.add_reader(place.alive, stopping.set)
    try:
        await node.serve()
        if not await node.election.begin():
            node.stand_by()
        if await _unless(stopping, node.election.won()):
            await node.lead()
            if await _unless(stopping, node.election.lost()):
                get_log().error("leadership.lost")
                return EXIT_DEPOSED
    finally:
        await node.stop()
    return 0


async def _unless(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Wait for something, and say whether it happened before the node was told to stop."""
    waiting = asyncio.create_task(stopping.wait())
    working = asyncio.create_task(work)
    try:
        await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        for task in (waiting, working):
            task.cancel()
        await asyncio.gather(waiting, working, return_exceptions=True)
