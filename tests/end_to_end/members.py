"""Run real nodes and the real command line for the acceptance tests."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from typing import Any

from federation.roles import Role
from keys.keystore import Cost
from node.cli import main
from node.cli.status import read_status
from node.demo.commands import Outcome
from node.home import Home
from node.sandbox import Sandbox
from node.sandbox.build import passphrase_file
from tocsin.desk.v1 import desk_service_pb2 as desk
from tocsin.desk.v1 import operation_service_pb2 as operation
from tocsin.v1 import vocabulary_pb2 as words

INDUSTRY = ("carrier-a", "carrier-b", "bank-x", "net-p", "net-q")

# Seconds for one command: a loaded machine with a dozen processes is slow, not wrong.
COMMAND_SECONDS = 300.0
# Seconds until what was said has to be everywhere; it usually takes less than one.
SPREAD_SECONDS = 90.0

_CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
_LAUNCH = "from node.cli import main; main()"


class Federation:
    """A sandbox, and the command line at each of its members."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def home(self, member: str) -> Home:
        return self.sandbox.home(member)

    def run(self, member: str, *arguments: str) -> Outcome:
        return run_command(self.home(member), *arguments)

    def do(self, member: str, *arguments: str) -> Outcome:
        outcome = self.run(member, *arguments)

        assert outcome.code == 0, outcome.err

        return outcome

    def look(self, member: str, *arguments: str) -> Outcome:
        """Run a command that changes nothing, in this process: tests look again and again."""
        return run_here(self.home(member), *arguments)

    def read(self, member: str, *arguments: str) -> Outcome:
        """Look, and find something."""
        outcome = self.look(member, *arguments)

        assert outcome.code == 0, outcome.err

        return outcome

    def unlocked(self, member: str, *arguments: str) -> Outcome:
        secret = str(passphrase_file(self.home(member)))
        return self.do(member, *arguments, "--passphrase-file", secret)

    def status(self, member: str) -> dict[str, Any]:
        """Ask without a process of its own: tests look again and again."""
        return read_status(self.home(member))

    def sees_all(self, member: str) -> bool:
        return all(peer["reachable"] for peer in self.status(member)["peers"])

    def check(self, member: str, kind: str, value: str) -> dict[str, Any]:
        """Ask without a process of its own: tests look again and again."""
        value_asked = desk.RawIndicator(kind=kind, value=value)
        request = desk.CheckRequest(values=[value_asked], purpose=words.PURPOSE_CHECK)
        with self.sandbox.door(member) as door:
            (found,) = door.call(door.desk.Check, request, COMMAND_SECONDS).results

        assert not found.HasField("error"), found.error.reason

        return {
            "band": words.Band.Name(found.band).removeprefix("BAND_"),
            "display_codes": list(found.display_codes),
            "sources": found.sources,
        }

    def band(self, member: str, kind: str, value: str) -> str:
        return str(self.check(member, kind, value)["band"])

    def nominate(self, member: str, kind: str, value: str) -> None:
        facts = ("--fraud-type", "investment", "--confidence", "90")
        self.do(member, "nominate", kind, value, *facts)

    def catalogue(self, member: str, as_of: int) -> operation.GetStatusResponse:
        request = operation.GetStatusRequest()
        request.as_of_time.seconds = as_of
        with self.sandbox.door(member) as door:
            return door.call(door.operation.GetStatus, request, COMMAND_SECONDS)

    def roots(self, members: Sequence[str], as_of: int) -> set[bytes]:
        return {self.catalogue(member, as_of).catalogue_root for member in members}

    def adopt(self, note: Path, signers: Sequence[str], followers: Sequence[str]) -> None:
        for member in signers:
            self.unlocked(member, "charter", "sign", str(note))
        for member in followers:
            self.do(member, "charter", "adopt", str(note))


@contextmanager
def running_federation(
    directory: Path,
    members: Sequence[str] = INDUSTRY,
    *,
    capture: bool = False,
    beside: Mapping[str, Collection[Role]] = MappingProxyType({}),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Federation]:
    """Run a federation until the end of the block.

    Args:
        directory: Where its homes go.
        members: Their names, which tell their roles.
        capture: Whether each records the messages of its outside door.
        beside: Further roles, by member.
        settings: Lines of settings that a member has of its own.
    """
    sandbox = Sandbox(directory, members, capture=capture, cost=_CHEAP, beside=beside)
    sandbox.build()
    for member, lines in settings.items():
        with sandbox.home(member).config.open("a", encoding="utf-8") as file:
            file.write(lines)
    try:
        sandbox.up()
        yield Federation(sandbox)
    finally:
        sandbox.down()


def run_command(
    home: Home, *arguments: str, give: str | None = None, seconds: float = COMMAND_SECONDS
) -> Outcome:
    done = subprocess.run(
        command(home, *arguments),
        input=give,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_here(home: Home, *arguments: str) -> Outcome:
    """Run the command line without a process of its own, which takes a second to start."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(["--home", str(home.root), *arguments])
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else int(done.code is not None)
        else:
            code = 0
    return Outcome(code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def start_command(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(home, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def command(home: Home, *arguments: str) -> list[str]:
    return [sys.executable, "-c", _LAUNCH, "--home", str(home.root), *arguments]


def eventually(happened: Callable[[], object], seconds: float = SPREAD_SECONDS) -> None:
    """Look until something is so, or fail with what the last look saw."""
    until = time.monotonic() + seconds
    while not (seen := happened()):
        assert time.monotonic() < until, f"still {seen!r} after {seconds:.0f} seconds"

        time.sleep(0.1)


def files_of(federation: Federation, member: str) -> bytes:
    """Return every byte that a member keeps: databases, its own log, messages it recorded."""
    root = federation.home(member).root
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def refusal_of(outcome: Outcome) -> str:
    """Return the reason for which a command must have failed."""
    assert outcome.code == 1, outcome.err

    return error_lines(outcome)[0].rpartition("[")[2].rstrip("]")


def error_lines(outcome: Outcome) -> list[str]:
    """Return what a failed command wrote last: the error and its hint."""
    return outcome.err.splitlines()[-2:]


def process_files(process_id: int) -> bytes:
    """Return what everyone on a machine may see of a process: arguments and environment."""
    directory = Path("/proc", str(process_id))
    return directory.joinpath("cmdline").read_bytes() + directory.joinpath("environ").read_bytes()


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path
