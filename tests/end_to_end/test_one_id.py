"""A citizen sees what stands under the own identity, and nobody else does (R57, R58)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.statements.one_id import SEALED_BYTES
from tests.end_to_end.members import (
    Federation,
    Outcome,
    error_lines,
    eventually,
    running_federation,
    write_lines,
)

DESK, HOLDER, COORDINATOR = MEMBERS = ("carrier-a", "bank-x", "coord-c")

CARD, STRANGER = "990101199003074016", "990101200002290038"
LINES = ("line-Nachtigall-1", "line-Nachtigall-2", "line-Nachtigall-3")
ACCOUNTS = ("konto-Amsel-1", "konto-Amsel-2")
TEXT = "I never opened these accounts"
TOLD = "both were closed this morning"

pytestmark = pytest.mark.timeout(600)  # three dozen commands, on a slow machine


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    directory = tmp_path_factory.mktemp("one-id") / "f"
    with running_federation(directory, MEMBERS, capture=True) as found:
        yield found


def one_id(federation: Federation, member: str, *arguments: str) -> Outcome:
    return federation.do(member, "one-id", *arguments)


def refusal(outcome: Outcome) -> str:
    assert outcome.code == 1

    return error_lines(outcome)[0].rpartition("[")[2].rstrip("]")


def feed(federation: Federation, member: str, kind: str, accounts: tuple[str, ...]) -> None:
    rows = [f"{CARD},{kind},{account}" for account in accounts]
    home = federation.home(member).root
    file = write_lines(home.parent.parent / f"{member}.csv", ["value,account_kind,account", *rows])
    done = one_id(federation, member, "add", "--file", str(file), "--json")

    assert done.document == {"added": len(rows), "unchanged": 0, "refused": 0}


def request(federation: Federation, directory: Path, card: str) -> str:
    """Let a citizen ask at the desk, and return the request's id."""
    directory.mkdir()
    key, public, form, consent = (directory / name for name in ("key", "pub", "form", "consent"))
    proof = write_lines(directory / "proof", ["seen in person"])
    one_id(federation, DESK, "key", str(key), "--public", str(public))
    prepared = ("--citizen", str(public), "--proof", str(proof), "--output", str(form))
    one_id(federation, DESK, "prepare", card, *prepared)
    one_id(federation, DESK, "consent", str(form), "--key", str(key), "--output", str(consent))
    return str(one_id(federation, DESK, "request", str(consent), "--json").document["matter_id"])


def fetched(federation: Federation, member: str, matter: str, directory: Path) -> Path:
    """Wait for what both members answer, and return the file that the citizen gets."""

    def is_answered() -> bool:
        found = federation.run(member, "one-id", "list", matter, "--json")
        return found.code == 0 and found.document["state"] == "ANSWERED"

    eventually(is_answered)
    output = directory / f"answers of {member}"
    one_id(federation, member, "fetch", matter, "--output", str(output))
    return output


def counts(federation: Federation, file: Path, key: Path) -> dict[str, Any]:
    rows = one_id(federation, DESK, "open", str(file), "--key", str(key), "--json").rows
    return {one["member"]: one["counts"] for one in rows}


def decided(federation: Federation, dispute: str, *how: str) -> str:
    done = one_id(federation, HOLDER, "decide", dispute, *how, "--json")
    return str(done.document["state"])


def found_at(federation: Federation, member: str, needle: str) -> set[str]:
    """Return the files of a member, its capture of the wire among them, that hold a text."""
    root = federation.home(member).root
    files = [path for path in root.rglob("*") if path.is_file()]

    assert federation.sandbox.capture(member) in files

    return {path.name for path in files if needle.encode() in path.read_bytes()}


