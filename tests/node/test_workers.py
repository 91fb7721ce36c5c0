"""Workers are taken in turns, and a turn lasts as long as the work does."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from node.turns import SHORT_ITEMS, Turn
from node.workers import Workers

RIVAL = Turn("rival", SHORT_ITEMS + 1)
HONEST = Turn("honest")


def hold(begun: Path, ends: Path) -> None:
    """Say that the work has begun, and work until a file is there."""
    begun.touch()
    while not ends.exists():
        time.sleep(0.01)


async def test_who_gives_its_calls_up_holds_no_worker_that_others_wait_for(tmp_path) -> None:
    workers, ends = await Workers(1).warm_up(), tmp_path / "ends"
    try:
        given_up = []
        for number in range(6):
            begun = tmp_path / f"begun{number}"
            call = asyncio.create_task(workers.run_in(RIVAL, hold, begun, ends))
            given_up.append(call)
            await until(begun.exists, 30 if number == 0 else 0.2)
            call.cancel()
        answered = await asyncio.wait_for(workers.run_in(HONEST, os.getpid), 30)
        begun = sorted(path.name for path in tmp_path.glob("begun*"))

        assert answered != os.getpid()
        assert begun == ["begun0"]
        for call in given_up:
            with pytest.raises(asyncio.CancelledError):
                await call

        long = asyncio.create_task(workers.run_in(RIVAL, os.getpid))
        await asyncio.sleep(0.1)
        has_waited = not long.done()
        ends.touch()

        assert has_waited
        assert await asyncio.wait_for(long, 30)
    finally:
        ends.touch()
        workers.close()


def test_work_given_up_in_an_event_loop_that_is_closed_holds_no_place_in_the_next(tmp_path) -> None:
    workers, ends = Workers(1), tmp_path / "ends"

    async def give_up() -> None:
        begun = tmp_path / "begun"
        call = asyncio.create_task(workers.run_in(RIVAL, hold, begun, ends))
        await until(begun.exists, 30)
        call.cancel()

    try:
        asyncio.run(give_up())
        ends.touch()
        answered = asyncio.run(asyncio.wait_for(workers.run_in(RIVAL, os.getpid), 30))

        assert answered != os.getpid()
    finally:
        ends.touch()
        workers.close()


async def until(holds: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
