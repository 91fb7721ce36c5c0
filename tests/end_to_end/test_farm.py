"""Carriers feed suspect SIMs and inspect IoT cards; what is wrong in a feed is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.end_to_end.farm_steps import CARRIERS, COORDINATOR, last_hour
from tests.end_to_end.members import Federation, eventually, running_federation, write_lines

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("farm") / "f", (*CARRIERS, COORDINATOR)) as one:
        yield one


@pytest.fixture(scope="module")
def hour() -> str:
    return last_hour()


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
