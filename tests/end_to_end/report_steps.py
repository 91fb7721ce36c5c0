"""Take citizens' reports and marks of numbers through real nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.end_to_end.members import Federation, eventually, refusal_of, write_lines

INTAKE, CARRIER, BANK = "carrier-a", "carrier-b", "bank-x"
MEMBERS = (INTAKE, CARRIER, BANK)
# Seconds until something has happened everywhere, on a slow machine.
SOON = 90.0

ACCOUNT = "NL91ABNA0417164300"
SHOP = "+9990000500"
OTHER_SHOP = "+9990000501"
SWINDLER = "+9990000502"
REPORTER = "Frau Nachtigall, Schalter 7"
TOLD = "They said the court would freeze everything"


def reports(federation: Federation, member: str, *options: str) -> list[dict[str, Any]]:
    return federation.read(member, "report", "list", "--json", *options).rows


def shown(federation: Federation, member: str, report: str) -> dict[str, Any]:
    return federation.read(member, "report", "show", report, "--json").document


def state(federation: Federation, member: str, report: str) -> str:
    return str(shown(federation, member, report)["status"]["state"])


def step(federation: Federation, member: str, verb: str, report: str, *more: str) -> dict[str, Any]:
    done = federation.do(member, "report", verb, report, *more, "--json")
    found: dict[str, Any] = done.document
    return found


def reaches(federation: Federation, member: str, report: str, wanted: str) -> None:
    def has() -> bool:
        found = reports(federation, member, "--closed")
        return any(one["matter_id"] == report and one["state"] == wanted for one in found)

    eventually(has, SOON)


def submit_account(federation: Federation, directory: Path) -> str:
    """Report a bank account at a carrier, and return the matter's id."""
    quoted = f'iban,{ACCOUNT},"{REPORTER}",{TOLD}'
    rows = write_lines(directory / "account.csv", ["kind,value,reporter,text", quoted])
    told = ("--fraud-type", "government", "--actor", BANK)
    done = federation.do(INTAKE, "report", "submit", "--file", str(rows), *told, "--json")

    assert done.document == {"added": 1, "unchanged": 0, "refused": 0}

    (report,) = [one for one in reports(federation, INTAKE) if one["kind"] == "iban"]
    return str(report["matter_id"])


def submit_crowd(
    federation: Federation, directory: Path, value: str, member: str = INTAKE, count: int = 500
) -> str:
    """Let scripted reporters report one number at one member, and return the matter's id."""
    known = {one["matter_id"] for one in reports(federation, member)}
    lines = [f"phone,{value},script {number},this shop cheats" for number in range(count)]
    rows = write_lines(directory / "crowd.csv", ["kind,value,reporter,text", *lines])
    done = federation.do(
        member, "report", "submit", "--file", str(rows), "--fraud-type", "shopping", "--json"
    )

    assert done.document == {"added": count, "unchanged": 0, "refused": 0}

    (new,) = {one["matter_id"] for one in reports(federation, member)} - known
    return str(new)


def verify(federation: Federation, member: str, number: str) -> dict[str, Any]:
    wait = ("--quorum", "2", "--wait", str(int(SOON)), "--json")
    return federation.do(member, "verify", "open", "phone", number, *wait).document


def found_on_disk(federation: Federation, member: str, needle: str, pattern: str) -> list[str]:
    root = federation.home(member).root
    files = (path for path in root.rglob(pattern) if path.is_file())
    return [path.name for path in files if needle.encode() in path.read_bytes()]


