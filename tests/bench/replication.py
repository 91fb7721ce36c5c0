"""Measure how logs reach other nodes through the real doors: loopback, mutual TLS.

First two nodes with nothing but doors, logs and replication, so that CPU time and memory are those
of replication alone; then whole nodes (``large_nodes``), and the same over a bad line. Each node is
a process of its own.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from federation.roles import Role
from node.status import resident_bytes
from node.telemetry import start_telemetry
from tests.bench import large_nodes, slow_nodes
from tests.bench.result import Result
from tests.bench.statements import batches
from tests.node.federation_fixture import BANK, CARRIER, Federation
from tests.node.replication.door_node import DoorNode, found_federation
from tests.node.replication.nodes import Heard

STATEMENTS: Final = 200_000
MEBIBYTE: Final = 1024 * 1024
ROLES: Final = {CARRIER: Role.CARRIER, BANK: Role.BANK}
NO_OP_PASSES: Final = 5


class Deaf(Heard):
    """Hears of everything and keeps nothing."""

    async def on_new_tokens(self, tokens: frozenset[bytes]) -> None:
        """Drop the news, which would fill the memory that is measured."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What it cost to take over one log.

    Attributes:
        count: Statements.
        cpu: Seconds of the receiver's processor.
        wall: Seconds of the clock.
        wire: Bytes of the messages that brought them.
        resident: Bytes of the receiver in memory at the end.
        sender_resident: The same of the sender, before it sent anything.
        round_trips: Of a pass that finds nothing new.
        no_op: Seconds of such a pass.
    """

    count: int
    cpu: float
    wall: float
    wire: float
    resident: float
    sender_resident: float
    round_trips: float
    no_op: float


def measure() -> Iterator[Result]:
    """Yield rates of the receiver, round trips without news, memory; then figures of whole nodes.

    Raises:
        NotMeasuredError: Everything but the bad line was measured; it cannot be laid here.
    """
    yield from _results(take_over(STATEMENTS))
    yield from large_nodes.measure()
    yield from slow_nodes.measure()


def take_over(count: int) -> TakenOver:
    """Let a node without a log take over one of so many statements."""
    federation, keys = found_federation(ROLES)
    for member in ROLES:
        federation.at(member, _free_port())
    with tempfile.TemporaryDirectory() as directory:
        part = (count, federation, keys, Path(directory))
        sender, served = _start(_send, CARRIER, *part)
        try:
            sender_resident = served.recv()
            receiver, received = _start(_receive, BANK, *part)
            taken = received.recv()
            receiver.join()
        finally:
            sender.terminate()
            sender.join()
    return TakenOver(count=count, sender_resident=sender_resident, **taken)


def _start(work: Any, member: str, *part: Any) -> tuple[BaseProcess, Connection]:
    """Start a node and return its process and where its figures come from."""
    # Forked before anything of gRPC runs here; what the members share is simply there.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, member, *part, theirs))
    process.start()
    theirs.close()  # so that a node that fails ends the wait for its figures
    return process, ours


def _results(taken: TakenOver) -> Iterator[Result]:
    unit = "statements/s"
    cpu, wall = taken.count / taken.cpu, taken.count / taken.wall
    yield Result("replication: receiver", cpu, f"{unit} CPU", 40_000, at_least=True)
    yield Result("replication: elapsed", wall, f"{unit} wall")
    yield Result("replication: on the wire", taken.wire / taken.count, "bytes a statement")
    yield Result("replication: no-op sync", taken.round_trips, "round trips", 1)
    yield Result("replication: no-op sync time", 1_000 * taken.no_op, "ms", 10)
    yield Result("replication: memory of receiver", taken.resident / MEBIBYTE, "MiB", 400)
    yield Result("replication: memory of sender", taken.sender_resident / MEBIBYTE, "MiB", 400)


def _run(
    work: Any,
    member: str,
    count: int,
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
        await work(node, count, federation, answers)
        await node.close()

    asyncio.run(live())


async def _send(node: DoorNode, count: int, federation: Federation, answers: Connection) -> None:
    for batch in batches(CARRIER, count, federation.clock()):
        node.ledger.append(batch)
    answers.send(resident_bytes())
    await asyncio.Event().wait()  # until the process is ended


async def _receive(
    node: DoorNode, count: int, _federation: Federation, answers: Connection
) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    done = await node.replication.synchronise()
    taken: dict[str, float] = {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "wire": node.received_bytes(),
    }
    if done.count != count:
        raise RuntimeError(f"{done.count} statements arrived")
    sent, _ = node.reads()
    begin = time.perf_counter()
    for _ in range(NO_OP_PASSES):
        await node.replication.synchronise()
    taken["no_op"] = (time.perf_counter() - begin) / NO_OP_PASSES
    taken["round_trips"] = (node.reads()[0] - sent) / NO_OP_PASSES
    taken["resident"] = resident_bytes()
    answers.send(taken)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
