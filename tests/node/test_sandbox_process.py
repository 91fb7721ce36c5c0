"""What a sandbox sees of the processes that it started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node.home import Home
from node.sandbox.process import PID_NAME, running_process

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")

WAIT = "import sys; sys.stdin.read()"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def start(home: Home, program: str, *words: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdin=subprocess.PIPE, close_fds=True
    )
    (home.root / PID_NAME).write_text(f"{process.pid}\n")
    return process


def test_a_node_is_seen_from_its_first_moment_on(home: Home) -> None:
    words = ("--home", str(home.root.resolve()), "node", "run")
    for _ in range(20):
        with start(home, WAIT, *words) as process:
            seen = running_process(home)
            process.communicate()

        assert seen == process.pid


def test_a_process_of_something_else_is_not_a_node(home: Home) -> None:
    with start(home, WAIT, "node", "run") as process:
        assert running_process(home) is None

        process.communicate()


def test_a_node_that_ended_is_gone_before_anybody_has_waited_for_it(home: Home) -> None:
    with start(home, "pass", "--home", str(home.root.resolve()), "node", "run") as process:
        zombie = Path(f"/proc/{process.pid}/stat")
        while zombie.read_bytes().rpartition(b")")[2].split()[0] != b"Z":
            continue

        assert running_process(home) is None
