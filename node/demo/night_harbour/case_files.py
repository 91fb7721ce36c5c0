"""Enter what the members know of their subjects into the logs: old cases, wrong ones, seizures.

Act 15 enters them and lifts the wrong ones; act 17 learns from them once they are old enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from federation.vocabulary import (
    AppealGround,
    AppealResult,
    DispositionReason,
    FraudType,
    Measure,
    SubjectRole,
)
from node.demo.doors import wait_until
from node.demo.night_harbour.calls import (
    ask,
    notify_all,
    number,
    order,
    orders,
    raw,
    wait_answered,
)
from node.demo.night_harbour.cast import CARRIERS, COORDINATOR, POLICE
from node.demo.night_harbour.rows import couriers, member_rows
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import appeal_service_pb2 as appeal
from tocsin.desk.v1 import case_service_pb2 as case
from tocsin.desk.v1 import desk_service_pb2 as desk

SECOND: Final = "bank-x"
"""Lost money to the same numbers: two members have to say so before an outcome is a label."""
CONFIDENCE: Final = 80
CASE: Final = "SYNTHETIC-2026-NH-1"


def old_cases(scene: Scene) -> Mapping[str, tuple[str, ...]]:
    """Return the numbers that each carrier held to be fraudulent, couriers among them."""
    rows, told = member_rows(scene.truth), {one.number for one in scene.truth.named.values()}
    return {
        member: tuple(one for one in rows[member].frauds if one not in told) for member in CARRIERS
    }


def enter_old_cases(scene: Scene) -> int:
    """Let each carrier and a bank nominate the carrier's old cases; return how many they are."""
    known = old_cases(scene)
    everything = [one for numbers in known.values() for one in numbers]
    scene.own(SECOND, "phone", *everything)
    scene.each(lambda member: _nominate(scene, member, known[member]), CARRIERS)
    _nominate(scene, SECOND, everything)
    return len(everything)


def _nominate(scene: Scene, member: str, numbers: Sequence[str]) -> None:
    rows = [
        desk.NominationRow(
            indicator=raw("phone", one),
            fraud_type=number(FraudType.CUSTOMER_SERVICE),
            confidence=CONFIDENCE,
            subject_role=number(SubjectRole.OFFENDER_RESOURCE),
        )
        for one in numbers
    ]
    ask(scene, member, "desk", "Nominate", desk.NominateRequest(rows=rows))


def restrict_couriers(scene: Scene) -> Mapping[str, list[bytes]]:
    """Let each carrier restrict its couriers, wrongly; return the orders."""

    def restrict(member: str) -> list[bytes]:
        own = couriers(scene.truth, member)
        reason = DispositionReason.ABNORMAL_USE
        given = [
            order(scene, member, ("phone", one), Measure.T_LIMIT, reason, to=(member,))
            for one in own
        ]
        return [one.matter_id for one in given]

    given = scene.each(restrict, CARRIERS)
    for member, wanted in given.items():
        wait_answered(scene, member, wanted)
    scene.each(lambda member: notify_all(scene, member), CARRIERS)
    return given


def appeal_all(scene: Scene) -> None:
    """Let every courier appeal at the own carrier."""

    def file(member: str) -> None:
        for one in couriers(scene.truth, member):
            request = appeal.FileAppealRequest(
                subject=raw("phone", one), ground=number(AppealGround.HARMLESS_USE)
            )
            ask(scene, member, "appeal", "FileAppeal", request)

    scene.each(file, CARRIERS)


def lift_all(scene: Scene, given: Mapping[str, Sequence[bytes]]) -> None:
    """Let the coordinator, which oversees them, lift these orders for everybody."""
    wanted = {one for each_order in given.values() for one in each_order}
    wait_until(lambda: wanted <= set(_in_state(scene, "APPEALED")), "appeals did not arrive")
    for one in sorted(wanted):
        request = appeal.DecideAppealRequest(matter_id=one, decision=number(AppealResult.LIFTED))
        ask(scene, COORDINATOR, "appeal", "DecideAppeal", request)

    def all_restored() -> bool:
        return all(_restored(scene, member) >= set(own) for member, own in given.items())

    wait_until(all_restored, "a lift did not arrive")


def _in_state(scene: Scene, state: str) -> Iterator[bytes]:
    return (one.matter_id for one in orders(scene, COORDINATOR) if one.state == state)


def _restored(scene: Scene, member: str) -> set[bytes]:
    return {
        one.matter_id
        for one in orders(scene, member)
        for part in one.parts
        if part.member == member and part.HasField("restored_time")
    }


def designate_farm(scene: Scene) -> int:
    """Let the police put the SIMs that they seized into a case; return how many."""
    seized = [one for sims in scene.truth.farm_sims.values() for one in sims]
    scene.own(POLICE, "phone", *seized)
    request = case.DesignateRequest(
        values=[raw("phone", one) for one in seized],
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        case_reference=CASE,
    )
    results: Any = ask(scene, POLICE, "case", "Designate", request).results
    return len(results)
