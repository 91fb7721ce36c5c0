"""``tocsin conformance node`` and the doctor against a node that really runs."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from federation.roles import Role
from node.home import Home

START_SECONDS = 60
STOP_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_open(home: Home, process):
    end = time.monotonic() + START_SECONDS
    while not home.socket.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def federation(tocsin, make_home, passphrase_file, tmp_path):
    """A carrier, a bank and an auditor under one charter; nothing runs yet."""
    homes = {
        "carrier-a": make_home("carrier-a", Role.CARRIER, address=f"127.0.0.1:{free_port()}"),
        "bank-x": make_home("bank-x", Role.BANK, address=f"127.0.0.1:{free_port()}"),
        "auditor-k": make_home("auditor-k", Role.AUDITOR),
    }
    note = tmp_path / "charter.note"
    tocsin("charter", "create", note, *(home.card for home in homes.values()))
    for home in homes.values():
        tocsin("--home", home.root, "charter", "sign", note, "--passphrase-file", passphrase_file)
    for home in homes.values():
        adopted = tocsin("--home", home.root, "charter", "adopt", note)
        assert adopted.code == 0, adopted.err
    return homes


@pytest.fixture
def running(federation, passphrase_file, tmp_path):
    """The carrier's node, as an operator starts it; its address."""
    home = federation["carrier-a"]
    words = ["--home", home.root, "node", "run", "--passphrase-file", passphrase_file]
    process = subprocess.Popen(  # our own command
        [Path(sys.executable).with_name("tocsin"), *words], stderr=subprocess.DEVNULL
    )
    try:
        wait_until_open(home, process)
        yield json.loads(home.card.read_text().split("\n", 1)[1])["address"]
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=STOP_SECONDS)
    assert code == 0


@pytest.fixture
def conformance(tocsin, federation, passphrase_file):
    def check(address, *words, home="bank-x"):
        ended = tocsin(
            *("--home", federation[home].root, "conformance", "node", address, "--json"),
            *("--passphrase-file", passphrase_file, *words),
        )
        found = [json.loads(line) for line in ended.out.splitlines()]
        return ended, {one["check"]: one for one in found}

    return check


def test_a_running_node_keeps_what_the_contract_promises(
    conformance, federation, running, tocsin, passphrase_file
):
    ended, found = conformance(running)
    by_auditor, seen_by_auditor = conformance(running, home="auditor-k")
    impostor, expected_other = conformance(running, "--member", "bank-x")
    nobody = tocsin("--home", federation["bank-x"].root, "conformance", "node", "127.0.0.1:1")
    doctor = tocsin(
        *("--home", federation["carrier-a"].root, "node", "doctor", "--json"),
        *("--passphrase-file", passphrase_file),
    )
    examined = {one["check"]: one for one in map(json.loads, doctor.out.splitlines())}

    assert ended.code == 0
    assert {one["outcome"] for one in found.values()} == {"passed"}
    assert len(found) == 15
    assert by_auditor.code == 0
    assert {name for name, one in seen_by_auditor.items() if one["outcome"] == "skipped"} == {
        name for name in found if "token" in name or "purpose" in name or "batch" in name
    }
    assert impostor.code == 1
    assert list(expected_other) == ["identity"]
    assert expected_other["identity"]["reason"] == "PEER_AUTHORITY_MISMATCH"
    assert "[MEMBER_UNKNOWN]" in nobody.err
    assert examined["database"]["outcome"] == "passed"
    assert examined["peer bank-x"]["reason"] == "CONNECTION_REFUSED"


def test_a_node_that_does_not_run_fails_at_once_with_the_reason(conformance, federation):
    address = json.loads(federation["carrier-a"].card.read_text().split("\n", 1)[1])["address"]
    ended, found = conformance(address)

    assert ended.code == 1
    assert list(found) == ["identity"]
    assert found["identity"]["reason"] == "CONNECTION_REFUSED"


def test_a_node_under_another_charter_is_found_out(
    conformance, federation, running, tocsin, passphrase_file, tmp_path
):
    second = tmp_path / "second.note"
    bank = federation["bank-x"]
    tocsin("--home", bank.root, "charter", "holders", second, "bank-x")
    for home in federation.values():
        tocsin("--home", home.root, "charter", "sign", second, "--passphrase-file", passphrase_file)
    adopted = tocsin("--home", bank.root, "charter", "adopt", second)
    ended, found = conformance(running)

    assert adopted.code == 0
    assert ended.code == 1
    assert found["charter"]["reason"] == "CHARTER_DIFFERS"
    assert found["health"]["outcome"] == "passed"
