"""A regulator lists duties and gives notices; members keep them, and a year of it is reported."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.annual import Format
from node.cli.document import time_text
from tests.end_to_end.duty_steps import adopt, duty, publish, states
from tests.end_to_end.members import Federation, eventually, running_federation

REGULATOR, CARRIER, BANK, NET = MEMBERS = ("regulator-m", "carrier-a", "bank-x", "net-p")
WAIT = 90.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("duty") / "f", MEMBERS) as found:
        yield found


def test_the_next_period_turns_red_the_day_after_it_was_due(federation: Federation) -> None:
    day, first_due = 86_400, int(time.time()) + 30 * 86_400
    matter = publish(federation, REGULATOR, "STAFF_TRAINING", first_due)
    adopt(federation, BANK, matter)
    eventually(lambda: states(federation, NET, matter).get(BANK) == "ON_TIME", WAIT)

    on_the_day = states(federation, NET, matter, "--at", time_text(first_due + day))
    the_day_after = states(federation, NET, matter, "--at", time_text(first_due + day + 1))

    assert on_the_day == {BANK: "ON_TIME", CARRIER: "NOT_ADOPTED"}
    assert the_day_after == {BANK: "OVERDUE", CARRIER: "OVERDUE"}


def test_an_adoption_is_verified_without_any_node(federation: Federation, tmp_path: Path) -> None:
    matter = publish(federation, REGULATOR, "KEY_CUSTODY", int(time.time()) + 86_400)
    adopt(federation, CARRIER, matter)
    file = tmp_path / "adoption.json"
    proved = federation.do(CARRIER, "duty", "prove", matter[:16])
    file.write_text(proved.out, encoding="utf-8")
    federation.sandbox.stop(NET)
    federation.sandbox.stop(NET)
    try:
        verified = federation.do(NET, "duty", "verify", str(file), "--json").document
    finally:
        federation.sandbox.start(NET)

    assert (verified["member"], verified["opener"]) == (CARRIER, REGULATOR)
    assert (verified["code"], verified["matter_id"]) == ("KEY_CUSTODY", matter)

    document = json.loads(proved.out)
    document["adoption"]["body"] = document["duty"]["body"]
    file.write_text(json.dumps(document), encoding="utf-8")
    forged = federation.run(NET, "duty", "verify", str(file))

    assert forged.code == 1
    assert "[PROOF_INVALID]" in forged.err


def test_what_the_table_refuses_is_refused_at_the_desk(
    federation: Federation, tmp_path: Path
) -> None:
    evidence = tmp_path / "report.txt"
    evidence.write_text("nothing", encoding="utf-8")
    matter = publish(federation, REGULATOR, "LIST_OF_PORTS", int(time.time()) + 86_400)
    eventually(lambda: duty(federation, BANK, matter)["members"], WAIT)
    of_bank = ("duty", "publish", "X", "--evidence", "audit", "--sector", "bank", "--period", "1d")
    attest = ("duty", "attest", matter, "--evidence", str(evidence))
    for member, words, reason in (
        (BANK, of_bank, "ROLE_NOT_ALLOWED"),
        (REGULATOR, ("duty", "adopt", matter), "ROLE_NOT_ALLOWED"),
        (BANK, attest, "TRANSITION_NOT_ALLOWED"),
        (BANK, ("duty", "withdraw", matter), "ROLE_NOT_ALLOWED"),
        (BANK, ("duty", "prove", matter), "DUTY_NOT_ADOPTED"),
        (BANK, ("duty", "adopt", "00000000"), "MATTER_UNKNOWN"),
    ):
        refused = federation.run(member, *words)

        assert refused.code == 1
        assert f"[{reason}]" in refused.err

    federation.do(REGULATOR, "duty", "withdraw", matter)
    eventually(lambda: duty(federation, BANK, matter).get("state") == "RETIRED", WAIT)
    refused = federation.run(BANK, "duty", "adopt", matter)

    assert "[TRANSITION_NOT_ALLOWED]" in refused.err


def test_a_notice_closes_with_evidence_alone(federation: Federation, tmp_path: Path) -> None:
    paper = tmp_path / "paper.txt"
    paper.write_text("customer checks were missing at 3 of 20 branches", encoding="utf-8")
    deadline = time_text(int(time.time()) + 86_400)
    facts = ("CUSTOMER_CHECKS_MISSING", "--finding", str(paper), "--deadline", deadline)
    issued = federation.do(REGULATOR, "notice", "issue", BANK, *facts, "--json").document
    notice = str(issued["matter_id"])

    def listed(member: str, *words: str) -> list[str]:
        rows = federation.read(member, "matter", "list", "--kind", "notice", *words, "--json").rows
        return [f"{one['matter_id']} {one['state']}" for one in rows]

    eventually(lambda: listed(BANK, "--mine") == [f"{notice} RAISED"], WAIT)
    refused = federation.run(REGULATOR, "notice", "close", notice)

    assert "[TRANSITION_NOT_ALLOWED]" in refused.err

    federation.do(BANK, "notice", "reply", notice, "--plan", str(paper))
    federation.do(BANK, "notice", "rectify", notice, "--evidence", str(paper))
    eventually(lambda: listed(REGULATOR, "--mine") == [f"{notice} RECTIFIED"], WAIT)

    assert listed(BANK, "--mine") == []

    federation.do(REGULATOR, "notice", "close", notice)
    eventually(lambda: listed(BANK, "--over") == [f"{notice} CLOSED"], WAIT)
    shown = federation.do(BANK, "matter", "show", notice[:8]).out

    assert [line.split()[2:4] for line in shown.splitlines() if "NoticeStep" in line] == [
        ["NoticeStep", "REPLIED"],
        ["NoticeStep", "RECTIFIED"],
        ["NoticeStep", "CLOSED"],
    ]


def test_two_nodes_write_the_same_annual_report_before_and_after_folding_again(
    federation: Federation, tmp_path: Path
) -> None:
    notice = len(federation.do(BANK, "matter", "list", "--kind", "notice", "--over", "--json").rows)
    at = int(time.time())
    year = time_text(at)[:4]
    eventually(lambda: time.time() > at + 1)

    def written(reader: str, form: str) -> bytes:
        file = tmp_path / f"{reader}.{form}"
        words = ("--member", BANK, "--at", time_text(at), "--format", form, "--output", str(file))
        federation.do(reader, "report", "annual", "--year", year, *words)
        return file.read_bytes()

    eventually(lambda: written(NET, "json") == written(BANK, "json"), WAIT)
    before = {form: written(NET, form) for form in Format}
    for member in (NET, REGULATOR):
        federation.do(member, "log", "rebuild")
        after = {form: written(member, form) for form in Format}

        assert after == before

    heads = {head["number"]: head["items"] for head in json.loads(before[Format.JSON])["heads"]}
    rules = {item["code"]: item["count"] for item in heads[5]}

    assert heads[1] == []
    assert rules["NOTICES_RECEIVED"] == notice
    assert rules["DUTIES_ADOPTED"] >= 1

    early = federation.run(NET, "report", "annual", "--year", year)

    assert "[ANNUAL_PERIOD_INVALID]" in early.err
    assert f"--year {year} --at TIME" in early.err
