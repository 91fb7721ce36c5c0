"""Work is begun in turns: short before long, everybody a fair part, nobody starved."""

import asyncio

import pytest

from node.turns import SHORT_ITEMS, Turn, Turns

LONG = SHORT_ITEMS + 1


class Line:
    """Work that runs until it is told to end, and the order in which it began."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(places)
        self.begun: list[str] = []
        self.running: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, flow: str, items: int) -> None:
        self.tasks[name] = asyncio.create_task(self._work(name, Turn(flow, items)))
        await settle()

    async def _work(self, name: str, turn: Turn) -> None:
        await self.turns.begin(turn)
        self.begun.append(name)
        self.running[name] = asyncio.Event()
        try:
            await self.running[name].wait()
        finally:
            self.turns.end(turn)

    async def end(self, name: str) -> None:
        self.running.pop(name).set()
        await self.tasks.pop(name)
        await settle()

    async def end_all(self) -> None:
        while self.running:
            await self.end(next(iter(self.running)))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_short_work_begins_at_once_beside_a_full_house() -> None:
    line = Line(2)
    for number in range(4):
        await line.ask(f"bulk{number}", "a", LONG)

    assert line.begun == ["bulk0", "bulk1"]

    await line.ask("single", "b", 64)

    assert line.begun == ["bulk0", "bulk1", "single"]

    await line.ask("another", "b", 64)

    assert "another" not in line.begun

    await line.end("single")

    assert line.begun[-1] == "another"

    await line.end_all()


async def test_who_asks_once_is_served_before_the_rest_of_who_asks_much() -> None:
    line = Line(1)
    for number in range(6):
        await line.ask(f"much{number}", "a", 2_048)
    await line.ask("once", "b", 2_048)
    await line.end("much0")

    assert line.begun == ["much0", "once"]

    await line.end_all()

    assert len(line.begun) == 7


async def test_long_work_gets_its_part_beside_a_flood_of_short_work() -> None:
    line = Line(1)
    await line.ask("first", "a", LONG)
    await line.ask("second", "a", LONG)
    for number in range(40):
        await line.ask(f"short{number}", "b", 64)
    await line.end("first")
    place = 0
    while "second" not in line.begun:
        place += 1
        await line.end(next(name for name in line.running if name.startswith("short")))

    assert 1 <= place <= 2 * LONG // 64

    await line.end_all()


async def test_work_given_up_leaves_its_place_to_others() -> None:
    line = Line(1)
    await line.ask("running", "a", LONG)
    await line.ask("waiting", "a", LONG)
    await line.ask("last", "a", LONG)
    waiting, running = line.tasks.pop("waiting"), line.tasks.pop("running")
    waiting.cancel()
    running.cancel()
    await settle()

    assert line.begun == ["running", "last"]

    line.running.pop("running")
    await line.end_all()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert line.turns.waiting() == 0


async def test_work_given_up_as_it_begins_gives_its_place_back() -> None:
    line = Line(1)
    await line.ask("running", "a", LONG)
    await line.ask("next", "a", LONG)
    line.running.pop("running").set()
    await asyncio.sleep(0)  # it has ended, and the next has not woken
    given_up = line.tasks.pop("next")
    given_up.cancel()
    await settle()

    assert given_up.cancelled()
    assert line.begun == ["running"]

    await line.ask("after", "a", LONG)

    assert line.begun[-1] == "after"

    await line.end_all()
