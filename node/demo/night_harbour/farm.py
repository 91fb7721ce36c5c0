"""Act 5: over the threshold together: one alert, 34 SIMs at one site; the hotel stays silent."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from federation.farm import THRESHOLD
from federation.vocabulary import ClueMove, ClueReason, FraudType
from node.demo.doors import Check, wait_until
from node.demo.night_harbour.calls import ask, number, raw, refusal
from node.demo.night_harbour.cast import (
    CARRIERS,
    COORDINATOR,
    DECOY_BUCKET,
    DECOY_TOTAL,
    FARM_BUCKET,
    FARM_TOTAL,
    LOGS,
    POLICE,
)
from node.demo.night_harbour.scene import Scene
from node.demo.night_harbour.weak_signals import HOUR, bucket_hour
from tocsin.desk.v1 import case_service_pb2 as case
from tocsin.desk.v1 import farm_service_pb2 as farm
from tocsin.desk.v1 import sum_service_pb2 as sums

_SUM_SECONDS: Final = 60
_CELLS: Final = "cells.csv"


def play(scene: Scene) -> Iterator[Check]:
    """Let the coordinator look at the hour with all carriers, and seal the cells to the police."""
    scene.at("T-2d 23:05")
    scene.moment("T-2d 23:05", "S3", "all carriers", f"one site with {FARM_TOTAL} SIMs")
    window = farm.DetectSitesRequest(seconds=_SUM_SECONDS)
    window.window_time.seconds = int(scene.time(HOUR).timestamp())
    found = ask(scene, COORDINATOR, "farm", "DetectSites", window)
    told = _wait_told(scene)
    yield _one_alert(scene, found, told)
    yield _decoy(scene, found, told)
    yield _coordinator(scene, told[COORDINATOR])
    yield _sealed(scene)


def _sites(scene: Scene, member: str) -> list[farm.FarmSite]:
    return list(ask(scene, member, "farm", "ListSites", farm.ListSitesRequest()).sites)


def _wait_told(scene: Scene) -> dict[str, list[farm.FarmSite]]:
    wait_until(lambda: all(_sites(scene, one) for one in LOGS), "an alert did not arrive")
    return scene.each(lambda one: _sites(scene, one), LOGS)


def _one_alert(scene: Scene, found: Any, told: dict[str, list[farm.FarmSite]]) -> Check:
    own = {one: len(told[one][0].own_numbers) for one in CARRIERS}
    for carrier in CARRIERS:
        place = told[carrier][0].bucket
        scene.saw(
            carrier, f"an alert at {place}: {FARM_TOTAL} SIMs of all carriers, {own[carrier]} own"
        )
    scene.facts["act5.site"] = told[COORDINATOR][0].token
    totals = {site.total for sites in told.values() for site in sites}
    once = all(len(sites) == 1 for sites in told.values())
    return Check(
        "act-05-alert-total-34",
        totals == {FARM_TOTAL} and once and found.contributors == len(CARRIERS),
        f"one alert at each of {len(told)} nodes: {FARM_TOTAL} SIMs at one site, "
        f"threshold {THRESHOLD}, seen by {found.contributors} carriers together",
    )


def _decoy(scene: Scene, found: Any, told: dict[str, list[farm.FarmSite]]) -> Check:
    hotel = f"{DECOY_BUCKET}:{bucket_hour(scene)}:phone"
    heard = [site for sites in told.values() for site in sites if site.bucket == hotel]
    return Check(
        "act-05-decoy-19-silent",
        not heard and len(found.sites) == 1 and not found.unresolved_count,
        f"the hotel with {DECOY_TOTAL} SIMs is told nowhere",
    )


def _coordinator(scene: Scene, told: list[farm.FarmSite]) -> Check:
    """Look through everything that the coordinator has for a member's part."""
    (site,) = told
    truth = scene.truth
    parts = {len(group[one]) for group in (truth.farm_sims, truth.decoy_sims) for one in CARRIERS}
    units = set(_units(scene, COORDINATOR))
    private = scene.home(COORDINATOR).data / "private.db"
    with closing(sqlite3.connect(f"file:{private}?mode=ro", uri=True)) as store:
        (kept,) = store.execute("SELECT COUNT(*) FROM farm_sim").fetchone()
    blind = not site.bucket and not site.own_numbers and not kept and not parts & units
    scene.saw(
        COORDINATOR, f"the token of a bucket and {site.total} SIMs; neither the place nor parts"
    )
    return Check(
        "act-05-coord-sees-bucket-and-total",
        blind and site.total in units,
        f"coord holds the bucket's token and {site.total}: no cell, no number, and in no sum any "
        f"of the parts {', '.join(map(str, sorted(parts)))}",
    )


