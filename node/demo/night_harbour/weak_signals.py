"""Act 4: what each member sees alone is little: four nominations, and nothing to be alarmed at.

Days before it N3 is confirmed and gets a new owner (``old_number``), whom two members then limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from federation.farm import THRESHOLD
from federation.vocabulary import (
    AlarmKind,
    FraudStage,
    FraudType,
)
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import (
    ask,
    explain,
    number,
    raw,
    watch,
)
from node.demo.night_harbour.cast import (
    APP,
    APP_BUILDS,
    CARRIERS,
    DECOY_BUCKET,
    DOMAIN,
    DOMAIN_TWIN,
    FARM_BUCKET,
    LOGS,
)
from node.demo.night_harbour.nominations import nominate
from node.demo.night_harbour.old_number import confirm, limit
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import farm_service_pb2 as farm
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.desk.v1 import report_service_pb2 as report
from tocsin.v1 import reports_pb2

EVENING: Final = "T-2d 22:10"
HOUR: Final = "T-2d 22:00"
"""The hour in which the farm and the hotel are full; its bucket is named after it."""
SIGNALS: Final = 4
"""Nominations that the evening brings: a domain, an app, an account and a reported number."""

_TEMPLATE_CONFIDENCE: Final = 45
_FRESH_CONFIDENCE: Final = 50


def play(scene: Scene) -> Iterator[Check]:
    """Tell what happens before the evening, and what each member sees in it."""
    yield confirm(scene)
    scene.at(EVENING)
    yield limit(scene)
    before = _log_sizes(scene, "bank-x")
    alarms = scene.each(lambda member: _alarm_count(scene, member), LOGS)
    _meet(scene)
    _nominate(scene)
    _report(scene)
    counts = scene.each(lambda member: _feed(scene, member), CARRIERS)
    yield _four(scene, before)
    yield _quiet(scene, alarms, counts)


def _meet(scene: Scene) -> None:
    """Put on watchlists who has met the domains and the app; customers are there since act 0."""
    domains = [(DOMAIN, "domain-1"), (DOMAIN_TWIN, "domain-2")]
    for member in (*CARRIERS, "net-p", "net-q"):
        scene.own(member, "domain", DOMAIN, DOMAIN_TWIN)
        watch(scene, member, "domain", domains)
    watch(scene, "net-q", "app", [(APP, f"build-{one[:6]}") for one in APP_BUILDS])


def _nominate(scene: Scene) -> None:
    """Let the internet firms nominate what is new tonight."""
    truth, prepare = scene.truth, FraudStage.PREPARATION
    nominate(scene, "net-q", ("domain", DOMAIN), _FRESH_CONFIDENCE, stage=prepare)
    nominate(scene, "net-q", ("app", APP), _FRESH_CONFIDENCE, stage=prepare)
    nominate(scene, "net-p", ("im_account", truth.im_accounts[0]), _TEMPLATE_CONFIDENCE)
    scene.moment(EVENING, "S2", "net-q", "a refund domain and an app, one day old")
    scene.moment(EVENING, "S3", "net-p", f"{len(truth.im_accounts)} accounts send one template")
    scene.saw("net-q", "a domain and an app that are one day old: nominated")
    scene.saw(
        "net-p",
        f"{len(truth.im_accounts)} accounts that send one template; it nominates the one reported",
    )


def _report(scene: Scene) -> None:
    """Let a citizen report N1."""
    row = report.ReportRow(
        indicator=raw("phone", scene.truth.n1),
        reporter="citizen at the counter",
        fraud_type=number(FraudType.CUSTOMER_SERVICE),
        channel=reports_pb2.REPORT_CHANNEL_COUNTER,
        text="They said my order would be refunded if I followed their steps",
    )
    ask(scene, "carrier-a", "report", "SubmitReports", report.SubmitReportsRequest(rows=[row]))
    scene.moment(EVENING, "S3", "carrier-a", "a citizen reports the caller N1")
    scene.saw("carrier-a", "one citizen reports N1: hearsay, a weak nomination")


def _feed(scene: Scene, carrier: str) -> int:
    """Feed a carrier's suspect SIMs of the hour; return how many it has at the farm."""
    truth, hour = scene.truth, bucket_hour(scene)
    seen = (
        (f"{FARM_BUCKET}:{hour}:gateway", truth.farm_sims[carrier]),
        (f"{DECOY_BUCKET}:{hour}:phone", truth.decoy_sims[carrier]),
    )
    rows = [
        farm.SuspectSim(bucket=raw("site_bucket", bucket), number=one)
        for bucket, numbers in seen
        for one in numbers
    ]
    ask(scene, carrier, "farm", "FeedSites", farm.FeedSitesRequest(rows=rows))
    own = len(truth.farm_sims[carrier])
    scene.saw(carrier, f"{len(rows)} suspect SIMs in its cells, at most {own} at one site")
    return own


