"""Act 7: net-p finds its users among carrier-a's high-risk numbers, and neither learns more."""

from __future__ import annotations

from collections.abc import Iterator

from node.demo.doors import Check
from node.demo.night_harbour.calls import ask, raw
from node.demo.night_harbour.cast import CARRIERS, REGISTERED_HIGH_RISK
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import match_service_pb2 as match


def match_users(scene: Scene) -> Iterator[Check]:
    """Let net-p find its users among carrier-a's high-risk numbers."""
    truth, registered = scene.truth, tuple(scene.truth.registered)
    offering = match.OfferValuesRequest(
        values=[raw("phone", one) for one in truth.high_risk], members=["net-p"]
    )
    offered = ask(scene, "carrier-a", "match", "OfferValues", offering).offered_count
    asking = match.RunMatchRequest(
        member="carrier-a", values=[raw("phone", one) for one in registered]
    )
    found = ask(scene, "net-p", "match", "RunMatch", asking)
    hits = {registered[place] for place in found.hits}
    common = set(truth.high_risk) & set(registered)
    yield Check(
        "act-07-psi-37-of-37",
        hits == common and len(hits) == REGISTERED_HIGH_RISK,
        f"{offered} numbers of carrier-a against {found.own_count:,} of net-p's: "
        f"{len(hits)} of {len(common)} found, none falsely",
    )
    (at_carrier,) = _matches(scene, "carrier-a")
    nothing = not any(_matches(scene, one) for one in CARRIERS[1:])
    scene.saw(
        "carrier-a", f"that {at_carrier.found_count} of its {at_carrier.own_count} have accounts"
    )
    scene.saw("net-p", f"which {len(hits)} of its own users they are, and no other number")
    yield Check(
        "act-07-psi-carrier-sees-count",
        (at_carrier.found_count, at_carrier.own_count) == (REGISTERED_HIGH_RISK, offered)
        and nothing,
        f"carrier-a learns the count {at_carrier.found_count}, no name; other carriers nothing",
    )


def _matches(scene: Scene, member: str) -> list[match.MatchRecord]:
    return list(ask(scene, member, "match", "ListMatches", match.ListMatchesRequest()).matches)
