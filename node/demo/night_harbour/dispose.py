"""Act 7: orders reach those that can act, each acts once, and what is protected is left alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from federation.vocabulary import (
    DispositionBasis,
    DispositionReason,
    Measure,
    ReceiptStep,
    SubjectRole,
)
from node.demo.doors import Check
from node.demo.night_harbour.calls import (
    ask,
    notify_all,
    number,
    order,
    order_request,
    orders,
    raw,
    refusal,
    wait_answered,
)
from node.demo.night_harbour.cast import (
    APP,
    BANKS,
    CARRIERS,
    COORDINATOR,
    DOMAIN,
    DOMAIN_TWIN,
    EMERGENCY_NUMBER,
    FARM_TOTAL,
    IM_ACCOUNTS,
    INDUSTRY,
)
from node.demo.night_harbour.matching import match_users
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import disposition_service_pb2 as disposition

MOST_SECONDS: Final = 30
"""Seconds from an order to its execution, 95 of 100: DOMAIN R08 asks for 5, of nodes that do not
share two cores with nine others."""

_Orders = list[disposition.DispositionStatus]


def play(scene: Scene) -> Iterator[Check]:
    """Order, wait for the receipts, try what is refused, and match two lists."""
    scene.at("T-2d 23:07")
    for member in (COORDINATOR, *INDUSTRY):
        scene.own(member, "domain", DOMAIN, DOMAIN_TWIN)
    scene.own(COORDINATOR, "app", APP)
    given = _own_orders(scene)
    network = _network_orders(scene)
    done = _receipts(scene, [one for group in given.values() for one in group], network)
    yield _lines(scene, given, done)
    yield _accounts(scene, given, done)
    yield _domains(scene, network, done)
    yield _builds(scene, network, done)
    yield _banks(scene, given, done)
    yield _timely(scene, done)
    yield _refused(scene)
    yield from match_users(scene)
    scene.each(lambda member: notify_all(scene, member), INDUSTRY)


def _own_orders(scene: Scene) -> dict[str, _Orders]:
    """Let each member order what concerns its own customers, whose identifiers no other has."""
    truth = scene.truth
    clues = {one: (DispositionBasis.CLUE, clue) for one, clue in scene.facts["act5.clues"].items()}
    plain = (DispositionBasis.CHARTER, b"")
    work = {
        **{
            one: (truth.farm_sims[one], "phone", Measure.T_REVERIFY, DispositionReason.SIM_FARM)
            for one in CARRIERS
        },
        "net-p": (
            truth.im_accounts,
            "im_account",
            Measure.I_LIMIT,
            DispositionReason.LINKED_TO_RISK,
        ),
        **{
            one: (
                truth.mules[one],
                "bank_account",
                Measure.F_VERIFY,
                DispositionReason.MULE_PATTERN,
            )
            for one in BANKS
        },
    }

    def give(member: str) -> _Orders:
        values, kind, measure, reason = work[member]
        role = SubjectRole.MULE if member in BANKS else SubjectRole.OFFENDER_RESOURCE
        basis = clues.get(member, plain)
        return [
            order(scene, member, (kind, one), measure, reason, role=role, to=(member,), basis=basis)
            for one in values
        ]

    return scene.each(give, tuple(work))


def _network_orders(scene: Scene) -> dict[str, disposition.DispositionStatus]:
    """Let the coordinator order what concerns the networks of all: two domains and an app."""
    block = partial(order, scene, COORDINATOR, measure=Measure.N_BLOCK)
    posing = DispositionReason.IMPERSONATION
    return {
        "domain": block(("domain", DOMAIN), reason=posing),
        "twin": block(("domain", DOMAIN_TWIN), reason=posing),
        "app": order(
            scene,
            COORDINATOR,
            ("app", APP),
            Measure.I_TAKEDOWN_APP,
            DispositionReason.HARMFUL_SOFTWARE,
        ),
    }


def _receipts(
    scene: Scene, own: _Orders, network: dict[str, disposition.DispositionStatus]
) -> dict[bytes, disposition.DispositionStatus]:
    """Wait until the coordinator sees everybody's answer to every order."""
    given = [*own, *network.values()]
    done = wait_answered(scene, COORDINATOR, [one.matter_id for one in given])
    scene.moment("T-2d 23:07", "S3", "carriers, firms, banks", f"{len(done)} measures in place")
    scene.saw(
        COORDINATOR, f"{len(done)} orders, who carried each out and when; no customer of anybody"
    )
    return done


def _executed(status: disposition.DispositionStatus) -> list[str]:
    return [part.member for part in status.parts if part.step == number(ReceiptStep.EXECUTED)]


