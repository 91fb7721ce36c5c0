"""Key holders that are gone, come back, get new shares, or hand their part on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.sandbox.build import passphrase_file
from tests.end_to_end.members import (
    INDUSTRY,
    Federation,
    error_lines,
    eventually,
    running_federation,
    write_lines,
)

OTHERS = ("carrier-b", "net-q")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running_federation(tmp_path_factory.mktemp("holders") / "f") as found:
        yield found


@pytest.fixture(autouse=True)
def everyone_runs_again(federation: Federation) -> Iterator[None]:
    yield
    federation.sandbox.up()
    for member in INDUSTRY:
        eventually(lambda member=member: federation.sees_all(member))


def test_fresh_values_are_answered_while_one_of_three_holders_is_gone(
    federation: Federation,
) -> None:
    federation.sandbox.kill("bank-x")

    for member in (*OTHERS, "carrier-a"):
        assert federation.band(member, "domain", "one-is-gone.example") == "NONE"

    federation.nominate("net-q", "domain", "said-without-one.example")

    eventually(lambda: federation.band("carrier-b", "domain", "said-without-one.example") != "NONE")


def test_a_bulk_job_at_the_holders_doors_finds_what_the_replica_knows_though_one_is_gone(
    federation: Federation, tmp_path: Path
) -> None:
    federation.nominate("net-q", "domain", "bulk.example")
    tokens, job = tmp_path / "tokens.bin", tmp_path / "job"
    federation.do("net-q", "bulk", "export", str(tokens))
    file = write_lines(tmp_path / "v.txt", ["other.example", "bulk.example", "no domain at all"])
    words = ("bulk", "match", "--file", str(file), "--kind", "domain", "--against", str(tokens))
    secret = ("--passphrase-file", str(passphrase_file(federation.home("net-q"))))
    federation.sandbox.kill("bank-x")
    outcome = federation.do("net-q", *words, "--output", str(job), *secret, "--json")
    again = federation.do("net-q", *words, "--output", str(job), *secret, "--json")
    found = outcome.document

    assert (found["rows"], found["matched"], found["refused"]) == (3, 1, 1)
    assert "line 3: INDICATOR_" in outcome.err
    assert (job / "matches.csv").read_text().splitlines()[1].endswith(",2")
    assert (again.document["fresh_rows"], again.document["matched"]) == (0, 1)


def test_with_two_holders_gone_fresh_values_are_refused_and_known_ones_answered(
    federation: Federation, tmp_path: Path
) -> None:
    federation.nominate("net-q", "domain", "known.example")
    federation.do("net-q", "watch", "add", "domain", "known.example", "--reference", "line-1")
    federation.sandbox.stop("net-q")
    federation.sandbox.start("net-q")  # nothing is answered from memory
    federation.sandbox.kill("carrier-a")
    federation.sandbox.kill("bank-x")
    statements = federation.status("net-q")["statement_count"]

    for words in (
        ("check", "domain", "fresh.example"),
        ("nominate", "domain", "fresh.example", "--fraud-type", "loan"),
        ("watch", "add", "domain", "fresh.example", "--reference", "line-2"),
    ):
        refused = federation.run("net-q", *words)
        error, hint = error_lines(refused)

        assert refused.code == 1
        assert error.startswith("tocsin: error: ")
        assert error.endswith("[HOLDERS_UNAVAILABLE]")
        assert "carrier-a: " in error
        assert "bank-x: " in error
        assert hint.startswith("tocsin: hint: ")
        assert "fresh.example" not in refused.err

    assert federation.band("net-q", "domain", "known.example") != "NONE"
    assert federation.do("net-q", "explain", "domain", "known.example").out
    assert [hit["reference"] for hit in federation.do("net-q", "hits", "--json").rows] == ["line-1"]
    assert federation.do("net-q", "log", "verify", "--json").rows
    assert federation.status("net-q")["statement_count"] == statements

    file = write_lines(tmp_path / "again.txt", ["known.example"])
    facts = ("--fraud-type", "investment", "--confidence", "90")
    again = federation.do("net-q", "nominate", "--file", str(file), "--kind", "domain", *facts)

    assert again.out.strip() == "added 0, unchanged 1, refused 0"

    federation.do("net-q", "retract", "domain", "known.example")

    assert federation.band("net-q", "domain", "known.example") == "NONE"

    federation.sandbox.start("carrier-a")

    eventually(lambda: federation.run("net-q", "check", "domain", "fresh.example").code == 0)


def test_a_refresh_gives_new_shares_and_the_same_tokens(federation: Federation) -> None:
    federation.nominate("net-q", "phone", "+8613900000001")
    before = federation.status("net-q")
    federation.do("bank-x", "key", "refresh")
    for member in INDUSTRY:
        eventually(
            lambda member=member: (
                federation.status(member)["share_epoch"] == before["share_epoch"] + 1
            )
        )

    assert federation.status("net-q")["epoch"] == before["epoch"]
    assert federation.band("carrier-b", "phone", "+8613900000001") != "NONE"

    federation.sandbox.stop("net-p")
    federation.sandbox.start("net-p")  # comes back with its new shares from the disk
    federation.sandbox.kill("carrier-a")
    # Others call a node that is back within two seconds; until then they may fail closed.
    eventually(lambda: federation.run("bank-x", "check", "phone", "+8613900000009").code == 0)

    assert federation.band("bank-x", "phone", "+8613900000001") != "NONE"


def test_other_holders_take_over_the_same_key(federation: Federation, tmp_path: Path) -> None:
    federation.nominate("net-p", "phone", "+8613900000002")
    note = tmp_path / "holders.note"
    after = ("carrier-b", "bank-x", "net-q")
    federation.do("bank-x", "charter", "holders", str(note), *after, "--threshold", "2")
    federation.adopt(note, ("bank-x", "carrier-b", "net-q"), ("bank-x",))
    for member in INDUSTRY:
        eventually(lambda member=member: federation.status(member)["charter_version"] == 2)

    share_epoch = federation.status("bank-x")["share_epoch"]
    federation.do("bank-x", "key", "reshare")
    for member in INDUSTRY:
        eventually(
            lambda member=member: federation.status(member)["share_epoch"] == share_epoch + 1
        )
    federation.sandbox.kill("carrier-a")
    federation.sandbox.kill("net-p")

    assert federation.band("carrier-b", "phone", "+8613900000002") != "NONE"
    assert federation.band("net-q", "phone", "+8613900000003") == "NONE"
