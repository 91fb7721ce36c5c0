"""Act 9: V2 has lost money; what several sectors know is added up, and the money is chased."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from federation.training.fusion import MOST_LEVEL
from federation.verdict import band_of_score
from federation.vocabulary import (
    AmountBand,
    Band,
    DispositionReason,
    FraudStage,
    FraudType,
    Measure,
    ReceiptStep,
    SubjectRole,
    TraceAnswer,
)
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import (
    ask,
    explain,
    number,
    order_request,
    orders,
    part_of,
    raw,
    refusal,
    wait_bands,
)
from node.demo.night_harbour.cast import DOMAIN, INDUSTRY, POLICE
from node.demo.night_harbour.nominations import nominate
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.story_time import DAY_SECONDS
from tocsin.desk.v1 import case_service_pb2 as case
from tocsin.desk.v1 import disposition_service_pb2 as disposition
from tocsin.desk.v1 import learning_service_pb2 as learning
from tocsin.desk.v1 import report_service_pb2 as report
from tocsin.v1 import reports_pb2

BANK: Final = "bank-y"
"""V2's bank, at which the money's first stop is, too."""
SECOND: Final = "bank-x"
"""Where the money goes on to."""
LOSS: Final = "9,800 CNY"
STOPPED: Final = "6,200 CNY"
SECTORS: Final = 3
"""Sectors that know the first mule: a bank, a carrier, an internet firm."""
PREVALENCE: Final = 0.003
"""Share of fraud among those about whom nothing is known. Source: DOMAIN §9.1."""
CASE: Final = "T-1130"

_STOP_SECONDS: Final = 2 * DAY_SECONDS
_FUSE_SECONDS: Final = 60
_STATE: Final = "DESIGNATED"
# Who tries what only the police may.
_OTHERS: Final = ("carrier-a", BANK, "net-p")


def play(scene: Scene) -> Iterator[Check]:
    """Report, add up, designate, stop the payment, trace the source."""
    scene.at("T 11:30")
    _report(scene)
    if "act2.plans" in scene.facts:  # without training there is no model to ask
        yield _fused(scene)
    yield _refused(scene)
    ids = _designate(scene)
    yield _designated(scene)
    yield _stopped(scene)
    yield _traced(scene, ids[0])


def _report(scene: Scene) -> None:
    """Take V2's report in, and nominate the phone number of the first mule."""
    truth = scene.truth
    row = report.ReportRow(
        indicator=raw("bank_account", truth.mules[BANK][0]),
        reporter="customer V2",
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        channel=reports_pb2.REPORT_CHANNEL_APPLICATION,
        text=f"I paid {LOSS} for a refund that never came",
        actor=BANK,
    )
    ask(scene, BANK, "report", "SubmitReports", report.SubmitReportsRequest(rows=[row]))
    scene.moment("T 11:30", "S4", BANK, f"V2 has paid {LOSS}")
    for member in (BANK, "net-p", POLICE):
        scene.own(member, "phone", truth.mule_phone.number)
    mule = ("phone", truth.mule_phone.number)
    nominate(scene, BANK, mule, 70, stage=FraudStage.PAYMENT, role=SubjectRole.MULE)
    for member in (BANK, "carrier-a"):
        nominate(scene, member, ("phone", truth.n1), 80)  # V2 names the caller
    scene.own(BANK, "phone", truth.n1)
    wait_bands(scene, *mule, lambda band: band > Band.NONE)
    scene.saw(BANK, f"V2 reports a loss of {LOSS}; the payee's phone number is nominated")


