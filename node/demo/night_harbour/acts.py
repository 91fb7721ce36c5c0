"""Put the acts of Night Harbour in order. Source: DOMAIN §9.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from node.demo.doors import Check
from node.demo.night_harbour import joining
from node.demo.night_harbour.scene import Scene


class Act(NamedTuple):
    """One act.

    Attributes:
        number: As the domain reference counts.
        clock: The hour at which it begins, as ``Scene.at`` takes it; empty: whenever it is.
        title: What a person reads.
        play: What happens; yields what was checked.
        why_not: Says why it cannot be played on this machine, or nothing.
        needs_coordinator: Whether only the coordinator can open it; it waits while that is down.
        part: A letter where an act has several parts of which only some can wait.
    """

    number: int
    clock: str
    title: str
    play: Callable[[Scene], Iterator[Check]]
    why_not: Callable[[], str] = lambda: ""
    needs_coordinator: bool = False
    part: str = ""

    @property
    def name(self) -> str:
        """Return its name in checks and timings."""
        return f"act-{self.number:02}{self.part}"


ACTS: tuple[Act, ...] = (
    Act(0, "T-14d", "Seven firms, a coordinator and the police found a federation", joining.join),
    Act(1, "", "Why not simply share hashes", joining.compare_hashes),
)
"""In the order in which they are played."""

DOWN_FROM, DOWN_TO = 8, 13
"""Acts for the whole of which the coordinator can be left without power."""
