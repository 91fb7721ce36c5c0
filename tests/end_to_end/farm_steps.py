"""Let carriers find together the site of a SIM farm that none of them could see alone."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.end_to_end.members import Federation, eventually, write_lines

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
COORDINATOR = "coord"
SEEN = {"carrier-a": (14, 8), "carrier-b": (11, 7), "carrier-c": (9, 4)}
"""Suspect SIMs of each carrier at the farm and at the hotel."""


def last_hour() -> str:
    """Return the hour before this one, as buckets name it."""
    now = int(datetime.now(UTC).timestamp())
    return datetime.fromtimestamp(now - now % 3_600 - 3_600, UTC).strftime("%Y-%m-%dT%H")


def feed(federation: Federation, carrier: str, file: Path) -> dict[str, Any]:
    return federation.do(carrier, "farm", "feed", str(file), "--json").document


def suspects(carrier: str, hour: str, own: tuple[int, int]) -> list[tuple[str, str]]:
    """Return the numbers of a carrier with the bucket in which each was seen."""
    digit = CARRIERS.index(carrier)
    sites = (f"wv1hzz6:{hour}:gateway", f"wtw3sjq:{hour}:phone")
    return [
        (f"+86138{digit}{site}{place:06d}", bucket)
        for site, (bucket, count) in enumerate(zip(sites, own, strict=True))
        for place in range(count)
    ]


def alerts(federation: Federation, member: str) -> list[dict[str, Any]]:
    return federation.read(member, "farm", "list", "--json").rows


def clues(federation: Federation) -> list[dict[str, Any]]:
    rows = federation.read("carrier-b", "clue", "list", "--json").rows
    return [one for one in rows if one["opener"] == COORDINATOR]


def wait_told(federation: Federation, member: str) -> None:
    eventually(lambda: len(alerts(federation, member)) == 1, 90)


def find_the_farm(federation: Federation, hour: str, directory: Path) -> None:
    """Feed 34 suspect SIMs at one site and 19 at another, and look for farms twice."""
    for carrier, own in SEEN.items():
        rows = suspects(carrier, hour, own)
        file = write_lines(
            directory / f"{carrier}.csv", ["number,site_bucket", *map(",".join, rows)]
        )

        assert feed(federation, carrier, file) == {
            "added": sum(own),
            "unchanged": 0,
            "refused": 0,
        }
        assert feed(federation, carrier, file)["unchanged"] == sum(own)

    found = federation.do(COORDINATOR, "farm", "detect", "--hour", hour, "--json").document

    assert [site["total"] for site in found["sites"]] == [34]
    assert (found["told_count"], found["unresolved_count"], found["contributors"]) == (1, 0, 3)

    for member in (*CARRIERS, COORDINATOR):
        wait_told(federation, member)
        (alert,) = alerts(federation, member)

        assert (alert["total"], alert["opener"]) == (34, COORDINATOR)
        assert len(alert["own_numbers"]) == SEEN.get(member, (0, 0))[0]
        assert alert["bucket"] == ("" if member == COORDINATOR else f"wv1hzz6:{hour}:gateway")

    eventually(lambda: len(clues(federation)) == 1, 90)
    (clue,) = clues(federation)

    assert clue["opener"] == COORDINATOR
    assert [one["token"] for one in clue["subjects"]] == [found["sites"][0]["token"]]

    # Looking again, also by somebody else, tells nothing a second time.
    again = federation.do("carrier-a", "farm", "detect", "--hour", hour, "--json").document

    assert [site["total"] for site in again["sites"]] == [34]
    assert again["told_count"] == 0
    assert len(alerts(federation, COORDINATOR)) == 1
    assert len(clues(federation)) == 1


def count_nobody(federation: Federation) -> None:
    """Find the totals at the coordinator, and no member's part of them."""
    home = federation.home(COORDINATOR)
    with sqlite3.connect(home.data / "private.db") as private:
        assert private.execute("SELECT COUNT(*) FROM farm_sim").fetchone() == (0,)
    with sqlite3.connect(home.data / "public.db") as public:
        names = [row[0] for row in public.execute("SELECT name FROM sqlite_master")]
        table = next(name for name in names if name.endswith("farm"))
        rows = public.execute(f'SELECT total FROM "{table}"').fetchall()
    sums = federation.do(COORDINATOR, "sum", "list", "--json").rows
    shown = [
        federation.read(COORDINATOR, "sum", "show", one["sum_id"], "--json").document
        for one in sums
        if one["source"].startswith("FARM")
    ]
    totals = {entry["units"] for one in shown for entry in one["entries"]}

    assert rows == [(34,)]
    # The hotel's slot shows its total, as said in federation/farm.py, but nobody's part of it.
    assert {34, 19} <= totals
    assert not {14, 11, 9, 8, 7, 4} & totals
    # The second sum is about the farm's slot alone: the hotel's token is in none of its entries.
    finer = [one for one in shown if one["status"]["source"] == "FARM_PARTS"]
    assert finer
    assert all(19 not in {entry["units"] for entry in one["entries"]} for one in finer)
