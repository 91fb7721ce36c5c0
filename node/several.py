"""Run one node as several processes that share its address, and start again each one that ends.

Every process answers peers; one of them leads (``node.election``). The processes share the outside
port by SO_REUSEPORT: the kernel spreads connections over them, and a process that dies takes only
its own connections along. Each inherits the lock of the home, so that no second node starts while
one of them lives, and a pipe that ends with this process, so that none outlives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from keys.secret import Secret
from node.config import Config
from node.doors.inside import hold_directory
from node.errors import ConfigError
from node.home import Home
from node.member import MemberKeys
from node.telemetry import get_log, start_telemetry

STOP_SECONDS: Final = 30.0
"""Seconds that processes have to end by themselves; their own grace for calls is ten."""

PAUSE_SECONDS: Final = (0.5, 30.0)
"""First and longest pause before a process is started again; doubled while it ends at once."""

LASTING_SECONDS: Final = 60.0
"""Seconds after which a process counts as well, and its end as an accident."""

_LAUNCH: Final = "from node.cli import main; main()"


class Place(NamedTuple):
    """What one of several processes is told, in the order of its command line.

    Attributes:
        alive: Descriptor that ends with whoever started it.
        held: Descriptor that holds the home.
        workers: Worker processes of its own.
    """

    alive: int
    held: int
    workers: int

    def keep(self) -> None:
        """Let no process that this one starts have the descriptors, too."""
        for descriptor in (self.alive, self.held):
            os.set_inheritable(descriptor, False)


@dataclass(frozen=True, slots=True)
class Crew:
    """What all processes of one node get; the passphrase through a pipe for each."""

    home: Home
    passphrase: Secret
    place: Place


def run_several(home: Home, config: Config, passphrase: Secret) -> int:
    """Run ``config.processes`` of a node until SIGTERM or Ctrl-C.

    Returns:
        0 after a graceful stop.

    Raises:
        ConfigError: What ``MemberKeys.open`` raises.
        SocketError: NODE_RUNNING.
    """
    start_telemetry(None)
    MemberKeys.open(home, passphrase)  # refused once, and not by each process again and again
    with hold_directory(home.run) as held, _pipe() as (alive, _end):
        home.process_id.write_text(f"{os.getpid()}\n")
        try:
            crew = Crew(home, passphrase, Place(alive, held, share_workers(config)))
            return asyncio.run(_run(crew, config.processes))
        finally:
            home.process_id.unlink(missing_ok=True)


def require_sharable(config: Config) -> None:
    """Refuse settings with which several processes cannot work together.

    Raises:
        ConfigError: PROCESSES_NEED_DATABASE or PROCESSES_NEED_PORT.
    """
    if not config.database:
        raise ConfigError(
            "several processes of a node need its tables in PostgreSQL",
            reason="PROCESSES_NEED_DATABASE",
            hint="tocsin node move-store ADDRESS, or processes = 1",
        )
    if config.listen.endswith(":0"):
        raise ConfigError(
            "several processes cannot share a port that the system chooses",
            reason="PROCESSES_NEED_PORT",
            hint="name the port in the setting listen",
        )


def share_workers(config: Config) -> int:
    """Return how many workers each process has: together one a core, where no setting says else."""
    return config.workers or max(1, (os.cpu_count() or 1) // config.processes)


async def _run(crew: Crew, count: int) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await asyncio.gather(*(_keep_running(crew, stopping) for _ in range(count)))
    return 0


async def _keep_running(crew: Crew, stopping: asyncio.Event) -> None:
    """Run one process, and another after it, until the node is to stop."""
    pause, longest = PAUSE_SECONDS
    while not stopping.is_set():
        started = time.monotonic()
        process = await _start(crew)
        ended = asyncio.create_task(process.wait())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            await _end(process)
            return
        told.cancel()
        get_log().warning("process.ended", process_id=process.pid, state=process.returncode)
        if time.monotonic() - started > LASTING_SECONDS:
            pause = PAUSE_SECONDS[0]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        pause = min(2 * pause, longest)


async def _start(crew: Crew) -> asyncio.subprocess.Process:
    with _pipe() as (reading, writing):
        os.write(writing, crew.passphrase.reveal())  # far less than a pipe takes
        arguments = (
            *("--home", str(crew.home.root.resolve()), "node", "run"),
            *("--passphrase-descriptor", str(reading)),
            *("--one-of-several", *map(str, crew.place)),
        )
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _LAUNCH, *arguments),
            pass_fds=(reading, crew.place.alive, crew.place.held),
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)
