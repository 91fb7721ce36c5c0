"""Act 13: five hundred scripts report a shop, and nobody believes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from federation.indicators import Indicator, Kind
from federation.vocabulary import Band
from node.demo.doors import SPREAD_SECONDS, Check, wait_until
from node.demo.night_harbour.cast import BRIGADE, INDUSTRY
from node.demo.night_harbour.scene import Scene

INTAKE, LEADER = "carrier-a", "carrier-b"
"""Where the reports come in, and the shop's carrier, which finds out."""
UNFOUNDED_RELIABILITY = 0.2
"""What is left of a reporter's reliability after one unfounded report."""


def brigade(scene: Scene) -> Iterator[Check]:
    """Take 500 reports in, verify, and see what they and their reporters come to."""
    shop = scene.truth.shop.number
    report = _submit(scene, shop)
    shown = scene.do(INTAKE, "report", "show", report, "--json").document
    state = scene.do(INTAKE, "explain", "phone", shop, "--json").document["indicator_state"]
    bands = {member: scene.band(member, Indicator(Kind.PHONE, shop)) for member in INDUSTRY}
    scene.saw(INTAKE, f"{shown['reporters']} reports in one burst, weighed {shown['confidence']}")
    yield Check(
        "act-13-stays-nominated",
        state == "NOMINATED" and max(bands.values()) <= Band.LOW,
        f"{shown['reporters']} reports: {state}, confidence {shown['confidence']} of 100, and no"
        f" member is told more than {max(bands.values()).name}",
    )
    found = _verify(scene, shop)
    yield Check(
        "act-13-verification-does-not-confirm",
        found["state"] != "CONFIRMED" and not found["tally"]["suspect"],
        f"{found['state']}: hearsay is nobody's own knowledge",
    )
    _unsubstantiate(scene, report, str(found["matter_id"]))
    judged = _reporters(scene)
    yield Check(
        "act-13-reporter-reliability-drops",
        len(judged) == BRIGADE and set(judged) == {UNFOUNDED_RELIABILITY},
        f"{len(judged)} reporters are believed {UNFOUNDED_RELIABILITY:.0%} from now on, as"
        " pseudonyms that only the intake knows",
    )
    scene.saw("the shop", "nothing: it was never restricted")


def _submit(scene: Scene, shop: str) -> str:
    """Let the scripts report; return the matter that all reports joined."""
    lines = [f"phone,{shop},script {number},this shop cheats" for number in range(BRIGADE)]
    file = scene.file("brigade.csv", ["kind,value,reporter,text", *lines])
    scene.own(INTAKE, "phone", shop)  # what citizens report stays with who took it in
    known = {str(one["matter_id"]) for one in _reports(scene, INTAKE)}
    scene.do(INTAKE, "report", "submit", "--file", str(file), "--fraud-type", "shopping")
    (report,) = {str(one["matter_id"]) for one in _reports(scene, INTAKE)} - known
    return report


def _reports(scene: Scene, member: str, *options: str) -> list[dict[str, Any]]:
    return scene.do(member, "report", "list", "--json", *options).rows


def _verify(scene: Scene, shop: str) -> dict[str, Any]:
    wait = ("--quorum", "2", "--wait", str(int(SPREAD_SECONDS)), "--json")
    return scene.do(LEADER, "verify", "open", "phone", shop, *wait).document


def _unsubstantiate(scene: Scene, report: str, basis: str) -> None:
    scene.do(LEADER, "report", "accept", report)
    scene.do(LEADER, "report", "verify", report, "--basis", basis)
    scene.do(LEADER, "report", "unsubstantiate", report, "--reason", "mass_reporting")
    wait_until(
        lambda: any(
            one["matter_id"] == report and one["state"] == "UNSUBSTANTIATED"
            for one in _reports(scene, INTAKE, "--closed")
        ),
        "the intake does not learn how the reports ended",
    )


def _reporters(scene: Scene) -> list[float]:
    """Wait until the intake has judged the scripts, and return what each is still worth."""

    def judged() -> list[float]:
        rows = scene.do(INTAKE, "report", "reporters", "--json").rows
        return [float(one["reliability"]) for one in rows if one["unfounded"]]

    wait_until(lambda: len(judged()) >= BRIGADE, "the reporters were not judged")
    return judged()
