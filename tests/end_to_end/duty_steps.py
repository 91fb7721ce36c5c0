"""List, adopt and attest duties through real nodes."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

from node.cli.document import time_text
from tests.end_to_end.members import Federation, eventually

CARRIER, BANK, NET = "carrier-a", "bank-x", "net-p"
# Seconds until the first attestation is due: two adoptions and an attestation fit before, on a
# loaded machine, too; other checks go on meanwhile.
DUE_SECONDS = 150
WAIT = 90.0


def duty(federation: Federation, member: str, matter: str, *words: str) -> dict[str, Any]:
    listed = federation.look(member, "duty", "list", "--json", *words)
    return next((one for one in listed.rows if one["matter_id"] == matter), {"members": []})


def states(federation: Federation, member: str, matter: str, *words: str) -> dict[str, str]:
    found = duty(federation, member, matter, *words)
    return {one["member"]: one["state"] for one in found["members"]}


def publish(federation: Federation, regulator: str, code: str, first_due: int, *words: str) -> str:
    facts = ("--evidence", "self_check", "--sector", "bank", "--sector", "carrier")
    due = ("--period", "30d", "--first-due", time_text(first_due))
    done = federation.do(regulator, "duty", "publish", code, *facts, *due, *words, "--json")
    return str(done.document["matter_id"])


def adopt(federation: Federation, member: str, matter: str) -> None:
    eventually(lambda: duty(federation, member, matter)["members"], WAIT)
    federation.do(member, "duty", "adopt", matter[:16])


def neglect_a_duty(federation: Federation, regulator: str, evidence: Path) -> str:
    """List a duty that two members adopt and one of them attests; return the matter's id."""
    evidence.write_text("every new customer was checked", encoding="utf-8")
    first_due = int(time.time()) + DUE_SECONDS
    matter = publish(federation, regulator, "REAL_NAME_CHECK", first_due, "--grace", "0s")
    for member in (BANK, CARRIER):
        adopt(federation, member, matter)
    federation.do(BANK, "duty", "attest", matter[:16], "--evidence", str(evidence))

    assert time.time() < first_due, "the machine was too slow to adopt the duty in time"

    return matter


def of_adopters(federation: Federation, member: str, matter: str) -> dict[str, str]:
    """Return how a member sees those two keep the duty."""
    found = states(federation, member, matter)
    return {name: state for name, state in found.items() if name in (BANK, CARRIER)}


def find_the_overdue(federation: Federation, regulator: str, matter: str, evidence: Path) -> None:
    """Find who neglects the duty at every member, and let that member make up for it."""
    late = {BANK: "ON_TIME", CARRIER: "OVERDUE"}
    eventually(lambda: of_adopters(federation, regulator, matter) == late, DUE_SECONDS + WAIT)
    for member in (regulator, CARRIER, BANK, NET):
        assert of_adopters(federation, member, matter) == late

    # Red is the carrier's alone, and everybody learns it once.
    assert federation.run(CARRIER, "duty", "list", "--own").code == 1
    assert federation.run(BANK, "duty", "list", "--own").code == 0

    eventually(lambda: is_alarmed(federation, regulator, matter), WAIT)
    overdue = federation.do(NET, "matter", "list", "--overdue", "--json").rows
    shown = federation.do(NET, "matter", "show", matter[:16])

    assert matter in [one["matter_id"] for one in overdue]
    assert "overdue by" in shown.out
    assert shown.out.count("DutyAdoption") == 2

    # A late attestation ends it.
    federation.do(CARRIER, "duty", "attest", matter, "--evidence", str(evidence))
    kept = {BANK: "ON_TIME", CARRIER: "ON_TIME"}
    eventually(lambda: of_adopters(federation, regulator, matter) == kept, WAIT)


def is_alarmed(federation: Federation, member: str, matter: str) -> bool:
    """Say whether a member has heard the alarm about a matter."""
    name = base64.b64encode(bytes.fromhex(matter)).decode()
    alarms = [one["alarm"] for one in federation.status(member)["alarms"]]
    return any(
        one["alarm_kind"] == "MATTER_OVERDUE" and one["matter_id"] in (name, matter)
        for one in alarms
    )
