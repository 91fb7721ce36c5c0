"""Show some lines of a member's annual report, the same at whoever makes it from the logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from node.demo.doors import Check
from node.demo.night_harbour.cast import COORDINATOR
from node.demo.night_harbour.scene import Scene
from tocsin.desk.v1 import sheet_service_pb2 as sheet

SHOWN: Final = ("DUTIES_ATTESTED_LATE", "NOTICES_RECEIVED", "NOTICES_ENDED", "MEASURES_WRONG")
"""What the excerpt shows, as far as the report has it."""


def show_excerpt(scene: Scene, member: str) -> Iterator[Check]:
    """Make a member's report at the regulator and at the member itself, and compare the two."""
    scene.wait_replicated()
    until = scene.now() - 1
    made = {who: _make(scene, who, member, until) for who in (COORDINATOR, member)}
    items = {one["code"]: one for head in _heads(made[COORDINATOR]) for one in head["items"]}
    shown = [f"{items[code]['title']}: {items[code]['count']}" for code in SHOWN if code in items]
    for line in shown:
        scene.saw(COORDINATOR, f"annual report of {member}: {line}")
    late = items.get(SHOWN[0], {}).get("count", 0)
    yield Check(
        "act-15-annual-report-excerpt",
        made[COORDINATOR] == made[member] and late == 1 and len(shown) > 1,
        f"{len(items)} lines about {member}, each with its statements; the same "
        f"{len(made[member]):,} bytes at {COORDINATOR} and at {member}",
    )


def _make(scene: Scene, who: str, member: str, until: int) -> bytes:
    year = datetime.fromtimestamp(until, UTC).year
    request = sheet.MakeAnnualReportRequest(year=year, member=member, format="json")
    request.at_time.seconds = until
    door = scene.door(who)
    return b"".join(one.piece for one in door.stream(door.sheet.MakeAnnualReport, request))


def _heads(document: bytes) -> Iterator[Mapping[str, Any]]:
    yield from json.loads(document)["heads"]