def _fused(scene: Scene) -> Check:
    """Add up, in secret, what the sectors' own models say about the mule's number."""
    request = learning.FuseScoresRequest(
        kind="phone", value=scene.truth.mule_phone.number, seconds=_FUSE_SECONDS
    )
    found = ask(scene, BANK, "learning", "FuseScores", request)
    odds = math.exp(found.log_odds) * PREVALENCE / (1 - PREVALENCE)
    fused = band_of_score(odds / (1 + odds))
    scene.saw(
        BANK, f"a sum of levels of {found.contributors} members: {found.level_sum:+}; whose, nobody"
    )
    return Check(
        "act-09-fused-very-high",
        found.contributors == SECTORS and found.level_sum > MOST_LEVEL and fused is Band.VERY_HIGH,
        f"{found.contributors} sectors' models together: level {found.level_sum:+}, where one "
        f"alone says {MOST_LEVEL:+} at most; of one in {1 / PREVALENCE:,.0f} that makes "
        f"{odds / (1 + odds):.1%}: {fused.name}",
    )


def _designation(*values: tuple[str, str]) -> case.DesignateRequest:
    return case.DesignateRequest(
        values=[raw(kind, value) for kind, value in values],
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        case_reference=CASE,
    )


def _refused(scene: Scene) -> Check:
    """Let members try to designate: whatever they know, it does not become 涉案 by them."""
    mule = ("phone", scene.truth.mule_phone.number)
    said = {one: refusal(scene, one, "case", "Designate", _designation(mule)) for one in _OTHERS}
    states = {explain(scene, one, *mule).indicator_state for one in scene.speaking}
    scene.facts["act9.before"] = states
    return Check(
        "act-09-members-cannot-designate",
        set(said.values()) == {"ROLE_NOT_ALLOWED"} and _STATE not in states,
        f"{', '.join(said)} try: {', '.join(sorted(set(said.values())))}; "
        f"the number is {', '.join(sorted(states))} at all nodes",
    )


def _designate(scene: Scene) -> list[bytes]:
    """Let the police designate the caller, the mule and the second hop; return what was said."""
    truth = scene.truth
    request = _designation(
        ("phone", truth.n1),
        ("phone", truth.mule_phone.number),
        ("bank_account", truth.mules[SECOND][0]),
    )
    results = ask(scene, POLICE, "case", "Designate", request).results
    scene.own(POLICE, "phone", truth.n1)
    scene.own(POLICE, "bank_account", truth.mules[SECOND][0])
    scene.moment("T 11:30", "S4", POLICE, "the caller and two mules: 涉案")
    scene.saw(POLICE, "V2's loss, the first mule and the second hop: 涉案")
    return [one.statement_id for one in results]


def _designated(scene: Scene) -> Check:
    mule = ("phone", scene.truth.mule_phone.number)

    def look() -> bool:
        return {explain(scene, one, *mule).indicator_state for one in scene.speaking} == {_STATE}

    wait_until(look, "a designation did not arrive")
    found = [one.body for one in explain(scene, BANK, *mule).explanation.terms if one.weight > 0]
    return Check(
        "act-09-only-police-designate",
        "DESIGNATION" in found and _STATE not in scene.facts["act9.before"],
        f"one event of the police: {_STATE} at all {len(scene.speaking)} nodes",
    )


def _stopped(scene: Scene) -> Check:
    """Stop the second hop: members may not order it, the bank alone knows how much it holds."""
    account = ("bank_account", scene.truth.mules[SECOND][0])
    request = order_request(
        account,
        Measure.F_URGENT_STOP,
        DispositionReason.DESIGNATED_CASE,
        role=SubjectRole.MULE,
        to=(SECOND,),
        seconds=_STOP_SECONDS,
    )
    said = refusal(scene, BANK, "disposition", "OrderDisposition", request)
    order_id = ask(scene, POLICE, "disposition", "OrderDisposition", request).status.matter_id
    wait_until(lambda: _owes(scene, order_id), "an order of the police did not arrive")
    answer = disposition.AnswerDispositionRequest(
        matter_id=order_id,
        step=number(ReceiptStep.EXECUTED),
        amount_band=number(AmountBand.BELOW_10000),
    )
    ask(scene, SECOND, "disposition", "AnswerDisposition", answer)
    wait_until(lambda: _part(scene, order_id).step, "a receipt did not arrive")
    part = _part(scene, order_id)
    told = disposition.AnswerDispositionRequest(
        matter_id=order_id, step=number(ReceiptStep.NOTIFIED)
    )
    ask(scene, SECOND, "disposition", "AnswerDisposition", told)
    scene.moment("T 11:30", "S4", SECOND, f"{STOPPED} stopped")
    band = AmountBand(part.amount_band).name
    scene.saw(SECOND, f"an urgent stop by the police on a second hop: holds {STOPPED}")
    scene.saw(POLICE, f"{SECOND} holds an amount {band}; the sum stays there")
    return Check(
        "act-09-urgent-stop-second-hop",
        part.step == number(ReceiptStep.EXECUTED) and band == "BELOW_10000" and bool(said),
        f"{BANK} may not order it ({said}); the police do, and {SECOND} stops {STOPPED}, told as "
        f"{band}",
    )