def bucket_hour(scene: Scene) -> str:
    """Return the hour of the farm as a site bucket names it."""
    return f"{scene.time(HOUR):%Y-%m-%dT%H}"


def _four(scene: Scene, before: dict[str, int]) -> Check:
    """Count what was nominated tonight, in the logs as another member has them."""
    truth = scene.truth
    subjects = {
        "domain": DOMAIN,
        "app": APP,
        "im_account": truth.im_accounts[0],
        "phone": truth.n1,
    }
    wait_until(
        lambda: all(_is_nominated(scene, "bank-x", *one) for one in subjects.items()),
        "a nomination did not arrive",
    )
    said = _nominations(scene, "bank-x", before)
    return Check(
        "act-04-nominations-4",
        len(said) == SIGNALS,
        f"{len(said)} nominations in all logs tonight, by {', '.join(sorted(set(said)))}: "
        f"a domain, an app, an account, a reported number",
    )


def _is_nominated(scene: Scene, member: str, kind: str, value: str) -> bool:
    found = explain(scene, member, kind, value)
    return any(term.body == "NOMINATION" for term in found.explanation.terms)


def _log_sizes(scene: Scene, member: str) -> dict[str, int]:
    return {log.origin: log.size for log in scene.status(member).logs}


def _nominations(scene: Scene, member: str, before: dict[str, int]) -> list[str]:
    """Return who nominated since the logs had these sizes."""
    found = []
    for origin, size in _log_sizes(scene, member).items():
        new = size - before.get(origin, 0)
        if not new:
            continue
        request = operation.ListStatementsRequest(origin=origin, page_size=min(new, 1_000))
        listed: Any = ask(scene, member, "operation", "ListStatements", request)
        said = (json.loads(one.json) for one in listed.statements)
        found += [origin.split("/")[1] for one in said if "nomination" in one]
    return found


def _alarm_count(scene: Scene, member: str) -> int:
    """Count alarms, but for those that the jumps of the story's clock make: something is late."""
    found = scene.status(member).alarms
    return sum(one.alarm.alarm_kind != number(AlarmKind.MATTER_OVERDUE) for one in found)


def _quiet(scene: Scene, alarms: dict[str, int], counts: dict[str, int]) -> Check:
    """Look for an alarm at every member: no farm told, and nothing new in the logs."""
    told = scene.each(lambda one: _told_sites(scene, one), LOGS)
    now = scene.each(lambda one: _alarm_count(scene, one), LOGS)
    most = max(counts.values())
    scene.saw("coord", "four nominations, no alarm")
    return Check(
        "act-04-no-alarm",
        not any(told.values()) and now == alarms and most < THRESHOLD,
        f"no alarm at any of {len(LOGS)} nodes: the most that a carrier sees at one site "
        f"is {most} SIMs, below its own threshold of {THRESHOLD}",
    )


def _told_sites(scene: Scene, member: str) -> int:
    return len(ask(scene, member, "farm", "ListSites", farm.ListSitesRequest()).sites)
