"""Take verification rounds through real nodes: a tally that all read alike, nobody's answer."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from federation.matters.verification import read_tally
from federation.statements import (
    Body,
    UnknownBody,
    VerificationOpen,
    VerificationTally,
    decode_statement,
)
from tests.end_to_end.cast import COORDINATOR, INDUSTRY
from tests.end_to_end.members import Federation, error_lines, eventually

ASKED = INDUSTRY
MEMBERS = (*ASKED, COORDINATOR)
FRAUD, COURIER, ALONE = "+8613000000011", "+8613000000022", "+8613000000033"
WAIT_SECONDS = 90.0

Round = dict[str, Any]


def shown(federation: Federation, member: str, matter_id: str) -> Round:
    outcome = federation.look(member, "verify", "show", matter_id, "--json")
    return outcome.document if outcome.code == 0 else {"state": "ABSENT"}


def ends_everywhere(federation: Federation, matter_id: str, state: str) -> None:
    def has_ended() -> bool:
        return {shown(federation, one, matter_id)["state"] for one in MEMBERS} == {state}

    eventually(has_ended, WAIT_SECONDS)


def ask(federation: Federation, member: str, number: str, *options: str) -> Round:
    wait = ("--wait", "90", "--json")
    return federation.do(member, "verify", "open", "phone", number, *options, *wait).document


def one_band(federation: Federation, number: str) -> set[str]:
    return {federation.band(member, "phone", number) for member in ASKED}


def conflict(federation: Federation, number: str) -> Round:
    """Have carrier-b ask about a number that three suspect, and one knows as harmless."""
    for member in ("carrier-b", "net-p", "bank-x"):
        federation.nominate(member, "phone", number)
    federation.do("net-q", "verify", "answer", "phone", number, "--as", "hit_benign")
    found = ask(federation, "carrier-b", number)

    assert found["state"] == "CONFLICT"
    assert found["tally"] == {"suspect": 3, "benign": 1, "no_record": 3, "declined": 0}

    ends_everywhere(federation, found["matter_id"], "CONFLICT")
    return found


# What a private store keeps an answer given by hand under: the token follows. The subject of every
# round's sum, which all may read, has the same word in it, and a number behind.
ANSWER = re.compile(rb"verification/[0-9a-f]{32}")


def files_with_answers(federation: Federation, member: str) -> list[Path]:
    data = federation.home(member).data
    return [one for one in data.rglob("*") if one.is_file() and ANSWER.search(one.read_bytes())]


def statements(federation: Federation, member: str, matter_id: str) -> list[Body | UnknownBody]:
    """Return everything about a round that stands in a member's database."""
    database = federation.home(member).data / "public.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        query = "SELECT bytes FROM view_matter WHERE matter = ?"
        found = connection.execute(query, (bytes.fromhex(matter_id),)).fetchall()
    return [decode_statement(body).body for (body,) in found]


def run_rounds(federation: Federation) -> None:
    """Confirm a number, dispute another, and find too little about a third."""
    for member in ("carrier-a", "bank-x", "net-p"):
        federation.nominate(member, "phone", FRAUD)
    found = ask(federation, "carrier-a", FRAUD)

    assert found["state"] == "CONFIRMED"
    assert found["tally"] == {"suspect": 3, "benign": 0, "no_record": 4, "declined": 0}

    ends_everywhere(federation, found["matter_id"], "CONFIRMED")
    eventually(lambda: one_band(federation, FRAUD) == {"VERY_HIGH"}, WAIT_SECONDS)

    for member in MEMBERS:
        bodies = statements(federation, member, found["matter_id"])
        tallies = {read_tally(one) for one in bodies if isinstance(one, VerificationTally)}

        assert {type(one) for one in bodies} == {VerificationOpen, VerificationTally}
        assert tallies == {
            (3, 0, 4, 0)
        }  # everybody says the same: the total, and nothing of its own

    # One member knows the number as a courier's: no confirmation, however many suspect it, and no
    # refutation by who asked, either.
    first = conflict(federation, COURIER)
    examined = ("verify", "examine", first["matter_id"], "--as", "refute", "--json")
    refused = federation.run("net-p", *examined)

    assert refused.code != 0
    assert "NOT_THE_OPENER" in error_lines(refused)[0]

    refused = federation.run("carrier-b", *examined)

    assert refused.code != 0
    assert "BENIGN_TOO_FEW" in error_lines(refused)[0]

    # Another member comes to know it as well, and two are enough for a second round.
    federation.do("carrier-a", "verify", "answer", "phone", COURIER, "--as", "hit_benign")
    second = ask(federation, "carrier-b", COURIER, "--quorum", "2")

    assert second["state"] == "CONFLICT"
    assert second["tally"] == {"suspect": 3, "benign": 2, "no_record": 2, "declined": 0}

    agreed = ("verify", "examine", second["matter_id"], "--as", "refute", "--json")

    assert federation.do("carrier-b", *agreed).document["state"] == "REFUTED"

    ends_everywhere(federation, second["matter_id"], "REFUTED")
    eventually(lambda: one_band(federation, COURIER) == {"NONE"}, WAIT_SECONDS)

    # Or a coordinator examines the conflict, however few know the number as harmless.
    assert federation.do("coord", *examined).document["state"] == "REFUTED"

    ends_everywhere(federation, first["matter_id"], "REFUTED")
    named = federation.do("net-q", "matter", "show", f"carrier-b/{first['matter_id']}", "--json")

    assert named.document["matter"]["state"] == "REFUTED"

    explained = federation.do("bank-x", "explain", "phone", COURIER, "--json").document

    assert explained["indicator_state"] == "REFUTED"
    assert {one["excluded"] for one in explained["explanation"]["terms"]} == {"REFUTED"}
    assert {(one["suspect"], one["benign"]) for one in explained["found_out"]} == {(3, 1), (3, 2)}

    # Nobody else knows the third number: that agrees with nobody.
    federation.nominate("net-p", "phone", ALONE)
    found = ask(federation, "net-p", ALONE, "--quorum", "2")

    assert found["state"] == "INSUFFICIENT"
    assert found["tally"] == {"suspect": 1, "benign": 0, "no_record": 6, "declined": 0}

    # Answers given by hand stand in their own members' private stores, and nowhere else; of the
    # others every log knows that they answered, and none what.
    assert files_with_answers(federation, "net-q")
    for member in ("carrier-b", "bank-x", "net-p", "coord"):
        assert not files_with_answers(federation, member)

    assert {len(one["answered"]) for one in rounds(federation, "bank-x")} == {len(ASKED)}


def rounds(federation: Federation, member: str) -> list[Round]:
    return federation.read(member, "verify", "list", "--json").rows
