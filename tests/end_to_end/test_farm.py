"""Carriers find together the site of a SIM farm that none of them could see alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.members import (
    Federation,
    eventually,
    running_federation,
    write_lines,
)

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
COORDINATOR = "coord"
SEEN = {"carrier-a": (14, 8), "carrier-b": (11, 7), "carrier-c": (9, 4)}
"""Suspect SIMs of each carrier at the farm and at the hotel."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("farm") / "f", (*CARRIERS, COORDINATOR)) as one:
        yield one


@pytest.fixture(scope="module")
def hour() -> str:
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
    return federation.do(member, "farm", "list", "--json").rows


def clues(federation: Federation) -> list[dict[str, Any]]:
    return federation.do("carrier-b", "clue", "list", "--json").rows


def wait_told(federation: Federation, member: str) -> None:
    eventually(lambda: len(alerts(federation, member)) == 1, 90)


def test_10_sim_farm_over_threshold_alerts_once_and_the_decoy_does_not(
    federation: Federation, hour: str, tmp_path: Path
) -> None:
    for carrier, own in SEEN.items():
        rows = suspects(carrier, hour, own)
        file = write_lines(
            tmp_path / f"{carrier}.csv", ["number,site_bucket", *map(",".join, rows)]
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


def test_the_coordinator_holds_the_total_and_no_member_s_count(federation: Federation) -> None:
    home = federation.home(COORDINATOR)
    with sqlite3.connect(home.data / "private.db") as private:
        assert private.execute("SELECT COUNT(*) FROM farm_sim").fetchone() == (0,)
    with sqlite3.connect(home.data / "public.db") as public:
        names = [row[0] for row in public.execute("SELECT name FROM sqlite_master")]
        table = next(name for name in names if name.endswith("farm"))
        rows = public.execute(f'SELECT total FROM "{table}"').fetchall()
    sums = federation.do(COORDINATOR, "sum", "list", "--json").rows
    shown = [
        federation.do(COORDINATOR, "sum", "show", one["sum_id"], "--json").document for one in sums
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


def test_json_lines_are_fed_and_bad_rows_are_named(
    federation: Federation, hour: str, tmp_path: Path
) -> None:
    lines = [
        json.dumps({"number": "+8613900000001", "site_bucket": f"wx4g0ec:{hour}:module"}),
        json.dumps({"number": "+8613900000002", "site_bucket": "wx4g0ec:2020-01-01T00:module"}),
        json.dumps({"number": "no number", "site_bucket": f"wx4g0ec:{hour}:module"}),
        "{broken",
    ]
    file = write_lines(tmp_path / "more.jsonl", lines)
    outcome = federation.do("carrier-a", "farm", "feed", str(file), "--json")

    assert outcome.document == {"added": 1, "unchanged": 0, "refused": 3}
    assert "FARM_WINDOW_INVALID" in outcome.err
    assert "ROW_MALFORMED" in outcome.err
    assert "no number" not in outcome.err


def test_misused_iot_cards_are_told_and_inspections_added_up(
    federation: Federation, tmp_path: Path
) -> None:
    month = datetime.now(UTC).strftime("%Y-%m")
    inspected = {}
    for carrier, cards in zip(CARRIERS, (5, 4, 3), strict=True):
        profiles = [f"{carrier}:89860{place},1,data,,11,active" for place in range(cards)]
        profiles += [f"{carrier}:off,1,data,,,suspended", f"{carrier}:back,1,data,,,restored"]
        uses = [f"{carrier}:898600,voice,,44", f"{carrier}:898600,voice,,44"]
        uses += [f"{carrier}:898601,data,,1101", "carrier-z:1,data,,"]
        first = write_lines(
            tmp_path / f"{carrier}-cards.csv", ["sim,level,functions,imei,areas,status", *profiles]
        )
        second = write_lines(tmp_path / f"{carrier}-uses.csv", ["sim,function,imei,area", *uses])
        words = ("iot", "check", "--profiles", str(first), "--events", str(second), "--json")
        tried = federation.do(carrier, *words, "--dry-run")

        assert (tried.document["nominated"], tried.document["refused"]) == (0, 1)
        assert "IOT_PROFILE_MISSING" in tried.err
        assert federation.do(carrier, "iot", "sheet", "--json").rows == []

        inspected[carrier] = federation.do(carrier, *words).document

        assert federation.do(carrier, *words).document["unchanged"] == 1

    assert inspected["carrier-a"] == {
        "checked": 7,
        "abnormal": 1,
        "suspended": 1,
        "restored": 1,
        "nominated": 1,
        "unchanged": 0,
        "refused": 1,
        "cards": [
            {
                "sim": "carrier-a:898600",
                "violations": ["FUNCTION_FORBIDDEN", "OUT_OF_AREA"],
                "uses": 2,
            }
        ],
    }

    def told() -> bool:
        found = federation.do("carrier-b", "check", "iot_sim", "carrier-a:898600", "--json")
        return bool(found.rows[0]["band"] != "NONE")

    eventually(told, 90)
    quiet = federation.do("carrier-b", "check", "iot_sim", "carrier-a:898601", "--json")
    total = federation.do(COORDINATOR, "iot", "sheet", "--all", "--json").document

    assert quiet.rows[0]["band"] == "NONE"
    assert total["sheet"] == {"checked": 18, "abnormal": 3, "suspended": 3, "restored": 3}
    assert (total["month"], total["contributors"]) == (month, 3)
    assert federation.do(COORDINATOR, "iot", "sheet", "--json").rows == []
    assert "[ROLE_NOT_ALLOWED]" in federation.run(COORDINATOR, *words).err


def test_who_has_no_sims_feeds_none_and_an_hour_to_come_is_refused(
    federation: Federation, hour: str, tmp_path: Path
) -> None:
    file = write_lines(
        tmp_path / "own.csv", ["number,site_bucket", f"+8613900000001,wx4g0ec:{hour}:module"]
    )
    refused = federation.run(COORDINATOR, "farm", "feed", str(file))
    later = federation.run(COORDINATOR, "farm", "detect", "--hour", "2099-01-01T00")

    assert "[ROLE_NOT_ALLOWED]" in refused.err
    assert "[FARM_WINDOW_INVALID]" in later.err