def close_with_feedback_alone(federation: Federation, directory: Path) -> None:
    """Take a report of a bank account, given at a carrier, to its end."""
    watched = ("iban", ACCOUNT, "--reference", "customer 4711")
    federation.do(BANK, "watch", "add", *watched)

    # R50: entered at a carrier, it reaches the bank; the reporter stays.
    account = submit_account(federation, directory)
    reaches(federation, BANK, account, "SUBMITTED")
    at_bank = shown(federation, BANK, account)

    assert at_bank["text"] == TOLD
    assert at_bank["references"] == ["customer 4711"]
    assert at_bank["status"]["actors"] == [BANK]
    assert at_bank["status"]["watched"]
    assert at_bank["contacts"] == []
    assert [one["matter_id"] for one in reports(federation, BANK, "--mine")] == [account]
    assert shown(federation, CARRIER, account)["text"] == ""
    assert found_on_disk(federation, BANK, "Nachtigall", "*") == []
    assert found_on_disk(federation, INTAKE, "Nachtigall", "public.db*") == []
    assert found_on_disk(federation, INTAKE, "Nachtigall", "private.db*") != []
    assert found_on_disk(federation, INTAKE, ACCOUNT, "public.db*") == []
    assert found_on_disk(federation, CARRIER, ACCOUNT, "*") == []

    # R52: nobody closes it before the reporter was told.
    step(federation, BANK, "accept", account)
    assert (
        refusal_of(federation.run(BANK, "report", "dispose", account)) == "TRANSITION_NOT_ALLOWED"
    )
    step(federation, BANK, "verify", account)
    assert refusal_of(federation.run(BANK, "report", "dispose", account)) == "BASIS_MISSING"
    reaches(federation, INTAKE, account, "VERIFYING")
    assert (
        refusal_of(federation.run(INTAKE, "report", "close", account)) == "TRANSITION_NOT_ALLOWED"
    )
    step(federation, BANK, "unsubstantiate", account, "--reason", "no_evidence")
    reaches(federation, INTAKE, account, "UNSUBSTANTIATED")
    assert (
        refusal_of(federation.run(INTAKE, "report", "close", account)) == "TRANSITION_NOT_ALLOWED"
    )
    assert refusal_of(federation.run(BANK, "report", "feedback", account)) == "NOT_THE_OPENER"
    told = step(federation, INTAKE, "feedback", account)

    assert told["contacts"] == [REPORTER]
    assert told["status"]["next_steps"] == ["CLOSE"]
    assert step(federation, INTAKE, "close", account)["status"]["state"] == "CLOSED"
    reaches(federation, BANK, account, "CLOSED")


def disbelieve_a_crowd(federation: Federation, directory: Path) -> None:
    """Let 500 scripted reporters accuse a shop, at one member and then at three."""
    # R51: a crowd at one member is one weak origin, and never a verdict.
    crowd = submit_crowd(federation, directory, SHOP)
    weighed = shown(federation, INTAKE, crowd)

    assert (weighed["reporters"], weighed["burst"]) == (500, 500)
    assert 1 <= weighed["confidence"] <= 5
    assert weighed["status"]["reporters"] == "MASS"
    assert weighed["status"]["state"] == "SUBMITTED"
    reaches(federation, CARRIER, crowd, "SUBMITTED")
    for member in MEMBERS:
        assert federation.band(member, "phone", SHOP) in ("NONE", "LOW")
    mine = [one["matter_id"] for one in reports(federation, INTAKE) if one["kind"] == "phone"]
    assert mine == [crowd]

    # The same crowd at every member: hearsay is nobody's own knowledge, and confirms nothing.
    for member in (CARRIER, BANK):
        submit_crowd(federation, directory, SHOP, member, 40)
    eventually(lambda: federation.check(CARRIER, "phone", SHOP)["sources"] == 3, SOON)
    found = verify(federation, CARRIER, SHOP)

    assert found["state"] == "INSUFFICIENT"
    assert found["tally"] == {"suspect": 0, "benign": 0, "no_record": 7, "declined": 0}
    for member in MEMBERS:
        assert federation.band(member, "phone", SHOP) in ("NONE", "LOW")

    # What others find decides, and the reporters are believed less from then on.
    step(federation, CARRIER, "accept", crowd)
    step(federation, CARRIER, "verify", crowd, "--basis", found["matter_id"])
    rests = ("--basis", found["matter_id"])
    refused = federation.run(CARRIER, "report", "dispose", crowd, *rests)
    assert refusal_of(refused) == "BASIS_NOT_CONFIRMED"
    step(federation, CARRIER, "unsubstantiate", crowd, "--reason", "mass_reporting")
    reaches(federation, INTAKE, crowd, "UNSUBSTANTIATED")

    def all_judged() -> bool:
        judged = federation.read(INTAKE, "report", "reporters", "--json").rows
        return sum(one["unfounded"] == 1 and one["reliability"] == 0.2 for one in judged) == 501

    eventually(all_judged, SOON)
    assert shown(federation, INTAKE, crowd)["confidence"] == 0
    assert federation.check(INTAKE, "phone", SHOP)["band"] == "NONE"

    again = submit_crowd(federation, directory, OTHER_SHOP)
    assert shown(federation, INTAKE, again)["confidence"] <= 5
    withdrawn = step(federation, INTAKE, "withdraw", again, "--reason", "mass_reporting")
    assert withdrawn["status"]["state"] == "REJECTED"
    assert refusal_of(federation.run(INTAKE, "report", "close", again)) == "TRANSITION_NOT_ALLOWED"


