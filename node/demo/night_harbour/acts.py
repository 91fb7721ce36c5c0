"""Put the acts of Night Harbour in order. Source: DOMAIN §9.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from node.demo.doors import Check
from node.demo.night_harbour import (
    auditing,
    brigading,
    chased,
    cut_off,
    darkness,
    dispose,
    ending,
    evaluate,
    farm,
    joining,
    learn,
    poison,
    probing,
    releasing,
    saved,
    train,
    verify,
    weak_signals,
)
from node.demo.night_harbour.scene import Scene

END = 18
"""Number of what comes after the last act."""


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
        return "end" if self.number == END else f"act-{self.number:02}{self.part}"


ACTS: tuple[Act, ...] = (
    Act(0, "T-14d", "Seven firms, a coordinator and the police found a federation", joining.join),
    Act(1, "", "Why not simply share hashes", joining.compare_hashes),
    Act(2, "T-13d", "Members train together, each on its own rows", train.play, train.why_not),
    Act(3, "T-12d", "A model goes from the shadow into force", releasing.play, train.why_not),
    Act(4, "T-4d 10:00", "Weak signals, on the evening two days before", weak_signals.play),
    Act(5, "T-2d 23:05", "A SIM farm that no carrier can see alone", farm.play),
    Act(6, "T-2d 23:06", "Three numbers are verified, and nobody's answer is known", verify.play),
    Act(7, "T-2d 23:07", "Measures reach those that can act, and nobody protected", dispose.play),
    Act(8, "T 09:40", "A victim is saved", saved.play),
    Act(9, "T 11:30", "A victim has paid, and the money is chased", chased.play),
    Act(10, "T 12:00", "A courier asks, and a thief in its name", probing.probe),
    Act(
        *(10, "", "The stolen certificate is put out of force", probing.revoke),
        needs_coordinator=True,
        part="b",
    ),
    Act(11, "T 13:00", "A member's client poisons a run", poison.play, train.why_not),
    Act(
        *(11, "", "The poisoned client is given notice", poison.notify, train.why_not),
        needs_coordinator=True,
        part="b",
    ),
    Act(12, "T 13:40", "A doctor was wrongly cut off", cut_off.play),
    Act(13, "T 15:00", "Five hundred scripts report a shop", brigading.brigade),
    Act(14, "T 16:00", "The coordinator has no power for half a minute", darkness.darken),
    Act(15, "T 20:00", "What was achieved is added up, and who is behind mends", evaluate.play),
    Act(16, "T+1d 12:00", "An auditor reads, and somebody edits history", auditing.audit),
    Act(17, "T+2d 09:00", "Outcomes are old enough to learn from", learn.play, train.why_not),
    Act(END, "", "All nodes end, and what left them is counted and searched", ending.end),
)
"""In the order in which they are played."""

DOWN_FROM, DOWN_TO = 8, 13
"""Acts for the whole of which the coordinator can be left without power."""
