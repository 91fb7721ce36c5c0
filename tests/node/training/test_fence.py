"""What a training process cannot do, tried in one."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRY = """
from node.training.fence import close_fence
close_fence(network=False)
import socket
{deed}
"""
DEEDS = {
    "connect": "socket.create_connection(('127.0.0.1', 9), 1)",
    "bind": "socket.socket().bind(('127.0.0.1', 0))",
    "look up": "socket.getaddrinfo('localhost', 80)",
    "send": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'row', ('127.0.0.1', 9))",
}


def attempt(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_there_is_no_network(deed: str) -> None:
    done = attempt(TRY.format(deed=deed))

    assert done.returncode == 1
    assert "PermissionError: a training process has no network" in done.stderr


def test_it_leaves_no_core_file_and_writes_no_large_file() -> None:
    limits = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    write = (
        "open('/dev/null', 'wb').write(b'x'); print(resource.getrlimit(resource.RLIMIT_FSIZE)[1])"
    )
    done = attempt(TRY.format(deed=f"{limits}; {write}"))

    assert done.stdout.split() == ["0", str(64 * 1024 * 1024)], done.stderr


def test_it_ends_with_its_node() -> None:
    inner = TRY.format(deed="import time; print('up', flush=True); time.sleep(60)")
    outer = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {inner!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True)"
    )
    child = int(attempt(outer).stdout)
    gone = attempt(
        "import os, time\n"
        "for _ in range(100):\n"
        f"    try: os.kill({child}, 0)\n"
        "    except ProcessLookupError: print('gone'); break\n"
        "    if 'Z' in open(f'/proc/{child}/stat').read().split()[2]: print('gone'); break\n"
        "    time.sleep(0.1)".replace("{child}", str(child))
    )

    assert gone.stdout == "gone\n"
