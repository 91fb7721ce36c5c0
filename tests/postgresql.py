"""Start a PostgreSQL server of the tests' own, and end it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

OWNER = "owner"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A running server: it takes passwords alone."""

    port: int
    password: str
    process: int = 0

    def address(self, user: str = OWNER, **options: str) -> str:
        given = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres{given.replace('&', '?', 1)}"

    def do(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return list(connection.execute(query).fetchall())

    def connect(self) -> Any:
        psycopg = pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
        return psycopg.connect(self.address(), password=self.password)

    def passfile(self, path: Path, user: str = OWNER, password: str | None = None) -> Path:
        secret = self.password if password is None else password
        path.write_text(f"127.0.0.1:{self.port}:*:{user}:{secret}\n")
        path.chmod(0o600)
        return path


def program(name: str) -> str:
    """Find a program of PostgreSQL; distributions keep them out of the search path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(versions[-1]) if versions else None)
    if found is None:
        pytest.skip(f"the program {name} of PostgreSQL is not on this machine")
    return found


@contextmanager
def running_server(fsync: str = "off") -> Iterator[Server]:
    initdb, postgres = program("initdb"), program("postgres")
    root = Path(tempfile.mkdtemp(prefix="tocsin-postgresql-"))  # an unprivileged user must reach it
    try:
        (root / "password").write_text("a-secret-of-the-test\n")
        who = _unprivileged(root)
        settings = ("--auth=scram-sha-256", f"--pwfile={root / 'password'}", "--no-sync")
        command = (initdb, "-D", str(root / "data"), "-U", OWNER, "-E", "UTF8", *settings)
        subprocess.run(command, check=True, capture_output=True, cwd=root, **who)
        server = Server(_free_port(), "a-secret-of-the-test")
        options = {
            "port": server.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "fsync": fsync,
        }
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(
                (postgres, "-D", str(root / "data"), *given), stderr=log, cwd=root, **who
            )
        try:
            _wait_until_ready(server, process)
            yield replace(server, process=process.pid)
        finally:
            process.terminate()  # no client is left: it ends at once
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(root)


def _unprivileged(root: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (root, root / "password"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    psycopg = pytest.importorskip("psycopg", reason="the extra 'postgresql' is not installed")
    end = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "the server ended"
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.1)
