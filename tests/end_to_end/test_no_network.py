"""A run needs no network but loopback, and no process of it looks for another.

The runs of other tests are made again where there is no route to anywhere, with an ear on every
Python process of them: telemetry, update checks and downloads would be heard.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loopback_only import is_allowed

pytest.importorskip("flwr", reason="the extra 'train' is not installed")
pytest.importorskip("torch", reason="the extra 'train' is not installed")

ROOT = Path(__file__).parent.parent.parent
EAR = '''
"""Write down whom this process speaks to, and what it starts."""
import os, sys
EVENTS = {{
    "socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1,
    "socket.getaddrinfo": 0, "socket.gethostbyname": 0, "subprocess.Popen": 1,
}}
FILE = os.open("{directory}/" + str(os.getpid()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
with open("/proc/self/cmdline", "rb") as line:
    COMMAND = line.read().replace(b"\\0", b" ").decode(errors="replace")
os.write(FILE, ("start " + repr(COMMAND) + "\\n").encode())
def hear(event, arguments):
    if event in EVENTS:
        os.write(FILE, (event + " " + repr(arguments[EVENTS[event]]) + "\\n").encode())
sys.addaudithook(hear)
'''
LOOPBACK = (
    "'127.0.0.1'",
    "b'127.0.0.1'",
    "'localhost'",
    "'::1'",
    "('127.0.0.1'",
    "('localhost'",
    "('::1'",
    "None",
)
INSTALLERS = ("'pip'", "'uv'", "'apt")

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Heard:
    """What one process did: its command line, whom it called, what it started."""

    command: str
    called: tuple[str, ...]
    started: tuple[str, ...]

    def abroad(self) -> list[str]:
        """Names looked up and addresses called that are not loopback; a file is a socket here."""
        found = []
        for event, _, address in (one.partition(" ") for one in self.called):
            looked_up = event in ("socket.getaddrinfo", "socket.gethostbyname")
            if (looked_up or address.startswith("(")) and not address.startswith(LOOPBACK):
                found.append(address)
        return found


@pytest.fixture(scope="module", autouse=True)
def _allowed() -> None:
    if not is_allowed():
        pytest.skip("this system gives a plain user no network of its own")


def run_alone(test: str, directory: Path) -> list[Heard]:
    """Run a test without a network, and give what its processes were heard to do."""
    ear, notes = directory / "ear", directory / "notes"
    ear.mkdir()
    notes.mkdir()
    (ear / "sitecustomize.py").write_text(EAR.format(directory=notes), encoding="utf-8")
    command = [sys.executable, "-m", "tests.loopback_only", sys.executable, "-m", "pytest", "-q"]
    before = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ear}{os.pathsep}{before}".rstrip(os.pathsep)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert " 1 passed" in done.stdout or "\n1 passed" in done.stdout, done.stdout[-2_000:]

    return [_read(note) for note in notes.iterdir()]


def _read(note: Path) -> Heard:
    lines = [line.partition(" ") for line in note.read_text(encoding="utf-8").splitlines()]
    starts = [rest for event, _, rest in lines if event == "start"]
    started = tuple(rest for event, _, rest in lines if event == "subprocess.Popen")
    called = tuple(f"{event} {rest}" for event, _, rest in lines if event.startswith("socket."))
    return Heard(starts[-1], called, started)


def check_silence(heard: list[Heard], *expected: str) -> None:
    """Every expected process was heard, none called anyone abroad or installed anything."""
    for part in expected:
        assert any(part in one.command for one in heard), f"{part} was not heard"

    assert {one.command: one.abroad() for one in heard if one.abroad()} == {}
    assert not [
        line for one in heard for line in one.started for word in INSTALLERS if word in line
    ]


def test_the_ear_hears_a_call_abroad_and_there_is_no_way_there(tmp_path: Path) -> None:
    call = tmp_path / "test_call.py"
    call.write_text(
        "import socket, pytest\n"
        "def test_call():\n"
        "    with pytest.raises(OSError): socket.create_connection(('192.0.2.1', 443), 5)\n",
        encoding="utf-8",
    )
    heard = run_alone(str(call), tmp_path)

    assert "('192.0.2.1', 443)" in [line for one in heard for line in one.abroad()]


def test_a_run_over_nodes_needs_no_network(tmp_path: Path) -> None:
    test = "test_training_run.py::test_nodes_give_the_model_that_one_process_gives"
    heard = run_alone(f"tests/end_to_end/{test}", tmp_path)

    check_silence(heard, "node.training.worker_main", "node.training.runner_main")


@pytest.mark.slow
def test_a_simulated_run_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra 'simulate' is not installed")
    test = "test_simulation_engine.py::test_it_gives_the_model_that_one_process_gives"
    heard = run_alone(f"tests/training/{test}", tmp_path)

    check_silence(heard, "run_simulated", "ray/_private/workers/default_worker.py")


@pytest.mark.slow
def test_a_run_on_flowers_engine_needs_no_network(tmp_path: Path) -> None:
    test = "test_training_flower.py::test_it_gives_the_model_of_one_process_and_leaves_no_process"
    heard = run_alone(f"tests/end_to_end/{test}", tmp_path)

    check_silence(heard, "node.training.supernode_main", "node.training.runner_main")