def _all_executed(
    given: Sequence[disposition.DispositionStatus], done: dict[bytes, disposition.DispositionStatus]
) -> bool:
    return all(len(_executed(done[one.matter_id])) == len(one.parts) for one in given)


def _lines(
    scene: Scene,
    given: dict[str, _Orders],
    done: dict[bytes, disposition.DispositionStatus],
) -> Check:
    lines = [one for carrier in CARRIERS for one in given[carrier]]
    for carrier in CARRIERS:
        scene.saw(carrier, f"{len(given[carrier])} own lines to verify again, and whose they are")
    return Check(
        "act-07-34-lines-reverified",
        len(lines) == FARM_TOTAL and _all_executed(lines, done),
        f"T-REVERIFY on {len(lines)} SIMs of the farm, each by its own carrier",
    )


def _accounts(
    scene: Scene,
    given: dict[str, _Orders],
    done: dict[bytes, disposition.DispositionStatus],
) -> Check:
    accounts = given["net-p"]
    scene.saw("net-p", f"{len(accounts)} own accounts limited")
    return Check(
        "act-07-6-accounts-limited",
        len(accounts) == IM_ACCOUNTS and _all_executed(accounts, done),
        f"I-LIMIT on {len(accounts)} accounts at net-p",
    )


def _domains(
    scene: Scene,
    network: dict[str, disposition.DispositionStatus],
    done: dict[bytes, disposition.DispositionStatus],
) -> Check:
    """Hold that both domains are blocked, and that the twin's two spellings are one token."""
    blocks = [network["domain"], network["twin"]]
    ascii_form = DOMAIN_TWIN.encode("idna").decode()
    request = disposition.ListDispositionsRequest(subject=raw("domain", ascii_form))
    found = ask(scene, "net-q", "disposition", "ListDispositions", request).orders
    same = [one.matter_id for one in found] == [network["twin"].matter_id]
    distinct = network["domain"].token != network["twin"].token
    return Check(
        "act-07-domain-blocked-both-spellings",
        _all_executed(blocks, done) and same and distinct,
        f"N-BLOCK of the domain and its look-alike at {len(blocks[0].parts)} networks; "
        f"the look-alike is the same in its own letters and as {ascii_form[:9]}…",
    )


def _builds(
    scene: Scene,
    network: dict[str, disposition.DispositionStatus],
    done: dict[bytes, disposition.DispositionStatus],
) -> Check:
    """Hold that one order by the signer covers both builds of the app."""
    app = network["app"]
    (seen,) = orders(scene, "net-q", matter_id=app.matter_id)
    scene.saw("net-q", "one app, two builds, one signer: both taken down")
    return Check(
        "act-07-app-down-both-builds",
        "net-q" in _executed(done[app.matter_id]) and len(seen.references) == 2,
        f"I-TAKEDOWN-APP by package and signer: {', '.join(sorted(seen.references))} at net-q",
    )


def _banks(
    scene: Scene,
    given: dict[str, _Orders],
    done: dict[bytes, disposition.DispositionStatus],
) -> Check:
    accounts = [one for bank in BANKS for one in given[bank]]
    for bank in BANKS:
        scene.saw(bank, f"{len(given[bank])} own accounts whose transfers are verified")
    return Check(
        "act-07-5-accounts-verified",
        len(accounts) == 5 and _all_executed(accounts, done),
        f"F-VERIFY on {len(accounts)} accounts: bank-x {len(given['bank-x'])}, "
        f"bank-y {len(given['bank-y'])}",
    )


def _timely(scene: Scene, done: dict[bytes, disposition.DispositionStatus]) -> Check:
    taken = sorted(
        part.executed_time.seconds - one.order_time.seconds
        for one in done.values()
        for part in one.parts
        if part.step == number(ReceiptStep.EXECUTED)
    )
    p95 = taken[math.ceil(0.95 * len(taken)) - 1]
    scene.facts["act7.p95"] = p95
    return Check(
        "act-07-receipts-p95",
        p95 <= MOST_SECONDS,
        f"{len(taken)} receipts of {len(done)} orders; 95 of 100 within {p95} s of the order",
    )


def _refused(scene: Scene) -> Check:
    """Try to cut off the anti-fraud centre's own number."""
    reason = DispositionReason.CONFIRMED_FRAUD
    request = order_request(("phone", EMERGENCY_NUMBER), Measure.T_SUSPEND, reason)
    said = {
        member: refusal(scene, member, "disposition", "OrderDisposition", request)
        for member in (COORDINATOR, "carrier-a")
    }
    return Check(
        "act-07-96110-refused",
        set(said.values()) == {"PROTECTED_OBJECT"},
        f"an order on {EMERGENCY_NUMBER} is refused at {' and '.join(said)}: "
        f"{', '.join(sorted(set(said.values())))}",
    )
