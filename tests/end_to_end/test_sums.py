"""Real nodes add up what each counts, with one dead, one silent and the opener killed half-way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from federation.indicators import Kind
from tests.end_to_end.members import Federation, error_lines, eventually, running_federation

OPENER, HOLDER, DEAD, FOURTH, SILENT = "bank-x", "carrier-a", "net-p", "carrier-b", "net-q"
MEMBERS = (HOLDER, OPENER, DEAD, FOURTH, SILENT)
# Seconds that contributors have: the test waits for its end when one of them is silent.
CONTRIBUTE = "6"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    root = tmp_path_factory.mktemp("sums") / "f"
    with running_federation(root, MEMBERS) as found:
        found.nominate(OPENER, "domain", "evil.example")
        found.nominate(HOLDER, "domain", "evil.example")
        found.nominate(HOLDER, "phone", "+8613812345678")
        found.nominate(FOURTH, "phone", "+8613812345679")
        found.nominate(SILENT, "domain", "other.example")
        yield found


def shown(federation: Federation, member: str, sum_id: str) -> dict[str, Any]:
    outcome = federation.run(member, "sum", "show", sum_id, "--json")
    unknown: dict[str, Any] = {"status": {"state": None, "contributors": [], "holders": []}}
    return outcome.document if outcome.code == 0 else unknown


def state(federation: Federation, member: str, sum_id: str) -> str | None:
    found: str | None = shown(federation, member, sum_id)["status"]["state"]
    return found


def wait_done(federation: Federation, member: str, sum_id: str) -> None:
    eventually(lambda: state(federation, member, sum_id) == "DONE", 60)


def totals(document: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["units"] for one in document["entries"] if one["units"]}


def contributors(document: dict[str, Any]) -> dict[str, str]:
    return {one["member"]: one["state"] for one in document["status"]["contributors"]}


def has_checked(federation: Federation, holder: str, sum_id: str) -> bool:
    holders = shown(federation, OPENER, sum_id)["status"]["holders"]
    return any(one["checked"] for one in holders if one["member"] == holder)


def test_a_sum_survives_a_dead_holder_a_silent_member_and_a_killed_opener(
    federation: Federation,
) -> None:
    federation.sandbox.stop(SILENT)
    opened = federation.do(OPENER, "sum", "open", "kinds", "--seconds", CONTRIBUTE, "--json")
    sum_id = str(opened.document["status"]["sum_id"])

    def posted() -> bool:
        found = contributors(shown(federation, OPENER, sum_id))
        return [one for one, how in found.items() if how == "SILENT"] == [SILENT]

    eventually(posted)
    federation.sandbox.kill(DEAD)
    eventually(lambda: has_checked(federation, HOLDER, sum_id), 40)
    # Without a second holder the close stands in the log and no total can be read.
    federation.sandbox.kill(HOLDER)
    eventually(lambda: state(federation, OPENER, sum_id) == "CLOSED", 40)
    federation.sandbox.kill(OPENER)
    federation.sandbox.start(OPENER)

    assert state(federation, OPENER, sum_id) == "CLOSED"

    federation.sandbox.start(HOLDER)
    for member in (OPENER, HOLDER, FOURTH):
        wait_done(federation, member, sum_id)
        document = shown(federation, member, sum_id)
        standing = contributors(document)

        assert totals(document) == {"domain": 2, "phone": 2}
        assert standing.pop(SILENT) == "SILENT"
        assert set(standing.values()) == {"SUMMED"}
        answered = {one["member"]: one["answered"] for one in document["status"]["holders"]}
        assert answered == {HOLDER: True, OPENER: True, DEAD: False}

    federation.sandbox.start(DEAD)
    eventually(lambda: shown(federation, OPENER, sum_id)["checked"], 60)
    federation.sandbox.start(SILENT)
    wait_done(federation, SILENT, sum_id)


def test_a_replay_without_one_member_is_refused(federation: Federation) -> None:
    others = [part for member in (HOLDER, OPENER, DEAD) for part in ("--with", member)]
    refused = federation.run(OPENER, "sum", "open", "kinds", *others)

    assert refused.code == 1
    assert "[SUM_REPEATED]" in error_lines(refused)[0]
    assert len(federation.do(OPENER, "sum", "list", "--json").rows) == 1


def test_another_source_is_another_sum_and_needs_no_deadline(federation: Federation) -> None:
    document = federation.do(FOURTH, "sum", "open", "hits", "--wait", "60", "--json").document

    assert document["status"]["state"] == "DONE"
    assert len(document["entries"]) == len(Kind)
    assert set(contributors(document).values()) == {"SUMMED"}
