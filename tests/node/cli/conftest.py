"""Homes of members, and a way to run a command as a person would."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from federation.names import FederationName, MemberId
from federation.roles import Role
from keys.keystore import Cost
from keys.secret import Secret
from node.cli import main
from node.home import Home
from node.member import Applicant, create_member

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
PASSPHRASE = b"correct horse"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def tocsin(capsys, monkeypatch):
    """Run `tocsin` with arguments; return exit code, stdout and stderr."""
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    monkeypatch.delenv("TOCSIN_TRACE", raising=False)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(PASSPHRASE + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def make_home(tmp_path):
    """Make the home of a member at low cost."""

    def make(member, *roles, address=None, federation="night"):
        home = Home(tmp_path / member)
        applicant = Applicant(
            FederationName(federation),
            MemberId(member),
            frozenset(roles or (Role.BANK,)),
            address or f"{member}.example:7443",
        )
        create_member(home, applicant, Secret(PASSPHRASE), NOW, CHEAP)
        return home

    return make


@pytest.fixture
def home(make_home):
    return make_home("bank-x")
