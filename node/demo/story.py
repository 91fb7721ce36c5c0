"""Tell the whole story in order, and keep going over failed checks as long as there is a way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from federation.errors import FederationError
from federation.names import FederationName
from keys.errors import KeysError
from node.demo import asking, proof, sharing, training
from node.demo.doors import Check, ShowProgress
from node.demo.lists import MEMBERS, PARTNER, Material
from node.demo.stage import Facts, Stage
from node.errors import NodeError
from node.sandbox import Sandbox

FEDERATION = FederationName("demo")


class Act(NamedTuple):
    """One act: its name in the timings, what a person reads, and what it does.

    ``why_not`` says why it cannot be played on this machine, or nothing.
    """

    name: str
    title: str
    play: Callable[[Stage], Iterator[Check]]
    why_not: Callable[[], str] = lambda: ""


ACTS: tuple[Act, ...] = (
    Act("found", "Six organisations found a federation and make its keys", sharing.found),
    Act("guard", "They say what must never be acted on", sharing.guard),
    Act("watch", "Two of them watch their own customers", sharing.watch),
    Act("nominate", "Five members nominate what each of them knows", sharing.nominate),
    Act(
        "replicate",
        "Every member gets every log and comes to the same catalogue",
        sharing.replicate,
    ),
    Act("hits", "Customers that others speak about are found", sharing.hits),
    Act("ask", "A partner that only asks, asks", asking.ask),
    Act("retract", "A nomination was a mistake and is taken back", asking.retract),
    Act("reassign", "A number is given to a new owner", asking.reassign),
    Act("lose_holder", "A key holder loses its power", asking.lose_holder),
    Act("end", "All nodes end, and what left them is counted", proof.end),
    Act("search", "Every disk and every message is searched for raw identifiers", proof.search),
    Act("edit_log", "Somebody edits one byte of history", proof.edit_log),
    Act(
        "train",
        "Three members train a model together, over rows that stay with each",
        training.train,
        training.why_not,
    ),
)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told.

    Attributes:
        show: Makes a progress bar of a label and a length.
        begins: Called when an act begins.
        checked: Called with the checks of an act when it has ended.
        skipped: Called with an act that cannot be played, and why.
    """

    show: ShowProgress
    begins: Callable[[Act], None] = lambda _: None
    checked: Callable[[list[Check]], None] = lambda _: None
    skipped: Callable[[Act, str], None] = lambda _act, _why: None


@dataclass(slots=True)
class Result:
    """What came of the story.

    Attributes:
        roles: By member, in order.
        checks: In the order in which they were made.
        timings: Seconds by act, and in all.
        skipped: Why an act was not played, by its name.
    """

    material: Material
    roles: Mapping[str, str]
    facts: Facts
    checks: list[Check] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Say whether every check passed."""
        return all(check.passed for check in self.checks)


def tell_story(
    material: Material,
    directory: Path,
    audience: Audience,
) -> Result:
    """Tell the story with real nodes whose homes stand below a directory.

    Args:
        material: What the members know.
        directory: New or empty; it stays, with every node down.
        audience: Who is told.

    Raises:
        SandboxError: The sandbox cannot be made.
    """
    sandbox = Sandbox(directory, (*MEMBERS, PARTNER), federation=FEDERATION, capture=True)
    started = time.monotonic()
    sandbox.build()
    stage = Stage(sandbox, material, audience.show)
    roles = {str(place.member): place.role.value for place in sandbox.layout.places}
    result = Result(material, roles, stage.facts)
    try:
        for act in ACTS:
            if not play_act(act, stage, result, audience):
                break
    finally:
        stage.close_doors()
        sandbox.down()
    result.timings["total"] = round(time.monotonic() - started, 2)
    return result


def play_act(act: Act, stage: Stage, result: Result, audience: Audience) -> bool:
    """Play one act; say whether the story can go on."""
    if why := act.why_not():
        result.skipped[act.name] = why
        audience.skipped(act, why)
        return True
    audience.begins(act)
    started, checks, goes_on = time.monotonic(), list[Check](), True
    try:
        checks.extend(act.play(stage))
    except (NodeError, FederationError, KeysError) as error:
        checks.append(Check(f"act-{act.name}", passed=False, detail=f"{error} [{error.reason}]"))
        goes_on = False
    result.timings[act.name] = round(time.monotonic() - started, 2)
    result.checks.extend(checks)
    audience.checked(checks)
    return goes_on