def _owes(scene: Scene, order_id: bytes) -> bool:
    queue = orders(scene, SECOND, own_queue=True)
    return any(one.matter_id == order_id and one.owed == "EXECUTE" for one in queue)


def _part(scene: Scene, order_id: bytes) -> disposition.DispositionPart:
    (status,) = orders(scene, POLICE, matter_id=order_id)
    return part_of(status, SECOND)


def _traced(scene: Scene, designation_id: bytes) -> Check:
    """Trace the caller over four holders, and look what each could see at each hop."""
    truth = scene.truth
    chain = (
        ("carrier-a", "phone", truth.n1),
        ("net-p", "im_account", truth.im_accounts[0]),
        ("net-q", "domain", DOMAIN),
        (SECOND, "bank_account", truth.mules[SECOND][0]),
    )
    opening = case.OpenTraceRequest(value=raw("phone", truth.n1), holder="carrier-a")
    said = refusal(scene, POLICE, "case", "OpenTrace", opening)
    opening.order_id = designation_id
    trace_id = ask(scene, POLICE, "case", "OpenTrace", opening).trace.trace_id
    for (holder, _, _), (_, kind, value) in pairwise(chain):
        scene.own(holder, kind, value)  # each knows where its own object leads
    alone = True
    for place, (holder, kind, value) in enumerate(chain):
        wait_until(lambda who=holder: _own_hop(scene, who, trace_id), "a hop did not arrive")  # type: ignore[misc]  # bound here
        alone = alone and _own_hop(scene, holder, trace_id) == (kind, value)
        others = [one for one in (*INDUSTRY, POLICE) if one != holder]
        alone = alone and not any(_own_hop(scene, one, trace_id) for one in others)
        scene.saw(holder, f"a trace on the police's order, about its own {kind}; no other hop")
        answer = case.AnswerTraceRequest(trace_id=trace_id, step=number(TraceAnswer.END))
        if place + 1 < len(chain):
            answer.step = number(TraceAnswer.NEXT)
            answer.holder, next_kind, next_value = chain[place + 1]
            answer.value.CopyFrom(raw(next_kind, next_value))
        ask(scene, holder, "case", "AnswerTrace", answer)
    wait_until(lambda: _trace(scene, POLICE, trace_id).state == "TRACED", "a trace did not end")
    holders = list(_trace(scene, POLICE, trace_id).holders)
    scene.saw(POLICE, f"a source in {len(holders)} hops: {', '.join(holders)}")
    return Check(
        "act-09-trace-one-hop-each",
        alone and said == "ORDER_MISSING" and holders == [one for one, _, _ in chain],
        f"{len(holders)} hops, {' -> '.join(holders)}: each saw its own alone; "
        f"without an order {said}",
    )


def _trace(scene: Scene, member: str, trace_id: bytes) -> Any:
    found = ask(scene, member, "case", "ListTraces", case.ListTracesRequest()).traces
    return next((one for one in found if one.trace_id == trace_id), None)


def _own_hop(scene: Scene, member: str, trace_id: bytes) -> tuple[str, str] | None:
    """Return kind and value that a member sees in a trace; None where it sees none."""
    found = _trace(scene, member, trace_id)
    return (found.kind, found.value) if found is not None and found.kind else None
