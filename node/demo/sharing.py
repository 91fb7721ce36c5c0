"""First part of the story: found the federation, guard, watch, nominate, replicate, find hits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from federation.indicators import Indicator, Kind, kind_name
from federation.vocabulary import FraudType, ProtectionGround
from node.demo.doors import Check, batches, raw, wait_until
from node.demo.lists import MEMBERS, choose, chooser
from node.demo.stage import Extra, Stage
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import operation_service_pb2 as operation

PROTECTED = Indicator(Kind.DOMAIN, "children-hospital.example")
"""What two members protect together; a third one then tries to nominate it."""

ENOUGH_REAL = 100_000
"""Indicators that the real lists have to come to."""

WATCHERS = {"bank-x": (Kind.PHONE, 400, 40), "net-p": (Kind.PHONE, 300, 25)}
"""By member: kind of its customers' identifiers, how many, and how many of them others list."""

_REFUSED_GUARD = "PROTECTED_OBJECT"


def found(stage: Stage) -> Iterator[Check]:
    """Bring every node up with keys of its own, and make the token keys together."""
    sandbox = stage.sandbox
    with stage.progress("starting nodes", 3 * len(sandbox.layout.places)) as bar:
        sandbox.up(lambda _: bar.advance(1))
    states = sandbox.status()
    running = {state.process_id for state in states if state.ready}
    yield Check(
        "members-ready",
        len(running - {None}) == len(states),
        f"{len(running)} of {len(states)} nodes, each a process of its own",
    )
    stage.open_doors()
    yield _keys_made(stage)


def _keys_made(stage: Stage) -> Check:
    door = stage.door(stage.sandbox.layout.holders[0])
    listed = door.call(door.operation.ListKeys, operation.ListKeysRequest())
    key = listed.ceremonies[0]
    epochs = {stage.status(member).epoch for member in stage.sandbox.members}
    right = (key.threshold, list(key.holders)) == (2, ["carrier-a", "bank-x", "net-p"])
    return Check(
        "keys-2-of-3",
        right and epochs == {1},
        f"{key.threshold} of {', '.join(key.holders)}; no single member can make a token",
    )


def guard(stage: Stage) -> Iterator[Check]:
    """Load each node's guard, and let two members protect an object for all."""
    rows = stage.material.guard
    with stage.progress("guarding", len(MEMBERS) * len(rows)) as bar:

        def load(member: str) -> int:
            taken = 0
            for batch in batches(rows):
                request = desk.ProtectRequest(values=[raw(one) for one in batch], local_only=True)
                taken += stage.say(member, "Protect", request).count("ADDED")
                bar.advance(len(batch))
            return taken

        loaded = stage.each(load)
    yield Check(
        "guard-loaded",
        set(loaded.values()) == {len(rows)},
        f"{len(rows):,} domains in the guard of each of {len(loaded)} nodes",
    )
    request = desk.ProtectRequest(
        values=[raw(PROTECTED)],
        ground=ProtectionGround.DAILY_LIFE.value,  # type: ignore[arg-type]  # equal numbers, tested
    )
    stage.each(lambda member: stage.say(member, "Protect", request), ("carrier-a", "bank-x"))
    stage.facts.extra.append(Extra(PROTECTED, PROTECTED.value))
    stage.wait_replicated()


def watch(stage: Stage) -> Iterator[Check]:
    """Let members watch their own customers, before anybody has said anything about them."""
    total = sum(count for _, count, _ in WATCHERS.values())
    with stage.progress("watching", total) as bar:
        added = {member: _watch(stage, member, bar.advance) for member in WATCHERS}
    for member, (_, count, _) in WATCHERS.items():
        yield Check(
            f"watchlist-{member}",
            added[member] == count,
            f"{added[member]} customers watched; the list never leaves the node",
        )


def _watch(stage: Stage, member: str, advance: Callable[[int], None]) -> int:
    """Add a member's customers, the listed ones first; return how many were added."""
    kind, count, listed = WATCHERS[member]
    known = choose(f"watch/{member}", _listed_by_others(stage, member, kind), listed)
    customers = [*known, *_innocent(member, count - len(known))]
    stage.facts.watched[member] = tuple(customers)
    stage.facts.expected_hits[member] = len(known)
    rows = [
        desk.WatchRow(indicator=raw(one), reference=_reference(place))
        for place, one in enumerate(customers)
    ]
    added = 0
    for batch in batches(rows):
        added += stage.say(member, "AddWatch", desk.AddWatchRequest(rows=batch)).count("ADDED")
        advance(len(batch))
    return added


def _listed_by_others(stage: Stage, member: str, kind: Kind) -> list[Indicator]:
    material = stage.material
    own = material.nominated_by(member)
    return [one for one in material.listed if one.kind is kind and one not in own]


def _innocent(member: str, count: int) -> list[Indicator]:
    """Return customers of whom nobody says anything, under a country code that nobody has."""
    chance = chooser(f"innocent/{member}")
    numbers = chance.sample(range(10**7, 10**8), count)
    return [Indicator(Kind.PHONE, f"+9990{number}") for number in numbers]