def _units(scene: Scene, member: str) -> Iterator[int]:
    """Yield every total of the farm's sums that a member can read."""
    for one in ask(scene, member, "sum", "ListSums", sums.ListSumsRequest()).sums:
        if one.source.startswith("FARM"):
            found = ask(scene, member, "sum", "GetSum", sums.GetSumRequest(sum_id=one.sum_id))
            yield from (entry.units for entry in found.entries)


def _sealed(scene: Scene) -> Check:
    """Let each carrier hand its cells over in a package that opens at the police alone."""
    clues = scene.each(lambda carrier: _hand_over(scene, carrier), CARRIERS)
    wait_until(lambda: _arrived(scene, clues), "a clue did not reach the police")
    others = [one for one in LOGS if one != POLICE]
    refused = {
        refusal(scene, member, "case", "OpenPackage", case.OpenPackageRequest(clue_id=clue_id))
        for clue_id, _ in clues.values()
        for member in others
    }
    opened = [_open(scene, clue_id, digest) for clue_id, digest in clues.values()]
    scene.facts["act5.clues"] = {one: clue_id for one, (clue_id, _) in clues.items()}
    scene.saw(POLICE, f"{len(opened)} packages with the cells of each carrier")
    return Check(
        "act-05-cells-sealed-to-police",
        all(opened) and refused == {"PACKAGE_CLOSED"},
        f"{len(opened)} packages with precise cells open at the police; at the "
        f"{len(others)} others: {', '.join(sorted(refused))}",
    )


def _hand_over(scene: Scene, carrier: str) -> tuple[bytes, bytes]:
    """Hand a carrier's clue over; return its id and the digest of the cells."""
    truth = scene.truth
    bucket = f"{FARM_BUCKET}:{bucket_hour(scene)}:gateway"
    creating = case.CreateClueRequest(
        values=[raw("site_bucket", bucket)],
        source="match",
        reasons=[number(ClueReason.FARM_PATTERN), number(ClueReason.SEVERAL_MEMBERS)],
        fraud_type=number(FraudType.BLACK_INDUSTRY),
    )
    clue_id = ask(scene, carrier, "case", "CreateClue", creating).clue.clue_id
    triaged = case.MoveClueRequest(clue_id=clue_id, step=number(ClueMove.TRIAGED))
    ask(scene, carrier, "case", "MoveClue", triaged)
    cells = precise_cells(carrier, len(truth.farm_sims[carrier]))
    evidence = case.EvidenceFile(name=_CELLS, data=cells)
    handing = case.HandOverClueRequest(clue_id=clue_id, files=[evidence])
    ask(scene, carrier, "case", "HandOverClue", handing)
    return clue_id, hashlib.sha256(cells).digest()


def precise_cells(carrier: str, sims: int) -> bytes:
    """Return the cells that a carrier's SIMs used: out at sea, where nobody lives."""
    sector = CARRIERS.index(carrier) * 120
    rows = (f"{carrier}-cell-{place},{sector},{place + 1}" for place in range(sims))
    return "\n".join(("cell,azimuth,sim", *rows, "")).encode()


def _arrived(scene: Scene, clues: dict[str, tuple[bytes, bytes]]) -> bool:
    for member in LOGS:
        found = ask(scene, member, "case", "ListClues", case.ListCluesRequest()).clues
        handed = {one.clue_id for one in found if one.state == "HANDED_OVER"}
        if not handed >= {clue_id for clue_id, _ in clues.values()}:
            return False
    return True


def _open(scene: Scene, clue_id: bytes, digest: bytes) -> bool:
    request = case.OpenPackageRequest(clue_id=clue_id)
    (cells,) = ask(scene, POLICE, "case", "OpenPackage", request).files
    taken = case.MoveClueRequest(clue_id=clue_id, step=number(ClueMove.ACCEPTED))
    ask(scene, POLICE, "case", "MoveClue", taken)
    return bool(cells.name == _CELLS and hashlib.sha256(cells.data).digest() == digest)
