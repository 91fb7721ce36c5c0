"""Act 14: the coordinator loses its power for half a minute, and the members go on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from federation.indicators import Indicator, Kind
from federation.vocabulary import Band
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.cast import BANKS, COORDINATOR, FIRMS, INDUSTRY, PARTNER
from node.demo.night_harbour.scene import Scene

DARK_SECONDS = 30.0
"""Seconds for which the coordinator has no power, at least."""
NEWCOMER = "new-harbour-refund.example"
HOME, WARNED_AT = "carrier-c", "carrier-a"
"""Carriers: one whose subscriber appeals, and one whose subscriber is warned."""


def darken(scene: Scene) -> Iterator[Check]:
    """Cut the coordinator's power, work, and give it back."""
    began = time.monotonic()
    scene.stop_coordinator()
    try:
        yield from _work(scene)
        time.sleep(max(0.0, DARK_SECONDS - (time.monotonic() - began)))
        dark = time.monotonic() - began
    finally:
        caught_up = scene.start_coordinator()
    newcomer = Indicator(Kind.DOMAIN, NEWCOMER)
    yield Check(
        "act-14-coordinator-catches-up",
        scene.band(COORDINATOR, newcomer) > Band.NONE,
        f"{COORDINATOR} had no power for {dark:.0f} s and has caught up after {caught_up:.1f} s",
    )
    yield _authorise(scene)
    scene.saw(COORDINATOR, "nothing for half a minute, and afterwards everything that was said")


def _authorise(scene: Scene) -> Check:
    """Let the coordinator put in force what waited for it."""
    order = str(scene.facts["act14.order"])
    scene.do(COORDINATOR, "dispose", "authorise", order)

    def answered() -> bool:
        parts = _order(scene, COORDINATOR, order)["parts"]
        return all(one.get("step") in ("EXECUTED", "NOT_MINE", "EXEMPT") for one in parts)

    wait_until(answered, "an order that waited was not carried out")
    steps = Counter(str(one["step"]) for one in _order(scene, COORDINATOR, order)["parts"])
    told = ", ".join(f"{count} {step}" for step, count in sorted(steps.items()))
    return Check("act-14-queued-order-goes-on", True, f"authorised, and answered at once: {told}")


def _work(scene: Scene) -> Iterator[Check]:
    """Do without the coordinator what does not need it."""
    newcomer = Indicator(Kind.DOMAIN, NEWCOMER)
    facts = ("--fraud-type", "customer_service", "--confidence", "85", "--tlp", "amber")
    scene.do(FIRMS[1], "nominate", "domain", NEWCOMER, *facts)
    scene.own(FIRMS[1], "domain", NEWCOMER)
    seconds = scene.wait_band(newcomer, (*INDUSTRY, PARTNER), known=True)
    yield Check(
        "act-14-peers-synchronise",
        True,
        f"what {FIRMS[1]} said was known to {len(INDUSTRY)} members and {PARTNER} after"
        f" {seconds:.1f} s",
    )
    unknown = Indicator(Kind.DOMAIN, "harbour-weather.example")
    bands = {member: scene.band(member, unknown) for member in (BANKS[1], PARTNER)}
    yield Check(
        "act-14-lookups-continue",
        set(bands.values()) == {Band.NONE},
        f"new questions are answered at {' and '.join(bands)}: the key holders make the tokens",
    )
    yield _appeal(scene)
    yield _warn(scene)
    yield _queue(scene)


def _appeal(scene: Scene) -> Check:
    """Limit a subscriber by mistake, and free it again on appeal."""
    number = scene.truth.customers(HOME)[-1]
    words = ("dispose", "order", "phone", number, "--measure", "t_limit", "--to", HOME, "--json")
    order = str(scene.do(HOME, *words).document["matter_id"])
    wait_until(lambda: _part(scene, HOME, order, HOME) == "EXECUTED", "a measure was not executed")
    scene.do(HOME, "appeal", "file", "--order", order, "--ground", "not_the_offender")
    scene.do(HOME, "appeal", "decide", order, "--result", "lifted")
    state = _order(scene, HOME, order)["state"]
    scene.facts["act14.lifted"] = {HOME: 1}
    scene.saw(HOME, "one subscriber's appeal, filed and granted in the same minute")
    return Check(
        "act-14-appeals-continue",
        state == "LIFTED",
        f"a measure of {HOME}'s own was appealed against and is {state}",
    )


def _warn(scene: Scene) -> Check:
    """Seal a warning to the home carrier of somebody."""
    number = scene.truth.customers(WARNED_AT)[-1]
    known = len(scene.do(WARNED_AT, "warn", "outbox").rows)
    facts = ("--risk", "very_high", "--fraud-type", "customer_service", "--urgency", "immediate")
    scene.do(BANKS[0], "warn", "raise", number, *facts)
    wait_until(
        lambda: len(scene.do(WARNED_AT, "warn", "outbox").rows) > known, "no warning arrived"
    )
    elsewhere = len(scene.do(HOME, "warn", "outbox").rows)
    scene.saw(WARNED_AT, "one sealed warning for a customer of its own")
    return Check(
        "act-14-sealed-warnings-continue",
        True,
        f"a warning that {BANKS[0]} sealed is in {WARNED_AT}'s outbox; {elsewhere} of it at {HOME}",
    )


def _queue(scene: Scene) -> Check:
    """Propose an order for everybody, which only the coordinator can put in force."""
    words = ("dispose", "order", "domain", NEWCOMER, "--measure", "n_block", "--json")
    order = str(scene.do(FIRMS[1], *words).document["matter_id"])
    scene.facts["act14.order"] = order
    scene.wait_replicated()
    states = {member: _order(scene, member, order)["state"] for member in INDUSTRY[:3]}
    return Check(
        "act-14-orders-queue",
        set(states.values()) == {"PROPOSED"},
        f"an order of {FIRMS[1]} for all carriers waits as PROPOSED: nobody acts on it yet",
    )


def _order(scene: Scene, member: str, order: str) -> dict[str, Any]:
    return scene.do(member, "dispose", "show", order, "--json").document


def _part(scene: Scene, member: str, order: str, of: str) -> str:
    parts = _order(scene, member, order)["parts"]
    return next((str(one.get("step")) for one in parts if one["member"] == of), "")