def _reference(place: int) -> str:
    return f"customer-{place:04d}"


def nominate(stage: Stage) -> Iterator[Check]:
    """Let every member nominate its list, all at the same time."""
    material, facts = stage.material, stage.facts
    total = sum(len(material.lists[member].entries) for member in MEMBERS)
    with stage.progress("nominating", total) as bar:
        outcomes = stage.each(
            lambda member: stage.nominate(member, material.lists[member].entries, bar.advance)
        )
    for member, counted in outcomes.items():
        facts.accepted[member] = counted["ADDED"]
        facts.refused.update(
            {name: many for name, many in counted.items() if name not in ("ADDED", "UNCHANGED")}
        )
    yield _all_nominated(stage, outcomes)
    yield _guarded(stage)
    yield _protected(stage)


def _all_nominated(stage: Stage, outcomes: dict[str, Counter[str]]) -> Check:
    material, accepted = stage.material, stage.facts.accepted
    wrong = [member for member in MEMBERS if accepted[member] != _expected(stage, member)]
    malformed = sum(row.canonical is None for one in material.lists.values() for row in one.entries)
    refused = sum(stage.facts.refused.values()) - stage.facts.refused[_REFUSED_GUARD]
    enough = not material.is_real or len(material.listed) >= ENOUGH_REAL
    kept = sum(counted["UNCHANGED"] for counted in outcomes.values())
    return Check(
        "indicators-nominated",
        not wrong and malformed == refused and enough,
        f"{sum(accepted.values()):,} nominations of {len(material.listed):,} distinct indicators; "
        f"{kept} rows stood twice, {refused} malformed rows refused"
        + (f"; wrong at {', '.join(wrong)}" if wrong else ""),
    )


def _expected(stage: Stage, member: str) -> int:
    """Return how many nominations a list comes to: one for each value and type of fraud."""
    rows = stage.material.lists[member].entries
    open_rows = (row for row in rows if row.indicator not in stage.material.guarded)
    return len({(row.indicator, row.fraud_type) for row in open_rows if row.canonical is not None})


def _guarded(stage: Stage) -> Check:
    material = stage.material
    expected = sum(
        row.indicator in material.guarded for one in material.lists.values() for row in one.entries
    )
    refused = stage.facts.refused[_REFUSED_GUARD]
    return Check(
        "popular-domains-guarded",
        refused == expected > 0,
        f"{refused} of {expected} listed domains that many innocent people visit were refused",
    )


def _protected(stage: Stage) -> Check:
    row = desk.NominationRow(
        indicator=raw(PROTECTED),
        fraud_type=FraudType.SHOPPING.value,  # type: ignore[arg-type]  # equal numbers, tested
        confidence=90,
    )
    outcome = stage.say("net-p", "Nominate", desk.NominateRequest(rows=[row]))
    return Check(
        "protected-refused",
        outcome == [_REFUSED_GUARD],
        f"net-p nominated what carrier-a and bank-x protect: {', '.join(outcome)}",
    )


def replicate(stage: Stage) -> Iterator[Check]:
    """Wait until every member holds every log, and compare what they make of them."""
    facts = stage.facts
    with stage.progress("replicating", len(MEMBERS) * (len(MEMBERS) - 1)) as bar:
        seconds = stage.wait_replicated(bar.advance)
    as_of = int(time.time())
    states = stage.each(lambda member: stage.status(member, as_of))
    roots = {state.catalogue_root for state in states.values()}
    sizes = {(state.token_count, state.statement_count) for state in states.values()}
    facts.catalogue_roots_equal = len(roots) == 1 and roots != {b""} and len(sizes) == 1
    (facts.tokens, facts.statements), *_ = sorted(sizes, reverse=True)
    root = min(roots).hex()[:16]
    yield Check(
        "catalogue-roots-equal",
        facts.catalogue_roots_equal and facts.tokens >= len(stage.material.listed),
        f"{root} on {len(states)} nodes: {facts.tokens:,} tokens, {facts.statements:,} statements; "
        f"{seconds:.1f} s after the last nomination",
    )


def hits(stage: Stage) -> Iterator[Check]:
    """Ask the watchers for their hits: exactly the customers that others list."""
    found_all, told = True, []
    for member, expected in stage.facts.expected_hits.items():
        wanted = {_reference(place) for place in range(expected)}

        def look(member: str = member, wanted: set[str] = wanted) -> bool:
            return _references(stage, member) >= wanted

        wait_until(look, f"{member} did not find its hits")
        found_here = _references(stage, member)
        stage.facts.hits[member] = len(found_here)
        found_all = found_all and found_here == wanted
        told.append(f"{member} {len(found_here)} of {len(stage.facts.watched[member])} customers")
    yield Check("hits-found", found_all, "; ".join(told) + "; no other, none missing")


def _references(stage: Stage, member: str) -> set[str]:
    listed = stage.ask_desk(member, "ListHits", desk.ListHitsRequest(page_size=10_000))
    return {hit.reference for hit in listed.hits if hit.kind == kind_name(Kind.PHONE)}
