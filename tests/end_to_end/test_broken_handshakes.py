"""Strangers that break their TLS handshakes off, by the hundred, do not end a node."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from tests.end_to_end.members import running_federation

CONNECTIONS = 600
ROUNDS = 6


def break_off(address: str) -> None:
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as open_ones:
        sockets = [
            open_ones.enter_context(socket.create_connection((host, int(port)), timeout=5))
            for _ in range(CONNECTIONS)
        ]
        time.sleep(0.5)
        for one in sockets[: CONNECTIONS // 2]:
            with contextlib.suppress(OSError):
                one.sendall(os.urandom(2_000))
        time.sleep(0.5)


@pytest.mark.timeout(180)
def test_a_node_outlives_thousands_of_broken_handshakes(tmp_path: Path) -> None:
    with running_federation(tmp_path / "f", ("carrier-a", "bank-x")) as federation:
        before = federation.status("bank-x")
        for _ in range(ROUNDS):
            break_off(before["address"])
        after = federation.status("bank-x")
        federation.nominate("carrier-a", "domain", "after.example")

        assert after["address"] == before["address"]
        assert federation.run("bank-x", "check", "domain", "after.example").code == 0
