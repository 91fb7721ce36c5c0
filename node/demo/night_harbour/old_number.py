"""Act 4, before the evening: N3 is confirmed, changes hands, and its new owner is limited for it.

The carrier has not yet said that the number has a new owner, D1; net-p and bank-y act on the old
finding. Act 6 says it, act 12 undoes what came of it.
"""

from __future__ import annotations

from federation.vocabulary import Band, DispositionBasis, DispositionReason, Measure, OrderDecision
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import (
    ask,
    notify_all,
    number,
    order,
    orders,
    raw,
    wait_answered,
    wait_bands,
    wait_round,
    watch,
)
from node.demo.night_harbour.cast import COORDINATOR, INDUSTRY
from node.demo.night_harbour.nominations import nominate
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import disposition_service_pb2 as disposition
from tocsin.desk.v1 import verify_service_pb2 as verify


def confirm(scene: Scene) -> Check:
    """Confirm N3 in the hands of its old owner."""
    scene.at("T-4d 10:00")
    n3 = scene.truth.n3
    members = ("carrier-b", "bank-y", "net-p")
    scene.each(lambda member: nominate(scene, member, ("phone", n3), 80), members)
    wait_bands(scene, "phone", n3, lambda band: band > Band.NONE)
    request = verify.OpenVerificationRequest(value=raw("phone", n3))
    opened = ask(scene, "carrier-b", "verify", "OpenVerification", request)
    found = wait_round(scene, INDUSTRY, opened.matter_id, "CONFIRMED")
    scene.facts["act4.n3_round"] = opened.matter_id
    return Check(
        "act-04-n3-confirmed-before",
        found.tally.suspect == len(members) and not found.tally.benign,
        f"four days before, N3 in its old owner's hands: {found.tally.suspect} of "
        f"{len(found.members)} suspect it; a day later carrier-b gives the number to D1, a doctor",
    )


def limit(scene: Scene) -> Check:
    """Let net-p act on the old finding, at home and, authorised, at bank-y."""
    n3, basis = scene.truth.n3, (DispositionBasis.VERIFICATION, scene.facts["act4.n3_round"])
    for member in ("net-p", "bank-y"):
        scene.own(member, "phone", n3)
        watch(scene, member, "phone", [(n3, "customer-D1")])
    reason = DispositionReason.CONFIRMED_FRAUD
    limits = [
        order(scene, "net-p", ("phone", n3), Measure.I_LIMIT, reason, to=("net-p",), basis=basis),
        order(scene, "net-p", ("phone", n3), Measure.F_LIMIT, reason, to=("bank-y",), basis=basis),
    ]
    proposed = limits[1].matter_id
    wait_until(lambda: _is_there(scene, COORDINATOR, proposed), "a proposal did not arrive")
    decision = disposition.DecideDispositionRequest(
        matter_id=proposed, decision=number(OrderDecision.AUTHORISE)
    )
    ask(scene, COORDINATOR, "disposition", "DecideDisposition", decision)
    done = wait_answered(scene, "net-p", [one.matter_id for one in limits])
    scene.facts["act4.limits"] = tuple(one.matter_id for one in limits)
    scene.each(lambda member: notify_all(scene, member), ("net-p", "bank-y"))
    scene.saw("net-p", "D1's account stands on a confirmed number: limited, and bank-y asked to")
    scene.saw("bank-y", "an order that coord authorised: D1's payments limited")
    restricted = {
        part.member for one in done.values() for part in one.parts if part.HasField("executed_time")
    }
    return Check(
        "act-04-d1-limited",
        restricted == {"net-p", "bank-y"},
        "net-p and bank-y limit D1: nobody has told them yet that the number has a new owner",
    )


def _is_there(scene: Scene, member: str, order_id: bytes) -> bool:
    return any(one.matter_id == order_id for one in orders(scene, member))