def believe_who_was_right(federation: Federation) -> None:
    """Dispose of a report that a verification confirms, and believe its reporter from then on."""
    for member in (INTAKE, CARRIER):
        federation.nominate(member, "phone", SWINDLER)
    told = ("--reporter", "Herr Amsel", "--text", TOLD, "--fraud-type", "loan")
    federation.do(BANK, "report", "submit", "phone", SWINDLER, *told, "--actor", CARRIER)
    again = federation.do(BANK, "report", "submit", "phone", SWINDLER, *told, "--json")

    assert again.document == {"added": 0, "unchanged": 1, "refused": 0}

    (report,) = [
        one["matter_id"] for one in reports(federation, BANK) if one["fraud_type"] == "LOAN"
    ]
    reaches(federation, CARRIER, report, "SUBMITTED")
    step(federation, CARRIER, "accept", report)
    step(federation, CARRIER, "verify", report)
    eventually(lambda: federation.check(CARRIER, "phone", SWINDLER)["sources"] >= 2, SOON)
    found = verify(federation, CARRIER, SWINDLER)

    assert found["state"] == "CONFIRMED"
    assert shown(federation, CARRIER, report)["text"] == TOLD

    other = ("--basis", report)
    refused = federation.run(CARRIER, "report", "dispose", report, *other)
    assert refusal_of(refused) == "BASIS_DIFFERS"
    rests = ("--basis", found["matter_id"])
    assert step(federation, CARRIER, "dispose", report, *rests)["status"]["state"] == "DISPOSED"
    reaches(federation, BANK, report, "DISPOSED")
    assert step(federation, BANK, "feedback", report)["contacts"] == ["Herr Amsel"]
    assert step(federation, BANK, "close", report)["status"]["state"] == "CLOSED"

    def believed() -> bool:
        known = federation.do(BANK, "report", "reporters", "--json").rows
        return any(one["upheld"] == 1 and one["reliability"] == 0.4 for one in known)

    eventually(believed, SOON)


def mark(federation: Federation, member: str, directory: Path, number: str, count: int) -> None:
    rows = [f"phone,{number},harassment,{member} line {place}" for place in range(count)]
    file = write_lines(directory / f"{member}.csv", ["kind,value,label,customer", *rows])
    federation.do(member, "mark", "add", "--file", str(file))


def share(federation: Federation, member: str, number: str) -> None:
    done = federation.do(member, "mark", "share", number, "--wait", str(int(SOON)), "--json")

    assert done.document["state"] == "DONE"


def marks(federation: Federation, member: str, number: str) -> dict[str, Any]:
    return federation.read(member, "mark", "show", number, "--json").document


def labels(federation: Federation, member: str, number: str) -> list[tuple[str, str]]:
    found = marks(federation, member, number)["marks"]
    return [(one["label"], one["reporters"]) for one in found]


def mark_and_correct(federation: Federation, directory: Path) -> None:
    """Mark numbers by many customers and by few, correct one, and give one to a new owner."""
    marked, rare, recycled = "+9990000601", "+9990000602", "+9990000603"
    for number in (marked, recycled):
        for member in MEMBERS:
            mark(federation, member, directory, number, 12)
    mark(federation, BANK, directory, rare, 2)

    # Above the least number, in a band, at every member; below it nothing.
    assert labels(federation, BANK, marked) == []
    for number in (marked, recycled, rare):
        share(federation, INTAKE, number)
    for member in MEMBERS:
        eventually(lambda member=member: labels(federation, member, marked), SOON)
        assert labels(federation, member, marked) == [("HARASSMENT", "SOME")]
    (published,) = marks(federation, BANK, marked)["marks"]

    assert published["member"] == INTAKE
    assert 0.9 < published["freshness"] <= 1
    assert marks(federation, BANK, marked)["own"] == [{"label": "HARASSMENT", "count": 12}]
    assert labels(federation, INTAKE, rare) == []

    # A correction clears it everywhere, own customers' marks included; only some may say it.
    refused = federation.run(BANK, "mark", "correct", "phone", marked)
    assert refusal_of(refused) == "ROLE_NOT_ALLOWED"
    federation.do(CARRIER, "mark", "correct", "phone", marked)
    for member in MEMBERS:
        eventually(lambda member=member: not labels(federation, member, marked), SOON)
        assert marks(federation, member, marked)["own"] == []

    # A number with a new owner starts clean (R68).
    eventually(lambda: labels(federation, BANK, recycled), SOON)
    federation.do(INTAKE, "reassign", "phone", recycled)
    for member in MEMBERS:
        eventually(lambda member=member: not labels(federation, member, recycled), SOON)
