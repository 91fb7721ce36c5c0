"""The end: every node goes down; what left them is counted, and every disk is searched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from federation.indicators import Indicator, kind_by_name, parse_indicator
from federation.vocabulary import AlarmKind
from node.demo.doors import Check
from node.demo.night_harbour.cast import LOGS, NODES
from node.demo.night_harbour.scene import Scene
from node.demo.proof import SILENT, search_places, sent_bytes
from node.demo.scan import Needles, Tally, places_below

SHOWN = "carrier-a"
"""Whose traffic the panel at the end shows."""


def end(scene: Scene) -> Iterator[Check]:
    """Count and search."""
    yield _roots_equal(scene)
    _threats(scene)
    scene.close_doors()
    with scene.progress("ending nodes", len(NODES)) as bar:
        bar.advance(len(scene.sandbox.down()))
    yield _only_contract(scene)
    yield _search(scene)


def _roots_equal(scene: Scene) -> Check:
    """Compare what all members know at one moment of the story."""
    scene.wait_replicated()
    as_of = scene.now()
    roots = scene.each(lambda member: scene.status(member, as_of).catalogue_root, LOGS)
    root = next(iter(roots.values()))
    scene.facts["end.root"] = root.hex()
    return Check(
        "end-catalogue-roots-equal",
        len(set(roots.values())) == 1,
        f"{len(roots)} members know the same: root {root.hex()[:16]}",
    )


def _threats(scene: Scene) -> None:
    """Keep what the threat panel shows."""
    status = scene.status(SHOWN)
    alarms = defaultdict[str, set[str]](set)
    for one in status.alarms:
        alarms[AlarmKind(one.alarm.alarm_kind).name].add(one.alarm.member)
    scene.facts["end.alarms"] = {name: sorted(members) for name, members in alarms.items()}
    scene.facts["end.statements"] = status.statement_count
    scene.facts["end.tokens"] = status.token_count


def _only_contract(scene: Scene) -> Check:
    sent = {member: sent_bytes(scene.sandbox.capture(member)) for member in NODES}
    scene.facts["end.traffic"] = {SHOWN: sent[SHOWN]}
    methods = {name for one in sent.values() for name in one}
    foreign = [name for name in methods if not name.startswith("/tocsin.v1.")]
    total = sum(size for one in sent.values() for size in one.values())
    return Check(
        "end-only-the-contract-spoken",
        not foreign and all(sent.values()),
        f"{total / 1e6:,.1f} MB left the nodes, in {len(methods)} message types of tocsin.v1 alone",
    )


def _search(scene: Scene) -> Check:
    """Search every node's disk and every capture for raw identifiers of the others."""
    needles, searched = _needles(scene)
    places = [
        place
        for member in NODES
        for place in places_below(scene.home(member).root, member, member, SILENT)
    ]
    tally = Tally()
    size = sum(place.path.stat().st_size for place in places)
    with scene.progress("searching, kB", size // 1_000) as bar:
        for part in search_places(needles, places):
            tally.add(part)
            bar.advance(part.bytes_read // 1_000)
    found = [f"{one.kind} in {one.name} at {one.offset}" for one in tally.findings]
    scene.facts["end.findings"] = found
    return Check(
        "end-no-raw-identifiers",
        not found and tally.expected > 0,
        f"raw identifiers found: {len(found)}; {searched:,} searched in {tally.files} files,"
        f" captures included, {tally.bytes_read / 1e6:,.0f} MB; the same search found"
        f" {tally.expected:,} where they may be" + "".join(f"; {one}" for one in found[:5]),
    )


def _needles(scene: Scene) -> tuple[Needles, int]:
    """Return all values of the story, each with the members that may have it."""
    owners: defaultdict[Indicator, set[str]] = defaultdict(set)
    typed: defaultdict[Indicator, set[str]] = defaultdict(set)
    owned = ((kind, value, (member,)) for kind, value, member in scene.owned)
    for kind, value, members in (*scene.truth.raw(), *owned):
        indicator = parse_indicator(kind_by_name(kind), value)
        owners[indicator].update(members)
        typed[indicator].add(value)
    needles = Needles()
    for indicator, members in owners.items():
        needles.add(indicator, typed[indicator], members)
    needles.settle()
    return needles, len(owners)
