"""Start, find and end the process of one node; it outlives whoever started it.

A process is ours only if its command line names the home: a number in a file may belong to
another process by now.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from node.home import Home
from node.keyfile import replace_secret_file
from node.sandbox.build import passphrase_file
from node.sandbox.error import SandboxError

PID_NAME = "sandbox.pid"
OUTPUT_NAME = "node.out"
_TOLD = "tocsin: "  # before what a command tells a person

# Seconds that a node has to end by itself after SIGTERM; its own grace for calls is shorter.
STOP_GRACE_SECONDS = 15.0
# Seconds between looks at a process that is about to end.
_LOOK_SECONDS = 0.05
# Looks at a process without arguments: on a crowded machine the system takes a while to show them.
_FRESH_LOOKS = 40
_LAUNCH = "from node.cli import main; main()"


def start_process(home: Home) -> int:
    """Start the node of a home as a process of its own session and return its id."""
    arguments = [sys.executable, "-c", _LAUNCH, *node_arguments(home)]
    output = os.open(home.root / OUTPUT_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process_id = os.posix_spawn(
            sys.executable,
            arguments,
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,  # a terminal's interrupt ends the command, not the nodes
        )
    finally:
        os.close(output)
    replace_secret_file(home.root / PID_NAME, f"{process_id}\n".encode())
    return process_id


def node_arguments(home: Home) -> list[str]:
    """Return the arguments of ``tocsin`` that run this home's node."""
    return [
        *("--home", str(home.root.resolve())),
        *("node", "run", "--passphrase-file", str(passphrase_file(home).resolve())),
    ]


def running_process(home: Home) -> int | None:
    """Return the id of the home's node if it runs."""
    try:
        process_id = int((home.root / PID_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return process_id if _is_ours(process_id, home) else None


def end_process(home: Home, *, grace_seconds: float = STOP_GRACE_SECONDS) -> bool:
    """Ask the node to end, and end it if it does not within the grace.

    Returns:
        Whether there was one.
    """
    process_id = running_process(home)
    if process_id is None:
        return False
    _send(process_id, signal.SIGTERM)
    if not _ended(process_id, home, grace_seconds):
        kill_process(home)
    return True


def kill_process(home: Home) -> None:
    """End the node at once, as a power cut would.

    Raises:
        SandboxError: SANDBOX_NODE_FAILED, the system does not let go of it.
    """
    process_id = running_process(home)
    if process_id is None:
        return
    _send(process_id, signal.SIGKILL)
    if not _ended(process_id, home, STOP_GRACE_SECONDS):
        raise SandboxError(
            f"process {process_id} does not end", reason="SANDBOX_NODE_FAILED", hint="ps -ef"
        )


def last_output(home: Home, lines: int = 3) -> str:
    """Return why a node ended, or the last lines that it wrote where it did not say."""
    path = home.root / OUTPUT_NAME
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    found = [line for line in text.splitlines() if line.strip()]
    said = [line.removeprefix(_TOLD) for line in found[-lines:] if line.startswith(_TOLD)]
    return " | ".join(said or found[-lines:])


def _environment() -> dict[str, str]:
    """Return this process's environment; the node must not ask a terminal for anything."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _send(process_id: int, number: signal.Signals) -> None:
    try:
        os.kill(process_id, number)
    except ProcessLookupError:
        return


def _ended(process_id: int, home: Home, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while _is_ours(process_id, home):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _is_ours(process_id: int, home: Home) -> bool:
    _reap(process_id)
    arguments = _command_line(process_id)
    return str(home.root.resolve()) in arguments and "run" in arguments


def _read_command_line(process_id: int) -> bytes:
    """Read it from /proc; one that was started this moment has none yet, and is given time."""
    place = Path(f"/proc/{process_id}")
    for _ in range(_FRESH_LOOKS):
        line = place.joinpath("cmdline").read_bytes()
        state = place.joinpath("stat").read_bytes().rpartition(b")")[2].split()[:1]
        if line or state in ([b"Z"], [b"X"]):
            return line
        time.sleep(_LOOK_SECONDS)
    return b""


def _reap(process_id: int) -> None:
    """Take note of the end of a child, so that it does not stay as a zombie."""
    try:
        os.waitpid(process_id, os.WNOHANG)
    except ChildProcessError:
        return  # started by another process, which has ended or reaps it


def _command_line(process_id: int) -> list[str]:
    """Return a running process's arguments; nothing for one that ended, zombies included."""
    try:
        line = _read_command_line(process_id)
        return [part.decode(errors="replace") for part in line.split(b"\0")]
    except OSError:
        if Path("/proc/self").exists():
            return []
    listed = subprocess.run(  # noqa: S603  # a fixed command and a number
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(process_id)],
        capture_output=True,
        text=True,
        check=False,
    )
    return shlex.split(listed.stdout) if listed.returncode == 0 else []
