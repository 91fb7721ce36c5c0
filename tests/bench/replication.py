"""Measure one node that takes over a peer's log through the real doors: loopback, mutual TLS.

Each node is a process of its own, so that CPU time and memory are its own.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from federation.roles import Role
from node.status import resident_bytes
from node.telemetry import start_telemetry
from tests.bench.result import Result
from tests.bench.statements import batches
from tests.node.federation_fixture import BANK, CARRIER, Federation
from tests.node.replication.door_node import DoorNode, found_federation

STATEMENTS: Final = 200_000
MEBIBYTE: Final = 1024 * 1024
ROLES: Final = {CARRIER: Role.CARRIER, BANK: Role.BANK}
NO_OP_PASSES: Final = 5


class Deaf:
    """Hears of everything and keeps nothing."""

    async def on_new_tokens(self, tokens: frozenset[bytes]) -> None:
        """Drop the news."""

    async def on_refused(self, member: str, count: int, reason: str) -> None:
        """Drop the news."""

    async def on_said(self, member: str, said: object) -> None:
        """Drop the news."""

    async def on_fork(self, evidence: object) -> None:
        """Drop the news."""


def measure() -> Iterator[Result]:
    """Yield rates of the receiver, round trips without news and the memory of both."""
    federation, keys = found_federation(ROLES)
    for member in ROLES:
        federation.at(member, _free_port())
    with tempfile.TemporaryDirectory() as directory:
        part = (federation, keys, Path(directory))
        sender, served = _start(_send, CARRIER, *part)
        try:
            figures = served.recv()
            receiver, received = _start(_receive, BANK, *part)
            taken = received.recv()
            receiver.join()
        finally:
            sender.terminate()
            sender.join()
    yield from _results(taken, figures)


def _start(work: Any, member: str, *part: Any) -> tuple[BaseProcess, Connection]:
    """Start a node and return its process and where its figures come from."""
    # Forked before anything of gRPC runs here; what the members share is simply there.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, member, *part, theirs))
    process.start()
    theirs.close()  # so that a node that fails ends the wait for its figures
    return process, ours


def _results(taken: dict[str, float], served: dict[str, float]) -> Iterator[Result]:
    unit = "statements/s"
    cpu, wall = STATEMENTS / taken["cpu"], STATEMENTS / taken["wall"]
    yield Result("replication: receiver", cpu, f"{unit} CPU", 20_000, at_least=True)
    yield Result("replication: elapsed", wall, f"{unit} wall")
    yield Result("replication: no-op sync", taken["round_trips"], "round trips", 1)
    yield Result("replication: no-op sync time", taken["no_op"], "ms", 10)
    yield Result("replication: memory of receiver", taken["resident"], "MiB", 400)
    yield Result("replication: memory of sender", served["resident"], "MiB", 400)


def _run(
    work: Any,
    member: str,
    federation: Federation,
    keys: dict[str, Any],
    directory: Path,
    answers: Connection,
) -> None:
    start_telemetry(directory / f"{member}.log")

    async def live() -> None:
        node = DoorNode(federation, keys, member, directory / f"{member}.db", Deaf())
        address = federation.charter.member(member).address
        await node.door.start(address)
        node.adopt(federation.charter)
        await work(node, federation, answers)
        await node.close()

    asyncio.run(live())


async def _send(node: DoorNode, federation: Federation, answers: Connection) -> None:
    for batch in batches(CARRIER, STATEMENTS, federation.clock()):
        node.ledger.append(batch)
    answers.send({"resident": resident_bytes() / MEBIBYTE})
    await asyncio.Event().wait()  # until the process is ended


async def _receive(node: DoorNode, _federation: Federation, answers: Connection) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    done = await node.replication.synchronise()
    taken = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    if done.count != STATEMENTS:
        raise RuntimeError(f"{done.count} statements arrived")
    sent, _ = node.reads()
    begin = time.perf_counter()
    for _ in range(NO_OP_PASSES):
        await node.replication.synchronise()
    taken["no_op"] = 1_000 * (time.perf_counter() - begin) / NO_OP_PASSES
    taken["round_trips"] = (node.reads()[0] - sent) / NO_OP_PASSES
    taken["resident"] = resident_bytes() / MEBIBYTE
    answers.send(taken)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
