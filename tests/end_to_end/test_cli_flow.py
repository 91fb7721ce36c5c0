"""Three organisations found a federation by hand, as the README tells it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from node.home import Home
from tests.end_to_end.members import (
    command,
    error_lines,
    eventually,
    run_command,
    write_lines,
)

MEMBERS = {"carrier-a": "carrier", "bank-x": "bank", "net-p": "internet"}
PORTS = range(30_211, 30_214)

pytestmark = pytest.mark.timeout(300)


def do(home: Home, *arguments: str) -> str:
    outcome = run_command(home, *arguments)

    assert outcome.code == 0, outcome.err

    return outcome.out


def secret(home: Home) -> tuple[str, str]:
    return "--passphrase-file", str(home.root.with_suffix(".passphrase"))


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    directory = tmp_path_factory.mktemp("flow")
    found = {member: Home(directory / member) for member in MEMBERS}
    for (member, role), port in zip(MEMBERS.items(), PORTS, strict=True):
        home = found[member]
        write_lines(home.root.with_suffix(".passphrase"), [f"correct horse of {member}"])
        who = ("--federation", "night", "--member", member, "--role", role)
        do(home, "init", *who, "--address", f"127.0.0.1:{port}", *secret(home))
    return found


@contextmanager
def running(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    node = subprocess.Popen(
        command(home, "node", "run", *secret(home)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield node
    finally:
        node.terminate()
        node.wait(30)


def test_a_federation_is_founded_by_hand_and_shares_its_first_number(
    homes: dict[str, Home], tmp_path: Path
) -> None:
    carrier, bank, net = homes.values()
    note = tmp_path / "charter.note"
    do(carrier, "charter", "create", str(note), *(str(home.card) for home in homes.values()))
    for home in (carrier, bank):
        do(home, "charter", "sign", str(note), *secret(home))
    early = run_command(carrier, "charter", "adopt", str(note))

    assert early.code == 1
    assert "net-p" in early.err

    do(net, "charter", "sign", str(note), *secret(net))

    digests = {do(home, "charter", "verify", str(note)).splitlines()[-1] for home in homes.values()}

    assert len(digests) == 1

    for home in homes.values():
        do(home, "charter", "adopt", str(note))
    stopped = run_command(bank, "status")

    assert stopped.code == 1
    assert error_lines(stopped)[0].endswith("[NODE_NOT_RUNNING]")

    with ExitStack() as nodes:
        running_nodes = [nodes.enter_context(running(home)) for home in homes.values()]
        for home in homes.values():
            # Alive without keys is 2, and it is all that is there before the ceremony.
            eventually(lambda home=home: run_command(home, "status").code == 2, 60)
        keyless = run_command(net, "check", "phone", "+8613700000001")

        assert keyless.code == 1
        assert error_lines(keyless)[0].endswith("[KEYS_MISSING]")

        do(bank, "key", "ceremony")
        for home in homes.values():
            eventually(lambda home=home: run_command(home, "status").code == 0, 60)
        do(bank, "nominate", "phone", "+8613700000001", "--fraud-type", "loan")
        eventually(
            lambda: '"band": "NONE"' not in do(net, "check", "phone", "+8613700000001", "--json")
        )

        assert '"band": "NONE"' in do(net, "check", "phone", "+8613700000002", "--json")
        assert "sound" in do(carrier, "log", "verify")

        running_nodes[0].send_signal(signal.SIGTERM)

        assert running_nodes[0].wait(30) == 0

    # A daily visit leaves nothing behind that would keep the node from coming back.
    with running(carrier):
        eventually(lambda: run_command(carrier, "status").code == 0, 60)

        assert "bank-x" in do(carrier, "status")


def test_a_wrong_passphrase_is_refused(homes: dict[str, Home], tmp_path: Path) -> None:
    wrong = write_lines(tmp_path / "wrong", ["not it"])
    refused = run_command(homes["net-p"], "node", "run", "--passphrase-file", str(wrong))

    assert refused.code in (1, 2)
    assert error_lines(refused)[0].endswith("[KEYSTORE_PASSPHRASE]")
    assert "not it" not in refused.err


def test_a_key_file_that_others_may_read_is_refused_with_the_command_that_helps(
    homes: dict[str, Home],
) -> None:
    home = homes["net-p"]
    home.keys.chmod(0o644)
    refused = run_command(home, "node", "run", *secret(home))
    home.keys.chmod(0o600)

    assert refused.code == 2
    assert error_lines(refused)[0].endswith("[KEYFILE_MODE]")
    assert "chmod 600" in error_lines(refused)[1]


def test_a_member_is_never_made_twice_in_one_home(homes: dict[str, Home]) -> None:
    home = homes["net-p"]
    who = ("--federation", "night", "--member", "net-p", "--role", "internet")
    before = home.keys.read_bytes()
    refused = run_command(home, "init", *who, "--address", "127.0.0.1:1", *secret(home))

    assert refused.code == 2
    assert error_lines(refused)[0].endswith("[HOME_EXISTS]")
    assert home.keys.read_bytes() == before
