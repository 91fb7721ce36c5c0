"""Second part of the story: a partner asks, a statement is taken back, a number is given anew."""

from __future__ import annotations

import time
from collections.abc import Iterator

from federation.indicators import Indicator, Kind, kind_name
from federation.vocabulary import Band, FraudType, RetractionReason
from node.demo.doors import Check, raw
from node.demo.lists import MEMBERS, PARTNER, as_entry, can_respell, choose, respell
from node.demo.stage import Extra, Stage, replicas
from tocsin.desk.v1 import desk_service_pb2 as desk

PARTNER_CHECKS = 2_000
"""Values that the partner asks about, half of them listed."""
SPELLINGS = 20
"""Of the listed ones, so many are asked once more in another spelling."""

LOST = "net-p"
"""The key holder that loses its power."""

NEWCOMER = as_entry(Kind.DOMAIN, "new-parcel-customs.example", FraudType.SHOPPING, 85)
"""What is nominated while a key holder is down."""


def ask(stage: Stage) -> Iterator[Check]:
    """Let the partner ask about values, half of which stand on somebody's list."""
    present = choose("partner/present", stage.material.listed, PARTNER_CHECKS // 2)
    absent = choose("partner/absent", stage.material.absent, PARTNER_CHECKS // 2)
    asked = choose("partner/order", [*present, *absent], PARTNER_CHECKS)
    known = set(present)
    with stage.progress("partner asks", len(asked)) as bar:
        started = time.monotonic()
        texts = [(kind_name(one.kind), one.value) for one in asked]
        results = stage.check(PARTNER, texts, bar.advance)
        seconds = time.monotonic() - started
    wrong = sum(
        result.HasField("error") or (result.band > Band.NONE) != (one in known)
        for one, result in zip(asked, results, strict=True)
    )
    ordered = [result.value for result in results] == [one.value for one in asked]
    stage.facts.partner_asked = len(asked)
    stage.facts.extra.extend(Extra(one, one.value) for one in absent)
    yield Check(
        "partner-checks",
        not wrong and ordered and len(asked) == PARTNER_CHECKS,
        f"{len(asked):,} values, {len(present):,} listed and {len(absent):,} not: "
        f"wrong answers {wrong}, in {seconds:.1f} s",
    )
    told = sum(result.sources for result in results)
    yield Check("partner-not-told-sources", told == 0, "bands and codes, never who said it")
    yield _spelling(stage, present)


def _spelling(stage: Stage, present: list[Indicator]) -> Check:
    chosen = choose("partner/spelling", filter(can_respell, present), SPELLINGS)
    asked = [(kind_name(one.kind), respell(one)) for one in chosen]
    stage.facts.extra.extend(
        Extra(one, text, stage.material.owners(one))
        for one, (_, text) in zip(chosen, asked, strict=True)
    )
    differing = sum(text != one.value for one, (_, text) in zip(chosen, asked, strict=True))
    results = stage.check(PARTNER, asked)
    found = sum(not one.HasField("error") and one.band > Band.NONE for one in results)
    stage.facts.partner_asked += len(asked)
    return Check(
        "partner-spelling",
        found == differing == len(chosen) > 0,
        f"{found} of {len(chosen)} found again in another spelling, such as ｗｉｄｅ letters",
    )


def retract(stage: Stage) -> Iterator[Check]:
    """Let a member take one nomination back."""
    value = _only_listed_by(stage, "carrier-a", "retract")
    before = {member: stage.band(member, value) for member in replicas()}
    request = desk.RetractRequest(
        values=[raw(value)],
        reason=RetractionReason.MISTAKEN.value,  # type: ignore[arg-type]  # equal numbers, tested
    )
    outcome = stage.say("carrier-a", "Retract", request)
    seconds = stage.wait_band(value, replicas(), known=False)
    yield Check(
        "retraction-everywhere",
        outcome == ["ADDED"] and min(before.values()) > Band.NONE,
        f"a number that {len(before)} nodes knew: gone everywhere after {seconds:.1f} s",
    )


def reassign(stage: Stage) -> Iterator[Check]:
    """Let a carrier say that a number has a new owner."""
    value = _only_listed_by(stage, "carrier-b", "reassign")
    before = {member: stage.band(member, value) for member in replicas()}
    outcome = stage.say("carrier-b", "Reassign", desk.ReassignRequest(values=[raw(value)]))
    seconds = stage.wait_band(value, replicas(), known=False)
    (result,) = stage.check("bank-x", [(kind_name(value.kind), value.value)])
    yield Check(
        "reassigned-clean",
        outcome == ["ADDED"]
        and min(before.values()) > Band.NONE
        and "REASSIGNED" in result.display_codes,
        f"a recycled number starts clean at {len(before)} nodes after {seconds:.1f} s",
    )


def lose_holder(stage: Stage) -> Iterator[Check]:
    """Cut the power of one key holder, go on without it, and let it catch up."""
    others = [member for member in MEMBERS if member != LOST]
    value = NEWCOMER.indicator
    assert value is not None  # noqa: S101  # a constant of this module
    stage.facts.extra.append(Extra(value, NEWCOMER.typed, ("net-q",)))
    with stage.progress("going on without one", 3) as bar:
        stage.sandbox.kill(LOST)
        bar.advance(1)
        outcome = stage.nominate("net-q", [NEWCOMER], lambda _: None)
        stage.wait_band(value, (*others, PARTNER), known=True)
        bar.advance(1)
        stage.sandbox.start(LOST)
        stage.open_doors()
        stage.wait_replicated()
        bar.advance(1)
    yield Check(
        "one-holder-down",
        outcome["ADDED"] == 1,
        f"{LOST} lost its power: two holders still make tokens, and the partner gets answers",
    )
    as_of = int(time.time())
    roots = set(stage.each(lambda member: stage.status(member, as_of).catalogue_root).values())
    yield Check(
        "holder-catches-up",
        stage.band(LOST, value) > Band.NONE and len(roots) == 1,
        f"{LOST} came back, caught up and has the same catalogue root",
    )


def _only_listed_by(stage: Stage, member: str, name: str) -> Indicator:
    """Choose a number that one member alone lists and nobody watches."""
    material = stage.material
    others = frozenset().union(
        *(material.nominated_by(other) for other in MEMBERS if other != member)
    )
    watched = frozenset(one for list_ in stage.facts.watched.values() for one in list_)
    candidates = material.nominated_by(member) - others - watched
    (value,) = choose(name, candidates, 1)
    return value
