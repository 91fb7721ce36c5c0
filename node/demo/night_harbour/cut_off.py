"""Act 12: a doctor is cut off for the old owner of her number; one appeal frees her everywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from operator import sub
from typing import Final

from federation.sheet import duration_figure
from federation.vocabulary import AppealGround, AppealResult, Band
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import (
    ask,
    ask_partner,
    band,
    number,
    orders,
    raw,
    wait_bands,
)
from node.demo.night_harbour.cast import PARTNER
from node.demo.night_harbour.nominations import nominate, nomination
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import appeal_service_pb2 as appeal
from tocsin.desk.v1 import sheet_service_pb2 as sheet

HOME: Final = "net-p"
"""Where D1 is a customer, was limited and appeals."""
BANK: Final = "bank-y"
SYNC_SECONDS: Final = 30.0
"""Seconds of one sync: logs are asked for every ten, and two cores are shared by ten nodes."""
LOOK_SECONDS: Final = 1_200
"""Seconds for which a person looks at the appeal."""

_SUSPICION: Final = 60
_RESTRICTED: Final = (HOME, BANK)


def play(scene: Scene) -> Iterator[Check]:
    """Let a stale measure become a suspicion, and let an appeal take back both."""
    scene.at("T 13:40")
    number_of_d1 = scene.truth.n3
    nominate(scene, HOME, ("phone", number_of_d1), _SUSPICION)
    wait_bands(scene, "phone", number_of_d1, lambda one: one > Band.NONE)
    told = ask_partner(scene, "phone", number_of_d1, lambda one: one > Band.NONE)
    scene.saw(HOME, "D1's account is still limited; its desk takes that for a sign and nominates")
    scene.saw(PARTNER, f"D1: {Band(told.band).name}")
    before = scene.each(lambda one: _figures(scene, one), _RESTRICTED)
    scene.at("T 14:00")
    yield _filed(scene)
    scene.advance(LOOK_SECONDS)
    yield _lifted(scene, Band(told.band))
    yield from _spouse(scene)
    yield _counted(scene, before)


def _filed(scene: Scene) -> Check:
    """File D1's appeal at net-p, with the spouse's number to be reached by."""
    request = appeal.FileAppealRequest(
        subject=raw("phone", scene.truth.n3),
        ground=number(AppealGround.NEW_OWNER),
        contact=raw("phone", scene.truth.spouse.number),
    )
    filed = ask(scene, HOME, "appeal", "FileAppeal", request).orders
    scene.saw("D1 (citizen)", "told the reason, the remedy and the documents; appeals at net-p")
    scene.own(HOME, "phone", scene.truth.spouse.number)
    contested = {one.matter_id for one in filed}
    return Check(
        "act-12-appeal-filed",
        contested == set(scene.facts["act4.limits"])
        and {one.state for one in filed} == {"APPEALED"},
        f"one appeal at {HOME} contests both measures that restrict D1, {BANK}'s too",
    )


def _lifted(scene: Scene, before: Band) -> Check:
    """Let net-p, whose orders they are, lift; watch it arrive at everybody."""
    phone, first = scene.truth.n3, scene.facts["act4.limits"][0]
    request = appeal.DecideAppealRequest(matter_id=first, decision=number(AppealResult.LIFTED))
    started = time.monotonic()
    ask(scene, HOME, "appeal", "DecideAppeal", request)
    wait_until(lambda: _restored(scene) == set(_RESTRICTED), "a measure was not taken back")
    wait_until(
        lambda: not any(_in_force(scene, one) for one in scene.speaking), "a lift did not arrive"
    )
    wait_bands(scene, "phone", phone, lambda one: one is Band.NONE)
    told = ask_partner(scene, "phone", phone, lambda one: one is Band.NONE)
    seconds = time.monotonic() - started
    scene.moment("T 14:20", "S3", HOME, "D1, wrongly cut off, is freed everywhere")
    scene.saw(HOME, "the carrier says that the number has a new owner: lifted at once")
    scene.saw(BANK, "the lift of the order that it carried out: D1's payments restored")
    scene.saw(PARTNER, "D1: NONE")
    return Check(
        "act-12-lifted-within-one-sync",
        seconds <= SYNC_SECONDS and before > Band.NONE and Band(told.band) is Band.NONE,
        f"LIFT at {HOME} and {BANK}, in force at none of {len(scene.speaking)} members, "
        f"{PARTNER}'s view {before.name} -> NONE: {seconds:.1f} s after the decision",
    )


def _restored(scene: Scene) -> set[str]:
    """Return the members that have said that they took their measure back."""
    found = {one.matter_id: one for one in orders(scene, HOME)}
    parts = [part for one in scene.facts["act4.limits"] for part in found[one].parts]
    return {part.member for part in parts if part.HasField("restored_time")}


def _in_force(scene: Scene, member: str) -> bool:
    wanted = set(scene.facts["act4.limits"])
    return any(one.in_force for one in orders(scene, member) if one.matter_id in wanted)


def _spouse(scene: Scene) -> Iterator[Check]:
    """See that nobody scores the contact, and that net-p cannot even by mistake."""
    phone = scene.truth.spouse.number
    told = scene.each(lambda one: band(scene, one, "phone", phone), scene.running)
    said = refusal_of_row(scene, phone)
    yield Check(
        "act-12-spouse-still-none",
        set(told.values()) == {Band.NONE} and said == "APPEAL_CONTACT",
        f"the spouse's number is NONE at all {len(told)} nodes; {HOME} may not nominate it: {said}",
    )


def refusal_of_row(scene: Scene, phone: str) -> str:
    """Return why net-p's desk does not take a nomination, or nothing."""
    request = nomination(("phone", phone), _SUSPICION)
    (result,) = ask(scene, HOME, "desk", "Nominate", request).results
    reason: str = result.error.reason
    return reason


def _figures(scene: Scene, member: str) -> tuple[int, tuple[int, ...]]:
    """Return a member's measures lifted as wrong, and how long it took after its appeals."""
    request = sheet.ListFiguresRequest()
    request.from_time.seconds = int(scene.time("T-3d 00:00").timestamp())
    request.to_time.seconds = int(scene.time("T+1d 00:00").timestamp())
    cells = {one.code: one for one in ask(scene, member, "sheet", "ListFigures", request).cells}
    return cells["E-1"].numerator, tuple(cells["E-2"].durations)


def _counted(scene: Scene, before: Mapping[str, tuple[int, tuple[int, ...]]]) -> Check:
    after = scene.each(lambda one: _figures(scene, one), _RESTRICTED)
    wrong = {one: after[one][0] - before[one][0] for one in after}
    lifts = tuple(map(sub, after[HOME][1], before[HOME][1]))
    scene.facts["act12.lifted"] = wrong
    for member in _RESTRICTED:
        scene.saw(member, f"E-1: {wrong[member]} more of its measures was wrong")
    return Check(
        "act-12-e1-e2-updated",
        set(wrong.values()) == {1} and lifts == duration_figure([LOOK_SECONDS] * 2),
        f"E-1: one more false restriction at {HOME} and at {BANK}; E-2: {sum(lifts)} lifts more, "
        f"{LOOK_SECONDS // 60} minutes after the appeal at {HOME}",
    )