def test_a_citizen_sees_the_counts_and_disputes_and_nobody_else_learns_anything(
    federation: Federation, tmp_path: Path
) -> None:
    feed(federation, DESK, "sim", LINES)
    feed(federation, HOLDER, "bank_account", ACCOUNTS)
    citizen = tmp_path / "citizen"
    asked = request(federation, citizen, CARD)
    answers = fetched(federation, DESK, asked, citizen)

    assert counts(federation, answers, citizen / "key") == {
        DESK: {"sim": 3, "bank_account": 0, "internet_account": 0},
        HOLDER: {"sim": 0, "bank_account": 2, "internet_account": 0},
    }
    assert fetched(federation, HOLDER, asked, citizen).read_bytes() == answers.read_bytes()

    # Who has another key reads nothing, and who has nothing answers in the same size.
    other = tmp_path / "other"
    nothing = fetched(federation, DESK, request(federation, other, STRANGER), other)

    assert counts(federation, answers, other / "key") == {DESK: None, HOLDER: None}
    assert set(counts(federation, nothing, other / "key")[HOLDER].values()) == {0}
    assert nothing.stat().st_size == answers.stat().st_size > 2 * SEALED_BYTES

    # A second request is refused at whatever desk; the holder can tell its customer who asked.
    again = tmp_path / "again"
    again.mkdir()
    public, proof = str(citizen / "pub"), str(citizen / "proof")
    rest = ("--citizen", public, "--proof", proof, "--output", str(again / "form"))
    refused = federation.run(HOLDER, "one-id", "prepare", CARD, *rest)
    assert refusal(refused) == "ASKED_WITHIN_DAY"
    (held,) = one_id(federation, HOLDER, "list", "--held", "--json").rows
    assert (held["matter_id"], held["opener"]) == (asked, DESK)
    assert held["own_accounts"] == list(ACCOUNTS)
    assert held["is_proven"]
    person = ("resident_id", CARD)
    accused = federation.run(DESK, "nominate", *person, "--fraud-type", "loan")
    assert refusal(accused) == "KIND_NOT_ALLOWED"

    # R58: the dispute reaches the holder with accounts and due time, and ends with a word.
    key, letter = str(citizen / "key"), str(citizen / "dispute")
    write = ("--key", key, "--to", HOLDER, "--close", "--text", TEXT, "--output", letter)
    one_id(federation, DESK, "write", str(answers), *write)
    dispute = str(one_id(federation, DESK, "dispute", letter, "--json").document["matter_id"])
    tasks: list[dict[str, Any]] = []

    def has_task() -> bool:
        tasks[:] = one_id(federation, HOLDER, "tasks", "--json").rows
        return bool(tasks)

    eventually(has_task)
    (task,) = tasks

    assert (task["matter_id"], task["state"], task["wish"]) == (dispute, "OPEN", "close")
    assert (task["own_accounts"], task["text"]) == (list(ACCOUNTS), TEXT)
    assert task["is_authentic"]
    assert task["due_time"] > task["opened_time"]
    assert one_id(federation, DESK, "tasks", "--all", "--json").document["text"] == ""

    assert decided(federation, dispute, "--accept") == "ACCEPTED"
    silent = federation.run(HOLDER, "one-id", "decide", dispute, "--close")
    assert refusal(silent) == "FEEDBACK_MISSING"
    assert decided(federation, dispute, "--close", "--text", TOLD) == "CLOSED"
    one_id(federation, HOLDER, "fetch", dispute, "--output", str(citizen / "told"))
    told = one_id(federation, DESK, "open", str(citizen / "told"), "--key", key, "--json").document
    assert told == {"holder": HOLDER, "state": "CLOSED", "reason": None, "text": TOLD}

    # Neither the identity nor what passed stands anywhere; own references at their owner alone.
    federation.sandbox.down()
    for member in MEMBERS:
        for secret in (CARD, STRANGER, TEXT, TOLD):
            assert found_at(federation, member, secret) == set(), (member, secret)
    for owner, accounts in ((DESK, LINES), (HOLDER, ACCOUNTS)):
        for account in accounts:
            for member in MEMBERS:
                places = found_at(federation, member, account)
                assert all(member == owner and one.startswith("private.db") for one in places)
                assert bool(places) is (member == owner)
