"""Tell Night Harbour act by act, and keep going over failed checks as long as there is a way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.errors import FederationError
from federation.names import FederationName
from keys.errors import KeysError
from keys.keystore import Cost
from node.clock import system_clock
from node.config import Value
from node.demo.doors import Check, ShowProgress
from node.demo.night_harbour.acts import ACTS, DOWN_FROM, DOWN_TO, Act
from node.demo.night_harbour.cast import BESIDE, COORDINATOR, NODES, plant
from node.demo.night_harbour.scene import Moment, Scene
from node.demo.night_harbour.story_time import StoryTime
from node.errors import NodeError
from node.sandbox import Sandbox
from node.sandbox.process import running_process
from node.telemetry import describe_error, start_telemetry, stop_telemetry

FEDERATION = FederationName("harbour")
NAME = "Night Harbour"
SYNTHETIC = "SYNTHETIC DATA: nobody in this story exists"
"""Stands on every screen."""

HOMES, LOG_NAME = "federation", "story.log"
"""Below the story's directory: the homes of all members, and the log of those that call as one."""

# Members' systems carry orders out by themselves; ten nodes that talk more often than they have
# to would burn the machine's cores, for news travels by hints.
_SETTINGS: dict[str, Value] = {
    "dispose": "automatic",
    "gossip_seconds": 30,
    "charter_seconds": 60,
}
_CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)  # homes that live for minutes


@dataclass(slots=True)
class Played:
    """What came of one act.

    Attributes:
        clock: The story's time when it began.
        seen: Who saw what, in order.
        skipped: Why it was not played, or empty.
    """

    act: Act
    clock: str
    checks: list[Check] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told.

    Attributes:
        show: Makes a progress bar of a label and a length.
        begins: Called when an act begins, with the story's time.
        ended: Called when it has ended, or was skipped.
    """

    show: ShowProgress
    begins: Callable[[Act, str], None] = lambda _act, _clock: None
    ended: Callable[[Played], None] = lambda _: None


@dataclass(slots=True)
class Told:
    """What came of the whole story."""

    acts: list[Played] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def checks(self) -> list[Check]:
        """Return all checks in order."""
        return [check for played in self.acts for check in played.checks]

    @property
    def passed(self) -> bool:
        """Say whether every check passed."""
        return all(check.passed for check in self.checks)


def tell(directory: Path, audience: Audience, *, coordinator_down: bool = False) -> Told:
    """Tell the story with real nodes below a directory, which are all down afterwards.

    Args:
        directory: New or empty; the homes stand in ``HOMES`` below it.
        audience: Who is told.
        coordinator_down: Whether the coordinator has no power from act 8 to act 13.

    Raises:
        SandboxError: The sandbox cannot be made.
    """
    started = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    clock = StoryTime(directory / "clock", system_clock())
    sandbox = Sandbox(
        directory / HOMES,
        NODES,
        federation=FEDERATION,
        capture=True,
        cost=_CHEAP,
        settings={**_SETTINGS, "rehearsal_clock": str(clock.file.resolve())},
        beside=BESIDE,
    )
    sandbox.build()
    start_telemetry(directory / LOG_NAME)  # of those that call as somebody: thieves, auditors
    scene, told = Scene(sandbox, plant(), clock, audience.show), Told()
    try:
        for act in _in_order(scene, coordinator_down=coordinator_down):
            told.acts.append(_play(act, scene, audience))
            if act.number == 0 and not told.passed:
                break  # without its nodes the story has nobody to tell of
    finally:
        scene.close_doors()
        sandbox.down()
        stop_telemetry()
    told.timeline, told.facts = scene.timeline, scene.facts
    told.seconds = round(time.monotonic() - started, 1)
    return told


def _in_order(scene: Scene, *, coordinator_down: bool) -> Iterator[Act]:
    """Yield the acts; those that wait for the coordinator come after it is back."""
    waiting: list[Act] = []
    for act in ACTS:
        dark = coordinator_down and DOWN_FROM <= act.number <= DOWN_TO
        if dark and not scene.coordinator_is_down:
            scene.stop_coordinator()
        if coordinator_down and act.number > DOWN_TO and scene.coordinator_is_down:
            scene.start_coordinator()
            yield from waiting
        if act.needs_coordinator and scene.coordinator_is_down and not act.why_not():
            waiting.append(act)
            yield act._replace(play=_waits, clock="")
        else:
            yield act


def _waits(scene: Scene) -> Iterator[Check]:
    """Show that what only the coordinator can open is what waits."""
    process = running_process(scene.sandbox.home(COORDINATOR))
    yield Check(
        "waits-for-the-coordinator",
        process is None,
        f"only {COORDINATOR} can open it, and has no power: it is played when that is back",
    )


def _play(act: Act, scene: Scene, audience: Audience) -> Played:
    if why := act.why_not():
        played = Played(act, scene.clock.text(), skipped=why)
        audience.ended(played)
        return played
    if act.clock:
        scene.at(act.clock)
    played = Played(act, scene.clock.text())
    audience.begins(act, played.clock)
    started = time.monotonic()
    try:
        played.checks.extend(_named(act, check) for check in act.play(scene))
    except (NodeError, FederationError, KeysError) as error:
        played.checks.append(_failed(act, f"{error} [{error.reason}]"))
    except Exception as error:  # the other acts are told all the same
        found = describe_error(error)
        played.checks.append(_failed(act, f"{found['error_class']} at {found['error_place']}"))
    played.seconds = round(time.monotonic() - started, 1)
    played.seen = scene.take_seen()
    audience.ended(played)
    return played


def _failed(act: Act, detail: str) -> Check:
    return Check(f"{act.name}-told-to-its-end", passed=False, detail=detail)


def _named(act: Act, check: Check) -> Check:
    """Put the act's number in front of a check that does not say it."""
    if check.name.startswith(("act-", "end-")):
        return check
    return Check(f"{act.name}-{check.name}", check.passed, check.detail)
