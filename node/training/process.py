"""Start a training process and speak with it: no keys, a bare environment, a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from node.training.frames import Header, ProcessError, encode_frame, receive_frame

THREADS: Final = "1"
"""Threads of linear algebra: the networks are small, and one thread adds in one order."""

NOWHERE: Final = "http://127.0.0.1:9"
"""Where flwr would look for apps of others: the discard port of this machine."""


class TrainingProcess:
    """A child that speaks frames; it ends with its node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, directory: Path) -> Self:
        """Start a module of this installation.

        Args:
            module: Run as ``python -m``.
            directory: Its working directory, where its log goes, too; made if missing.
        """
        with await asyncio.to_thread(_open_log, directory) as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=directory,
                env=bare_environment(directory),
            )
        return cls(process)

    @property
    def is_running(self) -> bool:
        """Whether it still runs: an ended pipe tells sooner than the system that it does not."""
        stdout = self._process.stdout
        is_silent = stdout is not None and stdout.at_eof()
        return self._process.returncode is None and not is_silent

    @property
    def process_id(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def send(self, header: Header, body: bytes = b"") -> None:
        """Send a frame.

        Raises:
            ProcessError: WORKER_FAILED.
        """
        assert self._process.stdin is not None  # noqa: S101  # it was made with a pipe
        try:
            self._process.stdin.write(encode_frame(header, body))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ProcessError from error

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        """Wait for a frame.

        Raises:
            ProcessError: WORKER_FAILED.
        """
        assert self._process.stdout is not None  # noqa: S101  # it was made with a pipe
        return await receive_frame(self._process.stdout)

    async def ask(self, header: Header, body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a frame and wait for the next.

        Raises:
            ProcessError: WORKER_FAILED.
        """
        await self.send(header, body)
        return await self.receive()

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _open_log(directory: Path) -> BinaryIO:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (directory / "process.log").open("ab")


def bare_environment(directory: Path) -> dict[str, str]:
    """Return a bare environment: nothing of the node's own reaches training code."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HOME": str(directory),
        "FLWR_HOME": str(directory),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPERGRID_API_URL": NOWHERE + "/v1",
        "FLWR_SUPERGRID_ADDRESS": NOWHERE.removeprefix("http://"),
        "OMP_NUM_THREADS": THREADS,
        "TORCHINDUCTOR_CACHE_DIR": str(directory / "torch"),  # else one for all, left behind
        "PYTHONDONTWRITEBYTECODE": "1",
        "USER": "training",
        "LOGNAME": "training",
    }
